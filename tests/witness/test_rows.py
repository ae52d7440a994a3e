"""The rows of a run, held against simple models of its events that share no code with it."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from c2lib.core.canon import canonical_json
from c2lib.core.errors import ConfigError, MissingExtraError, RunPathError
from c2lib.core.model import CancelIntent, OrderIntent
from c2lib.witness import reader
from c2lib.witness.rows import TABLES, FillRow, OrderRow
from c2lib.witness.run import Run, open_run
from tests.witness.other_program import OtherRun
from tests.witness.sample_runs import EVENTS, Line, cancelled_run, failed_run, make_run, rejected_run, scripted
from tests.witness.sample_runs import Run as SampleRun

ENDS = {"ORDER_REJECTED": "REJECTED", "ORDER_CANCELLED": "CANCELLED", "ORDER_EXPIRED": "EXPIRED"}

SIDES, SIZES, PRICES = st.sampled_from(["BUY", "SELL"]), st.integers(1, 3), st.integers(9985, 10015) | st.just(5)
INTENTS = st.one_of(
    st.tuples(SIDES, SIZES),
    st.tuples(SIDES, SIZES, st.just("LIMIT"), PRICES),
    st.tuples(SIDES, SIZES, st.just("STOP"), st.none(), PRICES),
).map(lambda terms: OrderIntent(*terms)) | st.integers(1, 6).map(lambda number: CancelIntent(f"c-{number:06d}"))


@st.composite
def busy_runs(draw: st.DrawFn) -> SampleRun:
    """Return a run that orders, cancels and turns its position round; it may fail on the way, its log may be cut."""
    answers = st.lists(INTENTS, min_size=1, max_size=2)
    script: dict[int, Any] = draw(st.dictionaries(st.integers(0, 15), answers, min_size=3, max_size=12))
    if draw(st.sampled_from([False] * 5 + [True])):
        script[draw(st.integers(3, 15))] = ValueError("no idea")
    broker = {"maker_fee_rate": "0.001", "taker_fee_rate": draw(st.sampled_from(["0", "0.00037"]))}
    ticks = draw(st.sampled_from(["every", "decisions"]))
    run = make_run(strategy=scripted(script), steps=16, broker=broker, tick_events=ticks)
    if draw(st.booleans()):
        del run.events[draw(st.integers(1, len(run.events))) :]
    return run


def order_model(events: list[Line]) -> list[dict[str, Any]]:
    """Return what became of each order, from all events that act on it: first those that ended, as they did."""
    found = []
    events = [event for event in events if event["event_type"] != "CANCEL_REJECTED"]
    for event in events:
        if event["event_type"] != "ORDER_SUBMITTED":
            continue
        name = event["payload"]["client_order_id"]
        later = [other for other in events if other["payload"].get("client_order_id") == name and other is not event]
        fills = [other["payload"] for other in later if other["event_type"] == "FILL"]
        status = "NEW" if later else "PENDING_NEW"
        if fills:
            status = "FILLED" if fills[-1]["leaves_quantity"] == "0" else "PARTIALLY_FILLED"
        ended = [other for other in later if other["event_type"] in ENDS]
        status = ENDS[ended[0]["event_type"]] if ended else status
        filled = sum(Fraction(fill["quantity"]) for fill in fills)
        notional = sum(Fraction(fill["quantity"]) * Fraction(fill["price"]) for fill in fills)
        over = status in ("FILLED", *ENDS.values())
        place = (0, later[-1]["ts_sim"]) if over else (1, event["ts_sim"])
        found.append((place, {"status": status, "filled": filled, "average": notional / filled if fills else None}))
        found[-1][1].update(event["payload"], ts_sim=event["ts_sim"])
    return [order for _, order in sorted(found, key=lambda pair: pair[0])]


def units_of(events: list[Line]) -> Iterator[tuple[int, Fraction, Fraction, int]]:
    """Yield each unit that was bought (1) or sold (-1), with its price, its share of the fee, and its bar."""
    for event in events:
        if event["event_type"] == "FILL":
            fill = event["payload"]
            sign, quantity = (1 if fill["side"] == "BUY" else -1), int(fill["quantity"])
            for _ in range(quantity):
                yield sign, Fraction(fill["price"]), Fraction(fill["fee"]) / quantity, fill["bar_index"]


def trip_model(events: list[Line]) -> list[dict[str, Any]]:
    """Return the round trips: the units between two moments at which the position is nothing."""
    trips, units, position = [], list[tuple[int, Fraction, Fraction, int]](), 0
    for unit in units_of(events):
        units.append(unit)
        position += unit[0]
        if position == 0:
            side = units[0][0]
            entries, exits = ([price for sign, price, _, _ in units if sign == way] for way in (side, -side))
            fees = sum(fee for _, _, fee, _ in units)
            trips.append(
                {
                    "bars": (units[0][3], unit[3]),
                    "side": "BUY" if side == 1 else "SELL",
                    "quantity": len(entries),
                    "prices": (sum(entries) / len(entries), sum(exits) / len(exits)),
                    "fees": fees,
                    "pnl": side * (sum(exits) - sum(entries)) - fees,
                }
            )
            units = []
    return trips


def same(text: str | None, number: Fraction | int | None) -> bool:
    """Whether a text stands for a number, to more digits than any money has."""
    if text is None or number is None:
        return text is None and number is None
    return abs(Fraction(text) - number) <= abs(Fraction(number)) * Fraction(1, 10**20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the runs of this module."""
    return tmp_path_factory.mktemp("rows")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sample=busy_runs())
