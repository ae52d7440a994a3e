"""Time travel: every moment equals what the log cut there comes to, and no text of a run becomes anything else."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c2lib import plot
from c2lib.core.canon import canonical_json
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.model import Bar, CancelIntent, OrderIntent, PositionView
from c2lib.evidence.timeline import MOST_MOMENTS, time_travel
from c2lib.witness.events import EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.refold import decimal_text
from c2lib.witness.run import Run, open_run
from tests.evidence.fake_page import Page, tree
from tests.witness.other_program import OtherRun
from tests.witness.sample_runs import Run as SampleRun
from tests.witness.sample_runs import (
    cancelled_run,
    failed_run,
    make_run,
    rejected_run,
    retried_run,
    scripted,
    tripped_run,
)

ENDING = {"ORDER_REJECTED", "ORDER_CANCELLED", "ORDER_EXPIRED"}


def busy_run() -> SampleRun:
    """Return a run with partial fills, cancels, expired and rejected orders, and positions on both sides."""
    script = {
        0: [OrderIntent("BUY", 7, tag="first"), OrderIntent("BUY", 1, "LIMIT", limit_price=1, tag="far")],
        2: [OrderIntent("SELL", 12, tag="turn")],
        5: [CancelIntent("c-000002"), OrderIntent("BUY", 1, "LIMIT", limit_price=1, time_in_force="IOC")],
        7: [OrderIntent("BUY", 3)],
        10: [OrderIntent("BUY", 9)],
        12: [OrderIntent("BUY", 1, "LIMIT", limit_price=2, time_in_force="IOC") for _ in range(3)],
    }
    broker = {"participation": "0.02", "reject_rate": "0.2"}
    return make_run(strategy=scripted(script), steps=24, broker=broker)


RUNS: dict[str, Callable[[], SampleRun]] = {
    "demo": lambda: make_run(steps=30),
    "busy": busy_run,
    "cancelled": cancelled_run,
    "failed": failed_run,
    "rejected": rejected_run,
    "retried": retried_run,
    "tripped": tripped_run,
}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[SampleRun], Run]:
    """Return what writes a sample run and opens it."""
    return lambda sample: open_run(sample.write(tmp_path / str(len(list(tmp_path.iterdir())))))


def data_of(html: str) -> Any:
    """Return the data that an output holds."""
    found = re.search(r'<script type="application/json" data-part="moments">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def books_at(sample: SampleRun, moment: int) -> dict[str, Any]:
    """Return what the witness refolds from a log that ends with an event."""
    log = EventLog(Findings(), RunName())
    for number, event in enumerate(sample.events[: moment + 1], start=1):
        log.take(number, canonical_json(event).encode())
    books = log.books
    close = None if books.mark is None else decimal_text(books.mark)
    amounts = {name: decimal_text(getattr(books, name)) for name in ("position", "equity", "cash", "fees")}
    return {"close": close or "–", **amounts}


def orders_at(sample: SampleRun, moment: int) -> list[list[str]]:
    """Return the open orders from the lines of the log alone, as rows of the output."""
    known: dict[str, list[str]] = {}
    for event in sample.events[: moment + 1]:
        said, kind = event["payload"], event["event_type"]
        name = said.get("client_order_id")
        if kind == "ORDER_SUBMITTED":
            terms = [said[key] or "–" for key in ("order_type", "limit_price", "stop_price", "time_in_force", "tag")]
            known[name] = [name, said["side"], f"{said['quantity']} of {said['quantity']}", *terms, "PENDING_NEW"]
        elif kind == "ORDER_ACKNOWLEDGED":
            known[name][-1] = "NEW"
        elif kind in ENDING or (kind == "FILL" and said["leaves_quantity"] == "0"):
            del known[name]
        elif kind == "FILL":
            known[name][2] = f"{said['leaves_quantity']} of {known[name][2].split()[-1]}"
            known[name][-1] = "PARTIALLY_FILLED"
    return list(known.values())


def entry_at(sample: SampleRun, moment: int) -> Fraction | None:
    """Return the weighted average cost of the position, in fractions."""
    held, cost = Fraction(0), Fraction(0)
    for event in sample.events[: moment + 1]:
        if event["event_type"] == "FILL":
            said = event["payload"]
            price, size = Fraction(said["price"]), Fraction(said["quantity"]) * (1 if said["side"] == "BUY" else -1)
            after = held + size
            if held * size >= 0:
                cost += price * size
            elif after * held > 0:
                cost *= after / held
            else:
                cost = price * after
            held = after
    return cost / held if held else None


def path_at(sample: SampleRun, moment: int) -> tuple[str, str]:
    """Return phase and status from the lines of audit and snapshots alone; behind the last event, the last."""
    end = moment == len(sample.events) - 1
    moves = [entry["meta"] for entry in sample.entries("C2_PHASE_TRANSITION")]
    phase = [move["to"] for move in moves if end or move["ts_sim"] <= moment]
    status = [line["status"] for line in sample.snapshots if end or line["events_emitted"] <= moment]
    return (phase or [moves[0]["from"]])[-1], status[-1]


@pytest.mark.parametrize("name", RUNS)
def test_moments_equal_cut_log(name: str, opened: Callable[[SampleRun], Run]) -> None:
    """At every moment the script shows what the log that ends there comes to, by the witness and by plain models."""
    sample = RUNS[name]()
    page = Page(time_travel(opened(sample))._repr_html_())
    for moment, event in enumerate(sample.events):
        shown = page.at(moment)
        facts = shown["facts"]
        assert {key: facts[key] for key in ("close", "position", "equity", "cash", "fees")} == books_at(sample, moment)
        assert (facts["phase"], facts["status"]) == path_at(sample, moment)
        assert f"{facts['clock (UTC)']}+00:00" == event["ts_utc"]
        assert shown["orders"] == orders_at(sample, moment)
        assert shown["none"] is (not shown["orders"])
        average = entry_at(sample, moment)
        assert (facts["average entry"] == "–") is (average is None)
        if average is not None:
            assert abs(Fraction(facts["average entry"]) / average - 1) < Fraction(1, 10**14)
        lately = [(str(line["ts_sim"]), line["event_type"]) for line in sample.events[: moment + 1]][:-9:-1]
        assert [(time, kind) for time, kind, _ in shown["events"]] == lately


def test_busy_run_is_busy() -> None:
    """The busy run has partial fills, cancels, an expiry, a rejection and positions on both sides."""
    sample = busy_run()
    kinds = {event["event_type"] for event in sample.events}
    assert kinds >= {"FILL", "ORDER_CANCELLED", "ORDER_EXPIRED", "ORDER_REJECTED"}
    assert any(fill["leaves_quantity"] != "0" for fill in sample.payloads("FILL"))
    held = [books_at(sample, moment)["position"] for moment in range(len(sample.events))]
    assert min(map(Decimal, held)) < 0 < max(map(Decimal, held))


def test_average_entry_is_strategys(opened: Callable[[SampleRun], Run]) -> None:
    """The average entry price shown at a tick is the one that the strategy saw there."""
    views: list[Decimal | None] = []

    class Watching(scripted({0: [OrderIntent("BUY", 3)], 2: [OrderIntent("BUY", 4)], 4: [OrderIntent("SELL", 9)]})):  # type: ignore[misc] # a class made on the spot
        def on_bar(self, bar: Bar, view: PositionView) -> Any:
            views.append(view.average_entry_price)
            return super().on_bar(bar, view)

    sample = make_run(strategy=Watching)
    page = Page(time_travel(opened(sample))._repr_html_())
    ticks = [event["ts_sim"] for event in sample.events if event["event_type"] == "STRATEGY_TICK"]
    for moment, seen in zip(ticks, views, strict=True):
        shown = page.at(moment)["facts"]["average entry"]
        assert (shown == "–") is (seen is None)
        # a tick of the walk is a hundredth; a strategy is given a billionth of it
        assert seen is None or abs(Decimal(shown) - seen / 100) < Decimal("1e-10")


def test_outcome_is_shown_last(opened: Callable[[SampleRun], Run]) -> None:
    """Why a session ended stands at its last moment alone: a code with its reason, or the stop reason."""
    for sample, words in ((failed_run(), "C2_ABORT_EXCEPTION: "), (rejected_run(), "C2_REJECT_ALLOWLIST_MISSING: ")):
        page = Page(time_travel(opened(sample))._repr_html_())
        assert page.seen()["facts"]["outcome"].startswith(words)
        assert len(sample.events) == 1 or page.at(0)["facts"]["outcome"] == "–"
    assert Page(time_travel(opened(cancelled_run()))._repr_html_()).seen()["facts"]["outcome"] == "cancelled"


def test_buttons_lead_on(opened: Callable[[SampleRun], Run]) -> None:
    """Buttons lead to the moment before and after, and to the next fill, order and anomaly, while there is one."""
    sample = busy_run()
    page = Page(time_travel(opened(sample))._repr_html_())
    assert set(page.seen()["disabled"]) == {"next", "fill", "order", "anomaly"}
    kinds = {"fill": {"FILL"}, "order": {"ORDER_SUBMITTED"}, "anomaly": {"ORDER_REJECTED"}}
    for button, wanted in kinds.items():
        times = [event["ts_sim"] for event in sample.events if event["event_type"] in wanted]
        page.at(0)
        reached = []
        while button not in page.seen()["disabled"]:
            page.call("press", 0, button)
            reached.append(int(page.seen()["time"]))
        assert reached == times
    page.at(0)
    assert page.seen()["disabled"] == ["previous"]
    page.call("press", 0, "next")
    page.call("press", 0, "next")
    page.call("press", 0, "previous")
    assert page.seen()["time"] == "1"


def test_field_and_keys_lead_on(opened: Callable[[SampleRun], Run]) -> None:
    """A number in the field leads to its moment, others to none; arrows step, but not within the field."""
    page = Page(time_travel(opened(make_run(steps=30)))._repr_html_())
    last = page.seen()["time"]
    for text, time in (
        ("7", "7"),
        (" 1_2 ", "12"),
        ("x", "12"),
        ("", "12"),
        ("-3", "12"),
        ("1.5", "12"),
        ("9,999", last),
    ):
        page.call("type", 0, text)
        assert page.seen()["time"] == time, text
    page.call("type", 0, "7")
    for key, part, time in (
        ("ArrowRight", "", "8"),
        ("ArrowLeft", "", "7"),
        ("ArrowLeft", "slider", "6"),
        ("ArrowRight", "field", "6"),
        ("Enter", "", "6"),
    ):
        page.call("key", 0, key, part)
        assert page.seen()["time"] == time
    page.call("write", 0, "9")
    page.call("key", 0, "Enter", "field")
    assert page.seen()["state"].endswith(f" moment 10 of {int(last) + 1}")
    page.at(0)
    page.call("key", 0, "ArrowLeft", "")
    assert page.seen()["time"] == "0"


def test_paper_shows_end(opened: Callable[[SampleRun], Run]) -> None:
    """What is printed is the last moment; after that the output shows the moment that it showed before."""
    page = Page(time_travel(opened(make_run()))._repr_html_())
    last = page.seen()["time"]
    page.at(3)
    page.call("happen", "beforeprint")
    assert page.seen()["time"] == last
    page.call("happen", "afterprint")
    assert page.seen()["time"] == "3"


def test_address_names_moment(opened: Callable[[SampleRun], Run]) -> None:
    """A page opens at the moment of its address and follows it both ways; what names none is left alone."""
    run = opened(make_run(steps=30))
    html = time_travel(run).page()
    assert Page(html, "#t=5").seen()["time"] == "5"
    for address in ("", "#t=", "#t=x", "#t=-1", "#top", "#t=5;alert(1)"):
        assert Page(html, address).seen()["time"] == str(len(data_of(html)["events"]) - 1)
    page = Page(html)
    assert page.at(4)["hash"] == "#t=4"
    page.call("address", "#t=9")
    assert page.seen()["time"] == "9"


def test_output_leaves_address_alone(opened: Callable[[SampleRun], Run]) -> None:
    """In a notebook, whose address is its own, an output neither reads nor writes it."""
    run = opened(make_run())
    page = Page(time_travel(run)._repr_html_(), "#t=2")
    assert page.seen()["time"] != "2"
    page.call("address", "#t=2")
    assert page.seen()["time"] != "2"
    assert page.at(4)["hash"] == "#t=2"


def test_outputs_stay_apart(opened: Callable[[SampleRun], Run]) -> None:
    """Several outputs on a page show their own runs and move alone; none has an id."""
    one, two = (time_travel(opened(sample))._repr_html_() for sample in (make_run(), busy_run()))
    page = Page(f"{one}\n{two}\n{one}")
    before = [page.seen(at) for at in range(3)]
    page.at(2, at=1)
    assert page.seen(1)["time"] == "2"
    assert [page.seen(0), page.seen(2)] == [before[0], before[2]]
    assert not re.search(r"\sid=", one)


def test_window_is_announced(opened: Callable[[SampleRun], Run]) -> None:
    """A part of a run shows the same moments, says of how many it shows them, and names the call for the next."""
    sample = busy_run()
    run = opened(sample)
    whole, part = Page(time_travel(run)._repr_html_()), time_travel(run, first=20, last=40)
    assert (part.first, part.last) == (20, 40)
    assert f"21 of {len(sample.events)} moments. c2lib.plot.time_travel(run, first=41) shows the next." in part.note
    # the second begins with orders that were placed before it
    for first in (20, 9):
        page = Page(time_travel(run, first=first, last=40)._repr_html_())
        assert bool(page.at(0)["orders"]) is (first == 9)
        for moment in range(first, 41):
            shown, expected = page.at(moment - first), whole.at(moment)
            for name in ("time", "facts", "orders", "events"):
                assert shown[name] == expected[name]
    assert "the next" not in time_travel(run, first=20).note


def test_long_run_is_bounded(opened: Callable[[SampleRun], Run]) -> None:
    """A run of 1,000 steps with an order on each stays below a megabyte; of a longer one the first part is held."""
    flips = {bar: [OrderIntent("SELL" if bar % 2 else "BUY", 1, tag="flip")] for bar in range(1600)}
    made = time_travel(opened(make_run(strategy=scripted(flips), steps=1000)))
    assert made.last > 3900
    assert len(made._repr_html_().encode()) < 1_000_000
    run = opened(make_run(strategy=scripted(flips), steps=1600))
    made = time_travel(run)
    assert (made.first, made.last) == (0, MOST_MOMENTS - 1)
    assert f"first={MOST_MOMENTS})" in made.note
    assert time_travel(run, last=6000).first == 6001 - MOST_MOMENTS
    assert time_travel(run, first=MOST_MOMENTS).first == MOST_MOMENTS


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"first": -1}, "first"),
        ({"first": "1"}, "first"),
        ({"last": 1.5}, "last"),
        ({"first": True}, "first"),
        ({"first": 5, "last": 4}, "last"),
        ({"first": 0, "last": MOST_MOMENTS}, "last"),
        ({"first": 10_000}, "first"),
    ],
)
def test_bad_window_is_named(given: dict[str, Any], field: str, opened: Callable[[SampleRun], Run]) -> None:
    """A window that is none raises an error that names the argument."""
    with pytest.raises(ConfigError, match=f"^{field}: "):
        time_travel(opened(make_run()), **given)


def test_other_programs_run_has_none(tmp_path: Path) -> None:
    """Of another program's run, whose events are not c2lib's, the output says that there is nothing to show."""
    OtherRun().write(tmp_path / "run_demo_001")
    shown = Page(time_travel(open_run(tmp_path / "run_demo_001"))._repr_html_()).seen()
    assert "no event" in shown["still"]
    assert shown["shown"] is False


def test_altered_log_is_refused(tmp_path: Path) -> None:
    """A log that was altered after it was read raises, and the message has the run's path."""
    path = make_run().write(tmp_path)
    run = open_run(path)
    (path / "events.jsonl").write_bytes((path / "events.jsonl").read_bytes().replace(b"BUY", b"bUY"))
    with pytest.raises(RunPathError, match=re.escape(str(path))):
        time_travel(run)


