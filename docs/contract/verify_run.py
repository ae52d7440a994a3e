"""Checks a run directory against the contract in README.md, fields.md and states.md beside this file.

A second verifier, written from those pages alone: it imports nothing of c2lib, so that a defect of c2lib's own verifier
is not repeated here. It checks form, hashes, chain and phases, and refolds orders, books and counters in fractions. It
does not run the session again. The run of another program is held to what ../verify.md names of it.

    python verify_run.py RUN_DIR [--expect-digest HEX] [--json]

Exit status: 0 no findings, 1 findings, 2 no report possible. Rules kept here:

* only the files that the contract names are opened, regular ones and no links; nothing is executed;
* a file is read once, line by line, each line bounded; memory follows the open orders, not the run;
* whatever a file holds is a finding, never an exception.

>>> decode(b'{"a":1}')
{'a': 1}
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import stat
import sys
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

# ---- vocabularies and state machines: fields.md, states.md ----

EVENTS, SNAPSHOTS, AUDIT, METRICS = SEALED = "events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json"
MANIFEST, ENVIRONMENT, EVIDENCE, STAGING = "run_manifest.json", "environment.json", "evidence", ".staging-"
STRATEGY = "strategy.py"
COUNTERS = {EVENTS: ("ts_sim", "ts_utc"), SNAPSHOTS: ("ts_sim", "started_ts"), AUDIT: ("seq", "ts")}
LONGEST = {**dict.fromkeys((*SEALED, STRATEGY), 1 << 20), MANIFEST: 1 << 26}
"""Longest line of each file in bytes, far beyond an honest one: a manifest holds every reading of an injected clock."""
MOST = 100
"""Findings that are kept; behind so many findings of a file the rest of it is hashed and counted, and not read."""
BEHAVIOUR = 2
"""The behaviour of c2lib that these rules are of."""

CHECKS = {
    "run_id": "C2_REJECT_MISSING_RUN_ID",
    "strategy_id": "C2_REJECT_MISSING_STRATEGY_ID",
    "enabled": "C2_REJECT_LIVE_ENABLED",
    "allowlist": "C2_REJECT_ALLOWLIST_MISSING",
    "allowlist_form": "C2_REJECT_ALLOWLIST_MALFORMED",
    "strategy_allowed": "C2_REJECT_STRATEGY_NOT_ALLOWED",
    "strategy_known": "C2_REJECT_UNKNOWN_STRATEGY",
    "broker_mock": "C2_REJECT_BROKER_NOT_MOCK",
    "audit_sink": "C2_REJECT_NO_AUDIT_SINK",
    "sink_retries": "C2_REJECT_BAD_RETRY_CONFIG",
    "no_secret": "C2_REJECT_SECRET_IN_CONFIG",
    "no_live_guard": "C2_REJECT_NO_LIVE_GUARD",
}
FAILURES = {
    "SINK_FAILED": "C2_ABORT_SINK_WRITE_FAILED",
    "EXCEPTION_RAISED": "C2_ABORT_EXCEPTION",
    "INVARIANT_BROKEN": "C2_ABORT_INVARIANT",
    "OUTCOME_UNKNOWN": "C2_ABORT_UNKNOWN_OUTCOME",
    "NO_LIVE_VIOLATED": "C2_ABORT_NO_LIVE_VIOLATION",
    "STRATEGY_TIMED_OUT": "C2_ABORT_STRATEGY_TIMEOUT",
    "STRATEGY_EXITED": "C2_ABORT_STRATEGY_EXITED",
    "STRATEGY_PROTOCOL_BROKEN": "C2_ABORT_STRATEGY_PROTOCOL",
}
STRATEGY_ENDS = tuple(FAILURES.values())[-3:]
"""The failures that a strategy file's own process ends in."""

START, CHECK, MOVE, STOP = "C2_DRYRUN_START", "C2_PREFLIGHT_CHECK", "C2_PHASE_TRANSITION", "C2_DRYRUN_STOP"
RETRY, SINK_DEAD, OVERRIDDEN = "C2_SINK_WRITE_RETRY", "C2_SINK_WRITE_FAILED", "C2_LIVE_GATE_OVERRIDDEN"
CANCEL, REFUSED, TRIPPED = "C2_CANCEL_REQUESTED", "C2_ORDER_REJECTED", "C2_RAIL_TRIPPED"
MISMATCH, BROKER_RETRY, BROKER_FAILED = "C2_RECONCILE_MISMATCH", "C2_BROKER_RETRY", "C2_BROKER_FAILED"
_CODES = (START, CHECK, OVERRIDDEN, CANCEL, REFUSED, TRIPPED, MISMATCH, BROKER_RETRY, BROKER_FAILED)
AFTER_THE_END = (RETRY, SINK_DEAD, MOVE, STOP, *FAILURES.values())

STATUS = {"INIT": "INIT", "PREFLIGHT_OK": "INIT", "DRYRUN_ACTIVE": "RUNNING", "STOPPING": "RUNNING"}
ENDS = {"STOPPED": "COMPLETED", "PREFLIGHT_FAILED": "REJECTED", "ERROR_REQUIRES_OPERATOR": "FAILED"}
PHASES = {
    **{(phase, trigger): "ERROR_REQUIRES_OPERATOR" for phase in STATUS for trigger in FAILURES},
    ("INIT", "PREFLIGHT_PASSED"): "PREFLIGHT_OK",
    ("INIT", "PREFLIGHT_REJECTED"): "PREFLIGHT_FAILED",
    ("PREFLIGHT_OK", "FIRST_STEP"): "DRYRUN_ACTIVE",
    ("PREFLIGHT_OK", "CANCELLED"): "STOPPING",
    ("DRYRUN_ACTIVE", "BOUND_REACHED"): "STOPPING",
    ("DRYRUN_ACTIVE", "CANCELLED"): "STOPPING",
    ("STOPPING", "CLOSED"): "STOPPED",
}
STATUS |= ENDS
OPEN = ("NEW", "PARTIALLY_FILLED")
ANSWERS = {
    "ORDER_ACKNOWLEDGED": (("PENDING_NEW",), "NEW", 1),
    "ORDER_REJECTED": (("PENDING_NEW",), "REJECTED", 1),
    "ORDER_CANCELLED": (OPEN, "CANCELLED", 2),
    "ORDER_EXPIRED": (OPEN, "EXPIRED", 1),
}
"""From where, to where, and how many moves an event stands for; a cancel that is pending leaves no event."""

UNASKED = "insufficient_funds"
"""The reason of an ``ORDER_CANCELLED`` that nobody asked for, which stands for one move."""

# ---- forms of fields: fields.md ----

