"""Checks a run directory against the contract in README.md, fields.md and states.md beside this file.

A second verifier, written from those pages alone: it imports nothing of c2lib, so that a defect of c2lib's own verifier
is not repeated here. It checks form, hashes, chain and phases, and refolds orders, books and counters by exact fractions.
It does not run the session again, and knows no run but c2lib's own.

    python verify_run.py RUN_DIR [--expect-digest HEX] [--json]

Exit status: 0 no findings, 1 findings, 2 no report possible. Rules kept here:

* only the files that the contract names are opened, regular ones and no links; nothing is executed;
* a file is read once, line by line, each line bounded; memory follows the open orders, not the run;
* whatever a file holds is a finding, never an exception.

>>> decode(b'{"a":1}')
{'a': 1}
>>> decode(b'{"a": 1}')
Traceback (most recent call last):
verify_run.NotCanonicalError: is not canonical JSON
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
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

# ---- vocabularies: fields.md ------------------------------------------------------------------------------------------

EVENTS, SNAPSHOTS, AUDIT, METRICS = "events.jsonl", "state_snapshots.jsonl", "audit.jsonl", "metrics.json"
MANIFEST, ENVIRONMENT, EVIDENCE, STAGING = "run_manifest.json", "environment.json", "evidence", ".staging-"
SEALED = (EVENTS, SNAPSHOTS, AUDIT, METRICS)
LONGEST = {name: 1 << 20 for name in SEALED} | {MANIFEST: 1 << 26}
"""Longest line of each file in bytes, far beyond an honest one: a manifest holds every reading of an injected clock."""

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
}
START, CHECK, MOVE, STOP = "C2_DRYRUN_START", "C2_PREFLIGHT_CHECK", "C2_PHASE_TRANSITION", "C2_DRYRUN_STOP"
RETRY, SINK_DEAD, OVERRIDDEN = "C2_SINK_WRITE_RETRY", "C2_SINK_WRITE_FAILED", "C2_LIVE_GATE_OVERRIDDEN"
CANCEL, REFUSED, TRIPPED = "C2_CANCEL_REQUESTED", "C2_ORDER_REJECTED", "C2_RAIL_TRIPPED"
MISMATCH, BROKER_RETRY = "C2_RECONCILE_MISMATCH", "C2_BROKER_RETRY"
CODES = (START, CHECK, MOVE, STOP, RETRY, SINK_DEAD, OVERRIDDEN, CANCEL, REFUSED, TRIPPED, MISMATCH, BROKER_RETRY)
AUDIT_CODES = (*CODES, "C2_BROKER_FAILED", *CHECKS.values(), *FAILURES.values())

# ---- state machines: states.md ----------------------------------------------------------------------------------------

STATUS = {
    "INIT": "INIT",
    "PREFLIGHT_OK": "INIT",
    "DRYRUN_ACTIVE": "RUNNING",
    "STOPPING": "RUNNING",
    "STOPPED": "COMPLETED",
    "PREFLIGHT_FAILED": "REJECTED",
    "ERROR_REQUIRES_OPERATOR": "FAILED",
}
ENDS = ("STOPPED", "PREFLIGHT_FAILED", "ERROR_REQUIRES_OPERATOR")
PHASES = {
    ("INIT", "PREFLIGHT_PASSED"): "PREFLIGHT_OK",
    ("INIT", "PREFLIGHT_REJECTED"): "PREFLIGHT_FAILED",
    ("PREFLIGHT_OK", "FIRST_STEP"): "DRYRUN_ACTIVE",
    ("PREFLIGHT_OK", "CANCELLED"): "STOPPING",
    ("DRYRUN_ACTIVE", "BOUND_REACHED"): "STOPPING",
    ("DRYRUN_ACTIVE", "CANCELLED"): "STOPPING",
    ("STOPPING", "CLOSED"): "STOPPED",
    **{(phase, trigger): "ERROR_REQUIRES_OPERATOR" for phase in STATUS if phase not in ENDS for trigger in FAILURES},
}
OPEN = ("NEW", "PARTIALLY_FILLED")
ORDER_MOVES = {
    "ORDER_ACKNOWLEDGED": (("PENDING_NEW",), "NEW", 1),
    "ORDER_REJECTED": (("PENDING_NEW",), "REJECTED", 1),
    "ORDER_CANCELLED": (OPEN, "CANCELLED", 2),
    "ORDER_EXPIRED": (OPEN, "EXPIRED", 1),
}
"""From where, to where, and how many moves an event stands for; a cancel that is pending leaves no event."""

# ---- forms of fields: fields.md ---------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/=:^+-]{0,127}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _is_time(value: Any) -> bool:
    try:
        return len(value) <= 32 and value.endswith("+00:00") and datetime.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


KINDS: Mapping[str, tuple[type, Callable[[Any], bool]]] = {
    "integer": (int, lambda value: value >= 0),
    "signed": (int, lambda value: True),
    "boolean": (bool, lambda value: True),
    "decimal": (str, lambda value: len(value) < 1000 and _DECIMAL.fullmatch(value) is not None),
    "time": (str, _is_time),
    "sha256": (str, lambda value: _SHA256.fullmatch(value) is not None),
    "identifier": (str, lambda value: _IDENTIFIER.fullmatch(value) is not None),
    "text": (str, lambda value: True),
    "texts": (list, lambda value: all(type(item) is str for item in value)),
    "object": (dict, lambda value: True),
    "list": (list, lambda value: True),
}


class Form(NamedTuple):
    """What a field may hold: a kind, or one of ``words``."""

    kind: str
    nullable: bool
    words: tuple[str, ...]

    def fits(self, value: Any) -> bool:
        """Whether ``value`` has this form."""
        if value is None:
            return self.nullable
        if self.words:
            return type(value) is str and value in self.words
        wanted, holds = KINDS[self.kind]
        return type(value) is wanted and holds(value)


def forms(text: str, **words: tuple[str, ...]) -> dict[str, Form]:
    """Return the forms of ``name:kind`` or ``name:=WORD|WORD``; ``?`` behind a name allows null.

    >>> forms("side:=BUY|SELL")["side"].fits("BUY"), forms("limit?:decimal")["limit"].fits(None)
    (True, True)
    """
    made = {}
    for part in text.split():
        name, kind = part.split(":", 1)
        bare = name.rstrip("?")
        chosen = words.get(bare) or (tuple(kind[1:].split("|")) if kind[0] == "=" else ())
        made[bare] = Form(kind, name != bare, chosen)
    return made


_NAMES = "run_id:text strategy_id:text"
_ANSWER = forms("client_order_id:identifier broker_order_id?:identifier reason?:text bar_index:integer")
_SIDE = "client_order_id:identifier symbol:identifier side:=BUY|SELL quantity:decimal bar_index:integer"
_REASON = "=completed|cancelled|failed"
PAYLOADS = {
    "SESSION_START": forms(
        "clock_mode:=fixed|injected|market config_sha256:sha256 criteria_sha256:sha256 market_sha256:sha256"
        " symbol:identifier steps:integer initial_cash:decimal"
    ),
    "STRATEGY_TICK": forms("bar_index:integer bar_time:time close:decimal decision:identifier"),
    "ORDER_SUBMITTED": forms(
        f"{_SIDE} order_type:=MARKET|LIMIT|STOP|STOP_LIMIT limit_price?:decimal stop_price?:decimal"
        " time_in_force:=GTC|IOC|FOK|DAY tag?:text"
    ),
    **dict.fromkeys(ORDER_MOVES, _ANSWER),
    "FILL": forms(
        f"{_SIDE} fill_id:identifier broker_order_id:identifier price:decimal fee:decimal liquidity:=MAKER|TAKER"
        " leaves_quantity:decimal"
    ),
    "FAULT_INJECTED": forms("fault:identifier target:identifier detail:text"),
    "RAIL_TRIPPED": forms("rail:identifier expected:text seen:text"),
    "RECONCILED": forms("mismatches:texts"),
    "SESSION_STOP": forms(
        f"stop_reason:{_REASON} steps:integer position:decimal cash:decimal mark_price?:decimal equity:decimal"
    ),
    "REJECTED": forms("code:= reason:text", code=tuple(CHECKS.values())),
}
_OUTCOME = {
    "status": tuple(dict.fromkeys(STATUS.values())),
    "phase": tuple(STATUS),
    "orchestrator_state": tuple(STATUS),
}
LINES = {
    EVENTS: forms(
        f"schema_version:=C2_DRYRUN_V1 event_id:sha256 {_NAMES} event_type:= ts_sim:integer ts_utc:time payload:object",
        event_type=tuple(PAYLOADS),
    ),
    SNAPSHOTS: forms(
        f"schema_version:=C2_DRYRUN_STATE_V1 {_NAMES} status:= phase:= ts_sim:integer started_ts:time ended_ts?:time"
        " step:integer events_emitted:integer sink_retries:integer reject_code?:= reject_reason?:text fail_code?:="
        " fail_reason?:text meta:object",
        reject_code=tuple(CHECKS.values()),
        fail_code=tuple(FAILURES.values()),
        **_OUTCOME,
    ),
    AUDIT: forms(
        "seq:integer ts:time level:=INFO|WARN|ERROR code:= message:text meta:object prev_hash:sha256 entry_hash:sha256",
        code=AUDIT_CODES,
    ),
    METRICS: forms(
        f"schema_version:=C2_DRYRUN_METRICS_V1 {_NAMES} seed:signed status:= events_emitted:integer"
        " audit_events:integer sink_retries:integer orders_place_total:integer orders_cancel_total:integer"
        " orders_query_total:integer order_state_transitions_total:integer fills_total:integer"
        " reconcile_mismatches_total:integer retry_attempts_total:integer safety_rail_trips_total:integer"
        " no_live_attempts_total:integer orchestrator_state:= last_audit_event_ts?:time reconciler_last_ok_ts?:time",
        **_OUTCOME,
    ),
    MANIFEST: forms(
        f"schema_version:=C2_RUN_MANIFEST_V1 {_NAMES} status:= behaviour_version:integer config:object"
        " config_sha256:sha256 criteria_sha256:sha256 market:object strategy:object inputs:object artifacts:object"
        " audit:object run_digest:sha256",
        **_OUTCOME,
    ),
}
NUMBERED = {EVENTS: ("ts_sim", "ts_utc"), SNAPSHOTS: ("ts_sim", "started_ts"), AUDIT: ("seq", "ts")}
WITHIN_MANIFEST = {
    "artifacts": forms(" ".join(f"{name}:object" for name in SEALED)),
    "audit": forms("entries:integer last_hash:sha256"),
    "market": forms("source:=synthetic|file sha256:sha256 bars:integer"),
    "strategy": forms("origin?:=built-in|file|object sha256?:sha256"),
    "inputs": forms("cancel?:object clock_readings?:list sink_failures:list"),
}
CONFIG = {
    "": forms(
        f"{_NAMES} seed:signed clock_mode:=fixed|injected|market clock_start?:time steps:integer enabled:boolean"
        " max_sink_retries:signed tick_events:=every|decisions criteria:object market:object broker:object"
    ),
    "market": forms(
        "source:=synthetic|file symbol:identifier tick_size:decimal lot_size:decimal file_sha256?:sha256 synthetic:object"
    ),
    "broker": forms("initial_cash:decimal maker_fee_rate:decimal taker_fee_rate:decimal latency_steps:integer"),
}
"""The fields of the sealed config that the rules name; it has more."""
META = {
    CHECK: forms("check:= passed:boolean", check=tuple(CHECKS)),
    MOVE: forms("from:= to:= trigger:text ts_sim:integer", **{"from": tuple(STATUS), "to": tuple(STATUS)}),
    RETRY: forms("sink:= retries:integer error:text", sink=SEALED),
    STOP: forms(f"stop_reason?:{_REASON} steps:integer no_live_attempts:integer"),
    CANCEL: forms("reason:text step:integer"),
    REFUSED: forms("client_order_id:identifier reason:text"),
    MISMATCH: forms("mismatch:text"),
    TRIPPED: PAYLOADS["RAIL_TRIPPED"],
}

# ---- canonical JSON: README.md ----------------------------------------------------------------------------------------


class NotCanonicalError(ValueError):
    """A line is not the canonical JSON of an object."""


def encode(value: Any) -> bytes:
    """Return the canonical JSON of a value that :func:`decode` let pass."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


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


