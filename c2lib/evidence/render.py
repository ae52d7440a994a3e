"""An evidence draft: a template filled with the facts of a run; and a file compared with the draft it should be.

A draft is a pure function of its arguments: no disk, no clock, no environment. A template uses every placeholder and no
other, so that no section of a draft can be left out.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date as calendar_date
from itertools import zip_longest
from string import Template
from typing import NamedTuple

from c2lib.core.canon import text_problem
from c2lib.core.config import check_run_id_for_directory
from c2lib.core.errors import ConfigError, InputError
from c2lib.core.redaction import find_secret
from c2lib.core.text import excerpts, shown
from c2lib.core.vocabulary import RUN_SUBDIRS, SEALED_BY_MANIFEST, Artifact
from c2lib.evidence.claims import Claim, Verification, announced_criteria, failed_names, passed, references, weakened
from c2lib.evidence.limits import not_proven, risk_notes
from c2lib.evidence.markdown import NOTHING, SHA256, Encoded, bullets, code, inline, short, table, visible
from c2lib.witness.findings import FindingCode, Findings
from c2lib.witness.lines import at
from c2lib.witness.summary import RunSummary

TEMPLATE_NAME = "EV-FINISH_C2-ORCH-DRYRUN.md"

MAX_EVIDENCE = 1 << 20
"""Longest evidence file, in bytes."""

MAX_OWNER = 100
"""Longest owner, in characters."""


_PICTURE_NAME = r"[a-z0-9][a-z0-9_-]{0,40}\.png"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATE_LINE = re.compile(rf"^- \*\*Date:\*\* ({_DATE})$", re.ASCII | re.MULTILINE)
_OWNER_LINE = re.compile(r"^- \*\*Owner:\*\* (.{1,1000})$", re.MULTILINE)
_PICTURE_ROW = re.compile(rf"\| <code>({_PICTURE_NAME})</code> \| <code>([0-9a-f]{{64}})</code> \|", re.ASCII)


def evidence_name(date: str, passed: bool) -> str:
    """Return the file name of a draft; raise :class:`ConfigError` unless ``date`` is a day as ``YYYY-MM-DD``.

    >>> evidence_name("2026-01-31", passed=True)
    'EV-20260131-FINISH_C2-ORCH-DRYRUN-PASS.md'
    """
    if not re.fullmatch(_DATE, date, re.ASCII):
        raise ConfigError("evidence_date", "is not a day as YYYY-MM-DD")
    try:
        day = calendar_date.fromisoformat(date)
    except ValueError:
        raise ConfigError("evidence_date", "is not a day of the calendar") from None
    return f"EV-{day:%Y%m%d}-FINISH_C2-ORCH-DRYRUN-{'PASS' if passed else 'FAIL'}.md"


def checked_owner(owner: str) -> Encoded:
    """Return an owner as a draft shows it; raise :class:`ConfigError`, without quoting it, for one that it cannot."""
    if not owner.strip():
        raise ConfigError("owner", "is empty", hint="name who answers for this evidence")
    if len(owner) > MAX_OWNER:
        raise ConfigError("owner", f"is longer than {MAX_OWNER} characters")
    if find_secret(owner):
        raise ConfigError("owner", "looks like a secret", hint="a name is enough")
    if text_problem(owner) or visible(owner) != owner:
        raise ConfigError("owner", "must be one line of plain characters in Unicode NFC")
    return inline(owner.strip())


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
    """Return the draft; it ends in one newline, and no line of it in a blank.

    Args:
        template: the text with its placeholders.
        summary: the facts of the run.
        claims: what :func:`~c2lib.evidence.claims.evaluate` made of them.
        verification: what ``verify`` reported.
        date: the day of the evidence, ``YYYY-MM-DD``.
        owner: who answers for it.
        plots: the SHA-256 of each picture beside the draft, by its file name.

    Raises:
        ConfigError: for a date or an owner that cannot stand in a draft.
        InputError: for a template that lacks a placeholder or has one too many, for plots that are no pictures.
    """
    evidence_id = evidence_name(date, passed(claims)).removesuffix(".md")
    values = {
        "evidence_id": evidence_id,
        "date": date,
        "owner": checked_owner(owner),
        "result": _result(claims),
        "criteria": _criteria(summary),
        "run_id": code(summary.run_id),
        "scope": scope_section(summary),
        "claims": claims_section(claims),
        "references": references_section(summary, claims),
        "artifacts": artifacts_section(summary),
        "verify_command": verify_command(summary),
        "verify_outcome": verify_outcome(verification),
        "run_digest": code(summary.run_digest),
        "hash_command": code(" ".join(("sha256sum", *_sealed_files(summary)))),
        "first_event": first_event(summary),
        "safety": safety_section(summary),
        "limits": bullets(not_proven(summary, verification)),
        "risks": bullets(risk_notes(summary, verification, claims)),
        "plots": plots_section(plots),
    }
    text = _filled(template, values)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"


def _filled(template: str, values: Mapping[str, str]) -> str:
    form = Template(template)
    if not form.is_valid():
        raise InputError("template: a $ that begins no placeholder (write $$ for the sign itself)")
    used = form.get_identifiers()
    for name in used:
        if name not in values:
            raise InputError(f"template: unknown placeholder ${name}")
    for name in values:
        if name not in used:
            raise InputError(f"template: placeholder ${name} is missing")
    return form.substitute(values)


def _result(claims: Sequence[Claim]) -> Encoded:
    failed, total = failed_names(claims), len(claims)
    if passed(claims):
        return Encoded(f"PASS ({total} of {total} claims hold)")
    names = ", ".join(map(code, failed)) or "claims are missing"
    return Encoded(f"FAIL ({total - len(failed)} of {total} claims hold; failed: {names})")


def _criteria(summary: RunSummary) -> Encoded:
    found = weakened(summary)
    if found is None:
        return Encoded("cannot be read; the default profile stands in")
    weak = [f"{code(name)} {code(shown(own))} instead of {code(shown(usual))}" for name, (own, usual) in found.items()]
    return Encoded(
        f"WEAKER than the default profile: {', '.join(weak)}" if weak else "no weaker than the default profile"
    )


def _facts(rows: Mapping[str, str]) -> str:
    """Return a table of facts whose values are encoded already."""
    return table(("Fact", "Value"), [(Encoded(name), Encoded(value)) for name, value in rows.items()])


def scope_section(summary: RunSummary) -> str:
    """Return what was run, on what, and what came of it."""
    config = summary.config
    names = ("origin", "class_name", "sha256", "params")
    origin, class_name, sha256, params = (at(config, "strategy", name) for name in names)
    written = ", ".join(f"{name}={params[name]}" for name in sorted(params)) if isinstance(params, dict) else None
    return _facts(
        {
            "Run": code(summary.run_id),
            "Strategy": f"{code(summary.strategy_id)} of origin {code(origin)}",
            "Strategy class": code(class_name),
            "Strategy sha256": code(sha256),
            "Strategy params": code(written),
            "Seed": code(summary.seed),
            "Market": f"{code(summary.symbol)} from source {code(at(config, 'market', 'source'))}",
            "Market sha256": code(summary.market_sha256),
            "Clock": f"{code(at(config, 'clock_mode'))} from {code(summary.started_ts)} to {code(summary.ended_ts)}",
            "Steps": f"{code(summary.steps)} made, {code(summary.steps_planned)} planned",
            "Outcome": f"{code(summary.status)} for the reason {code(summary.stop_reason)}",
            "Fills": f"{code(summary.fills)} with fees of {code(summary.fees)}",
            "Position": f"{code(summary.position)} at a mark price of {code(summary.mark_price)}",
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
                Encoded(" ".join(code(short(digest)) for digest in claim.references) or NOTHING),
            )
            for claim in claims
        ],
    )


def references_section(summary: RunSummary, claims: Sequence[Claim]) -> str:
    """Return each hash that a claim refers to in full, with what it is."""
    what = {digest: name for name, digest in references(summary).items()}
    hashes = dict.fromkeys(digest for claim in claims for digest in claim.references)
    return table(
        ("Short", "What", "In full"), [(code(short(digest)), code(what.get(digest)), code(digest)) for digest in hashes]
    )


def artifacts_section(summary: RunSummary) -> str:
    """Return the sealed files with size and hash, then the digests that hold them together."""
    rows, missing = [], (NOTHING, NOTHING, Encoded("missing"))
    for name in _sealed_files(summary):
        facts = summary.artifacts.get(name.value)
        values = (code(facts.bytes), code(facts.lines), code(facts.sha256)) if facts else missing
        rows.append((code(name.value), *values))
    digests = {
        "run_digest": code(summary.run_digest),
        "criteria_sha256 in event 0": code(announced_criteria(summary)),
        "Audit entries": code(summary.audit_entries),
        "Last entry_hash": code(summary.audit_last_hash),
    }
    return f"{table(('File', 'Bytes', 'Lines', 'sha256'), rows)}\n\n{_facts(digests)}"


def _sealed_files(summary: RunSummary) -> tuple[Artifact, ...]:
    kept = (Artifact.STRATEGY,) if Artifact.STRATEGY.value in summary.artifacts else ()
    return (*SEALED_BY_MANIFEST, *kept, Artifact.MANIFEST)


def verify_command(summary: RunSummary) -> Encoded:
    """Return the command that checks this run and executes it again, with the files that it needs left open."""
    folder = "/".join(("out", *RUN_SUBDIRS, summary.run_id))
    try:
        check_run_id_for_directory(summary.run_id)
    except ConfigError:
        folder = "RUN_DIRECTORY"
    words = ["c2lib verify", folder, "--require-sealed"]
    if SHA256.fullmatch(summary.run_digest or ""):
        words.append(f"--expect-digest {summary.run_digest}")
    if at(summary.config, "market", "source") == "file":
        words.append("--market FILE")
    if at(summary.config, "strategy", "origin") == "file":
        kept = Artifact.STRATEGY.value in summary.artifacts
        class_name = str(at(summary.config, "strategy", "class_name"))
        named = class_name if class_name.isidentifier() else "CLASS"
        words.append("--run-kept-strategy" if kept else f"--strategy-file FILE.py:{named}")
    return code(" ".join(words), 400)


def verify_outcome(verification: Verification) -> Encoded:
    """Return what the verifier reported when the draft was made."""
    verdict, findings, replay = verification.verdict, verification.findings, verification.replay
    return code(f"{verdict.value}, {findings} findings, {replay.reported}")


def first_event(summary: RunSummary) -> str:
    """Return what the first line of the event log must hold."""
    announced = announced_criteria(summary)
    if announced:
        return f"the event <code>SESSION_START</code> with <code>criteria_sha256</code> {code(announced)}"
    return "an event without <code>criteria_sha256</code>: no criteria were announced by this run"


def safety_section(summary: RunSummary) -> str:
    """Return what kept the run from a market, each with its number."""
    config, enabled = summary.config, summary.config.get("enabled")
    held = "held" if summary.no_live_held else "not shown to hold"
    overridden = "overridden by a test" if summary.enabled_overridden else "not overridden"
    written = json.dumps(config, ensure_ascii=False, sort_keys=True, default=str)
    texts = (written, summary.run_id, summary.strategy_id, summary.symbol, summary.reject_reason, summary.fail_reason)
    found = dict.fromkeys(name for text in texts if (name := find_secret(text or "")))
    secrets = f"found: {', '.join(map(code, found))}" if found else "nothing found"
    return bullets(
        (
            f"NO-LIVE layer required: {code(at(config, 'no_live_required'))}; {held}.",
            f"Attempts to leave the process, refused and counted: {code(summary.no_live_attempts)}.",
            f"Broker: {code(at(config, 'broker', 'kind'))}; the package has no live adapter.",
            f"Gate <code>enabled</code>: {code(None if enabled is None else str(enabled).lower())}; {overridden}.",
            f"Steps bounded before the first one: {code(summary.steps_planned)}; made: {code(summary.steps)}.",
            f"Rails broken: {code(summary.rail_trips)}. Writes tried again: {code(summary.sink_retries)}.",
            f"Secrets scan of the sealed config, names and reasons: {secrets}.",
        )
    )


def plots_section(plots: Mapping[str, str]) -> str:
    """Return each picture by its relative path, with its hash.

    Raises:
        InputError: for a name or a hash that is none.
    """
    for name, digest in plots.items():
        if not re.fullmatch(_PICTURE_NAME, name, re.ASCII):
            raise InputError("plots: a picture's file name must be lower-case letters, digits, _ and -, then .png")
        if not SHA256.fullmatch(digest):
            raise InputError(f"plots: {name} has no SHA-256")
    if not plots:
        return "No picture was drawn."
    rows = [(code(name), code(digest)) for name, digest in sorted(plots.items())]
    pictures = "\n\n".join(f"![{name}]({name})" for name in sorted(plots))
    return f"{table(('File', 'sha256'), rows)}\n\n{pictures}"


class EvidenceText(NamedTuple):
    """What an evidence file says of itself: its text, date, owner, and the hash of each picture by its name."""

    text: str
    date: str
    owner: str
    pictures: Mapping[str, str]


def parse_evidence(data: bytes, name: str, findings: Findings) -> EvidenceText | None:
    """Return what the evidence file ``name`` states; ``None``, with a finding, when it has not the form of a draft."""

    def malformed(expected: str, seen: str) -> None:
        findings.add(FindingCode.EVIDENCE_MALFORMED, name, expected=expected, seen=seen)

    if len(data) > MAX_EVIDENCE:
        malformed(f"at most {MAX_EVIDENCE} bytes", "more")
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        malformed("UTF-8", f"other bytes from byte {error.start} on")
        return None
    date, owner = _DATE_LINE.search(text), _OWNER_LINE.search(text)
    if date is None or owner is None:
        malformed(f"a line - {'**Owner:** NAME' if date else '**Date:** YYYY-MM-DD'}", "none")
        return None
    _, _, plots = text.rpartition("\n## Plots\n")
    rows = filter(None, map(_PICTURE_ROW.fullmatch, plots.split("\n")))
    return EvidenceText(text, date[1], html.unescape(owner[1]), {row[1]: row[2] for row in rows})


def compare_evidence(text: str, draft: str, name: str, findings: Findings) -> None:
    """Record as a finding the first line of the evidence file ``name`` that differs from the draft's."""
    lines = zip_longest(draft.split("\n"), text.split("\n"), fillvalue="no line")
    for number, (expected, seen) in enumerate(lines, start=1):
        if expected != seen:
            expected, seen = (side or "nothing" for side in excerpts(expected, seen, before=40))
            findings.add(FindingCode.EVIDENCE_DIFFERS, name, number, expected=expected, seen=seen)
            return
