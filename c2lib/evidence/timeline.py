"""Time travel: what a run was after each of its events, in one HTML output that holds every moment and its own script.

The witness folds the log once; of each fact only its changes are kept, and the script looks a moment up in them. It
shows texts as texts, fetches nothing, and finds its own output, so that several may stand on a page.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from html import escape
from pkgutil import get_data
from string import Template
from typing import Any

from c2lib.core.contract import PAYLOADS, FieldKind
from c2lib.core.errors import ConfigError, RunPathError
from c2lib.core.vocabulary import Artifact, EventKind
from c2lib.evidence.lanes import INCIDENTS
from c2lib.evidence.markdown import visible
from c2lib.witness.events import Event, EventLog
from c2lib.witness.findings import Findings
from c2lib.witness.lines import RunName
from c2lib.witness.recognise import SORTED_FIELDS
from c2lib.witness.refold import Books, decimal_text
from c2lib.witness.run import Run

MOST_MOMENTS = 5000
"""Most moments of one output, which keep it near a megabyte."""

_NAMES = {kind: [named.name for named in fields] for kind, fields in SORTED_FIELDS.items()}
_LEFT_OUT = ("broker_order_id", "fill_id", "symbol")
_SHOWN = {
    kind.value: [named.name for named in fields if named.name not in _LEFT_OUT and named.kind is not FieldKind.SHA256]
    for kind, fields in PAYLOADS.items()
}
_KINDS = list(_SHOWN)
_TERMS = ("side", "quantity", "order_type", "limit_price", "stop_price", "time_in_force", "tag")
_JUMPS = {"fill": (EventKind.FILL,), "order": (EventKind.ORDER_SUBMITTED,), "anomaly": INCIDENTS}
_BOOKS = ("position", "equity", "cash", "fees")
_FACTS = ("phase", "status", "clock (UTC)", "bar", "close", "average entry", *_BOOKS, "outcome")
_AVERAGE, _ROUNDED, _ZERO = Context(prec=28), Context(prec=16), Decimal(0)
_Series = tuple[list[int], list[Any]]
_Said = tuple[Event, dict[str, Any]]


@dataclass(frozen=True)
class TimeTravel:
    """A run from ``ts_sim`` ``first`` to ``last`` as HTML for a notebook, or as a page; see :func:`time_travel`."""

    run_id: str
    first: int
    last: int
    note: str = field(repr=False)
    moments: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self._html("")

    def page(self) -> str:
        """Return a whole HTML document; its address can name a moment: ``#t=57``."""
        digest = base64.b64encode(hashlib.sha256(_part("js").encode()).digest()).decode()
        body = self._html("data-address")
        return Template(_part("page.html")).substitute(title=escape(self.run_id), digest=digest, body=body)

    def _html(self, address: str) -> str:
        texts = {"title": escape(self.run_id), "note": escape(self.note), "moments": self.moments, "address": address}
        return Template(_part("html")).substitute(texts, script=_part("js"))


def time_travel(run: Run, *, first: int | None = None, last: int | None = None) -> TimeTravel:
    """Return the moments of a run: after each event, what the witness refolds from the log up to it.

    The phase is the one in which the event was written, at the run's last event the one in which it ended. At most
    :data:`MOST_MOMENTS` are held; the output says which of how many.

    Args:
        run: The run.
        first: The ``ts_sim`` of the first moment; left out, the run's first, or as many before ``last`` as are held.
        last: The ``ts_sim`` of the last moment; left out, as many as are held.

    Raises:
        ConfigError: ``first`` or ``last`` is no ``ts_sim``, lies behind the run's end, or they are too far apart.
        RunPathError: The log cannot be read, or was altered since.
    """
    for name, given in (("first", first), ("last", last)):
        if given is not None and (type(given) is not int or given < 0):
            raise ConfigError(name, "must be a ts_sim, an integer of 0 or more")
    start = max((last or 0) - MOST_MOMENTS + 1, 0) if first is None else first
    end = start + MOST_MOMENTS - 1 if last is None else last
    if not start <= end < start + MOST_MOMENTS:
        raise ConfigError("last", f"must be {start} to {start + MOST_MOMENTS - 1}", hint="or give another first")
    total, made = sum(run.summary.event_counts.values()), _moments(run, start, end)
    times = [row[0] for row in made["events"][made["earlier"] :]]
    if made["earlier"] and not times:
        raise ConfigError("first", "lies behind the last event", hint=f"the run has {total:,} events")
    note = f"{run.summary.strategy_id}, {run.verdict.value}, {len(times):,} of {total:,} moments."
    if times and not made["ended"]:
        note += f" c2lib.plot.time_travel(run, first={times[-1] + 1}) shows the next."
    if run.findings:
        note += f" The witness reports {len(run.findings)} findings on this run, which c2lib verify names."
    text = json.dumps(made, separators=(",", ":")).replace("<", "\\u003c")
    start, end = (times[0], times[-1]) if times else (0, 0)
    return TimeTravel(visible(run.summary.run_id), start, end, visible(note, 1000), text)