TABLE = """
events.jsonl: schema_version=C2_DRYRUN_V1 event_id:sha256 run_id:text strategy_id:text event_type=<kind>
    ts_sim:integer ts_utc:time payload:object
state_snapshots.jsonl: schema_version=C2_DRYRUN_STATE_V1 run_id:text strategy_id:text status=<status> phase=<phase>
    ts_sim:integer started_ts:time ended_ts:time? step:integer events_emitted:integer sink_retries:integer
    reject_code=<reject>? reject_reason:text? fail_code=<fail>? fail_reason:text? meta:object
audit.jsonl: seq:integer ts:time level=INFO|WARN|ERROR code=<code> message:text meta:object prev_hash:sha256
    entry_hash:sha256
metrics.json: schema_version=C2_DRYRUN_METRICS_V1 run_id:text strategy_id:text seed:signed status=<status>
    events_emitted:integer audit_events:integer sink_retries:integer orders_place_total:integer
    orders_cancel_total:integer orders_query_total:integer order_state_transitions_total:integer fills_total:integer
    reconcile_mismatches_total:integer retry_attempts_total:integer safety_rail_trips_total:integer
    no_live_attempts_total:integer orders_blocked_total:integer faults_injected_total:integer orchestrator_state=<phase>
    last_audit_event_ts:time? reconciler_last_ok_ts:time?
run_manifest.json: schema_version=C2_RUN_MANIFEST_V1 run_id:text strategy_id:text status=<status>
    behaviour_version:integer config:object config_sha256:sha256 criteria_sha256:sha256 market:object strategy:object
    inputs:object artifacts:object audit:object run_digest:sha256
.artifacts: events.jsonl:object state_snapshots.jsonl:object audit.jsonl:object metrics.json:object
    strategy.py:object~
.audit: entries:integer last_hash:sha256
.market: source=synthetic|file sha256:sha256 bars:integer
.strategy: origin=built-in|file|object? class_name:text? sha256:sha256? imports:object
.inputs: cancel:object? clock_readings:list? sink_failures:list strategy_end:object?
config: run_id:text strategy_id:text seed:signed clock_mode=fixed|injected|market clock_start:time? steps:integer
    enabled:boolean max_sink_retries:signed tick_events=every|decisions criteria:object market:object broker:object
    strategy:object keep_strategy:boolean strategy_timeout_s:integer no_live_required=hook|namespace limits:object
config.strategy: origin=built-in|file|object? class_name:text? sha256:sha256? params:object
config.limits: max_position:decimal? max_order_quantity:decimal? max_order_notional:decimal?
    max_answer_quantity:decimal? max_open_orders:integer? max_orders_per_step:integer? max_orders:integer?
    max_drawdown:decimal? min_equity:decimal
config.market: source=synthetic|file symbol:symbol tick_size:decimal lot_size:decimal file_sha256:sha256?
    synthetic:object
config.broker: initial_cash:decimal maker_fee_rate:decimal taker_fee_rate:decimal latency_steps:integer
SESSION_START: clock_mode=fixed|injected|market config_sha256:sha256 criteria_sha256:sha256 market_sha256:sha256
    symbol:identifier steps:integer initial_cash:decimal
STRATEGY_TICK: bar_index:integer bar_time:time close:decimal decision:identifier
ORDER_BLOCKED: rail:identifier expected:text seen:text symbol:identifier side=BUY|SELL
    order_type=MARKET|LIMIT|STOP|STOP_LIMIT quantity:decimal limit_price:decimal? stop_price:decimal?
    time_in_force=GTC|IOC|FOK|DAY bar_index:integer tag:text?
ORDER_SUBMITTED: client_order_id:identifier symbol:identifier side=BUY|SELL order_type=MARKET|LIMIT|STOP|STOP_LIMIT
    quantity:decimal limit_price:decimal? stop_price:decimal? time_in_force=GTC|IOC|FOK|DAY bar_index:integer tag:text?
ORDER_ACKNOWLEDGED: client_order_id:identifier broker_order_id:identifier? reason:text? bar_index:integer
ORDER_REJECTED: client_order_id:identifier broker_order_id:identifier? reason:text? bar_index:integer
ORDER_CANCELLED: client_order_id:identifier broker_order_id:identifier? reason:text? bar_index:integer
ORDER_EXPIRED: client_order_id:identifier broker_order_id:identifier? reason:text? bar_index:integer
CANCEL_REJECTED: client_order_id:identifier reason=unknown_order|too_late bar_index:integer
FILL: fill_id:identifier client_order_id:identifier broker_order_id:identifier symbol:identifier side=BUY|SELL
    quantity:decimal price:decimal fee:decimal liquidity=MAKER|TAKER leaves_quantity:decimal bar_index:integer
FAULT_INJECTED: fault:identifier target:identifier detail:text
RAIL_TRIPPED: rail:identifier expected:text seen:text
RECONCILED: mismatches:texts actions:texts as_of:integer? position:decimal cash:decimal broker_position:decimal?
    broker_cash:decimal?
SESSION_STOP: stop_reason=completed|cancelled|failed steps:integer position:decimal cash:decimal mark_price:decimal?
    equity:decimal
REJECTED: code=<reject> reason:text
C2_PREFLIGHT_CHECK: check=<check> passed:boolean layer=namespace~
C2_PHASE_TRANSITION: from=<phase> to=<phase> trigger:text ts_sim:integer
C2_SINK_WRITE_RETRY: sink=<file> retries:integer error:text
C2_DRYRUN_STOP: stop_reason=completed|cancelled|failed? steps:integer no_live_attempts:integer
C2_CANCEL_REQUESTED: reason:text step:integer
C2_ORDER_REJECTED: client_order_id:identifier reason:text
C2_RECONCILE_MISMATCH: mismatch:text
C2_RAIL_TRIPPED: rail:identifier expected:text seen:text
C2_ABORT_EXCEPTION: exception:text~ bar_index:integer?~ lines:texts~ error:text~
C2_ABORT_NO_LIVE_VIOLATION: attempts:integer tried:texts
"""
"""Lines, objects of the manifest, fields of the config, payloads, metas; ``?`` allows null, ``~`` to be left out."""

_ROWS = dict(row.split(": ", 1) for row in TABLE.replace("\n    ", " ").strip().splitlines())
_KINDS = tuple(name for name in _ROWS if name.isupper() and not name.startswith("C2_"))
WORDS: dict[str, tuple[str, ...]] = {
    "<kind>": _KINDS,
    "<status>": tuple(STATUS.values()),
    "<phase>": tuple(STATUS),
    "<reject>": tuple(CHECKS.values()),
    "<fail>": tuple(FAILURES.values()),
    "<check>": tuple(CHECKS),
    "<file>": SEALED,
    "<code>": (*_CODES, *CHECKS.values(), *AFTER_THE_END),
}
_PATTERNS = {
    "sha256": r"[0-9a-f]{64}",
    "decimal": r"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]",
    "identifier": r"[A-Za-z0-9][A-Za-z0-9._/=:^+-]{0,127}",
    "symbol": r"[A-Za-z0-9][A-Za-z0-9._/=:^+-]{0,127}|\[REDACTED:[a-z-]{1,40}\]",
    "time": r".{19}(?:\.[0-9]{6})?\+00:00",
}
_TYPES: Mapping[str, type] = {
    "integer": int,
    "signed": int,
    "boolean": bool,
    "texts": list,
    "list": list,
    "object": dict,
}


def fits(kind: str, value: Any) -> bool:
    """Whether a value has a form as the table writes it, from the ``:`` or ``=`` on.

    >>> fits(":decimal", "1.50"), fits("=BUY|SELL", "BUY"), fits(":time?", None), fits(":integer", True)
    (False, True, True, False)
    """
    if value is None:
        return kind.rstrip("~").endswith("?")
    bare = kind[1:].rstrip("?~")
    if not _is_a(_TYPES.get(bare, str), value):
        return False
    if kind[0] == "=":
        return value in WORDS.get(bare, bare.split("|"))
    if bare in _PATTERNS:
        good = len(value) < 1000 and re.fullmatch(_PATTERNS[bare], value, re.ASCII) is not None
        return good and (bare != "time" or _is_moment(value))
    if bare == "texts":
        return all(type(item) is str for item in value)
    return bare != "integer" or value >= 0


def _is_a(wanted: type, value: Any) -> bool:
    # a bool is an int to isinstance
    return type(value) is wanted


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_PART = re.compile(r"([^ :=]+)([:=][^ ]+)")
FORMS: dict[str, Mapping[str, str]] = {name: dict(_PART.findall(row)) for name, row in _ROWS.items()}

OTHER = "other "
"""Before a file's name: the same file of another program."""
NAMED = {
    EVENTS: "event_id run_id strategy_id event_type ts_sim ts_utc payload",
    SNAPSHOTS: "run_id strategy_id status",
    AUDIT: "seq ts level code message meta",
    METRICS: "run_id strategy_id status events_emitted audit_events sink_retries",
}
"""What a file of another program must have; what else the contract has may be there, in its form."""
OWN = {AUDIT: ("prev_hash", "entry_hash"), SNAPSHOTS: ("schema_version", "phase")}
"""Fields that only c2lib's own contract has."""


def _loosened(name: str) -> Iterator[tuple[str, str]]:
    for key, kind in FORMS[name].items():
        bare = kind.rstrip("?~")
        own_word = bare[0] == "=" and key not in ("schema_version", "status", "level")
        bare = ":text" if own_word or bare == ":time" else bare
        if key not in OWN.get(name, ()):
            yield key, bare if key in NAMED[name].split() else f"{bare}?~"


FORMS |= {f"{OTHER}{name}": dict(_loosened(name)) for name in SEALED}

# ---- canonical JSON: README.md ----


class NotCanonicalError(ValueError):
    """A line is not the canonical JSON of an object."""


@dataclass(frozen=True)
class Float:
    """A float of another program, as it was written."""

    text: str


def encode(value: Any) -> bytes:
    """Return the canonical JSON of a value that :func:`decode` let pass."""
    text = _ENCODER.encode(value)
    return (_MARKED.sub(r"\1", text) if _MARK in text else text).encode()


def digest(value: Mapping[str, Any], without: str = "") -> str:
    """Return the SHA-256 of an object's canonical JSON, leaving out one key."""
    return hashlib.sha256(encode({key: item for key, item in value.items() if key != without})).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotCanonicalError("has the same key twice")
    return made


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= 1 << 53:
        raise NotCanonicalError("has an integer of 2**53 or more")
    return int(text)


def _no_float(text: str) -> Any:
    raise NotCanonicalError(f"has the number {text[:40]}, which is no integer")


def _float(text: str) -> Float:
    if len(text) > 400:
        raise NotCanonicalError("has a float of more than 400 characters")
    return Float(text)


# no text has a lone surrogate: it marks what was a float
_MARK = "\ud800"
_MARKED = re.compile(f'"{_MARK}([^"]*)"')
_ENCODER = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=lambda number: _MARK + number.text
)
_DECODER, _OTHER_DECODER = (
    json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=made, parse_constant=_no_float)
    for made in (_no_float, _float)
)


