"""What comparing two runs gave, as facts that others can read.

Rules kept here:

* A is the first run, B the second; a value that a side does not have is ``None``;
* every text of a run is one bounded line of printable ASCII, so that no value can forge another line;
* lists hold the first few, and the count tells of all of them.

>>> FieldDifference("config.seed", "3", "4").text()
'config.seed: 3 | 4'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from c2lib.witness.facts import Verdict


class Outcome(StrEnum):
    """How far two runs are the same."""

    IDENTICAL = "IDENTICAL"
    """The four files are the same, byte for byte, and so is what their manifests say."""

    SAME_BUT_FOR_RUN_ID = "SAME_BUT_FOR_RUN_ID"
    """Two names of one session: nothing differs but ``run_id`` and the hashes that follow from it."""

    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field, by its dotted name, and what the two sides have in it."""

    name: str
    a: str | None
    b: str | None

    def text(self) -> str:
        """Return the difference as one line for people."""
        return f"{self.name}: {_or_nothing(self.a)} | {_or_nothing(self.b)}"


def _or_nothing(value: str | None) -> str:
    return "(nothing)" if value is None else value


@dataclass(frozen=True, slots=True)
class EventFact:
    """One event: where it stands, and what it says in short; ``line`` counts from 1."""

    line: int
    kind: str
    ts_sim: int
    bar_index: int | None
    event_id: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Return the event as one line for people."""
        bar = "" if self.bar_index is None else f" bar {self.bar_index}"
        facts = "".join(f" {name}={value}" for name, value in self.facts.items())
        return f"{self.kind}{bar} (ts_sim {self.ts_sim}, line {self.line}){facts}"


@dataclass(frozen=True, slots=True)
class EventDifference:
    """Two events that stand for each other and differ, or one that has no counterpart."""

    a: EventFact | None
    b: EventFact | None
    fields: tuple[FieldDifference, ...] = ()

    def text(self) -> str:
        """Return the difference as one line for people."""
        a, b = (
            f"{name} {side.text()}" if side else f"nothing in {name}" for name, side in (("A", self.a), ("B", self.b))
        )
        fields = "; ".join(difference.text() for difference in self.fields)
        return f"{a} | {b}" + (f"; {fields}" if fields else "")


@dataclass(frozen=True, slots=True)
class Examples:
    """How many there are of something, and the first of them."""

    count: int = 0
    first: tuple[EventDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a kind each side has."""

    name: str
    a: int
    b: int

    def text(self) -> str:
        """Return the counts as text for people."""
        return f"{self.name}: {self.a} | {self.b}"


@dataclass(frozen=True, slots=True)
class RunSide:
    """One of the two runs; what it does not tell is empty or ``None``. ``damage`` tells what could not be read."""

    path: str
    verdict: Verdict
    run_id: str
    strategy_id: str
    run_digest: str | None
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventComparison:
    """The events of two runs, aligned.

    ``first`` is where they part. ``counts`` are by kind. ``asides`` are differences that change no decision and no
    trade: of ``times``, of ``names`` of orders and fills, of ``numbers`` (``ts_sim``), of ``ids``; ``quiet_ticks``
    counts ticks without a decision that one side does not tell at all.
    """

    aligned: int = 0
    differing: int = 0
    first: EventDifference | None = None
    counts: tuple[Count, ...] = ()
    orders_differing: Examples = Examples()
    orders_only_a: Examples = Examples()
    orders_only_b: Examples = Examples()
    fills_differing: Examples = Examples()
    fills_only_a: Examples = Examples()
    fills_only_b: Examples = Examples()
    others_only_a: Examples = Examples()
    others_only_b: Examples = Examples()
    quiet_ticks: Count = Count("ticks without a decision", 0, 0)
    asides: Mapping[str, Examples] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs, the asides included."""
        return self.first is None and self.quiet_ticks.a == self.quiet_ticks.b == 0 and not self.asides


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Where and why two runs part.

    ``causes`` are the fields of config, market, strategy, inputs and behaviour version that differ, and those of
    ``SESSION_START`` that no cause of the manifests explains. ``files`` tells of files that differ as such, ``notes``
    what could not be told.
    """

    a: RunSide
    b: RunSide
    outcome: Outcome
    causes: tuple[FieldDifference, ...]
    events: EventComparison
    snapshots: tuple[FieldDifference, ...]
    phases: FieldDifference | None
    audit_first: FieldDifference | None
    audit_counts: tuple[Count, ...]
    metrics: tuple[FieldDifference, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the runs are the same, but for the name perhaps."""
        return self.outcome is not Outcome.DIFFERENT

    def facts(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"same": self.same, **asdict(self)}