def _check_inside(value: Any) -> None:
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > 64:
            raise NotCanonicalError("is nested deeper than 64")
        if type(item) is str:
            if not item.isascii() and not unicodedata.is_normalized("NFC", item):
                raise NotCanonicalError("has a text that is not in Unicode NFC")
        elif type(item) is dict:
            waiting += [(part, depth + 1) for pair in item.items() for part in pair]
        elif type(item) is list:
            waiting += [(part, depth + 1) for part in item]


def decode(raw: bytes) -> dict[str, Any]:
    """Return the object of a line without its end; raise :class:`NotCanonicalError`."""
    hooks: dict[str, Any] = {"parse_int": _integer, "parse_float": _no_float, "parse_constant": _no_float}
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_object, **hooks)
        _check_inside(value)
        good = type(value) is dict and encode(value) == raw
    except NotCanonicalError:
        raise
    except UnicodeError:
        raise NotCanonicalError("is not UTF-8, or has a lone surrogate") from None
    except ValueError:
        raise NotCanonicalError("is not JSON") from None
    except RecursionError:
        raise NotCanonicalError("is nested deeper than 64") from None
    if not good:
        raise NotCanonicalError("is not canonical JSON")
    assert type(value) is dict
    return value


# ---- what is found ----------------------------------------------------------------------------------------------------


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
    """Findings, the first of them kept; ``broken`` are the files whose story cannot be told further."""

    verdict: str = "SEALED"
    findings: list[Finding] = field(default_factory=list)
    total: int = 0
    unchecked: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    run_digest: str | None = None

    def add(self, file: str, line: int, problem: str, expected: Any = "", seen: Any = "") -> None:
        """Note a finding; beyond 100 only their number grows."""
        self.total += 1
        if len(self.findings) < 100:
            self.findings.append(Finding(file, line, problem, _short(expected), _short(seen)))

    def require(self, file: str, line: int, holds: bool, problem: str, seen: Any = "") -> None:
        """Note a finding unless ``holds``."""
        if not holds:
            self.add(file, line, problem, seen=seen)

    def same(self, file: str, line: int, what: str, expected: Any, seen: Any) -> None:
        """Note a finding unless both are the same JSON value, types included."""
        if type(expected) is not type(seen) or encode(expected) != encode(seen):
            self.add(file, line, f"{what} is another", expected, seen)

    def well_formed(self, file: str, line: int, what: str, value: Any, form: Mapping[str, Form], more: bool) -> bool:
        """Whether an object has the keys and forms asked for, exactly unless ``more`` are allowed."""
        if type(value) is not dict:
            self.add(file, line, f"{what} is not an object", seen=value)
            return False
        wrong = [name for name, wanted in form.items() if name not in value or not wanted.fits(value[name])]
        wrong += [] if more else [name for name in value if name not in form]
        for name in wrong:
            self.add(
                file, line, f"{what} has a wrong, missing or unknown {_short(name)}", seen=value.get(name, "nothing")
            )
        return not wrong


