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

import re
from collections.abc import Mapping, Sequence
from datetime import date as calendar_date
from string import Template

from c2lib.core.canon import text_problem
from c2lib.core.errors import ConfigError, InputError
from c2lib.core.fields import SHA256_PATTERN
from c2lib.core.secrets import find_secret
from c2lib.evidence import sections
from c2lib.evidence.claims import Claim, Verification, failed_names, passed
from c2lib.evidence.encode import Encoded, code, inline, visible
from c2lib.evidence.limits import limits_section, risks_section
from c2lib.witness.facts import RunSummary

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
        "scope": sections.scope_section(summary),
        "claims": sections.claims_section(claims),
        "bearers": sections.bearers_section(summary, claims),
        "artifacts": sections.artifacts_section(summary),
        "verify_command": sections.verify_command(summary),
        "verify_outcome": sections.verify_outcome(verification),
        "run_digest": code(summary.run_digest),
        "hash_command": sections.hash_command(),
        "first_event": sections.first_event(summary),
        "safety": sections.safety_section(summary),
        "limits": limits_section(summary, verification),
        "risks": risks_section(summary, verification, claims),
        "plots": sections.plots_section(plots),
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