def _look_inside(value: Any) -> None:
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth >= 64 and type(item) is not str:
            raise NotCanonicalError("is nested deeper than 64")
        if type(item) is str and not item.isascii() and not unicodedata.is_normalized("NFC", item):
            raise NotCanonicalError("has a text that is not in Unicode NFC")
        inside = [*item, *item.values()] if type(item) is dict else item if type(item) is list else ()
        waiting += [(part, depth + 1) for part in inside if type(part) in (str, dict, list)]


def decode(raw: bytes, *, other: bool = False) -> dict[str, Any]:
    """Return the object of a line without its end, of an ``other`` program; raise :class:`NotCanonicalError`."""
    try:
        value = (_OTHER_DECODER if other else _DECODER).decode(raw.decode())
        _look_inside(value)
        if type(value) is not dict or encode(value) != raw:
            raise NotCanonicalError("is not the canonical JSON of an object")
    except NotCanonicalError:
        raise
    except RecursionError:
        raise NotCanonicalError("is nested deeper than 64") from None
    except UnicodeError:
        raise NotCanonicalError("is not UTF-8, or has a lone surrogate") from None
    except ValueError:
        raise NotCanonicalError("is not JSON") from None
    return value


# ---- what is found ----


class Finding(NamedTuple):
    """Something wrong; ``line`` counts from 1, 0 is the file as a whole."""

    file: str
    line: int
    problem: str
    expected: str
    seen: str


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


@dataclass
class Report:
    """Findings, the first kept; ``notes`` are none; ``broken`` are the files that cannot be followed."""

    verdict: str = "SEALED"
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    run_digest: str | None = None

    @property
    def total(self) -> int:
        """How many findings there are, kept or not."""
        return self.counts.total()

    def add(self, file: str, line: int, problem: str, seen: Any = "", expected: Any = "") -> None:
        """Note a finding."""
        self.counts[file] += 1
        if len(self.findings) < MOST:
            self.findings.append(Finding(file, line, problem, _short(expected), _short(seen)))

    def give_up(self, file: str, lines: int) -> None:
        """Note that a file was read no further, each of its further lines counting as a finding."""
        self.counts[file] += lines
        self.broken.add(file)
        self.unchecked.append(f"{lines} more lines of {file}, behind {MOST} findings")

    def same(self, file: str, line: int, what: str, expected: Any, seen: Any) -> None:
        """Note a finding unless both are the same JSON value, types included."""
        plain = type(expected) is type(seen) and type(seen) in (str, int, bool)
        if expected != seen if plain else encode(expected) != encode(seen):
            self.add(file, line, f"{what} is another", seen, expected)

    def well_formed(self, file: str, line: int, name: str, value: Any, *, more: bool = False) -> bool:
        """Whether an object has the keys and forms that the table has for ``name``; ``more`` allows other keys."""
        form, held = FORMS[name], value if type(value) is dict else {}
        wrong = [key for key, kind in form.items() if not (fits(kind, held[key]) if key in held else kind[-1] == "~")]
        wrong += [] if more else [key for key in held if key not in form]
        for key in wrong[:MOST]:
            self.add(file, line, f"{name} has a wrong, missing or unknown {_short(key)}", held.get(key, "nothing"))
        if wrong:
            self.broken.add(file)
        return not wrong


# ---- files: README.md, the directory ----


@dataclass
class Artifact:
    """One file: yields its well-formed lines, and has its hash and size once they were read."""

    folder: Path
    name: str
    report: Report
    other: bool = False
    sha256: str = ""
    size: int = 0
    lines: int = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        stream = self._opened()
        if stream:
            with stream:
                yield from self._read(stream)

    def measure(self) -> None:
        """Read a file that is no lines of JSON."""
        stream = self._opened()
        if stream:
            with stream:
                data = stream.read(LONGEST[self.name] + 1)
            if len(data) > LONGEST[self.name]:
                self._break(0, f"is longer than {LONGEST[self.name]} bytes")
            self.sha256, self.size, self.lines = hashlib.sha256(data).hexdigest(), len(data), data.count(b"\n")

    def first(self) -> bytes:
        """Return the first line without its end, as far as it is not too long."""
        stream = self._opened()
        if not stream:
            return b""
        with stream:
            return stream.readline(LONGEST[self.name] + 1).removesuffix(b"\n")

    def _opened(self) -> BinaryIO | None:
        path, flags = self.folder / self.name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                self._break(0, "is not a regular file")
                return None
            return os.fdopen(os.open(path, flags), "rb")
        except OSError as error:
            self._break(0, f"cannot be read: {error.strerror}")
            return None

    def _read(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        longest, hasher, within = LONGEST[self.name], hashlib.sha256(), False
        while self.report.counts[self.name] < MOST and (raw := stream.readline(longest + 1)):
            hasher.update(raw)
            self.size += len(raw)
            ended = raw.endswith(b"\n")
            self.lines += ended
            if not ended and not within:
                self._break(self.lines + 1, f"has no end within {longest} bytes, or none at all")
            elif not within and (line := self._decoded(raw[:-1])) is not None:
                yield line
            within = not ended
        read = self.lines
        while chunk := stream.read(1 << 18):
            hasher.update(chunk)
            self.size += len(chunk)
            self.lines += chunk.count(b"\n")
        if self.lines > read:
            self.report.give_up(self.name, self.lines - read)
        self.sha256 = hasher.hexdigest()

    def _decoded(self, raw: bytes) -> dict[str, Any] | None:
        try:
            line = decode(raw, other=self.other)
        except NotCanonicalError as error:
            self._break(self.lines, str(error))
            return None
        form = OTHER * self.other + self.name
        return line if self.report.well_formed(self.name, self.lines, form, line, more=self.other) else None

    def _break(self, line: int, problem: str) -> None:
        self.report.add(self.name, line, problem)
        self.report.broken.add(self.name)

    def only(self) -> dict[str, Any] | None:
        """Return the one line of a file that has one."""
        found = list(zip(self, range(2), strict=False))
        if self.name not in self.report.broken and len(found) != 1:
            self._break(0, "does not hold exactly one line")
        return None if self.name in self.report.broken else found[0][0]


def check_names(folder: Path, report: Report) -> None:
    """Find what does not belong into a run directory."""
    for path in sorted(folder.iterdir()):
        mode, name = path.lstat().st_mode, path.name
        if name not in (*SEALED, MANIFEST, STRATEGY, ENVIRONMENT, EVIDENCE):
            report.add(name, 0, "does not belong into a run directory")
        elif name in (STRATEGY, ENVIRONMENT) and not stat.S_ISREG(mode):
            report.add(name, 0, "is not a regular file")
        elif name == EVIDENCE and not stat.S_ISDIR(mode):
            report.add(name, 0, "is not a folder")
        elif name == EVIDENCE:
            strange = [inner.name for inner in path.iterdir() if not stat.S_ISREG(inner.lstat().st_mode)]
            for inner in sorted(strange):
                report.add(f"{EVIDENCE}/{inner}", 0, "is not a regular file")


# ---- the manifest ----


@dataclass
class Manifest:
    """What the manifest says, when it is well-formed: facts by name, those of the config by dotted name."""

    report: Report
    facts: dict[str, Any] = field(default_factory=dict)
    readings: list[tuple[int, str]] = field(default_factory=list)

    def same(self, what: str, expected: Any, seen: Any) -> None:
        """Note a finding unless both are the same."""
        self.report.same(MANIFEST, 1, what, expected, seen)

    def read(self, folder: Path) -> None:
        """Read the manifest and check what it says of itself."""
        manifest = Artifact(folder, MANIFEST, self.report).only()
        if manifest is None:
            return
        self.report.run_digest = digest(manifest, "run_digest")
        self.same("run_digest", self.report.run_digest, manifest["run_digest"])
        config, inner = manifest["config"], [name for name in FORMS if name.startswith(".")]
        parts = {name: manifest[name[1:]] for name in inner} | {"config": config}
        parts |= {name: config.get(name.removeprefix("config.")) for name in FORMS if name.startswith("config.")}
        sound = [self.report.well_formed(MANIFEST, 1, n, part, more=n not in inner) for n, part in parts.items()]
        if all(sound):
            for name in [name for name in parts if name.startswith("config")]:
                self.facts |= {f"{name}.{key}".removeprefix("config."): parts[name][key] for key in FORMS[name]}
            self.facts |= {name: manifest[name] for name in ("status", "audit", "artifacts")} | manifest["inputs"]
            self.same("behaviour_version", BEHAVIOUR, manifest["behaviour_version"])
            name, run_id = folder.resolve().name, manifest["run_id"]
            if name != run_id:
                self.report.notes.append(f"the folder is called {_short(name)}, the run {_short(run_id)}")
            self._check_config(manifest, config, config["market"])
            self._check_strategy(manifest["strategy"], config["strategy"])
            self._check_inputs(manifest["inputs"])

    def _check_config(self, manifest: dict[str, Any], config: dict[str, Any], market: dict[str, Any]) -> None:
        walk = {"generator": "c2lib_synthetic_walk", "version": 1, "seed": config["seed"]}
        walk |= {"parameters": market["synthetic"], "tick_size": market["tick_size"], "lot_size": market["lot_size"]}
        synthetic, facts = market["source"] == "synthetic", self.facts
        facts["config_sha256"], facts["criteria_sha256"] = digest(config), digest(config["criteria"])
        facts["market_sha256"] = digest(walk) if synthetic else market["file_sha256"]
        for name in ("run_id", "strategy_id", "config_sha256", "criteria_sha256"):
            self.same(name, facts[name], manifest[name])
        self.same("market.source", market["source"], manifest["market"]["source"])
        self.same("market.sha256", facts["market_sha256"], manifest["market"]["sha256"])
        rest = {key: value for key, value in config.items() if key != "run_id"}
        derived = "dry-" + digest({"behaviour_version": BEHAVIOUR, "config": rest})[:12]
        if re.fullmatch(r"dry-[0-9a-f]{12}", config["run_id"]) and config["run_id"] != derived:
            self.report.unchecked.append(f"whether {config['run_id']} was chosen by hand: the config gives {derived}")
        if manifest["market"]["bars"] < config["steps"]:
            self.report.add(MANIFEST, 1, "market.bars are fewer than the steps", manifest["market"]["bars"])

    def _check_strategy(self, strategy: dict[str, Any], sealed: dict[str, Any]) -> None:
        for name in ("origin", "class_name", "sha256"):
            self.same(f"strategy.{name}", sealed[name], strategy[name])
        named = [strategy[name] for name in ("class_name", "sha256")]
        if strategy["origin"] == "file":
            self.same("strategy being a class of a file", [True, True], [name is not None for name in named])
        elif strategy["origin"] != "object":
            self.same("strategy being c2lib's own", [None, None, {}], [*named, strategy["imports"]])
        versions = strategy["imports"].values()
        if not all(version is None or type(version) is str for version in versions):
            self.report.add(MANIFEST, 1, "strategy.imports has something else than versions", strategy["imports"])
        for name, value in sealed["params"].items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name) or type(value) not in (str, int, bool):
                self.report.add(MANIFEST, 1, "strategy.params has a wrong entry", name)
        kept = strategy["origin"] == "file" and self.facts["keep_strategy"]
        self.same(f"{STRATEGY} being sealed", kept, STRATEGY in self.facts["artifacts"])

    def _check_inputs(self, inputs: dict[str, Any]) -> None:
        facts, readings, retries = self.facts, inputs["clock_readings"], 0
        self.same("clock_readings being null", facts["clock_mode"] == "market", readings is None)
        if facts["clock_start"] is not None:
            self.same("clock_readings", [[0, facts["clock_start"]]], readings)
        pairs = [r for r in readings or () if type(r) is list and len(r) == 2]
        sound = len(pairs) == len(readings or ()) and all(fits(":integer", a) and fits(":time", b) for a, b in pairs)
        if pairs and sound and pairs[0][0] == 0 and all(a < c and b < d for (a, b), (c, d) in pairwise(pairs)):
            self.readings = [(number, text) for number, text in pairs]
        elif readings is not None:
            self.report.add(MANIFEST, 1, "clock_readings do not begin at 0 and grow")
        for call in inputs["sink_failures"]:
            sound = type(call) is list and len(call) == 3 and call[0] in SEALED and fits(":integer", call[1])
            if sound and fits(":texts", call[2]) and 1 <= len(call[2]) <= facts["max_sink_retries"]:
                retries += len(call[2])
            else:
                self.report.add(MANIFEST, 1, "sink_failures has a wrong entry", call)
        facts["retries"] = retries

    def reading(self, number: int, else_: str) -> str:
        """Return what the clock gave at reading ``number``, or ``else_`` when the manifest does not tell."""
        at = bisect_right(self.readings, number, key=lambda reading: reading[0])
        return self.readings[at - 1][1] if at else else_

    def seal(self, artifact: Artifact) -> None:
        """Hold a file that was read against what the manifest says of it."""
        if "artifacts" in self.facts and artifact.sha256:
            seen = {"sha256": artifact.sha256, "bytes": artifact.size, "lines": artifact.lines}
            self.report.same(artifact.name, 0, "seal", self.facts["artifacts"].get(artifact.name), seen)

    def seal_strategy(self, folder: Path) -> None:
        """Hold the strategy file against the config; one that no manifest seals does not belong there."""
        if STRATEGY in self.facts.get("artifacts", ()) or os.path.lexists(folder / STRATEGY):
            artifact = Artifact(folder, STRATEGY, self.report)
            artifact.measure()
            self.seal(artifact)
            self.report.same(STRATEGY, 0, "source", self.facts.get("strategy.sha256"), artifact.sha256 or None)