# ---- files: README.md, the directory ----------------------------------------------------------------------------------


@dataclass
class Artifact:
    """One file: yields its well-formed lines, and has its hash and size once they were read."""

    folder: Path
    name: str
    report: Report
    sha256: str = ""
    size: int = 0
    lines: int = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        stream = self._opened()
        if stream is None:
            self.report.broken.add(self.name)
            return
        with stream:
            yield from self._read(stream)

    def _opened(self) -> BinaryIO | None:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            if not stat.S_ISREG(os.lstat(self.folder / self.name).st_mode):
                self.report.add(self.name, 0, "is not a regular file")
                return None
            return os.fdopen(os.open(self.folder / self.name, flags), "rb")
        except OSError as error:
            self.report.add(self.name, 0, f"cannot be read: {error.strerror}")
            return None

    def _read(self, stream: BinaryIO) -> Iterator[dict[str, Any]]:
        longest, hasher = LONGEST[self.name], hashlib.sha256()
        within = False
        while raw := stream.readline(longest + 1):
            hasher.update(raw)
            self.size += len(raw)
            ended = raw.endswith(b"\n")
            self.lines += ended
            if within or not ended:
                if not within:
                    self._break(self.lines + 1, f"has no end within {longest} bytes, or none at all")
            elif (line := self._decoded(raw[:-1])) is not None:
                yield line
            within = not ended
        self.sha256 = hasher.hexdigest()

    def _decoded(self, raw: bytes) -> dict[str, Any] | None:
        try:
            line = decode(raw)
        except NotCanonicalError as error:
            self._break(self.lines, str(error))
            return None
        good = self.report.well_formed(self.name, self.lines, "the line", line, LINES[self.name], False)
        if not good:
            self.report.broken.add(self.name)
        return line if good else None

    def _break(self, line: int, problem: str) -> None:
        self.report.add(self.name, line, problem)
        self.report.broken.add(self.name)

    def only(self) -> dict[str, Any] | None:
        """Return the one line of a file that has one."""
        found = None
        for line in self:
            found = line
        if self.name not in self.report.broken and self.lines != 1:
            self._break(0, "does not hold exactly one line")
        return None if self.name in self.report.broken else found


def check_names(folder: Path, report: Report) -> None:
    """Find what does not belong into a run directory."""
    kinds = dict.fromkeys((*SEALED, MANIFEST, ENVIRONMENT), stat.S_ISREG) | {EVIDENCE: stat.S_ISDIR}
    for name in sorted(os.listdir(folder)):
        belongs = kinds.get(name)
        if belongs is None:
            report.add(name, 0, "does not belong into a run directory")
        elif name in (ENVIRONMENT, EVIDENCE) and not belongs(os.lstat(folder / name).st_mode):
            report.add(name, 0, "is not what its name says")


# ---- the manifest -----------------------------------------------------------------------------------------------------


class Clock:
    """The readings that a manifest tells of; none with ``clock_mode: market``."""

    def __init__(self, readings: list[Any] | None, report: Report) -> None:
        pairs = readings or []
        sound = all(type(pair) is list and len(pair) == 2 for pair in pairs)
        sound = sound and all(type(number) is int and type(text) is str and _is_time(text) for number, text in pairs)
        grows = sound and all(a[0] < b[0] and a[1] < b[1] for a, b in zip(pairs, pairs[1:], strict=False))
        if readings is not None and not (grows and pairs and pairs[0][0] == 0):
            report.add(MANIFEST, 1, "inputs.clock_readings do not begin at 0 and grow")
            pairs = []
        self.numbers, self.texts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def reading(self, number: int) -> str | None:
        """Return what reading ``number`` gave, or ``None`` when it is not known."""
        return self.texts[bisect_right(self.numbers, number) - 1] if self.texts else None


