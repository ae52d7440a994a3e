"""An evidence draft: a template filled with the facts of a run.

Rules kept here:

* the text is a pure function of its arguments: no disk, no clock, no environment;
* a template must use every placeholder and may use no other, so that no part of a draft can be left out;
* what a person hands over (date, owner) is checked before it is written, and never quoted in a complaint;
* a draft ends in one newline and no line in a blank.

>>> evidence_name("2026-01-31", passed=True)
'EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS.md'
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date as calendar_date
from itertools import zip_longest
from string import Template
from typing import Any, NamedTuple

from c2lib.core.canon import text_problem
from c2lib.core.config import BUILT_IN_STRATEGIES, check_run_id_for_directory
from c2lib.core.contract import SHA256_PATTERN
from c2lib.core.errors import ConfigError, InputError
from c2lib.core.redaction import find_secret
from c2lib.core.text import excerpts
from c2lib.core.vocabulary import RUN_SUBDIRS, SEALED_BY_MANIFEST, Artifact
from c2lib.evidence.claims import Claim, Verification, announced_criteria, failed_names, passed
from c2lib.evidence.limits import limits_section, risks_section, setting
from c2lib.evidence.markdown import Encoded, bullets, code, inline, short, table, visible
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.run import RunSummary

TEMPLATE_NAME = "EV-FINISH_C2-ORCH-DRYRUN.md"

MAX_OWNER = 100
"""Longest owner, in characters."""

PLOT_NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,40}\.png"
"""File names that a picture of a draft may have."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_PLOT_NAME = re.compile(PLOT_NAME_PATTERN, re.ASCII)
_SHA256 = re.compile(SHA256_PATTERN, re.ASCII)


def evidence_name(date: str, passed: bool) -> str:
    """Return the file name of a draft; raise :class:`ConfigError` unless ``date`` is a day as ``YYYY-MM-DD``."""
    return f"EV-{_day(date):%Y%m%d}-FINISH_C2-ORCH-DRYRUN-{'PASS' if passed else 'FAIL'}.md"


def render(
    template: str,
    summary: RunSummary,
    claims: Sequence[Claim],
    verification: Verification,
    *,
    date: str,
    owner: str,
    plots: Mapping[str, str],
) -> str:
    """Return the draft; ``plots`` maps the file name of each picture beside it to its SHA-256.

    Raises :class:`ConfigError` for a date or owner that cannot stand in a draft, :class:`InputError` for a
    template that lacks a placeholder or has one too many, and for plots that are no picture names and hashes.
    """
    day, responsible = _day(date), checked_owner(owner)
    _check_plots(plots)
    values = {
        "evidence_id": evidence_name(date, passed(claims)).removesuffix(".md"),
        "date": day.isoformat(),
        "owner": responsible,
        "result": _result(claims),
        "run_id": code(summary.run_id),
        "scope": scope_section(summary),
        "claims": claims_section(claims),
        "bearers": references_section(summary, claims),
        "artifacts": artifacts_section(summary),
        "verify_command": verify_command(summary),
        "verify_outcome": verify_outcome(verification),
        "run_digest": code(summary.run_digest),
        "hash_command": hash_command(),
        "first_event": first_event(summary),
        "safety": safety_section(summary),
        "limits": limits_section(summary, verification),
        "risks": risks_section(summary, verification, claims),
        "plots": plots_section(plots),
    }
    text = _filled(template, values)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"


def _day(text: str) -> calendar_date:
    if not _DATE.fullmatch(text):
        raise ConfigError("evidence_date", "is not a day as YYYY-MM-DD")
    try:
        return calendar_date.fromisoformat(text)
    except ValueError:
        raise ConfigError("evidence_date", "is not a day of the calendar") from None


def checked_owner(owner: str) -> Encoded:
    """Return an owner as a draft shows it; raise :class:`ConfigError` for one that cannot stand in it."""
    if not owner.strip():
        raise ConfigError("owner", "is empty", hint="name who answers for this evidence")
    if len(owner) > MAX_OWNER:
        raise ConfigError("owner", f"is longer than {MAX_OWNER} characters")
    if find_secret(owner):
        raise ConfigError("owner", "looks like a secret", hint="a name is enough")
    if text_problem(owner) or visible(owner) != owner:
        raise ConfigError("owner", "must be one line of plain characters in Unicode NFC")
    return inline(owner.strip())