# ---- the lines of a file, one after the other ----


@dataclass
class Trail:
    """A sequence as its length and a running hash, so that two can be compared without being kept."""

    count: int = 0
    hasher: Any = field(default_factory=hashlib.sha256)

    def add(self, value: Any) -> None:
        """Take the next value."""
        self.count += 1
        self.hasher.update(encode(value) + b"\n")


@dataclass
class Log:
    """The lines of one file; ``number`` is that of the line, from 0, and in the end how many there were."""

    other = False

    name: str
    manifest: Manifest
    number: int = 0
    times: tuple[str, str] = ("", "")
    trails: dict[str, Trail] = field(default_factory=lambda: {code: Trail() for code in (REFUSED, TRIPPED, MISMATCH)})

    def __post_init__(self) -> None:
        self.report, self.facts = self.manifest.report, self.manifest.facts

    def require(self, holds: object, problem: str, seen: Any = "") -> None:
        """Note a finding at this line unless ``holds``."""
        if not holds:
            self.report.add(self.name, self.number + 1, problem, seen)

    def same(self, what: str, expected: Any, seen: Any) -> None:
        """Note a finding at this line unless both are the same."""
        self.report.same(self.name, self.number + 1, what, expected, seen)

    def read(self, folder: Path) -> None:
        """Read the file, check each line, and compare the file with its seal."""
        artifact = Artifact(folder, self.name, self.report, self.other)
        for line in artifact:
            self.number = artifact.lines - 1
            self._take(line)
            self.take(line)
        self.number = artifact.lines
        self.manifest.seal(artifact)

    def _names(self, line: dict[str, Any]) -> None:
        for key in ("run_id", "strategy_id"):
            if key in line:
                self.same(key, self.facts.setdefault(key, line[key]), line[key])

    def _take(self, line: dict[str, Any]) -> None:
        self._names(line)
        counter, clock = COUNTERS[self.name]
        self.same(counter, self.number, line[counter])
        self.require(line[clock] >= self.times[1], "the time goes back", line[clock])
        self.times = (self.times[0] or line[clock], line[clock])

    def take(self, line: dict[str, Any]) -> None:
        """Check one line and let it act."""
        raise NotImplementedError


# ---- events: orders, fills, books ----


@dataclass
class Order:
    """An open order."""

    side: str
    leaves: Fraction
    limit: Fraction | None
    earliest: int
    status: str = "PENDING_NEW"
    broker_order_id: str | None = None


NO_TICK = {"bar_index": -1, "bar_time": "", "decision": "", "close": None}