@dataclass
class Manifest:
    """What the manifest says, as far as it is well-formed: facts by name, those of the config by dotted name."""

    report: Report
    facts: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)
    clock: Clock | None = None

    def read(self, folder: Path) -> None:
        """Read the manifest and check what it says of itself."""
        manifest = Artifact(folder, MANIFEST, self.report).only()
        if manifest is None:
            return
        self.report.run_digest = digest(manifest, "run_digest")
        self.report.same(MANIFEST, 1, "run_digest", self.report.run_digest, manifest["run_digest"])
        config = manifest["config"]
        parts = {name: (manifest[name], form, False) for name, form in WITHIN_MANIFEST.items()}
        parts |= {f"config.{name}": (config.get(name) if name else config, form, True) for name, form in CONFIG.items()}
        if not all([self.report.well_formed(MANIFEST, 1, name, *part) for name, part in parts.items()]):
            self.report.broken.add(MANIFEST)
            return
        for name in CONFIG:
            part = config[name] if name else config
            self.facts |= {f"{name}.{key}" if name else key: part[key] for key in CONFIG[name]}
        self.facts |= {name: manifest[name] for name in ("status", "audit")} | manifest["inputs"]
        self.artifacts, self.clock = manifest["artifacts"], Clock(manifest["inputs"]["clock_readings"], self.report)
        self._check_config(manifest, config)
        self._check_inputs()

    def _check_config(self, manifest: dict[str, Any], config: dict[str, Any]) -> None:
        facts, market = self.facts, config["market"]
        walk = {"generator": "c2lib_synthetic_walk", "version": 1, "seed": config["seed"]}
        walk |= {"parameters": market["synthetic"], "tick_size": market["tick_size"], "lot_size": market["lot_size"]}
        facts["config_sha256"], facts["criteria_sha256"] = digest(config), digest(config["criteria"])
        facts["market_sha256"] = digest(walk) if market["source"] == "synthetic" else market["file_sha256"]
        for name in ("run_id", "strategy_id", "config_sha256", "criteria_sha256"):
            self.report.same(MANIFEST, 1, name, facts[name], manifest[name])
        self.report.same(MANIFEST, 1, "market.source", market["source"], manifest["market"]["source"])
        self.report.same(MANIFEST, 1, "market.sha256", facts["market_sha256"], manifest["market"]["sha256"])
        enough = manifest["market"]["bars"] >= config["steps"]
        self.report.require(MANIFEST, 1, enough, "market.bars are fewer than the steps", manifest["market"]["bars"])

    def _check_inputs(self) -> None:
        facts, by_bars = self.facts, self.facts["clock_mode"] == "market"
        self.report.same(MANIFEST, 1, "clock_readings being null", by_bars, facts["clock_readings"] is None)
        if facts["clock_start"] is not None:
            self.report.same(MANIFEST, 1, "clock_readings", [[0, facts["clock_start"]]], facts["clock_readings"])
        facts["retries"] = 0
        for failure in facts["sink_failures"]:
            sound = type(failure) is list and len(failure) == 3 and failure[0] in SEALED and type(failure[1]) is int
            sound = sound and KINDS["texts"][0] is type(failure[2]) and KINDS["texts"][1](failure[2])
            sound = sound and 1 <= len(failure[2]) <= facts["max_sink_retries"]
            self.report.require(MANIFEST, 1, sound, "inputs.sink_failures has a wrong entry", failure)
            facts["retries"] += len(failure[2]) if sound else 0


# ---- what events and audit both tell ----------------------------------------------------------------------------------


@dataclass
class Trail:
    """A sequence of values, as a count and a running hash, so that two can be compared without being kept."""

    count: int = 0
    hasher: Any = field(default_factory=hashlib.sha256)

    def add(self, value: Any) -> None:
        """Take the next value."""
        self.count += 1
        self.hasher.update(encode(value) + b"\n")

    def told(self) -> list[Any]:
        """Return what is equal when two trails are."""
        return [self.count, self.hasher.hexdigest()]


@dataclass
class Story:
    """What the lines of one file tell, one after the other."""

    name: str
    report: Report
    manifest: Manifest
    number: int = 0
    last_ts: str = ""
    trails: dict[str, Trail] = field(default_factory=lambda: {code: Trail() for code in (REFUSED, TRIPPED, MISMATCH)})

    def found(self, holds: bool, problem: str, seen: Any = "") -> None:
        """Note a finding at the current line unless ``holds``."""
        self.report.require(self.name, self.number + 1, holds, problem, seen)

    def same(self, what: str, expected: Any, seen: Any) -> None:
        """Note a finding at the current line unless both are the same."""
        self.report.same(self.name, self.number + 1, what, expected, seen)

    def told(self, line: dict[str, Any]) -> None:
        """Check what all lines have: the run's names, a number, a time that never goes back."""
        facts, (counter, clock) = self.manifest.facts, NUMBERED[self.name]
        for key in ("run_id", "strategy_id"):
            if key in line:
                self.same(key, facts.setdefault(key, line[key]), line[key])
        self.same(counter, self.number, line[counter])
        self.found(line[clock] >= self.last_ts, "the time goes back", line[clock])
        self.last_ts = line[clock]

    def take(self, line: dict[str, Any]) -> None:
        """Check one line."""
        raise NotImplementedError


# ---- events: orders, fills, books -------------------------------------------------------------------------------------


@dataclass
class Order:
    """An open order."""

    side: str
    quantity: Fraction
    limit: Fraction | None
    bar_index: int
    status: str = "PENDING_NEW"
    filled: Fraction = Fraction(0)
    broker_order_id: str | None = None


