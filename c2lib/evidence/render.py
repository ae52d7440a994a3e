"""An evidence draft: a template filled with the facts of a run; and a file compared with the draft it should be.

A draft is a pure function of its arguments: no disk, no clock, no environment. A template says it all by itself: it is
handed facts, whatever it shows of them is encoded, and it must use every part that a draft cannot be without.
"""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import date as calendar_date
from functools import lru_cache
from itertools import groupby, zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple

from c2lib.core.canon import text_problem
from c2lib.core.errors import ConfigError, InputError
from c2lib.core.redaction import find_secret
from c2lib.core.text import excerpts, shown
from c2lib.core.vocabulary import EVIDENCE_DIR, SEALED_BY_MANIFEST, Artifact
from c2lib.evidence.claims import Claim, Verification, announced_criteria, failed_names, passed, references, weakened
from c2lib.evidence.figures import Measured
from c2lib.evidence.limits import not_proven, risk_notes
from c2lib.evidence.markdown import SHA256, Encoded, code, encoded, inline, padded, short, visible, wrapped
from c2lib.witness.findings import FindingCode, Findings, Verdict
from c2lib.witness.lines import at
from c2lib.witness.summary import RunSummary

TEMPLATE_NAME = "EV-FINISH_C2-ORCH-DRYRUN.md"

MAX_EVIDENCE = 1 << 20
"""Longest evidence file, in bytes."""

MAX_OWNER = 100
"""Longest owner, in characters."""

MAX_PATH = 4096

MARKET_FILE, STRATEGY_FILE, TO_FILL_IN = "MARKET_FILE", "STRATEGY_FILE.py", "to be filled in"
"""What stands for what was not given or cannot be shown."""

SNAPSHOT_CHECKS = ("git status -sb", "git diff --stat", "pytest -q", "ruff check")
"""What the operator runs in the checkout, to fill in each result."""

NEEDED = (
    *("evidence_id", "unique_id", "date", "owner", "verdict", "failed", "weaker", "claims", "hashes", "files"),
    *("outcome", "commands", "checks", "secrets", "limits", "risks", "plots", "measured", "run", "config"),
)
"""What every template uses, so that no part of a draft can be left out."""

_PICTURE_NAME = r"[a-z0-9][a-z0-9_-]{0,40}\.png"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATE_LINE = re.compile(rf"^- \*\*Date:\*\* ({_DATE})$", re.ASCII | re.MULTILINE)
_OWNER_LINE = re.compile(r"^- \*\*Owner:\*\* (.{1,1000})$", re.MULTILINE)
_PICTURE_ROW = re.compile(rf"\| [0-9]+ +\| picture ({_PICTURE_NAME}) +\| `([0-9a-f]{{64}})` +\|", re.ASCII)
_OPTION_LINE = rf"^  --{{}} (.{{{{1,{2 * MAX_PATH}}}}}?)(?: \\)?$"
_CHECK_LINE = re.compile(r"^- `([a-z -]{1,40})`: ([^|<>&`\\\[\]\n]{1,200})$", re.MULTILINE)