@dataclass
class Events(Log):
    """Refolds ``events.jsonl``; ``owed`` are the sides that a decision named and no order followed yet."""

    kinds: Counter[str] = field(default_factory=Counter)
    orders: dict[str, Order] = field(default_factory=dict)
    position: Fraction = Fraction(0)
    cash: Fraction = Fraction(0)
    moves: int = 0
    asked: int = 0
    least: tuple[int, Fraction] = (-1, Fraction(0))
    bar_index: int = 0
    tick: dict[str, Any] = field(default_factory=lambda: dict(NO_TICK))
    owed: set[str] = field(default_factory=set)
    last: dict[str, Any] = field(default_factory=dict)
    before_last: str | None = None
    reconciled_ts: str | None = None
    below: dict[str, Any] = field(default_factory=dict)

    def take(self, line: dict[str, Any]) -> None:
        """Check one event and let it act upon orders and books."""
        kind, payload = line["event_type"], line["payload"]
        identity = {key: line[key] for key in ("run_id", "strategy_id", "event_type", "ts_sim", "payload")}
        self.same("event_id", digest({"kind": "c2_dryrun_event", **identity}), line["event_id"])
        if not self.report.well_formed(EVENTS, self.number + 1, kind, payload, more=True):
            return
        begun, ended = self.kinds["SESSION_START"], self.kinds["SESSION_STOP"] or self.kinds["REJECTED"]
        opens = kind in ("SESSION_START", "REJECTED")
        self.require(not ended and (begun or kind == "RAIL_TRIPPED" or opens), "stands too early or too late", kind)
        self.require(not opens or self.number == 0, "stands too late", kind)
        self.kinds[kind] += 1
        self.before_last, self.last = self.last.get("event_type"), line
        if "bar_index" in FORMS[kind]:
            self.require(payload["bar_index"] >= self.bar_index, "bar_index falls", payload["bar_index"])
            self.bar_index = payload["bar_index"]
        act: Callable[[dict[str, Any]], None] | None = getattr(self, f"on_{kind.lower()}", None)
        if act or kind in ANSWERS:
            (act or self._on_answer)(payload)

    def on_session_start(self, payload: dict[str, Any]) -> None:
        """Hold the announcement against the config, or take it for the config's word."""
        names = {"symbol": "market.symbol", "initial_cash": "broker.initial_cash"}
        for key in FORMS["SESSION_START"]:
            self.same(key, self.facts.setdefault(names.get(key, key), payload[key]), payload[key])
        self.cash = Fraction(payload["initial_cash"])

    def on_strategy_tick(self, payload: dict[str, Any]) -> None:
        """Follow bars and decisions."""
        bar, before, words = payload["bar_index"], self.tick["bar_index"], payload["decision"].split("+")
        grows = bar > before and payload["bar_time"] > self.tick["bar_time"]
        self.require(grows, "a tick goes back", payload["bar_time"])
        known = words == ["HOLD"] or (len(set(words)) == len(words) and {"BUY", "SELL", "CANCEL"}.issuperset(words))
        self.require(known, "decision is none of the known words", payload["decision"])
        self.require(not self.owed, "no order followed the decision before", sorted(self.owed))
        every = self.facts.get("tick_events") == "every"
        self.require(not every or bar == before + 1, "a tick is missing", bar)
        self.require(every or "tick_events" not in self.facts or words != ["HOLD"], "a tick without a decision")
        expected = self.manifest.reading(bar + 1, else_=self.last["ts_utc"])
        by_bars = self.facts.get("clock_mode") == "market"
        self.same("ts_utc", payload["bar_time"] if by_bars else expected, self.last["ts_utc"])
        self.tick, self.owed = payload, {"BUY", "SELL"}.intersection(words)
        self._went_on(payload["close"])

    def _least_cash(self, bar_index: int) -> Fraction:
        """Return the least cash within a bar so far."""
        return self.least[1] if self.least[0] == bar_index else self.cash

    def _went_on(self, close: str | None) -> None:
        equity, least = self.cash + self.position * Fraction(close or "0"), self.facts.get("limits.min_equity")
        self.require(least is None or equity >= Fraction(least), "equity is below min_equity", str(equity))

    def on_order_submitted(self, payload: dict[str, Any]) -> None:
        """Open an order."""
        self.same("client_order_id", f"c-{self.kinds['ORDER_SUBMITTED']:06d}", payload["client_order_id"])
        self.on_order_blocked(payload)
        earliest = payload["bar_index"] + 1 + self.facts.get("broker.latency_steps", 0)
        limit = payload["limit_price"]
        order = Order(payload["side"], Fraction(payload["quantity"]), Fraction(limit) if limit else None, earliest)
        self.orders[payload["client_order_id"]] = order

    def on_order_blocked(self, payload: dict[str, Any]) -> None:
        """Check the terms of an order, whether it was placed or not."""
        kind, side, limit = payload["order_type"], payload["side"], payload["limit_price"]
        self.same("symbol", self.facts.get("market.symbol"), payload["symbol"])
        self.same("bar_index", self.tick["bar_index"], payload["bar_index"])
        self.require(side in self.tick["decision"].split("+"), "no decision asked for this side", side)
        self.owed.discard(side)
        self.same("limit_price being there", kind in ("LIMIT", "STOP_LIMIT"), limit is not None)
        self.same("stop_price being there", kind in ("STOP", "STOP_LIMIT"), payload["stop_price"] is not None)
        for key in ("quantity", "limit_price", "stop_price"):
            self._on_grid(key, payload[key])

    def _on_grid(self, key: str, text: str | None) -> None:
        step = Fraction(self.facts.get("market.lot_size" if key == "quantity" else "market.tick_size", "0"))
        if text is not None and (Fraction(text) <= 0 or (step > 0 and Fraction(text) % step)):
            self.require(holds=False, problem=f"{key} is not above 0 and whole steps", seen=text)

    def _order(self, payload: dict[str, Any], allowed: tuple[str, ...]) -> Order | None:
        order = self.orders.get(payload["client_order_id"])
        self.require(order, "the order is not open", payload["client_order_id"])
        if order is not None:
            self.require(order.status in allowed, "is not allowed for an order in this state", order.status)
            if self.last["event_type"] != "ORDER_ACKNOWLEDGED":
                self.same("broker_order_id", order.broker_order_id, payload["broker_order_id"])
        return order

    def _on_answer(self, payload: dict[str, Any]) -> None:
        name, (allowed, after, moves) = payload["client_order_id"], ANSWERS[self.last["event_type"]]
        asked = after == "CANCELLED" and payload["reason"] != UNASKED
        self.moves += moves if after != "CANCELLED" or asked else 1
        self.asked += asked
        if after == "REJECTED":
            self.trails[REFUSED].add({"client_order_id": name, "reason": payload["reason"]})
        order = self._order(payload, allowed)
        if order is not None and after == "CANCELLED" and not asked:
            self._lacked(order, payload)
        if order is not None and after == "NEW":
            self.require(payload["broker_order_id"], "an acknowledgement without a broker_order_id")
            order.status, order.broker_order_id = after, payload["broker_order_id"]
        elif order is not None:
            del self.orders[name]

    def _lacked(self, order: Order, payload: dict[str, Any]) -> None:
        """Find an end for want of cash where the dearest next fill is covered; a bar's fills stand before its ends."""
        names = "broker.maker_fee_rate", "broker.taker_fee_rate"
        if not self.facts.keys() >= {*names}:
            return
        rate = max(Fraction(self.facts[name]) for name in names)
        dearest = None if order.limit is None else order.limit * order.leaves * (1 + rate)
        lacks = (
            rate > 1 if order.side == "SELL" else dearest is None or dearest > self._least_cash(payload["bar_index"])
        )
        self.require(lacks, "cash covers the fill", payload["client_order_id"])

    def on_fill(self, payload: dict[str, Any]) -> None:
        """Book a fill and hold it against its order."""
        self.moves += 1
        quantity, price, fee = (Fraction(payload[key]) for key in ("quantity", "price", "fee"))
        self.same("fill_id", f"f-{self.kinds['FILL']:06d}", payload["fill_id"])
        self.same("symbol", self.facts.get("market.symbol"), payload["symbol"])
        self._on_grid("quantity", payload["quantity"])
        self._on_grid("price", payload["price"])
        rate = self.facts.get(f"broker.{payload['liquidity'].lower()}_fee_rate")
        self.require(rate is None or fee == price * quantity * Fraction(rate), "fee is another", payload["fee"])
        sign = 1 if payload["side"] == "BUY" else -1
        self.position += sign * quantity
        before = self._least_cash(payload["bar_index"])
        self.cash -= sign * price * quantity + fee
        self.least = payload["bar_index"], min(before, self.cash)
        self.require(self.cash >= 0, "cash falls below 0", str(self.cash))
        order = self._order(payload, OPEN)
        if order is None:
            return
        order.leaves, order.status = order.leaves - quantity, "PARTIALLY_FILLED"
        self.same("side", order.side, payload["side"])
        self.require(order.leaves >= 0, "the fill is larger than what was open", payload["quantity"])
        self.require(order.leaves == Fraction(payload["leaves_quantity"]), "leaves_quantity is another")
        self.require(order.limit is None or sign * price <= sign * order.limit, "price is worse than the limit")
        self.require(payload["bar_index"] >= order.earliest, "the fill comes before its order could", order.earliest)
        if order.leaves <= 0:
            del self.orders[payload["client_order_id"]]

    def on_rail_tripped(self, payload: dict[str, Any]) -> None:
        """Note what the audit has to tell as well."""
        self.trails[TRIPPED].add({key: payload[key] for key in FORMS["RAIL_TRIPPED"]})
        self.below = payload if payload["rail"] == "min_equity" else self.below

    def on_cancel_rejected(self, payload: dict[str, Any]) -> None:
        """Check that there was no order to cancel, and why."""
        name, given = payload["client_order_id"], self.kinds["ORDER_SUBMITTED"]
        number = int(name[2:]) if name[2:].isdecimal() else 0
        late = name == f"c-{number:06d}" and 0 < number <= given
        self.require(name not in self.orders, "the order is open", name)
        self.same("reason", "too_late" if late else "unknown_order", payload["reason"])

    def on_reconciled(self, payload: dict[str, Any]) -> None:
        """Hold the books against those refolded, and note the mismatches, or that there were none."""
        for key, value in (("position", self.position), ("cash", self.cash)):
            for name in (key, f"broker_{key}"):
                known = payload[name] is not None
                self.require(not known or Fraction(payload[name]) == value, f"{name} is another", payload[name])
        for mismatch in payload["mismatches"]:
            self.trails[MISMATCH].add({"mismatch": mismatch})
        self.reconciled_ts = self.reconciled_ts if payload["mismatches"] else self.last["ts_utc"]

    def on_session_stop(self, payload: dict[str, Any]) -> None:
        """Hold the books that the session told against those refolded."""
        failed, steps, mark = payload["stop_reason"] == "failed", payload["steps"], payload["mark_price"]
        planned, seen = self.facts.get("steps", steps), self.tick["bar_index"] + 1
        short = payload["stop_reason"] == "completed" and steps < planned
        self.require(steps <= planned and not short, "steps are not as planned", steps)
        equity = self.cash + self.position * Fraction(mark or "0")
        for key, value in (("position", self.position), ("cash", self.cash), ("equity", equity)):
            self.require(Fraction(payload[key]) == value, f"{key} is not what the fills make it", payload[key])
        least = self.facts.get("limits.min_equity")
        if not failed:
            self._went_on(mark)
        elif self.below:
            self.same("seen of the rail min_equity", payload["equity"], self.below["seen"])
            told = self.below["expected"]
            self.same("expected of the rail min_equity", told if least is None else f"equity of {least} or more", told)
            self.require(least is None or equity < Fraction(least), "equity is not below min_equity", str(equity))
        self.require(failed or not self.orders, "an order is still open", sorted(self.orders)[:3])
        self.require(failed or not self.owed, "no order followed the last decision", sorted(self.owed))
        self.require(failed or self.before_last == "RECONCILED", "no RECONCILED came before")
        every = self.facts.get("tick_events") == "every"
        self.require(seen <= steps + failed and (seen >= steps or not every), "ticks and steps do not fit", seen)
        self.require(seen < steps + failed or self.tick["close"] == mark, "mark_price is another", mark)