@dataclass
class Events(Story):
    """Refolds ``events.jsonl``."""

    kinds: Counter[str] = field(default_factory=Counter)
    orders: dict[str, Order] = field(default_factory=dict)
    position: Fraction = Fraction(0)
    cash: Fraction = Fraction(0)
    moves: int = 0
    bar_index: int = 0
    tick: dict[str, Any] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    last: dict[str, Any] = field(default_factory=dict)
    reconciled_ts: str | None = None

    def take(self, line: dict[str, Any]) -> None:
        """Check one event and let it act upon orders and books."""
        kind, payload = line["event_type"], line["payload"]
        self.told(line)
        identity = {key: line[key] for key in ("run_id", "strategy_id", "event_type", "ts_sim", "payload")}
        self.same("event_id", digest({"kind": "c2_dryrun_event", **identity}), line["event_id"])
        if not self.report.well_formed(self.name, self.number + 1, "payload", payload, PAYLOADS[kind], True):
            self.report.broken.add(EVENTS)
            return
        self.found(not self.kinds["SESSION_STOP"] and not self.kinds["REJECTED"], "stands behind the last event", kind)
        first = kind in ("SESSION_START", "REJECTED")
        self.found(
            self.number == 0 if first else self.kinds["SESSION_START"] == 1 or kind == "RAIL_TRIPPED",
            "stands too early or late",
            kind,
        )
        self.kinds[kind] += 1
        self.last = line
        if "bar_index" in PAYLOADS[kind]:
            self.found(payload["bar_index"] >= self.bar_index, "bar_index falls", payload["bar_index"])
            self.bar_index = payload["bar_index"]
        act = self._answer if kind in ORDER_MOVES else getattr(self, f"_{kind.lower()}", None)
        if act:
            act(payload)

    def _session_start(self, payload: dict[str, Any]) -> None:
        facts = self.manifest.facts
        names = {"symbol": "market.symbol", "initial_cash": "broker.initial_cash"}
        for key in PAYLOADS["SESSION_START"]:
            self.same(key, facts.setdefault(names.get(key, key), payload[key]), payload[key])
        self.cash = Fraction(payload["initial_cash"])

    def _strategy_tick(self, payload: dict[str, Any]) -> None:
        before, facts, clock = self.tick, self.manifest.facts, self.manifest.clock
        bar, words = payload["bar_index"], payload["decision"].split("+")
        grows = not before or (bar > before["bar_index"] and payload["bar_time"] > before["bar_time"])
        self.found(grows, "a tick goes back", payload["bar_time"])
        known = words == ["HOLD"] or (len(set(words)) == len(words) and set(words) <= {"BUY", "SELL", "CANCEL"})
        self.found(known, "decision is none of the known words", payload["decision"])
        self.found(not self.owed, "no order followed the decision before", sorted(self.owed))
        if facts.get("tick_events") == "every":
            self.same("bar_index", before["bar_index"] + 1 if before else 0, bar)
        elif "tick_events" in facts:
            self.found(words != ["HOLD"], "a tick without a decision")
        expected = (
            payload["bar_time"] if facts.get("clock_mode") == "market" else clock.reading(bar + 1) if clock else None
        )
        self.same("ts_utc", expected or self.last["ts_utc"], self.last["ts_utc"])
        self.tick, self.owed = payload, set(words) & {"BUY", "SELL"}

    def _order_submitted(self, payload: dict[str, Any]) -> None:
        kind, side, name = payload["order_type"], payload["side"], payload["client_order_id"]
        self.same("client_order_id", f"c-{self.kinds['ORDER_SUBMITTED']:06d}", name)
        self.same("symbol", self.manifest.facts.get("market.symbol", payload["symbol"]), payload["symbol"])
        self.same("bar_index", self.tick.get("bar_index"), payload["bar_index"])
        self.found(side in self.tick.get("decision", "").split("+"), "no decision asked for this side", side)
        self.owed.discard(side)
        for price, types in (("limit_price", ("LIMIT", "STOP_LIMIT")), ("stop_price", ("STOP", "STOP_LIMIT"))):
            self.same(f"{price} being there", kind in types, payload[price] is not None)
            self._on_grid(price, payload[price], "market.tick_size")
        self._on_grid("quantity", payload["quantity"], "market.lot_size")
        limit = payload["limit_price"]
        quantity, limit_price = Fraction(payload["quantity"]), Fraction(limit) if limit else None
        self.orders[name] = Order(side, quantity, limit_price, payload["bar_index"])

    def _on_grid(self, what: str, text: str | None, step: str) -> None:
        if text is None:
            return
        size = Fraction(self.manifest.facts.get(step, "0"))
        whole = size <= 0 or (Fraction(text) / size).denominator == 1
        self.found(whole and Fraction(text) > 0, f"{what} is not above 0 and a multiple of {step}", text)

    def _order(self, payload: dict[str, Any], allowed: tuple[str, ...]) -> Order | None:
        order = self.orders.get(payload["client_order_id"])
        if order is None:
            self.found(False, "the order is not open", payload["client_order_id"])
            return None
        self.found(order.status in allowed, "is not allowed for an order in this state", order.status)
        if order.broker_order_id is not None:
            self.same("broker_order_id", order.broker_order_id, payload["broker_order_id"])
        return order

    def _answer(self, payload: dict[str, Any]) -> None:
        kind, name = self.last["event_type"], payload["client_order_id"]
        allowed, after, moves = ORDER_MOVES[kind]
        self.moves += moves
        if kind == "ORDER_REJECTED":
            self.trails[REFUSED].add({"client_order_id": name, "reason": payload["reason"]})
        order = self._order(payload, allowed)
        if order is None:
            return
        order.status = after
        if after != "NEW":
            del self.orders[name]
            return
        order.broker_order_id = payload["broker_order_id"]
        self.found(order.broker_order_id is not None, "an acknowledgement without a broker_order_id")

    def _fill(self, payload: dict[str, Any]) -> None:
        self.moves += 1
        quantity, price, fee = (Fraction(payload[key]) for key in ("quantity", "price", "fee"))
        self.same("fill_id", f"f-{self.kinds['FILL']:06d}", payload["fill_id"])
        self.same("symbol", self.manifest.facts.get("market.symbol", payload["symbol"]), payload["symbol"])
        self._on_grid("quantity", payload["quantity"], "market.lot_size")
        self._on_grid("price", payload["price"], "market.tick_size")
        rate = self.manifest.facts.get(f"broker.{payload['liquidity'].lower()}_fee_rate")
        self.found(
            rate is None or fee == price * quantity * Fraction(rate),
            "fee is not price x quantity x rate",
            payload["fee"],
        )
        sign = 1 if payload["side"] == "BUY" else -1
        self.position += sign * quantity
        self.cash -= sign * price * quantity + fee
        self.found(self.cash >= 0, "cash falls below 0")
        order = self._order(payload, OPEN)
        if order is not None:
            self._apply(payload, order, quantity, price)

    def _apply(self, payload: dict[str, Any], order: Order, quantity: Fraction, price: Fraction) -> None:
        order.filled += quantity
        leaves, sign = order.quantity - order.filled, 1 if order.side == "BUY" else -1
        self.same("side", order.side, payload["side"])
        self.found(leaves >= 0, "the fill is larger than what is open", payload["quantity"])
        self.found(
            leaves == Fraction(payload["leaves_quantity"]), "leaves_quantity is another", payload["leaves_quantity"]
        )
        self.found(
            order.limit is None or sign * (price - order.limit) <= 0, "price is worse than the limit", payload["price"]
        )
        earliest = order.bar_index + 1 + self.manifest.facts.get("broker.latency_steps", 0)
        self.found(payload["bar_index"] >= earliest, "the fill comes before its order could", payload["bar_index"])
        order.status = "PARTIALLY_FILLED"
        if leaves <= 0:
            del self.orders[payload["client_order_id"]]

    def _rail_tripped(self, payload: dict[str, Any]) -> None:
        self.trails[TRIPPED].add({key: payload[key] for key in PAYLOADS["RAIL_TRIPPED"]})

    def _reconciled(self, payload: dict[str, Any]) -> None:
        for mismatch in payload["mismatches"]:
            self.trails[MISMATCH].add({"mismatch": mismatch})
        if not payload["mismatches"]:
            self.reconciled_ts = self.last["ts_utc"]

    def _session_stop(self, payload: dict[str, Any]) -> None:
        failed, steps, mark = payload["stop_reason"] == "failed", payload["steps"], payload["mark_price"]
        planned = self.manifest.facts.get("steps", steps)
        self.found(
            steps == planned if payload["stop_reason"] == "completed" else steps <= planned,
            "steps are not as planned",
            steps,
        )
        books = {"position": self.position, "cash": self.cash}
        books["equity"] = self.cash + self.position * Fraction(mark or "0")
        for key, value in books.items():
            self.found(Fraction(payload[key]) == value, f"{key} is not what the fills make it", payload[key])
        if not failed:
            self.found(not self.orders, "an order is still open", sorted(self.orders)[:3])
            self.found(not self.owed, "no order followed the last decision", sorted(self.owed))
            self.found(self.kinds["RECONCILED"] > 0, "no RECONCILED came before")
        self._check_ticks(steps, failed, mark)

    def _check_ticks(self, steps: int, failed: bool, mark: str | None) -> None:
        seen = self.tick.get("bar_index", -1) + 1
        self.found(seen <= steps + failed, "there are ticks beyond the steps", seen)
        if self.manifest.facts.get("tick_events") == "every":
            self.found(seen >= steps, "there are fewer ticks than steps", seen)
        if seen == steps + failed:
            self.same("mark_price", self.tick.get("close"), mark)


