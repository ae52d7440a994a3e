"""What somebody who knows the format does: events changed, and everything that follows from them adjusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

from c2lib.core.canon import canonical_json, canonical_sha256
from c2lib.core.vocabulary import Artifact
from tests.core.event_ids import event_id
from tests.record.contract_check import entry_hash
from tests.tamper.alterations import LOGS, MANIFEST, Alteration, rebuilt
from tests.tamper.sample import Content

EVENTS, SNAPSHOTS, AUDIT, METRICS = map(str, (Artifact.EVENTS, Artifact.SNAPSHOTS, Artifact.AUDIT, Artifact.METRICS))

Line = dict[str, Any]

_ANSWERS = ("ORDER_ACKNOWLEDGED", "ORDER_REJECTED", "ORDER_CANCELLED", "ORDER_EXPIRED", "FILL")

COUNTED: Mapping[str, tuple[str, ...]] = {
    "fills_total": ("FILL",),
    "orders_place_total": ("ORDER_SUBMITTED",),
    "orders_cancel_total": ("ORDER_CANCELLED",),
    "order_state_transitions_total": _ANSWERS,
    "safety_rail_trips_total": ("RAIL_TRIPPED",),
}
"""Which events each counter of the metrics counts."""


class Record:
    """A run as a forger has it before him: lines, and the manifest."""

    def __init__(self, content: Content) -> None:
        self.lines: dict[str, list[Line]] = {
            name: [json.loads(line) for line in content[name].splitlines()] for name in LOGS
        }
        self.manifest: Line = json.loads(content[MANIFEST])
        self._kinds = self._count()
        self._audited = len(self.lines[AUDIT])

    def _count(self) -> Counter[str]:
        return Counter(event["event_type"] for event in self.lines[EVENTS])

    def recount(self, at: int) -> None:
        """Give lines their numbers and counters the totals that follow from a change at event ``at``."""
        for name, key in ((EVENTS, "ts_sim"), (SNAPSHOTS, "ts_sim"), (AUDIT, "seq")):
            for number, line in enumerate(self.lines[name]):
                line[key] = number
        kinds, (metrics,) = self._count(), self.lines[METRICS]
        for name, counted in COUNTED.items():
            metrics[name] += sum(kinds[kind] - self._kinds[kind] for kind in counted)
        metrics["audit_events"] += len(self.lines[AUDIT]) - self._audited
        more = kinds.total() - self._kinds.total()
        metrics["events_emitted"] += more
        for snapshot in self.lines[SNAPSHOTS]:
            snapshot["events_emitted"] += more if snapshot["events_emitted"] > at else 0
        for entry in self.lines[AUDIT]:
            if "ts_sim" in entry["meta"]:
                entry["meta"]["ts_sim"] += more if entry["meta"]["ts_sim"] > at else 0

    def rebook(self) -> None:
        """Let the last event record the balances that the fills add up to."""
        start, stop = self.lines[EVENTS][0]["payload"], self.lines[EVENTS][-1]["payload"]
        cash, position = Decimal(start["initial_cash"]), Decimal(0)
        for event in self.lines[EVENTS]:
            if event["event_type"] == "FILL":
                fill = event["payload"]
                quantity = Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
                cash -= quantity * Decimal(fill["price"]) + Decimal(fill["fee"])
                position += quantity
        equity = cash + position * Decimal(stop["mark_price"])
        stop.update(cash=_text(cash), position=_text(position), equity=_text(equity))

    def content(self) -> dict[str, bytes]:
        """Return the files, every id, the chain and the manifest recomputed."""
        for event in self.lines[EVENTS]:
            event["event_id"] = event_id(
                event["run_id"], event["strategy_id"], event["event_type"], event["ts_sim"], event["payload"]
            )
        previous = "0" * 64
        for entry in self.lines[AUDIT]:
            entry["prev_hash"] = previous
            entry["entry_hash"] = previous = entry_hash(entry)
        self.manifest["audit"] = {"entries": len(self.lines[AUDIT]), "last_hash": previous}
        files = {name: "".join(f"{canonical_json(line)}\n" for line in lines) for name, lines in self.lines.items()}
        return rebuilt(
            {name: text.encode() for name, text in {**files, MANIFEST: canonical_json(self.manifest)}.items()}
        )


def _text(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# lines

Edit = Callable[[list[Line], int], None]


def _delete(lines: list[Line], at: int) -> None:
    del lines[at]


def _double(lines: list[Line], at: int) -> None:
    lines.insert(at, json.loads(json.dumps(lines[at])))


def _swap(lines: list[Line], at: int) -> None:
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


EDITS: Mapping[str, tuple[Edit, int]] = {"deleted": (_delete, 0), "doubled": (_double, 0), "swapped": (_swap, 1)}
"""What is done to a line, and how many lines behind it that needs."""


def _told_otherwise(content: Content, name: str, at: int, edit: Edit) -> dict[str, bytes]:
    record = Record(content)
    edit(record.lines[name], at)
    # without its first or last event there is nothing to book by
    with suppress(KeyError, IndexError):
        record.rebook()
    if record.lines[METRICS]:
        record.recount(at if name == EVENTS else 2**53)
    return record.content()


def lines(run: str, content: Content, what: str) -> Iterator[Alteration]:
    """Yield every line of the events, snapshots and audit entries edited, and all that follows from it made to fit."""
    edit, behind = EDITS[what]
    for name in (EVENTS, SNAPSHOTS, AUDIT):
        told = Record(content).lines[name]
        for at in range(len(told) - behind):
            if behind and _alike(name, told[at], told[at + 1]):
                continue
            yield Alteration(run, f"{name}: line {at + 1}", partial(_told_otherwise, content, name, at, edit))


def _alike(name: str, one: Line, other: Line) -> bool:
    """Return whether two lines differ in nothing but their number and hashes: exchanged, they are the same again."""
    own = ("ts_sim", "event_id") if name == EVENTS else ("seq", "prev_hash", "entry_hash")
    return {**one, **dict.fromkeys(own)} == {**other, **dict.fromkeys(own)}


# stories


def _without_order(content: Content, order: str) -> dict[str, bytes]:
    record = Record(content)
    record.lines[EVENTS] = [event for event in record.lines[EVENTS] if event["payload"].get("client_order_id") != order]
    rejected = [entry for entry in record.lines[AUDIT] if entry["meta"].get("client_order_id") == order]
    record.lines[AUDIT] = [entry for entry in record.lines[AUDIT] if entry not in rejected]
    record.rebook()
    record.recount(1)
    return record.content()


def orders(run: str, content: Content) -> Iterator[Alteration]:
    """Yield every order taken out of the record with all that became of it."""
    for event in Record(content).lines[EVENTS]:
        if event["event_type"] == "ORDER_SUBMITTED":
            order = event["payload"]["client_order_id"]
            yield Alteration(run, order, partial(_without_order, content, order))


def _renamed(content: Content) -> dict[str, bytes]:
    record = Record(content)
    record.manifest["run_id"] = record.manifest["config"]["run_id"] = "run_tamper_002"
    for line in (line for told in record.lines.values() for line in told):
        if "run_id" in line:
            line["run_id"] = "run_tamper_002"
    _announce(record)
    return record.content()


def _announce(record: Record) -> None:
    digest = canonical_sha256(record.manifest["config"])
    record.manifest["config_sha256"] = record.lines[EVENTS][0]["payload"]["config_sha256"] = digest


def _under_config(content: Content, other: Content, *, own_inputs: bool) -> dict[str, bytes]:
    record, claimed = Record(other), Record(content)
    start, own = record.lines[EVENTS][0], claimed.lines[EVENTS][0]
    start["payload"] = own["payload"]
    inputs = record.manifest["inputs"] if own_inputs else claimed.manifest["inputs"]
    status = record.manifest["status"]
    record.manifest = {**claimed.manifest, "inputs": inputs, "status": status}
    return record.content()


def sessions(run: str, content: Content, sessions: Mapping[str, Content]) -> Iterator[Alteration]:
    """Yield the sound log of every other session under the config and the strategy of this run."""
    for name, other in sessions.items():
        for own_inputs, inputs in ((False, "this run's inputs"), (True, "its own inputs")):
            change = partial(_under_config, content, other, own_inputs=own_inputs)
            # what differs in nothing but the config, or by its inputs alone, is this run again, or another sound one
            if change()[EVENTS] != content[EVENTS] and not (own_inputs and name in SOUND_BY_INPUTS):
                yield Alteration(run, f"{name}, {inputs}", change)


def renamed(run: str, content: Content) -> Iterator[Alteration]:
    """Yield the run under another name, as sound as before: a folder may be called as its owner likes."""
    yield Alteration(run, "another name", partial(_renamed, content))


SOUND_BY_INPUTS = ("cancelled", "no sink failure", "a later clock")
"""Variants that differ from the run by their inputs alone: under its config they are sound."""