def _moments(run: Run, first: int, last: int) -> dict[str, Any]:
    """Return the events from ``first`` to ``last``, some before them, and the changes of each fact and order."""
    earlier, events, seen = deque[_Said](maxlen=7), list[_Said](), 0
    facts: dict[str, _Series] = {name: ([], []) for name in _FACTS}
    orders: dict[int, list[Any]] = {}
    numbers: dict[str, int] = {}
    entry, held = _ZERO, _ZERO
    for event, said, state, books in _folded(run):
        if event.ts_sim > last:
            break
        at, inside, name, seen = len(events), event.ts_sim >= first, said.get("client_order_id", ""), seen + 1
        (events if inside else earlier).append((event, said))
        entry, held = _entry(entry, held, books["position"], said.get("price")), books["position"]
        now = {
            **_path(run, event.ts_sim),
            "clock (UTC)": event.ts_utc.removesuffix("+00:00"),
            **books,
            "average entry": _ROUNDED.plus(entry) if held else None,
        }
        for fact, value in (now | {"bar": said["bar_index"]} if "bar_index" in said else now).items():
            _change(facts[fact], at, value)
        if event.kind == EventKind.ORDER_SUBMITTED:
            numbers[name] = seen
            orders[seen] = [[name, *(_text(said[term]) for term in _TERMS)], [], []]
        if name in numbers:
            _change(orders[numbers[name]][1:], at, state)
            if state is None and not inside:
                del orders[numbers.pop(name)]
    ended = seen == sum(run.summary.event_counts.values())
    for fact, value in (_path(run) if events and ended else {}).items():
        _change(facts[fact], len(events) - 1, value)
    return {
        "ended": ended,
        "earlier": len(earlier),
        "kinds": [[kind, *names] for kind, names in _SHOWN.items()],
        "events": [
            [event.ts_sim, _KINDS.index(event.kind), *(_text(said[name]) for name in _SHOWN[event.kind])]
            for event, said in (*earlier, *events)
        ],
        "facts": {name: (moments, [*map(_text, values)]) for name, (moments, values) in facts.items()},
        "orders": [*orders.values()],
        "jumps": {name: [at for at, told in enumerate(events) if _is(name, *told)] for name in _JUMPS},
    }


def _path(run: Run, time: int | None = None) -> dict[str, Any]:
    """Return phase and status in which the event ``time`` was written; without one, the last, and the outcome."""
    phases = [(0, move.before) for move in run.phases[:1]] + [(move.ts_sim, move.after) for move in run.phases]
    paths = {"phase": phases, "status": [(emitted, status) for status, emitted in run.summary.statuses]}
    words = {name: [word for at, word in steps if time is None or at <= time][-1:] for name, steps in paths.items()}
    told = {name: word[0] for name, word in words.items() if word}
    if time is not None:
        return told
    ended = run.summary
    code, reason = ended.fail_code or ended.reject_code, ended.fail_reason or ended.reject_reason
    return {**told, "outcome": f"{code}: {reason}" if code else ended.stop_reason}


def _is(jump: str, event: Event, said: Mapping[str, Any]) -> bool:
    return event.kind in _JUMPS[jump] or (jump == "anomaly" and bool(said.get("mismatches")))


def _folded(run: Run) -> Iterator[tuple[Event, dict[str, Any], Any, dict[str, Any]]]:
    """Yield each event, its payload by name, status and rest of its order if that is open, and the books after it."""
    block: list[Any] = []

    def take(event: Event, books: Books) -> None:
        said = dict(zip(_NAMES[event.kind], event.values, strict=True))
        order = books.open_orders.get(said.get("client_order_id", ""))
        state = order and [order.status, decimal_text(order.left)]
        block.append((event, said, state, {"close": books.mark, **{name: getattr(books, name) for name in _BOOKS}}))

    findings = Findings()
    log = EventLog(findings, RunName(), take)
    try:
        for number, lines in run.files[Artifact.EVENTS].again(findings):
            log.take_block(number, lines)
            yield from block
            block.clear()
    except RunPathError as error:
        raise RunPathError(f"{run.path}: {error}") from None


def _change(series: Sequence[list[Any]], at: int, value: Any) -> None:
    """Add a value to a series of moments and values unless it stays the same; a moment keeps the last one."""
    moments, values = series
    if moments[-1:] == [at]:
        del moments[-1], values[-1]
    if not values or values[-1] != value:
        moments.append(at)
        values.append(value)


def _entry(average: Decimal, before: Decimal, after: Decimal, price: Decimal | None) -> Decimal:
    """Return the weighted average cost of a position, as a strategy is shown it (IAS 2, paragraph 27)."""
    if price is None or (after > 0) is not (before > 0) or not before:
        return price or average
    old, new = abs(before), abs(after)
    if new <= old:
        return average
    cost = _AVERAGE.add(_AVERAGE.multiply(average, old), _AVERAGE.multiply(price, new - old))
    return _AVERAGE.divide(cost, new)


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    value = ", ".join(value) or None if isinstance(value, list) else value
    return visible(value) if isinstance(value, str) else value


def _part(suffix: str) -> str:
    return (get_data(__package__, f"timeline.{suffix}") or b"").decode()