# ---- audit: chain, preflight, phases ----------------------------------------------------------------------------------


@dataclass
class Audit(Story):
    """Follows ``audit.jsonl``; ``at`` is the entry at which the metrics were composed, as they say."""

    at: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    head: str = "0" * 64
    started: str = ""
    phase: str = "INIT"
    before: str = "INIT"
    trigger: str = ""
    ended: set[str] = field(default_factory=set)
    snapshots: list[tuple[str, int]] = field(default_factory=lambda: [("INIT", 0)])
    moved_at: int = 0
    failed_check: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    stop: dict[str, Any] = field(default_factory=dict)
    stop_ts: str = ""
    attempts: set[int] = field(default_factory=set)
    cancel: dict[str, Any] | None = None
    retries: int = 0
    composed: tuple[int, str, bool] | None = None

    def take(self, line: dict[str, Any]) -> None:
        """Check one entry and follow the phases."""
        code, meta = line["code"], line["meta"]
        self.told(line)
        self.same("prev_hash", self.head, line["prev_hash"])
        self.same("entry_hash", digest(line, "entry_hash"), line["entry_hash"])
        self.head, self.started = line["entry_hash"], self.started or line["ts"]
        self.codes[code] += 1
        self.found((code == START) == (self.number == 0), "only the first entry opens the run", code)
        late = (RETRY, SINK_DEAD, MOVE, STOP, *FAILURES.values())
        self.found(self.phase not in ENDS or code in late, "stands behind the end", code)
        if code in META and not self.report.well_formed(self.name, self.number + 1, "meta", meta, META[code], False):
            self.report.broken.add(AUDIT)
            return
        self._act(code, meta, line)
        if self.number + 1 == self.at:
            self.composed = (self.retries, line["ts"], bool(self.ended))

    def _act(self, code: str, meta: dict[str, Any], line: dict[str, Any]) -> None:
        if code in self.trails:
            self.trails[code].add(meta)
        elif code in CHECKS.values() or code in FAILURES.values():
            self.reasons[code] = line["message"]
        elif code == CHECK:
            self._check(meta)
        elif code == MOVE:
            self._move(meta)
        elif code == STOP:
            self.stop, self.stop_ts = meta, line["ts"]
            self.attempts.add(meta["no_live_attempts"])
        elif code == RETRY:
            self.found(meta["retries"] > 0, "a retry that is none")
            self.retries += meta["retries"]
        elif code == CANCEL:
            self.cancel = meta
        elif code == START and "enabled" in self.manifest.facts:
            self.same("meta", {"enabled": self.manifest.facts["enabled"]}, meta)

    def _check(self, meta: dict[str, Any]) -> None:
        position = self.codes[CHECK] - 1
        wanted = list(CHECKS)[position] if position < len(CHECKS) else None
        self.found(self.failed_check is None and self.phase == "INIT", "a check behind the end of preflight")
        self.same("check", wanted, meta["check"])
        if not meta["passed"]:
            self.failed_check = CHECKS[meta["check"]]

    def _move(self, meta: dict[str, Any]) -> None:
        start = self.before if self.phase in ENDS else self.phase
        self.same("from", start, meta["from"])
        after = PHASES.get((meta["from"], meta["trigger"]))
        self.same("to", after, meta["to"])
        again = self.phase not in ENDS or meta["to"] == "ERROR_REQUIRES_OPERATOR"
        self.found(again, "only a failure ends a session a second time", meta["to"])
        self.found(meta["ts_sim"] >= self.moved_at, "ts_sim falls", meta["ts_sim"])
        self.moved_at, self.trigger = meta["ts_sim"], meta["trigger"]
        if meta["to"] in ENDS:
            self.ended.add(meta["to"])
        elif STATUS[meta["to"]] != STATUS[start] and len(self.snapshots) < 3:
            self.snapshots.append((meta["to"], meta["ts_sim"]))
        self.before, self.phase = start, meta["to"]

    def close(self) -> None:
        """Check the audit as a whole."""
        passed, codes, facts = self.failed_check is None, self.codes, self.manifest.facts
        self.found(self.phase in ENDS, "the run has no end", self.phase)
        self.found(not codes[SINK_DEAD], "a run with a dead sink is not published")
        if self.phase == "PREFLIGHT_FAILED" or self.before != "INIT":
            self.same("rejection", self.phase == "PREFLIGHT_FAILED", not passed)
            self.found(not passed or codes[CHECK] == len(CHECKS), "not every check of preflight was made", codes[CHECK])
        given = [code for code in CHECKS.values() if codes[code]]
        self.same("code of the rejection", [self.failed_check] if self.failed_check else [], given)
        if facts.get("enabled") and passed:
            self.found(codes[OVERRIDDEN] > 0, "the gate to live trading was open and nothing says why")
        failed = [code for code in FAILURES.values() if codes[code]]
        self.same("failure", self.phase == "ERROR_REQUIRES_OPERATOR", bool(failed))
        self._close_against_manifest()

    def _close_against_manifest(self) -> None:
        facts = self.manifest.facts
        if "audit" in facts:
            self.same("audit of the manifest", facts["audit"], {"entries": self.number, "last_hash": self.head})
            self.same("inputs.cancel", facts["cancel"], self.cancel)
            self.same("status", facts["status"], STATUS[self.phase])
            self.same("number of retries", facts["retries"], self.retries)
            clock = self.manifest.clock
            self.same("first ts", (clock and clock.reading(0)) or self.started, self.started)