def _check_plots(plots: Mapping[str, str]) -> None:
    for name, digest in plots.items():
        if not _PLOT_NAME.fullmatch(name):
            raise InputError("plots: a picture's file name must be lower-case letters, digits, _ and -, then .png")
        if not _SHA256.fullmatch(digest):
            raise InputError(f"plots: {name} has no SHA-256")


def _result(claims: Sequence[Claim]) -> Encoded:
    failed = failed_names(claims)
    if passed(claims):
        return Encoded(f"PASS ({len(claims)} of {len(claims)} claims hold)")
    names = ", ".join(map(code, failed)) or "claims are missing"
    return Encoded(f"FAIL ({len(claims) - len(failed)} of {len(claims)} claims hold; failed: {names})")


def _filled(template: str, values: Mapping[str, str]) -> str:
    form = Template(template)
    if not form.is_valid():
        raise InputError("template: a $ that begins no placeholder (write $$ for the sign itself)")
    used = form.get_identifiers()
    unknown = [name for name in used if name not in values]
    missing = [name for name in values if name not in used]
    if unknown or missing:
        problem = f"unknown placeholder ${unknown[0]}" if unknown else f"placeholder ${missing[0]} is missing"
        raise InputError(f"template: {problem}")
    return form.substitute(values)


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
                Encoded(" ".join(code(short(digest)) for digest in claim.references) or code(None)),
            )
            for claim in claims
        ],
    )


def references_section(summary: RunSummary, claims: Sequence[Claim]) -> str:
    """Return each hash that bears a claim in full, with what it is."""
    what = {digest: f"event {name}" for name, digest in summary.references.items()}
    what |= {facts.sha256: f"file {name}" for name, facts in summary.artifacts.items()}
    what |= {summary.audit_last_hash: "last audit entry", summary.run_digest or "": "run_digest"}
    hashes = dict.fromkeys(digest for claim in claims for digest in claim.references)
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


MAX_EVIDENCE = 1 << 20
"""Longest evidence file, in bytes."""

_DATE_compare = re.compile(r"^- \*\*Date:\*\* ([0-9]{4}-[0-9]{2}-[0-9]{2})$", re.ASCII | re.MULTILINE)
_OWNER = re.compile(r"^- \*\*Owner:\*\* (.{1,1000})$", re.MULTILINE)
_PICTURE = re.compile(rf"^\| <code>({PLOT_NAME_PATTERN})</code> \| <code>([0-9a-f]{{64}})</code> \|$", re.ASCII)
_PLOTS_HEAD = "## Plots"
_NONE = "no line"


class Stated(NamedTuple):
    """What an evidence file says of itself: its text, date, owner, and the hash of each picture by its name."""

    text: str
    date: str
    owner: str
    pictures: Mapping[str, str]


def stated(data: bytes, name: str, findings: Findings) -> Stated | None:
    """Return what the file ``name`` states; ``None``, with a finding, when it cannot be told."""
    malformed = FindingCode.EVIDENCE_MALFORMED
    if len(data) > MAX_EVIDENCE:
        findings.add(malformed, name, expected=f"at most {MAX_EVIDENCE} bytes", seen="more")
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        findings.add(malformed, name, expected="UTF-8", seen=f"other bytes from byte {error.start} on")
        return None
    date, owner = _DATE_compare.search(text), _OWNER.search(text)
    if date is None or owner is None:
        what = "- **Owner:** NAME" if date else "- **Date:** YYYY-MM-DD"
        findings.add(malformed, name, expected=f"a line {what}", seen="none")
        return None
    _, _, plots = text.rpartition(f"\n{_PLOTS_HEAD}\n")
    rows = filter(None, map(_PICTURE.fullmatch, plots.split("\n")))
    return Stated(text, date[1], html.unescape(owner[1]), {row[1]: row[2] for row in rows})


def difference(text: str, draft: str, name: str, findings: Findings) -> None:
    """Note the first line of an evidence file that is not that of the draft."""
    lines = zip_longest(draft.split("\n"), text.split("\n"), fillvalue=_NONE)
    for number, (expected, seen) in enumerate(lines, start=1):
        if expected != seen:
            expected, seen = excerpts(expected, seen, before=40)
            findings.add(
                FindingCode.EVIDENCE_DIFFERS, name, number, expected=expected or "nothing", seen=seen or "nothing"
            )
            return
