"""The parts of an evidence draft that are made of a run's facts.

Rules kept here:

* every value of a run is encoded; every number and hash can be looked up in the run directory;
* only files that the manifest seals, and the manifest, are listed: what may differ between machines is not;
* the NO-LIVE layer named is the one that was required, never more.

>>> print(artifacts_section(RunSummary()).splitlines()[2])
| <code>events.jsonl</code> | – | – | missing |
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from c2lib.core.config import BUILT_IN_STRATEGIES, check_run_id_for_directory
from c2lib.core.errors import ConfigError
from c2lib.core.fields import SHA256_PATTERN
from c2lib.core.secrets import find_secret
from c2lib.core.vocabulary import RUN_SUBDIRS, SEALED_BY_MANIFEST, Artifact
from c2lib.evidence.claims import Claim, Verification, announced_criteria
from c2lib.evidence.encode import Encoded, bullets, code, inline, short, table
from c2lib.evidence.limits import setting
from c2lib.witness.facts import RunSummary

_SHA256 = re.compile(SHA256_PATTERN, re.ASCII)

LISTED_FILES = (*SEALED_BY_MANIFEST, Artifact.MANIFEST)

NO_FOLDER = "RUN_DIRECTORY"
"""Stands for the run directory in a command when the ``run_id`` cannot be a folder's name."""


def _words(*parts: str) -> Encoded:
    return Encoded(" ".join(parts))


def _facts(rows: Mapping[str, Encoded]) -> str:
    return table(("Fact", "Value"), [(Encoded(name), value) for name, value in rows.items()])


def scope_section(summary: RunSummary) -> str:
    """Return what was run, on what, and what came of it."""
    config = summary.config
    steps = (code(summary.steps), "made,", code(summary.steps_planned), "planned")
    times = ("from", code(summary.started_ts), "to", code(summary.ended_ts))
    return _facts(
        {
            "Run": code(summary.run_id),
            "Strategy": code(summary.strategy_id),
            "Seed": code(summary.seed),
            "Market": _words(code(summary.symbol), "from source", code(setting(config, "market", "source"))),
            "Market sha256": code(summary.market_sha256),
            "Clock": _words(code(setting(config, "clock_mode")), *times),
            "Steps": _words(*steps),
            "Outcome": _words(code(summary.status), "for the reason", code(summary.stop_reason)),
            "Fills": _words(code(summary.fills), "with fees of", code(summary.fees)),
            "Position": _words(code(summary.position), "at a mark price of", code(summary.mark_price)),
            "Cash": code(summary.cash),
            "Equity": code(summary.equity),
            "Config sha256": code(summary.config_sha256),
            "Behaviour version": code(summary.behaviour_version),
        }
    )


def claims_section(claims: Sequence[Claim]) -> str:
    """Return the claims as a table."""
    return table(
        ("Claim", "Sentence", "Expected", "Observed", "Result", "Borne by"),
        [
            (
                code(claim.name),
                inline(claim.sentence),
                code(claim.expected),
                code(claim.observed),
                Encoded("PASS" if claim.passed else "FAIL"),
                Encoded(" ".join(code(short(digest)) for digest in claim.bearers) or code(None)),
            )
            for claim in claims
        ],
    )


def bearers_section(summary: RunSummary, claims: Sequence[Claim]) -> str:
    """Return each hash that bears a claim in full, with what it is."""
    what = {digest: f"event {name}" for name, digest in summary.bearers.items()}
    what |= {facts.sha256: f"file {name}" for name, facts in summary.artifacts.items()}
    what |= {summary.audit_last_hash: "last audit entry", summary.run_digest or "": "run_digest"}
    hashes = dict.fromkeys(digest for claim in claims for digest in claim.bearers)
    rows = [(code(short(digest)), code(what.get(digest)), code(digest)) for digest in hashes]
    return table(("Short", "What", "In full"), rows)