# ---- audit: chain, preflight, phases ----


@dataclass
class Audit(Log):
    """Follows ``audit.jsonl``; ``at`` is the number of entries that the metrics say they counted."""

    at: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    head: str = "0" * 64
    phase: str = "INIT"
    before: str = "INIT"
    trigger: str = ""
    moved_at: int = 0
    ended: list[str] = field(default_factory=list)
    triggers: set[str] = field(default_factory=set)
    expected: list[tuple[str, int]] = field(default_factory=lambda: [("INIT", 0)])
    refused_by: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    stop: dict[str, Any] = field(default_factory=dict)
    attempts: set[int] = field(default_factory=set)
    cancel: dict[str, Any] | None = None
    again: bool = False
    retries: int = 0
    counted: tuple[int, str, bool] = (0, "", False)

    def take(self, line: dict[str, Any]) -> None:
        """Check one entry and follow the phases."""
        code, meta = line["code"], line["meta"]
        self.same("prev_hash", self.head, line["prev_hash"])
        self.same("entry_hash", digest(line, "entry_hash"), line["entry_hash"])
        self.head = line["entry_hash"]
        self.codes[code] += 1
        self.require((code == START) == (self.number == 0), "only the first entry opens a run", code)
        self.again = self.phase in ENDS and (self.again or code in FAILURES.values())
        late = AFTER_THE_END if self.again else AFTER_THE_END[:2]
        self.require(self.phase not in ENDS or code in late, "stands behind the end", code)
        if code in FORMS and not self.report.well_formed(AUDIT, self.number + 1, code, meta):
            return
        if code in (*CHECKS.values(), *FAILURES.values()):
            self.reasons[code] = line["message"]
        self._act(code, meta, line["ts"])
        if self.number + 1 == self.at:
            self.counted = (self.retries, line["ts"], bool(self.ended))

    def _act(self, code: str, meta: dict[str, Any], ts: str) -> None:
        if code in self.trails:
            self.trails[code].add(meta)
        elif code == CHECK:
            self._check(meta)
        elif code == MOVE:
            self._move(meta)
        elif code == STOP:
            self.stop = {**meta, "ts": ts}
            self.attempts.add(meta["no_live_attempts"])
        elif code == RETRY:
            self.retries += meta["retries"]
        elif code == CANCEL:
            self.cancel = meta
        elif code == START:
            self.same("meta", {"enabled": self.facts.get("enabled", meta.get("enabled"))}, meta)

    def _check(self, meta: dict[str, Any]) -> None:
        wanted = [*CHECKS, *CHECKS][min(self.codes[CHECK], len(CHECKS)) - 1]
        self.same("check", wanted, meta["check"])
        layer = meta.get("layer", "hook")
        self.require("layer" not in meta or meta["check"] == "no_live_guard", "a layer of another check", meta["check"])
        required = self.facts.get("no_live_required", layer)
        self.require(
            not meta["passed"] or meta["check"] != "no_live_guard" or layer == required, "another layer", layer
        )
        fresh = self.codes[CHECK] <= len(CHECKS) and self.refused_by is None and self.phase == "INIT"
        self.require(fresh, "a check behind the end of preflight", meta["check"])
        self.refused_by = self.refused_by if meta["passed"] else CHECKS[meta["check"]]

    def _move(self, meta: dict[str, Any]) -> None:
        again, after = self.phase in ENDS, meta["to"]
        start = self.before if again else self.phase
        self.same("from", start, meta["from"])
        self.same("to", PHASES.get((meta["from"], meta["trigger"])), after)
        late = meta["trigger"] in ("NO_LIVE_VIOLATED", "SINK_FAILED")
        self.require(not again or late, "not a failure that ends a session a second time", meta["trigger"])
        self.require(meta["ts_sim"] >= self.moved_at, "ts_sim falls", meta["ts_sim"])
        if after in ENDS:
            self.ended, self.again = [*self.ended[:3], after], False
            self.require(self.codes[STOP] == len(self.ended), "no C2_DRYRUN_STOP before the end", self.codes[STOP])
        elif STATUS[after] != STATUS[start]:
            self.expected = [*self.expected[:3], (after, meta["ts_sim"])]
        self.triggers.add(meta["trigger"])
        self.before, self.phase, self.trigger, self.moved_at = start, after, meta["trigger"], meta["ts_sim"]

    def close(self) -> None:
        """Check the audit as a whole."""
        codes, facts, failed = self.codes, self.facts, self.phase == "ERROR_REQUIRES_OPERATOR"
        self.require(self.phase in ENDS, "the run has no end", self.phase)
        self.require(not codes[SINK_DEAD], "a run with a dead sink is not published")
        if self.before != "INIT":
            self.require(codes[CHECK] == len(CHECKS), "not every check of preflight was made", codes[CHECK])
            self.require(not facts.get("enabled") or codes[OVERRIDDEN], "the gate to live trading was open")
        self.same("number of C2_DRYRUN_STOP", len(self.ended), codes[STOP])
        self.same("number of C2_CANCEL_REQUESTED", int("CANCELLED" in self.triggers), codes[CANCEL])
        refusals = [code for code in CHECKS.values() if codes[code]]
        self.same("code of the rejection", [self.refused_by] if self.refused_by else [], refusals)
        self.require(self.refused_by or self.phase != "PREFLIGHT_FAILED", "no check failed")
        self.require(not self.refused_by or self.before == "INIT", "went on after a check that failed")
        self.same("being failed", failed, any(codes[code] for code in FAILURES.values()))
        self.same("stop_reason being failed", failed, self.stop.get("stop_reason") == "failed")
        if "audit" in facts:
            self.same("audit of the manifest", facts["audit"], {"entries": self.number, "last_hash": self.head})
            self.same("inputs.cancel", facts["cancel"], self.cancel)
            code = FAILURES.get(self.trigger) if failed else None
            asked = self.stop.get("steps", 0) + 1 if self.before == "DRYRUN_ACTIVE" else 0
            end = {"step": asked, "code": code} if code in STRATEGY_ENDS else None
            self.same("inputs.strategy_end", end, facts["strategy_end"])
            self.same("status of the manifest", facts["status"], STATUS[self.phase])
            self.same("retries of the manifest", facts["retries"], self.retries)
            self.same("first ts", self.manifest.reading(0, else_=self.times[0]), self.times[0])


# ---- the files held against each other ----


@dataclass
class Snapshots(Log):
    """Keeps the first and the last few lines of ``state_snapshots.jsonl``."""

    kept: list[dict[str, Any]] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        """Check one snapshot."""
        self.same("status", STATUS[line["phase"]], line["status"])
        if self.kept:
            self.same("started_ts", self.kept[0]["started_ts"], line["started_ts"])
            self.require(line["sink_retries"] >= self.kept[-1]["sink_retries"], "sink_retries falls")
        self.kept = [*self.kept[:3], line]