def test_rows_agree_with_models(folder: Path, sample: SampleRun) -> None:
    """Orders, fills, round trips, equity and events of any run are those that its log adds up to."""
    with open_run(sample.write(folder, f"run{os.urandom(8).hex()}")) as run:
        check_orders(list(run.orders()), order_model(sample.events))
        check_fills(list(run.fills()), [event for event in sample.events if event["event_type"] == "FILL"])
        check_trips(run, sample)
        check_equity(run, sample)
        assert [row._asdict() for row in run.events()] == [
            {name: event[name] for name in ("ts_sim", "ts_utc", "event_type", "event_id", "payload")}
            for event in sample.events
        ]


def check_orders(orders: list[OrderRow], expected: list[dict[str, Any]]) -> None:
    """Compare orders with those of the model."""
    terms = set(OrderRow._fields) - {"status", "filled_quantity", "average_price"}
    assert len(orders) == len(expected)
    for order, model in zip(orders, expected, strict=True):
        assert {name: getattr(order, name) for name in terms} == {name: model[name] for name in terms}
        assert order.status == model["status"]
        assert same(order.filled_quantity, model["filled"])
        assert same(order.average_price, model["average"])


def check_fills(fills: list[FillRow], events: list[Line]) -> None:
    """Compare fills with the log."""
    assert [fill._asdict() for fill in fills] == [
        {name: {**event["payload"], **event}[name] for name in FillRow._fields} for event in events
    ]


def check_trips(run: Run, sample: SampleRun) -> None:
    """Compare round trips with those of the model."""
    times = {tick["bar_index"]: tick["bar_time"] for tick in sample.payloads("STRATEGY_TICK")}
    trips, expected = list(run.round_trips()), trip_model(sample.events)
    assert len(trips) == len(expected)
    for trip, model in zip(trips, expected, strict=True):
        assert (trip.entry_bar, trip.exit_bar) == model["bars"]
        assert (trip.entry_time, trip.exit_time) == tuple(times.get(bar) for bar in model["bars"])
        assert trip.side == model["side"]
        for text, number in (
            (trip.quantity, model["quantity"]),
            (trip.entry_price, model["prices"][0]),
            (trip.exit_price, model["prices"][1]),
            (trip.pnl, model["pnl"]),
            (trip.fees, model["fees"]),
        ):
            assert same(text, number)


def check_equity(run: Run, sample: SampleRun) -> None:
    """Compare position and equity after each tick with a sum over all fills before it."""
    ticks = [event for event in sample.events if event["event_type"] == "STRATEGY_TICK"]
    rows = list(run.equity())
    assert [(row.bar_index, row.bar_time, row.ts_sim, row.close) for row in rows] == [
        (*(tick["payload"][name] for name in ("bar_index", "bar_time")), tick["ts_sim"], tick["payload"]["close"])
        for tick in ticks
    ]
    for row, tick in zip(rows, ticks, strict=True):
        units = list(units_of([event for event in sample.events if event["ts_sim"] < tick["ts_sim"]]))
        position = sum(sign for sign, _, _, _ in units)
        cash = Fraction(100_000) - sum(sign * price + fee for sign, price, fee, _ in units)
        assert same(row.position, position)
        assert same(row.equity, cash + position * Fraction(row.close))