def artifacts_section(summary: RunSummary) -> str:
    """Return the sealed files with size and hash, then the digests that hold them together."""
    rows = []
    for name in LISTED_FILES:
        facts = summary.artifacts.get(name.value)
        sizes = (code(facts.bytes), code(facts.lines), code(facts.sha256)) if facts else (code(None), code(None))
        rows.append((code(name.value), *sizes, *(() if facts else (Encoded("missing"),))))
    digests = {
        "run_digest": code(summary.run_digest),
        "criteria_sha256 in event 0": code(announced_criteria(summary)),
        "Audit entries": code(summary.audit_entries),
        "Last entry_hash": code(summary.audit_last_hash),
    }
    return f"{table(('File', 'Bytes', 'Lines', 'sha256'), rows)}\n\n{_facts(digests)}"


def verify_command(summary: RunSummary) -> Encoded:
    """Return the command that checks that it is this run, and runs it again with what that needs."""
    parts = ["c2lib verify", _folder(summary.run_id), "--require-sealed"]
    if _SHA256.fullmatch(summary.run_digest or ""):
        parts.append(f"--expect-digest {summary.run_digest}")
    if setting(summary.config, "market", "source") == "file":
        parts.append("--market FILE")
    if summary.strategy_id not in BUILT_IN_STRATEGIES:
        parts.append("--strategy-file FILE.py:CLASS")
    return code(" ".join(parts), 400)


def hash_command() -> Encoded:
    """Return the command that hashes the sealed files with nothing of c2lib."""
    return code(" ".join(["sha256sum", *(name.value for name in LISTED_FILES)]))


def _folder(run_id: str) -> str:
    try:
        check_run_id_for_directory(run_id)
    except ConfigError:
        return NO_FOLDER
    return "/".join(("out", *RUN_SUBDIRS, run_id))


def verify_outcome(verification: Verification) -> Encoded:
    """Return what the verifier said when the draft was made."""
    if verification.replayed is None:
        replay = "not replayed"
    elif verification.replayed:
        replay = "every byte reproduced" if verification.reproduced else "bytes differ on replay"
    else:
        replay = "replay not possible"
    return code(f"{verification.verdict.value}, {verification.findings} findings, {replay}")


def first_event(summary: RunSummary) -> str:
    """Return what the first line of the event log must hold."""
    announced = announced_criteria(summary)
    if announced:
        return f"the event <code>SESSION_START</code> with <code>criteria_sha256</code> {code(announced)}"
    return "an event without <code>criteria_sha256</code>: no criteria were announced by this run"


def safety_section(summary: RunSummary) -> str:
    """Return what kept the run from a market, each with its number."""
    config = summary.config
    held = "held" if summary.no_live_held else "not shown to hold"
    overridden = "overridden by a test" if summary.enabled_overridden else "not overridden"
    found = _secrets_found(summary)
    secrets = f"found: {', '.join(map(code, found))}" if found else "nothing found"
    return bullets(
        (
            f"NO-LIVE layer required: {code(setting(config, 'no_live_required'))}; {held}.",
            f"Attempts to leave the process, refused and counted: {code(summary.no_live_attempts)}.",
            f"Broker: {code(setting(config, 'broker', 'kind'))}; the package has no live adapter.",
            f"Gate <code>enabled</code>: {code(_word(setting(config, 'enabled')))}; {overridden}.",
            f"Steps bounded before the first one: {code(summary.steps_planned)}; made: {code(summary.steps)}.",
            f"Rails broken: {code(summary.rail_trips)}. Writes tried again: {code(summary.sink_retries)}.",
            f"Secrets scan of the sealed config, names and reasons: {secrets}.",
        )
    )


def _word(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _secrets_found(summary: RunSummary) -> tuple[str, ...]:
    texts = (
        json.dumps(summary.config, ensure_ascii=False, sort_keys=True, default=str),
        summary.run_id,
        summary.strategy_id,
        summary.symbol,
        summary.reject_reason or "",
        summary.fail_reason or "",
    )
    return tuple(dict.fromkeys(name for text in texts if (name := find_secret(text))))


def plots_section(plots: Mapping[str, str]) -> str:
    """Return each picture by its relative path, with its hash; the names are checked by the caller."""
    if not plots:
        return "No picture was drawn."
    rows = [(code(name), code(digest)) for name, digest in sorted(plots.items())]
    pictures = "\n\n".join(f"![{name}]({name})" for name in sorted(plots))
    return f"{table(('File', 'sha256'), rows)}\n\n{pictures}"