def check_snapshots(snapshots: Snapshots, audit: Audit, events: Events, retries: int) -> None:
    """Hold the snapshots against the phases of the audit."""
    report, kept, last = audit.report, snapshots.kept, len(audit.expected)
    if len(kept) != last + 1:
        report.add(SNAPSHOTS, 0, "has not one line per status", len(kept), last + 1)
        return
    nothing = dict.fromkeys(("ended_ts", "reject_code", "reject_reason", "fail_code", "fail_reason"))
    wanted: list[dict[str, Any]] = [
        {"phase": phase, "events_emitted": ts_sim, "step": 0, **nothing, "meta": {}} for phase, ts_sim in audit.expected
    ]
    if wanted[-1]["phase"] == "STOPPING":
        wanted[-1]["meta"] = {"stop_reason": "cancelled"}
    failure, reason = FAILURES.get(audit.trigger), audit.stop.get("stop_reason")
    end: dict[str, Any] = {
        "phase": audit.phase,
        "events_emitted": events.number,
        "step": audit.stop.get("steps"),
        "started_ts": audit.times[0],
        "ended_ts": audit.stop.get("ts"),
        "meta": {"stop_reason": reason} if reason else {},
        "reject_code": audit.refused_by,
        "reject_reason": audit.reasons.get(audit.refused_by or ""),
        "fail_code": failure,
        "fail_reason": audit.reasons.get(failure or ""),
    }
    if kept[last]["phase"] != audit.phase and kept[last]["phase"] in audit.ended:
        # written before the failure that ended the session a second time
        end = {key: end[key] for key in ("events_emitted", "step", "started_ts")}
    for number, expected in enumerate([*wanted, end]):
        seen = {key: kept[number][key] for key in expected}
        report.same(SNAPSHOTS, number + 1, "snapshot", expected, seen)
    if not retries <= kept[last]["sink_retries"] <= audit.retries:
        report.add(SNAPSHOTS, last + 1, "sink_retries is another", kept[last]["sink_retries"], audit.retries)


def check_metrics(metrics: dict[str, Any], audit: Audit, events: Events) -> None:
    """Refold every counter that the log can tell."""
    report, kinds = audit.report, events.kinds
    refolded = {
        **{key: audit.facts.get(key, metrics[key]) for key in ("run_id", "strategy_id", "seed")},
        "sink_retries": audit.counted[0],
        "last_audit_event_ts": audit.counted[1],
        "events_emitted": events.number,
        "orders_place_total": kinds["ORDER_SUBMITTED"],
        "order_state_transitions_total": events.moves,
        "fills_total": kinds["FILL"],
        "reconcile_mismatches_total": events.trails[MISMATCH].count,
        "retry_attempts_total": audit.codes[BROKER_RETRY],
        "safety_rail_trips_total": kinds["RAIL_TRIPPED"],
        "orders_blocked_total": kinds["ORDER_BLOCKED"],
        "faults_injected_total": kinds["FAULT_INJECTED"],
        "reconciler_last_ok_ts": events.reconciled_ts,
        "status": STATUS[metrics["orchestrator_state"]],
    }
    for key, value in refolded.items():
        report.same(METRICS, 1, key, value, metrics[key])
    if not audit.counted[2]:
        report.add(METRICS, 1, "audit_events is before the end or beyond the audit", metrics["audit_events"])
    for key, least in (("orders_cancel_total", events.asked), ("orders_query_total", kinds["RECONCILED"])):
        if metrics[key] < least:
            report.add(METRICS, 1, f"{key} is too small", metrics[key], least)
    if metrics["orchestrator_state"] not in audit.ended or metrics["no_live_attempts_total"] not in audit.attempts:
        report.add(METRICS, 1, "tells another end than the audit", metrics["orchestrator_state"], audit.ended)


def check_together(audit: Audit, events: Events) -> None:
    """Hold events and audit against each other."""
    kinds, stop, last, end = events.kinds, audit.stop, events.last.get("payload", {}), events.last.get("event_type")
    for code, trail in events.trails.items():
        told = [audit.trails[code].count, audit.trails[code].hasher.hexdigest()]
        audit.same(f"sequence of {code}", [trail.count, trail.hasher.hexdigest()], told)
    audit.same("ts_sim of the end", events.number, audit.moved_at)
    if events.number:
        events.same("first ts_utc", audit.times[0], events.times[0])
    if end in ("SESSION_STOP", "REJECTED"):
        events.same("last ts_utc", stop.get("ts"), events.times[1])
    events.same("being announced", audit.before != "INIT", kinds["SESSION_START"] > 0)
    events.same("being closed", audit.before != "INIT", end == "SESSION_STOP")
    events.same("being rejected", audit.refused_by is not None, end == "REJECTED")
    if end == "REJECTED":
        events.same("code", audit.refused_by, last["code"])
        events.same("reason", audit.reasons.get(audit.refused_by or ""), last["reason"])
    if end == "SESSION_STOP":
        events.same("steps", stop.get("steps"), last["steps"])
        if len(audit.ended) == 1:
            events.same("stop_reason", stop.get("stop_reason"), last["stop_reason"])
    if audit.phase == "STOPPED":
        audit.same("stop_reason", "cancelled" if audit.cancel else "completed", stop.get("stop_reason"))
    if audit.cancel:
        audit.same("step of the cancel", stop.get("steps"), audit.cancel["step"])
    failed, attempts = audit.phase == "ERROR_REQUIRES_OPERATOR", stop.get("no_live_attempts")
    tripped = kinds["RAIL_TRIPPED"]
    audit.require(failed or not (attempts or tripped), "a rail or the guard was hit and nothing failed")
    audit.require(audit.trigger != "INVARIANT_BROKEN" or tripped, "no rail tripped")
    audit.require(audit.trigger != "NO_LIVE_VIOLATED" or attempts, "no attempt was counted")
    audit.require(not failed or FAILURES.get(audit.trigger) in audit.reasons, "the failure has no entry", audit.trigger)


# ---- the run of another program: ../verify.md ----

ONLY_IN = {
    **dict.fromkeys(("reject_code", "reject_reason"), ("REJECTED", "FAILED")),
    **dict.fromkeys(("fail_code", "fail_reason"), ("FAILED",)),
    "ended_ts": tuple(ENDS.values()),
}
"""The statuses in which a snapshot may have a field."""
STATUS_MOVES = {(STATUS[before], STATUS[after]) for (before, _), after in PHASES.items()} - {("INIT", "INIT")}
TOTALS = {"fills_total": "FILL", "orders_place_total": "ORDER_SUBMITTED", "safety_rail_trips_total": "RAIL_TRIPPED"}
STEPPING = ("STRATEGY_TICK", "ORDER_SUBMITTED", "FILL")


@dataclass
class Other(Log):
    """Follows a file of another program; ``last`` is its last line, for events the last of the contract's kinds."""

    kinds: Counter[str] = field(default_factory=Counter)
    last: dict[str, Any] = field(default_factory=dict)
    moment: datetime | None = None
    phase: str = ""
    unread: int = 0
    retries: int = 0
    tail: int = 0
    tail_retries: int = 0
    other = True

    def _take(self, line: dict[str, Any]) -> None:
        self._names(line)
        counter, clock = COUNTERS[self.name]
        if line.get(counter) is not None:
            self.same(counter, self.number, line[counter])
        try:
            moment = datetime.fromisoformat(line.get(clock) or "")
        except ValueError:
            return
        if self.name != SNAPSHOTS and moment.tzinfo is not None:
            self.require(self.moment is None or moment >= self.moment, "the time goes back", line[clock])
            self.moment = moment

    def take(self, line: dict[str, Any]) -> None:
        """Check one line of the file."""
        act = {EVENTS: self._event, SNAPSHOTS: self._snapshot, AUDIT: self._entry}[self.name]
        act(line)

    def _event(self, line: dict[str, Any]) -> None:
        kind, ended = line["event_type"], self.kinds["SESSION_STOP"]
        identity = {key: line[key] for key in ("run_id", "strategy_id", "event_type", "ts_sim", "payload")}
        self.same("event_id", digest({"kind": "c2_dryrun_event", **identity}), line["event_id"])
        if kind in WORDS["<kind>"]:
            self.require(kind != "SESSION_START" or not self.kinds, "stands too late", kind)
            self.require(not ended, "stands behind the end", kind)
            self.kinds[kind] += 1
            self.last = line

    def _snapshot(self, line: dict[str, Any]) -> None:
        status, before = line["status"], self.last.get("status")
        follows = (before, status) in STATUS_MOVES and before != status if before else status == "INIT"
        self.require(follows, "status may not stand here", status)
        if line.get("started_ts") is not None:
            self.same("started_ts", self.facts.setdefault("started_ts", line["started_ts"]), line["started_ts"])
        for key, statuses in ONLY_IN.items():
            self.require(line.get(key) is None or status in statuses, f"{key} in this status", status)
        for key in ("step", "events_emitted", "sink_retries"):
            known = [value for value in (self.last.get(key), line.get(key)) if value is not None]
            self.require(known == sorted(known), f"{key} falls", line.get(key))
        self.last = line

    def _entry(self, line: dict[str, Any]) -> None:
        code, meta = line["code"], line["meta"]
        self.require(not set(OWN[AUDIT]) & line.keys(), "a chain in this entry and not in the first")
        self.require(code != START or self.number == 0, "stands too late", code)
        self.require(code not in (START, STOP) or not self.kinds[code], "stands twice", code)
        for key, kind in (("run_id", str), ("strategy_id", str), ("seed", int)):
            if type(meta.get(key)) is kind:
                self.same(f"meta.{key}", self.facts.setdefault(key, meta[key]), meta[key])
        if code in (*AFTER_THE_END, START, *self.facts["codes"]):
            self.kinds[code] += 1
        late = code in (RETRY, SINK_DEAD)
        self.tail, self.tail_retries = (self.tail + 1, self.tail_retries) if late else (0, 0)
        if code == RETRY:
            claimed = meta.get("retries")
            count = claimed if type(claimed) is int and claimed > 0 else 1
            self.retries, self.tail_retries = self.retries + count, self.tail_retries + count
        if code == MOVE:
            self._move(str(meta.get("from")), str(meta.get("to")))

    def _move(self, before: str, after: str) -> None:
        if before not in STATUS or after not in STATUS:
            self.unread += 1
            return
        self.require(self.unread or before == (self.phase or "INIT"), "another phase than before", before)
        self.require(after in {PHASES[move] for move in PHASES if move[0] == before}, "no move of the table", after)
        self.phase = after