class Stated(NamedTuple):
    """What a draft has from its makers and says of itself; all of it is data, and nothing is opened by it.

    ``pictures`` maps the name of each picture beside the draft to its SHA-256; ``market`` and ``strategy`` are paths as
    a shell in the run directory names them; ``checks`` maps :data:`SNAPSHOT_CHECKS` to the results that were filled in.
    ``text`` is the whole file, where one was read.
    """

    date: str
    owner: str
    pictures: Mapping[str, str]
    market: str | None = None
    strategy: str | None = None
    checks: Mapping[str, str] = MappingProxyType({})
    text: str = ""


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
    text: str,
    summary: RunSummary,
    claims: Sequence[Claim],
    verification: Verification,
    measured: Measured,
    stated: Stated,
) -> str:
    """Return the draft; it ends in one newline, and no line of it in a blank.

    Args:
        text: the template, in the language of Jinja.
        summary: the facts of the run.
        claims: what :func:`~c2lib.evidence.claims.evaluate` made of them.
        verification: what ``verify`` reported.
        measured: its figures.
        stated: the date, the owner and what else comes from the makers.

    Raises:
        ConfigError: for a date or an owner that cannot stand in a draft.
        InputError: for a template that cannot be filled or leaves something out.
    """
    name = evidence_name(stated.date, passed(claims))
    hashes = _hashes(summary, claims, stated.pictures)
    numbers = {digest: str(number) for number, (_, digest) in reversed([*enumerate(hashes, start=1)])}
    suffix = short(summary.run_digest) if SHA256.fullmatch(summary.run_digest or "") else "unsealed"
    clean = verification.verdict is Verdict.SEALED and verification.findings == 0
    weaker = weakened(summary)
    values = {
        "evidence_id": name.removesuffix(".md"),
        "unique_id": f"{name.removesuffix('.md')}-{suffix}",
        "date": stated.date,
        "owner": checked_owner(stated.owner),
        "verdict": Encoded("**PASS**" if passed(claims) else "**FAIL**"),
        "held": len(claims) - len(failed_names(claims)),
        "failed": failed_names(claims),
        "weaker": weaker and [(what, shown(own), shown(usual)) for what, (own, usual) in weaker.items()],
        "run": summary,
        "config": lambda *names: at(summary.config, *names),
        "measured": measured,
        "named": _named,
        "market_file": _showable(stated.market, "").replace("\\", "/").rpartition("/")[2] or None,
        "claims": claims,
        "numbers": lambda digests: ", ".join(numbers[digest] for digest in digests) or None,
        "hashes": hashes,
        "files": [(file.value, summary.artifacts.get(file.value)) for file in _sealed_files(summary)],
        "clean": clean,
        "outcome": verify_outcome(verification),
        "commands": _commands(summary, name, stated),
        "announced": announced_criteria(summary),
        "checks": [(check, Encoded(_showable(stated.checks.get(check), TO_FILL_IN))) for check in SNAPSHOT_CHECKS],
        "secrets": _secrets(summary),
        "limits": [*map(Encoded, not_proven(summary, verification))],
        "risks": [*map(Encoded, risk_notes(summary, verification, claims))],
        "plots": sorted(stated.pictures),
    }
    lines = (line.rstrip() for line in _filled(text, values).split("\n"))
    blocks = groupby(lines, lambda line: line.startswith("|"))
    return "\n".join(line for table, block in blocks for line in (padded(block) if table else block)).strip("\n") + "\n"


def _filled(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError

    try:
        return str(_form(template).render(values))
    except (TemplateError, TypeError, ArithmeticError) as error:
        raise InputError(f"template: {error}") from None


@lru_cache(maxsize=4)
def _form(template: str) -> Any:
    """Return a template that is ready to be filled; raise :class:`InputError` when a needed part is not in it."""
    # what does not draft must not wait for it
    from jinja2 import StrictUndefined, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    blocks = {"trim_blocks": True, "lstrip_blocks": True}
    form = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=encoded, **blocks)
    form.filters.update(code=code, short=short, wrapped=wrapped)
    used = meta.find_undeclared_variables(form.parse(template))
    for name in NEEDED:
        if name not in used:
            raise InputError(f"template: {name} is missing")
    return form.from_string(template)


def _named(values: object) -> str | None:
    """Return what an object holds as ``name=value``, without what is null; ``None`` for anything else."""
    held = values.items() if isinstance(values, dict) else ()
    return ", ".join(f"{name}={value}" for name, value in sorted(held) if value is not None) or None


def _hashes(summary: RunSummary, claims: Sequence[Claim], plots: Mapping[str, str]) -> list[tuple[str | None, str]]:
    """Return every hash of a draft with what it is of: those that claims refer to first, each once; then pictures."""
    source = at(summary.config, "strategy", "sha256")
    sealed = {"criteria": announced_criteria(summary), "config": summary.config_sha256, "market": summary.market_sha256}
    named = {**sealed, "strategy source": source if isinstance(source, str) else "", **references(summary)}
    files = (f"file {name}" for name in _sealed_files(summary))
    listed = [named.get(name) for name in (*files, "run_digest", "last audit entry", *sealed, "strategy source")]
    every = dict.fromkeys(digest for digest in (*(d for claim in claims for d in claim.references), *listed) if digest)
    known = {digest: what for what, digest in named.items()}
    return [*((known.get(digest), digest) for digest in every), *((f"picture {n}", plots[n]) for n in sorted(plots))]