# ---- snapshots, metrics, and all files together -----------------------------------------------------------------------


@dataclass
class Snapshots(Story):
    """Keeps the few lines of ``state_snapshots.jsonl``."""

    kept: list[dict[str, Any]] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        """Check one snapshot and keep the first few."""
        self.told(line)
        self.same("status", STATUS[line["phase"]], line["status"])
        if self.kept:
            self.same("started_ts", self.kept[0]["started_ts"], line["started_ts"])
            self.found(
                line["sink_retries"] >= self.kept[-1]["sink_retries"], "sink_retries falls", line["sink_retries"]
            )
        self.kept = [*self.kept[:3], line]


def check_snapshots(kept: list[dict[str, Any]], audit: Audit, events: Events, report: Report, retries: int) -> None:
    """Hold the snapshots against the phases of the audit."""

    def hold(number: int, expected: dict[str, Any]) -> None:
        seen = {key: kept[number][key] for key in expected}
        report.same(SNAPSHOTS, number + 1, "snapshot", expected, seen)

    if len(kept) != len(audit.snapshots) + 1:
        report.add(SNAPSHOTS, 0, "has not one line per status", len(audit.snapshots) + 1, len(kept))
        return
    nothing = dict.fromkeys(("ended_ts", "reject_code", "reject_reason", "fail_code", "fail_reason"))
    for number, (phase, ts_sim) in enumerate(audit.snapshots):
        meta = {"stop_reason": "cancelled"} if phase == "STOPPING" else {}
        hold(number, {"phase": phase, "events_emitted": ts_sim, "step": 0, "meta": meta, **nothing})
    last, rejection = kept[-1], audit.failed_check
    report.require(SNAPSHOTS, len(kept), last["phase"] in audit.ended, "ends in another phase", last["phase"])
    failure = FAILURES.get(audit.trigger) if last["status"] == "FAILED" else None
    early = len(audit.ended) > 1 and last["phase"] != audit.phase
    reason = audit.stop.get("stop_reason")
    expected = {
        "started_ts": audit.started,
        "ended_ts": audit.stop_ts,
        "step": audit.stop.get("steps"),
        "events_emitted": events.number,
        "reject_code": rejection,
        "reject_reason": audit.reasons.get(rejection or ""),
        "fail_code": failure,
        "fail_reason": audit.reasons.get(failure or ""),
    }
    hold(len(kept) - 1, expected if early else expected | {"meta": {"stop_reason": reason} if reason else {}})
    report.require(
        SNAPSHOTS,
        len(kept),
        retries <= last["sink_retries"] <= audit.retries,
        "sink_retries is another",
        last["sink_retries"],
    )


def check_metrics(metrics: dict[str, Any], audit: Audit, events: Events, report: Report) -> None:
    """Refold every counter that the log can tell."""
    kinds = events.kinds
    if audit.composed is None or not audit.composed[2]:
        report.add(
            METRICS, 1, "audit_events is before the end or beyond the audit", audit.number, metrics["audit_events"]
        )
        return
    refolded = {
        "sink_retries": audit.composed[0],
        "last_audit_event_ts": audit.composed[1],
        "events_emitted": events.number,
        "orders_place_total": kinds["ORDER_SUBMITTED"],
        "order_state_transitions_total": events.moves,
        "fills_total": kinds["FILL"],
        "reconcile_mismatches_total": events.trails[MISMATCH].count,
        "retry_attempts_total": audit.codes[BROKER_RETRY],
        "safety_rail_trips_total": kinds["RAIL_TRIPPED"],
        "reconciler_last_ok_ts": events.reconciled_ts,
        "status": STATUS[metrics["orchestrator_state"]],
    }
    for key, value in refolded.items():
        report.same(METRICS, 1, key, value, metrics[key])
    asked = metrics["orders_cancel_total"]
    report.require(METRICS, 1, asked >= kinds["ORDER_CANCELLED"], "orders_cancel_total is too small", asked)
    outcome = metrics["orchestrator_state"] in audit.ended and metrics["no_live_attempts_total"] in audit.attempts
    report.require(METRICS, 1, outcome, "tells another end than the audit", metrics["orchestrator_state"])


def check_together(audit: Audit, events: Events, report: Report) -> None:
    """Hold events and audit against each other."""
    kinds, stop, last = events.kinds, audit.stop, events.last.get("payload", {})
    for code in (REFUSED, TRIPPED, MISMATCH):
        report.same(AUDIT, 0, f"sequence of {code}", events.trails[code].told(), audit.trails[code].told())
    report.same(AUDIT, 0, "ts_sim of the end", events.number, audit.moved_at)
    report.same(EVENTS, 0, "being announced", audit.before != "INIT", kinds["SESSION_START"] > 0)
    report.same(EVENTS, 0, "being closed", audit.before != "INIT", kinds["SESSION_STOP"] > 0)
    report.same(EVENTS, 0, "being rejected", audit.failed_check is not None, kinds["REJECTED"] > 0)
    if kinds["REJECTED"]:
        expected = {"code": audit.failed_check, "reason": audit.reasons.get(audit.failed_check or "")}
        report.same(EVENTS, 1, "REJECTED", expected, {key: last[key] for key in expected})
    if kinds["SESSION_STOP"]:
        report.same(EVENTS, events.number, "steps", stop.get("steps"), last["steps"])
        late = len(audit.ended) > 1 and stop.get("stop_reason") == "failed"
        report.same(
            EVENTS,
            events.number,
            "stop_reason",
            last["stop_reason"] if late else stop.get("stop_reason"),
            last["stop_reason"],
        )
    check_end(audit, events, report)