def test_findings_are_announced(tmp_path: Path) -> None:
    """Of a run that the witness finds something wrong with, the output says so; a missing event is no moment."""
    sample = make_run()
    del sample.events[4]
    made = time_travel(open_run(sample.write(tmp_path)))
    assert re.search(r"The witness reports [0-9]+ findings", made.note)
    page = Page(made._repr_html_())
    page.call("type", 0, "4")
    assert page.seen()["time"] == "3"


def test_bytes_are_the_same(opened: Callable[[SampleRun], Run]) -> None:
    """The same run gives the same bytes, from another directory too."""
    one, two = (time_travel(opened(busy_run())) for _ in range(2))
    assert one == two
    assert one.page() == two.page()
    assert len(repr(one)) < 100


def test_page_fetches_nothing(opened: Callable[[SampleRun], Run]) -> None:
    """A page allows its own script by its hash and nothing else, and names no address."""
    html = plot.time_travel(opened(make_run())).page()
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html
    assert not re.search(r"https?:|src=|href=|@import|url\(|fetch\(|XMLHttp|import\(", html)
    assert "\r" not in html
    assert html.isascii() or "–" in html


HOSTILE = st.lists(
    st.sampled_from(
        [
            "</script>",
            "<!--",
            "<script>",
            "-->",
            "]]>",
            "\u2028",
            "<b onload=x>",
            "&lt;",
            '"',
            "'",
            "\\",
            "$title",
            "${x}",
        ]
    )
    | st.text(max_size=5),
    max_size=6,
).map("".join)