def _sealed_files(summary: RunSummary) -> tuple[Artifact, ...]:
    kept = (Artifact.STRATEGY,) if Artifact.STRATEGY.value in summary.artifacts else ()
    return (*SEALED_BY_MANIFEST, *kept, Artifact.MANIFEST)


def _commands(summary: RunSummary, name: str, stated: Stated) -> dict[str, Encoded]:
    """Return the commands of a draft, quoted for a shell that is in the run directory; an option has its own line."""
    anchored = SHA256.fullmatch(summary.run_digest or "")
    anchor, files = [f"--expect-digest {summary.run_digest}"] if anchored else [], []
    if at(summary.config, "market", "source") == "file":
        files.append(f"--market {shlex.quote(_showable(stated.market, MARKET_FILE))}")
    if at(summary.config, "strategy", "origin") == "file":
        class_name = str(at(summary.config, "strategy", "class_name"))
        named = class_name if class_name.isidentifier() else "CLASS"
        kept = Artifact.STRATEGY.value in summary.artifacts
        path = f"{_showable(stated.strategy, STRATEGY_FILE)}:{named}"
        files.append("--run-kept-strategy" if kept else f"--strategy-file {shlex.quote(path)}")
    facts = ((file.value, summary.artifacts.get(file.value)) for file in _sealed_files(summary))
    sums = [f"{fact.sha256}  {file}" for file, fact in facts if fact and SHA256.fullmatch(fact.sha256)]
    lines = {
        "verify": ["c2lib verify . --require-sealed", *anchor, *files],
        "evidence": [f"c2lib verify {EVIDENCE_DIR}/{name}", *files],
        "second": ['python3 "${C2LIB_REPO:-../../../..}/docs/contract/verify_run.py" .', *anchor],
        "first": ["head -n 1 events.jsonl"],
    }
    made = {what: Encoded(" \\\n  ".join(words)) for what, words in lines.items()}
    return made | {"hashes": Encoded("\n".join(("sha256sum --check --strict <<'END'", *sums, "END")))}


def _showable(text: str | None, otherwise: str) -> str:
    return text if text and visible(text, MAX_PATH) == text else otherwise


def verify_outcome(verification: Verification) -> Encoded:
    """Return what the verifier reported when the draft was made."""
    verdict, findings, replay = verification.verdict, verification.findings, verification.replay
    return code(f"{verdict.value}, {findings} finding{'s'[: findings != 1]}, {replay.reported}")


def _secrets(summary: RunSummary) -> Iterable[str]:
    """Return the kinds of secret that stand in the sealed config, in a name or in a reason."""
    written = json.dumps(summary.config, ensure_ascii=False, sort_keys=True, default=str)
    names = (summary.run_id, summary.strategy_id, summary.symbol, summary.reject_reason, summary.fail_reason)
    return list(dict.fromkeys(kind for text in (written, *names) if (kind := find_secret(text or ""))))


def parse_evidence(data: bytes, name: str, findings: Findings) -> Stated | None:
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
    _, _, hashes = text.rpartition("\n## Appendix: hashes\n")
    rows = filter(None, map(_PICTURE_ROW.fullmatch, hashes.split("\n")))
    named = _path_in(text, "strategy-file")
    market, strategy = _path_in(text, "market"), named and named.rpartition(":")[0]
    pictures, checks = {row[1]: row[2] for row in rows}, dict(_CHECK_LINE.findall(text))
    return Stated(date[1], html.unescape(owner[1]), pictures, market, strategy, checks, text)


def _path_in(text: str, flag: str) -> str | None:
    """Return the word behind an option of the first command that has it, ``None`` where it is not one word."""
    found = re.search(_OPTION_LINE.format(flag), text, re.MULTILINE)
    try:
        words = shlex.split(found[1]) if found else []
    except ValueError:
        return None
    return words[0] if len(words) == 1 and words[0] != MARKET_FILE else None


def compare_evidence(text: str, draft: str, name: str, findings: Findings) -> None:
    """Record as a finding the first line of the evidence file ``name`` that differs from the draft's."""
    lines = zip_longest(draft.split("\n"), text.split("\n"), fillvalue="no line")
    for number, (expected, seen) in enumerate(lines, start=1):
        if expected != seen:
            expected, seen = (side or "nothing" for side in excerpts(expected, seen, before=40))
            findings.add(FindingCode.EVIDENCE_DIFFERS, name, number, expected=expected, seen=seen)
            return