def is_other(folder: Path) -> bool:
    """Whether the first audit entry and the first snapshot, where they can be read, have no field of c2lib's own."""
    own = []
    for name, fields in OWN.items():
        try:
            value = _OTHER_DECODER.decode(Artifact(folder, name, Report()).first().decode())
        except (ValueError, RecursionError):
            continue
        if type(value) is dict and value:
            own.append(not set(fields).isdisjoint(value))
    return bool(own) and not any(own)


def _starts_as_own(folder: Path) -> bool:
    """Whether the first event is a ``SESSION_START`` of c2lib's own contract."""
    try:
        event = decode(Artifact(folder, EVENTS, Report()).first())
    except NotCanonicalError:
        return False
    own = event.get("event_type") == "SESSION_START"
    return own and Report().well_formed(EVENTS, 1, "SESSION_START", event.get("payload"), more=True)


def check_other(folder: Path, report: Report) -> None:
    """Read the four files of another program and hold them against each other."""
    manifest = Manifest(report)
    events = Events(EVENTS, manifest) if _starts_as_own(folder) else Other(EVENTS, manifest)
    snapshots, audit = Other(SNAPSHOTS, manifest), Other(AUDIT, manifest)
    events.read(folder)
    snapshots.read(folder)
    last = snapshots.last
    manifest.facts["codes"] = [last[key] for key in ("reject_code", "fail_code") if last.get(key)]
    metrics = Artifact(folder, METRICS, report, other=True).only()
    for key in ("run_id", "strategy_id", "seed"):
        if metrics and metrics.get(key) is not None:
            report.same(METRICS, 1, key, manifest.facts.setdefault(key, metrics[key]), metrics[key])
    audit.read(folder)
    if audit.kinds[SINK_DEAD]:
        report.add(AUDIT, 0, "a sink failed for good")
    elif report.broken & set(SEALED):
        report.unchecked.append("what the files say of each other: one of them cannot be followed")
    else:
        _check_other_end(events, snapshots, audit, metrics or {})


def _check_other_end(events: Events | Other, snapshots: Other, audit: Other, metrics: dict[str, Any]) -> None:
    report, last, kinds = audit.report, snapshots.last, events.kinds
    status = last.get("status")
    of_events = {"events_emitted": events.number} | {key: kinds[kind] for key, kind in TOTALS.items()}
    ranges = {key: (count, count) for key, count in of_events.items()}
    ranges |= {"sink_retries": (audit.retries - audit.tail_retries, audit.retries)}
    ranges |= {"audit_events": (audit.number - audit.tail, audit.number)}
    for name, value in ((SNAPSHOTS, last), (METRICS, metrics)):
        for key, (least, most) in ranges.items():
            seen = value.get(key) if key in FORMS[OTHER + name] else None
            if seen is not None and not least <= seen <= most:
                report.add(name, 0, f"{key} is another", seen, most)
    report.same(METRICS, 0, "status", status, metrics["status"])
    for name, holds, problem in (
        (SNAPSHOTS, status in ENDS.values(), "the run has no end"),
        (SNAPSHOTS, not audit.phase or audit.unread or STATUS[audit.phase] == status, "the phases lead elsewhere"),
        (AUDIT, audit.kinds[START], f"no {START}"),
        (AUDIT, audit.kinds[STOP] or status == "REJECTED", f"no {STOP}"),
        (SNAPSHOTS, all(audit.kinds[code] for code in audit.facts["codes"]), "a code that the audit has not"),
        (EVENTS, status != "COMPLETED" or events.last.get("event_type") == "SESSION_STOP", "no SESSION_STOP at last"),
        (EVENTS, status != "REJECTED" or not any(kinds[kind] for kind in STEPPING), "a step of a rejected run"),
    ):
        if not holds:
            report.add(name, 0, problem, status)


# ---- the verdict ----

NEVER = "orders_query_total, prices and decisions: only a replay by c2lib can tell"
UNSEALED_OTHER = "chain, seal, config, other files, payloads, orders, money: the run is that of another program"
UNSEALED = "hashes of the files, config, criteria, market, seed, fees, steps, clock: they need the manifest"


def verify(folder: Path, expect_digest: str | None = None) -> Report:
    """Return the report on a run directory; raise :class:`OSError` when there is none to read."""
    report = Report(unchecked=[NEVER])
    manifest, other = Manifest(report), not os.path.lexists(folder / MANIFEST) and is_other(folder)
    if not other:
        check_names(folder, report)
    missing = [name for name in SEALED if not os.path.lexists(folder / name)]
    if folder.resolve().name.startswith(STAGING):
        report.verdict = "INCOMPLETE"
        report.add(".", 0, "is a staging folder: the run was never published")
    elif os.path.lexists(folder / MANIFEST):
        manifest.read(folder)
    else:
        report.verdict = "INCOMPLETE" if missing else "UNSEALED"
        report.unchecked.append(UNSEALED_OTHER if other else UNSEALED)
    if other:
        check_other(folder, report)
    else:
        check_files(folder, manifest)
    if expect_digest is not None:
        report.same(MANIFEST, 0, "run_digest", expect_digest, report.run_digest)
    return report


def check_files(folder: Path, manifest: Manifest) -> None:
    """Read the four files and hold them against each other, as far as they could be read."""
    manifest.seal_strategy(folder)
    report, artifact = manifest.report, Artifact(folder, METRICS, manifest.report)
    metrics = artifact.only()
    manifest.seal(artifact)
    events, snapshots = Events(EVENTS, manifest), Snapshots(SNAPSHOTS, manifest)
    audit = Audit(AUDIT, manifest, at=metrics["audit_events"] if metrics else 0)
    for story in (events, audit, snapshots):
        story.read(folder)
    if report.broken & {EVENTS, AUDIT}:
        report.unchecked.append("what the files say of each other: one of them cannot be followed")
        return
    audit.close()
    check_together(audit, events)
    if metrics:
        check_metrics(metrics, audit, events)
    if SNAPSHOTS not in report.broken:
        check_snapshots(snapshots, audit, events, metrics["sink_retries"] if metrics else 0)


def told(report: Report, *, as_json: bool) -> str:
    """Return the report as text, or as one JSON line."""
    if as_json:
        facts: dict[str, Any] = {"verdict": report.verdict, "findings": [found._asdict() for found in report.findings]}
        facts |= {"findings_total": report.total, "unchecked": report.unchecked, "run_digest": report.run_digest}
        facts["notes"] = report.notes
        return json.dumps(facts, sort_keys=True)
    rows = [f"{f.file}:{f.line}: {f.problem} (expected {f.expected}, seen {f.seen})" for f in report.findings]
    rows += [f"unchecked: {what}" for what in report.unchecked] + [f"note: {what}" for what in report.notes]
    return "\n".join([*rows, f"{report.verdict}, {report.total} findings"])


def main(arguments: list[str] | None = None) -> int:
    """Verify one run directory and return the exit status."""
    parser = argparse.ArgumentParser(description="Check a c2lib run directory against the contract, without c2lib.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--expect-digest", metavar="HEX", help="the run_digest that the run must have")
    parser.add_argument("--json", action="store_true", help="report as one JSON line")
    options = parser.parse_args(arguments)
    if options.expect_digest is not None and not fits(":sha256", options.expect_digest):
        parser.error("--expect-digest takes 64 lower-case hex digits")
    try:
        report = verify(options.run_dir, options.expect_digest)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"no report possible: {str(error)!a}\n")
        return 2
    sys.stdout.write(told(report, as_json=options.json) + "\n")
    return 1 if report.total else 0


if __name__ == "__main__":
    sys.exit(main())