def check_end(audit: Audit, events: Events, report: Report) -> None:
    """Hold the end that the phases reached against why it was reached."""
    reason, failed = audit.stop.get("stop_reason"), audit.phase == "ERROR_REQUIRES_OPERATOR"
    report.same(AUDIT, 0, "stop_reason being failed", failed, reason == "failed")
    cancels, by_cancel = audit.codes[CANCEL], audit.cancel is not None
    report.require(AUDIT, 0, cancels <= 1, "more than one cancel was asked for", cancels)
    if audit.phase == "STOPPED":
        report.same(AUDIT, 0, "stop_reason", "cancelled" if by_cancel else "completed", reason)
    if audit.cancel:
        report.same(AUDIT, 0, "step of the cancel", audit.stop.get("steps"), audit.cancel["step"])
    attempts, tripped = audit.stop.get("no_live_attempts", 0), events.kinds["RAIL_TRIPPED"]
    report.require(AUDIT, 0, failed or not (attempts or tripped), "a rail or the guard was hit and nothing failed")
    if failed:
        report.require(AUDIT, 0, audit.trigger != "INVARIANT_BROKEN" or tripped > 0, "no rail tripped")
        report.require(AUDIT, 0, audit.trigger != "NO_LIVE_VIOLATED" or attempts > 0, "no attempt was counted")
        report.require(
            AUDIT, 0, FAILURES.get(audit.trigger) in audit.reasons, "the failure has no entry", audit.trigger
        )


# ---- the verdict ------------------------------------------------------------------------------------------------------

UNSEALED = (
    "bytes and hashes of the files: there is no manifest",
    "config, criteria, market and seed: there is no manifest",
    "fees, price and quantity steps, latency, clock readings, planned ticks: they need the config",
)
NEVER = ("orders_query_total, prices and decisions: only a replay by c2lib can tell",)


def read_story(story: Story, folder: Path) -> None:
    """Read one file of lines and hold its seal."""
    artifact = Artifact(folder, story.name, story.report)
    for line in artifact:
        story.number = artifact.lines - 1
        story.take(line)
    story.number = artifact.lines
    check_seal(artifact, story.manifest)


def check_seal(artifact: Artifact, manifest: Manifest) -> None:
    """Hold a file that was read against what the manifest says of it."""
    said = manifest.artifacts.get(artifact.name)
    if said is not None and artifact.sha256:
        seen = {"sha256": artifact.sha256, "bytes": artifact.size, "lines": artifact.lines}
        manifest.report.same(artifact.name, 0, "seal", said, seen)


def verify(folder: Path, expect_digest: str | None = None) -> Report:
    """Return the report on a run directory; raise :class:`OSError` when there is none to read."""
    report = Report(unchecked=list(NEVER))
    manifest = Manifest(report)
    if folder.absolute().name.startswith(STAGING):
        report.verdict = "INCOMPLETE"
        report.add("", 0, "is a staging folder that was never published")
        return report
    check_names(folder, report)
    if os.path.lexists(folder / MANIFEST):
        manifest.read(folder)
    else:
        report.verdict = "UNSEALED"
        report.unchecked += UNSEALED
    check_files(folder, manifest, report)
    if expect_digest is not None:
        report.same(MANIFEST, 0, "run_digest", expect_digest, report.run_digest)
    return report


def check_files(folder: Path, manifest: Manifest, report: Report) -> None:
    """Read the four files and hold them against each other, as far as they could be read."""
    artifact = Artifact(folder, METRICS, report)
    metrics = artifact.only()
    check_seal(artifact, manifest)
    events, snapshots = Events(EVENTS, report, manifest), Snapshots(SNAPSHOTS, report, manifest)
    audit = Audit(AUDIT, report, manifest, at=metrics["audit_events"] if metrics else 0)
    for story in (events, audit, snapshots):
        read_story(story, folder)
    if report.broken & {EVENTS, AUDIT}:
        report.unchecked.append("what the files say of each other: one of them cannot be read")
        return
    audit.close()
    check_together(audit, events, report)
    if metrics:
        for key in ("run_id", "strategy_id", "seed"):
            report.same(METRICS, 1, key, manifest.facts.get(key, metrics[key]), metrics[key])
        check_metrics(metrics, audit, events, report)
    if SNAPSHOTS not in report.broken:
        check_snapshots(snapshots.kept, audit, events, report, metrics["sink_retries"] if metrics else 0)


def told(report: Report, as_json: bool) -> str:
    """Return the report as text, or as one JSON line."""
    if as_json:
        findings = [finding._asdict() for finding in report.findings]
        facts = {"verdict": report.verdict, "findings": findings, "findings_total": report.total}
        return json.dumps(facts | {"unchecked": report.unchecked, "run_digest": report.run_digest}, sort_keys=True)
    rows = [f"{f.file}:{f.line}: {f.problem} (expected {f.expected}, seen {f.seen})" for f in report.findings]
    rows += [f"unchecked: {what}" for what in report.unchecked]
    return "\n".join([*rows, f"{report.verdict}, {report.total} findings"])


def main(arguments: list[str] | None = None) -> int:
    """Verify one run directory and return the exit status."""
    parser = argparse.ArgumentParser(description="Check a c2lib run directory against the contract, without c2lib.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--expect-digest", metavar="HEX", help="the run_digest that the run must have")
    parser.add_argument("--json", action="store_true", help="report as one JSON line")
    options = parser.parse_args(arguments)
    if options.expect_digest is not None and not _SHA256.fullmatch(options.expect_digest):
        parser.error("--expect-digest takes 64 lower-case hex digits")
    try:
        report = verify(options.run_dir, options.expect_digest)
    except OSError as error:
        sys.stderr.write(f"no report possible: {options.run_dir}: {error.strerror}\n")
        return 2
    sys.stdout.write(told(report, options.json) + "\n")
    return 1 if report.total else 0


if __name__ == "__main__":
    sys.exit(main())