@given(HOSTILE, HOSTILE)
def test_texts_stay_texts(tmp_path_factory: pytest.TempPathFactory, tag: str, reason: str) -> None:
    """Whatever a run's texts hold, neither a tag comes of them nor the script's end, and they are shown in full."""
    sample = make_run(steps=3, strategy=scripted({0: [OrderIntent("BUY", 1)]}))
    for event in sample.events:
        if event["event_type"] == "ORDER_SUBMITTED":
            event["payload"]["tag"] = tag
        elif event["event_type"] == "ORDER_ACKNOWLEDGED":
            event["payload"]["reason"] = reason
    for line in (line for lines in sample.lines.values() for line in lines if "strategy_id" in line):
        line["strategy_id"] = f"own{tag}"
    sample.strategy_id = f"own{tag}"
    sample.rehash()
    with open_run(sample.write(tmp_path_factory.mktemp("hostile"))) as run:
        made = time_travel(run)
    html = made.page()
    assert re.fullmatch(r"[^<\u0080-\U0010ffff]*", made.moments)
    elements = [node[0] for node in walk(tree(html))]
    with open_run(make_run().write(tmp_path_factory.mktemp("plain"))) as run:
        assert elements == [node[0] for node in walk(tree(time_travel(run).page()))]
    shown = Page(html).at(2)
    assert {"script", "style"} & set(shown["tags"]) == {"script", "style"}


def walk(node: list[Any]) -> list[list[Any]]:
    """Return every element below one."""
    inner = [child for child in node[2] if isinstance(child, list)]
    return [one for child in inner for one in (child, *walk(child))]


def test_page_of_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page on exploring shows makes a page that opens at its last moment."""
    text = (Path(__file__).parents[2] / "docs" / "explore.md").read_text(encoding="utf-8")
    section = text.partition("## Time travel\n")[2].partition("\n## ")[0]
    make_run(steps=30).write(tmp_path / "out" / "finish_c" / "c2", "dry-1")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(block, "docs/explore.md", "exec"), {})
    shown = Page((tmp_path / "travel.html").read_text(encoding="utf-8"), "#t=7").seen()
    assert shown["time"] == "7"
    assert set(shown["facts"]) == set(re.findall(r"^\| ([a-z A-Z()]+) \|", section, re.MULTILINE)) - {"shown"}
    assert f"{MOST_MOMENTS:,}" in section