def test_models_meet_every_case(folder: Path) -> None:
    """One run has a position turned round, a partial exit, a cancelled and an open order: the models see them all."""
    script = {
        0: [OrderIntent("BUY", 3), OrderIntent("BUY", 1, "LIMIT", 1)],
        2: [OrderIntent("SELL", 1), CancelIntent("c-000002")],
        4: [OrderIntent("SELL", 3)],
        6: [OrderIntent("BUY", 1)],
        15: [OrderIntent("BUY", 1)],
    }
    run = make_run(strategy=scripted(script), steps=16)
    trips, orders = trip_model(run.events), order_model(run.events)
    assert [(trip["side"], trip["quantity"]) for trip in trips] == [("BUY", 3), ("SELL", 1)]
    assert {order["status"] for order in orders} >= {"FILLED", "CANCELLED"}


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_canonical(table: str, tmp_path: Path) -> None:
    """Every row of every table is plain values with a canonical form: text, integers, null."""
    for sample in (make_run(), cancelled_run(), failed_run(), rejected_run()):
        with open_run(sample.write(tmp_path, os.urandom(4).hex())) as run:
            for row in run._rows(table):
                assert canonical_json(row._asdict())


def test_rows_leave_unusable_lines_out(tmp_path: Path) -> None:
    """A line that breaks the contract has no row, and the rows after it are there."""
    sample = make_run()
    place = sample.write(tmp_path)
    lines = (place / EVENTS).read_bytes().splitlines(keepends=True)
    fill = next(at for at, line in enumerate(lines) if b'"FILL"' in line)
    (place / EVENTS).write_bytes(b"".join([*lines[:fill], b"rubbish\n", *lines[fill + 1 :]]))
    run = open_run(place)
    assert len(list(run.fills())) == len(sample.payloads("FILL")) - 1
    assert len(list(run.events())) == len(sample.events) - 1


def test_other_programs_have_no_rows(tmp_path: Path) -> None:
    """A run whose events keep only the runbook's contract is read, and has no rows."""
    run = open_run(OtherRun().write(tmp_path / "run"))
    assert [len(list(run._rows(table))) for table in TABLES] == [0] * len(TABLES)


def altered(place: Path, how: Callable[[bytes], bytes]) -> None:
    """Write other bytes into a file, keeping its time."""
    facts = place.stat()
    with place.open("rb+") as file:
        data = file.read()
        file.seek(0)
        file.write(how(data))
        file.truncate()
    os.utime(place, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize(
    "how",
    [lambda data: data + b"x\n", lambda data: data[:-1], lambda data: data.replace(b"HOLD", b"COLD", 1)],
    ids=["longer", "shorter", "other bytes"],
)
def test_altered_logs_are_refused(how: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Rows of a log that was altered since the pass raise, though its time of change was put back."""
    place = make_run().write(tmp_path)
    with open_run(place) as run:
        assert len(list(run.fills())) == 3
        altered(place / EVENTS, how)
        with pytest.raises(RunPathError, match=r"events\.jsonl is not what was read"):
            list(run.fills())


def test_altered_bytes_give_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows end before the first piece of the log that was altered: none of another fill, price or time is given."""
    monkeypatch.setattr(reader, "_CHUNK", 512)
    place = make_run().write(tmp_path)
    with open_run(place) as run:
        before = list(run.events())
        altered(place / EVENTS, lambda data: data[:-100] + data[-100:].replace(b"0", b"1"))
        with pytest.raises(RunPathError, match="was altered since"):
            list(run.events())
        rows = run.events()
        for expected in before[:8]:
            assert next(rows) == expected


def test_exchanged_logs_are_not_read(tmp_path: Path) -> None:
    """A log put in the place of the one that was read is not opened: rows stay those of the pass."""
    place = make_run().write(tmp_path)
    with open_run(place) as run:
        before = list(run.fills())
        (place / EVENTS).unlink()
        (place / EVENTS).write_bytes(b"rubbish\n")
        assert list(run.fills()) == before


def test_closed_runs_have_no_rows(tmp_path: Path) -> None:
    """A closed run raises for its rows, and closes twice without harm."""
    run = open_run(make_run().write(tmp_path))
    next(run.fills())
    run.close()
    run.close()
    with pytest.raises(RunPathError, match=r"events\.jsonl"):
        next(run.fills())


def test_unused_runs_close_their_log(tmp_path: Path) -> None:
    """A run that is no longer used leaves no file open."""
    place = make_run().write(tmp_path)
    before = len(os.listdir("/dev/fd"))
    runs = [open_run(place) for _ in range(20)]
    assert len(os.listdir("/dev/fd")) == before + 20
    runs.clear()
    assert len(os.listdir("/dev/fd")) == before


DTYPES = {
    "events": {"ts_sim": "int64", "ts_utc": "datetime64[us, UTC]", "payload": "object", "event_type": "object"},
    "orders": {"quantity": "float64", "limit_price": "float64", "tag": "object", "average_price": "float64"},
    "fills": {"bar_index": "int64", "price": "float64", "fee": "float64", "liquidity": "object"},
    "round_trips": {"entry_bar": "int64", "exit_time": "datetime64[us, UTC]", "pnl": "float64", "side": "object"},
    "equity": {"close": "float64", "position": "float64", "equity": "float64", "bar_time": "datetime64[us, UTC]"},
}


@pytest.mark.parametrize("table", TABLES)
def test_columns_have_dtypes(table: str, tmp_path: Path) -> None:
    """A column holds integers, moments, floats or objects, as its dtype says, also where there are no rows."""
    for sample in (make_run(), rejected_run()):
        with open_run(sample.write(tmp_path, os.urandom(4).hex())) as run:
            frame = run.to_pandas(table)
        assert list(frame.columns) == list(TABLES[table].row._fields)
        dtypes = {name: str(dtype) for name, dtype in frame.dtypes.items()}
        assert {name: dtypes[name] for name in DTYPES[table]} == DTYPES[table]


def test_missing_values_are_empty(tmp_path: Path) -> None:
    """A price that is not there is NaN, a time that is not there is NaT, and a text that is not there is None."""
    run = make_run(
        strategy=scripted({0: [OrderIntent("BUY", 1)], 3: [OrderIntent("SELL", 1)]}), tick_events="decisions"
    )
    with open_run(run.write(tmp_path)) as seen:
        orders, trips = seen.to_pandas("orders"), seen.to_pandas("round_trips")
        plain = list(seen.round_trips())
    assert orders["limit_price"].isna().all()
    assert orders["tag"].tolist() == [None, None]
    assert [trip.entry_time for trip in plain] == [None]
    assert trips["entry_time"].isna().all()
    assert str(trips["entry_time"].dtype) == "datetime64[us, UTC]"


def test_frame_has_row_numbers(tmp_path: Path) -> None:
    """A number of a frame is the float nearest to its decimal text, a time the moment that its text names."""
    with open_run(make_run().write(tmp_path)) as run:
        equity, frame = list(run.equity()), run.to_pandas("equity")
    assert frame["close"].tolist() == [float(row.close) for row in equity]
    assert frame["bar_time"].tolist() == [datetime.fromisoformat(row.bar_time) for row in equity]
    assert frame["bar_index"].tolist() == [row.bar_index for row in equity]


def test_to_pandas_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas the error names the extra; a table that does not exist is refused by name."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with open_run(make_run().write(tmp_path)) as run:
        with pytest.raises(MissingExtraError, match="explore"):
            run.to_pandas("fills")
        with pytest.raises(ConfigError, match="one of events, orders, fills, round_trips, equity"):
            run.to_pandas("trades")


@pytest.mark.parametrize("table", ["events", "orders", "fills", "round_trips", "equity"])
def test_to_pandas_gives_frame(table: str, tmp_path: Path) -> None:
    """Each table of a run becomes a DataFrame with a row for each of its rows and a column for each field."""
    with open_run(make_run().write(tmp_path)) as run:
        plain = list(getattr(run, table)())
        frame = run.to_pandas(table)
    assert len(frame) == len(plain)
    assert not plain or list(frame.columns) == list(plain[0]._fields)
