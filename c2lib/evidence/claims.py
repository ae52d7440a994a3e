"""The criteria of a run, evaluated: each claim with what was expected, what was observed, and its references.

The criteria are those sealed in the run's config; when they cannot be read, the defaults stand in and the claim
``criteria_sealed`` fails. Nothing here raises for what a damaged run can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from pydantic import ValidationError

from c2lib.core.canon import canonical_sha256
from c2lib.core.config import BUILT_IN_STRATEGIES
from c2lib.core.criteria import Criteria
from c2lib.core.decimals import canonical_decimal, format_scaled, parse_decimal
from c2lib.witness.findings import Verdict
from c2lib.witness.manifest import at
from c2lib.witness.run import RunSummary

NEEDED = (
    "status",
    "criteria_sealed",
    "sealed_and_clean",
    "reproduced",
    "re_executable",
    "no_live_held",
    "enabled_off",
    "accounts",
)
"""Names of the claims that a PASS needs whatever the criteria are."""

NO_LIVE_LAYERS = ("hook", "namespace")

NOT_RECORDED = "not recorded"

IN_MEMORY = "a class in memory"


class Replay(Enum):
    """How executing the session again ended: as its claim observes it, and as the verifier reports it."""

    IMPOSSIBLE = ("replay was not possible", "replay not possible")
    IDENTICAL = ("every byte identical", "every byte reproduced")
    DIFFERENT = ("bytes differ", "bytes differ on replay")

    def __init__(self, observed: str, reported: str) -> None:
        self.observed = observed
        self.reported = reported


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` reported: the verdict, the number of findings, and how the replay ended."""

    verdict: Verdict
    findings: int
    replay: Replay


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim; ``references`` are the event ids, entry hashes and file hashes where a reader finds it."""

    name: str
    sentence: str
    expected: str
    observed: str
    passed: bool
    references: tuple[str, ...]


_Row = tuple[str, str, str, str, bool, tuple[str, ...]]
"""A claim whose references are still names, as :func:`references` names them."""


def evaluate(summary: RunSummary, verification: Verification) -> tuple[Claim, ...]:
    """Return the claims on a run, the criteria first, always in the same order.

    Args:
        summary: the facts of the run, as the witness read them.
        verification: what ``verify`` reported on it; a run that was not replayed is no PASS.
    """
    try:
        sealed = Criteria.model_validate(summary.config.get("criteria"))
    except ValidationError:
        sealed = None
    asked, found = sealed or Criteria(), references(summary)
    rows = (
        *_outcome_claims(summary, asked),
        *_bound_claims(summary, asked),
        *_record_claims(summary, sealed, verification),
        *_control_claims(summary),
    )
    return tuple(Claim(*row[:5], tuple(dict.fromkeys(filter(None, map(found.get, row[5]))))) for row in rows)


def passed(claims: Sequence[Claim]) -> bool:
    """Return whether the claims make a PASS: all hold, and none that a PASS needs was left out."""
    return {claim.name for claim in claims}.issuperset(NEEDED) and not failed_names(claims)


def failed_names(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Return the names of the claims that do not hold."""
    return tuple(claim.name for claim in claims if not claim.passed)


def references(summary: RunSummary) -> dict[str, str]:
    """Return the hashes that a claim can refer to, by what each is: an event, a file, the end of the audit, the run."""
    named = {f"event {name}": event_id for name, event_id in summary.references.items()}
    named |= {f"file {name}": facts.sha256 for name, facts in summary.artifacts.items()}
    return named | {"last audit entry": summary.audit_last_hash, "run_digest": summary.run_digest or ""}


def announced_criteria(summary: RunSummary) -> str | None:
    """Return the hash of the criteria that event 0 carries, ``None`` when there is no such event.

    Without a ``SESSION_START`` the summary's hash is the manifest's, which is written after the run.
    """
    return summary.criteria_sha256 if summary.criteria_sha256 and "session_start" in summary.references else None


def _last_event(run: RunSummary) -> str:
    return "event session_stop" if "session_stop" in run.references else "event rejected"


def _outcome_claims(run: RunSummary, asked: Criteria) -> Iterator[_Row]:
    reasons = ((run.reject_code, run.reject_reason), (run.fail_code, run.fail_reason))
    ended = [run.status or NOT_RECORDED, *(f"{code}: {text or NOT_RECORDED}" for code, text in reasons if code)]
    yield (
        "status",
        f"The session ended with status {asked.status}.",
        asked.status,
        ", ".join(ended),
        run.status == asked.status,
        (_last_event(run), "file state_snapshots.jsonl"),
    )
    if asked.stop_reason is not None:
        yield (
            "stop_reason",
            f"Stepping ended for the reason {asked.stop_reason}.",
            asked.stop_reason,
            run.stop_reason or NOT_RECORDED,
            run.stop_reason == asked.stop_reason,
            (_last_event(run),),
        )
    if asked.steps_as_planned:
        yield (
            "steps_as_planned",
            "The session made the steps that were planned before the first one, no more and no fewer.",
            "as many as planned" if run.steps_planned is None else f"{run.steps_planned} steps",
            f"{run.steps} steps",
            run.steps == run.steps_planned,
            ("event session_start", _last_event(run)),
        )


def _bound_claims(run: RunSummary, asked: Criteria) -> Iterator[_Row]:
    fills = ("event first_fill", "event last_fill") if "first_fill" in run.references else ("file events.jsonl",)
    rails, guard = ("event rail_tripped", "file events.jsonl"), ("file metrics.json", "file audit.jsonl")
    attempts = "The NO-LIVE guard refused and counted at most {} attempts."
    bounds = (
        ("min_fills", "At least {} fills were applied.", "or more", run.fills, "fills", fills),
        ("max_rail_trips", "At most {} rails were broken.", "or fewer", run.rail_trips, "broken", rails),
        ("max_no_live_attempts", attempts, "or fewer", run.no_live_attempts, "refused", guard),
    )
    for name, sentence, way, count, word, named in bounds:
        bound = getattr(asked, name)
        holds = count is not None and (count >= bound if way == "or more" else count <= bound)
        observed = NOT_RECORDED if count is None else f"{count} {word}"
        yield (name, sentence.format(bound), f"{bound} {way}", observed, holds, named)


def _record_claims(run: RunSummary, sealed: Criteria | None, verification: Verification) -> Iterator[_Row]:
    expected = canonical_sha256(run.config["criteria"]) if sealed else "criteria in the sealed config"
    verdict, findings = verification.verdict, verification.findings
    yield (
        "criteria_sealed",
        "Event 0 carries the hash of these criteria, so they were fixed before the first step.",
        expected,
        announced_criteria(run) or NOT_RECORDED,
        sealed is not None and announced_criteria(run) == expected,
        ("event session_start",) if "session_start" in run.references else ("event rejected",),
    )
    yield (
        "sealed_and_clean",
        "The record is sealed and the verifier finds nothing wrong with it.",
        f"{Verdict.SEALED.value}, 0 findings",
        f"{verdict.value}, {findings} findings",
        verdict is Verdict.SEALED and findings == 0 and run.run_digest is not None,
        ("run_digest", "last audit entry"),
    )
    yield (
        "reproduced",
        "Running the session again from its sealed config and inputs gives the same bytes.",
        Replay.IDENTICAL.observed,
        verification.replay.observed,
        verification.replay is Replay.IDENTICAL,
        ("run_digest",),
    )
    origin, source = (at(run.config, "strategy", name) for name in ("origin", "sha256"))
    known = {"built-in": f"built-in {run.strategy_id}", "file": f"file of sha256 {source}", "object": IN_MEMORY}
    yield (
        "re_executable",
        "The strategy can be executed again by anybody: it is built in, or a file that is sealed by its hash.",
        "built-in or file",
        known.get(str(origin), NOT_RECORDED),
        (origin == "built-in" and run.strategy_id in BUILT_IN_STRATEGIES) or (origin == "file" and source is not None),
        ("file strategy.py", "run_digest"),
    )


def _control_claims(run: RunSummary) -> Iterator[_Row]:
    layer, required = run.no_live_required, run.config.get("no_live_required")
    held = run.no_live_held and layer == required and layer in NO_LIVE_LAYERS
    enabled = run.config.get("enabled", NOT_RECORDED)
    yield (
        "no_live_held",
        "The NO-LIVE layer that the config requires was there and held.",
        f"layer {required} held" if required else "a layer required by the sealed config",
        f"layer {layer} {'held' if held else 'not shown to hold'}" if layer else NOT_RECORDED,
        held,
        ("last audit entry", "file audit.jsonl"),
    )
    yield (
        "enabled_off",
        "The gate to live trading stayed shut.",
        "enabled is false",
        "the gate was overridden by a test" if run.enabled_overridden else f"enabled is {enabled}".lower(),
        enabled is False and not run.enabled_overridden,
        ("event session_start", "file audit.jsonl"),
    )
    try:
        equity = _worth(run.position, run.cash, run.mark_price)
        holds = equity == canonical_decimal(run.equity)
        observed = f"{run.equity} = {run.cash} + {run.position} x {run.mark_price or '(no price)'}"
    except ValueError as error:
        equity, holds, observed = "decimal numbers", False, str(error)
    sentence = "Equity is cash plus position times mark price, exactly."
    yield ("accounts", sentence, equity, observed, holds, (_last_event(run),))


def _worth(position: str, cash: str, mark_price: str | None) -> str:
    (held, held_scale), (money, money_scale) = parse_decimal(position), parse_decimal(cash)
    if mark_price is None and held:
        raise ValueError(f"a position of {position} without a mark price")
    price, price_scale = parse_decimal(mark_price or "0")
    scale = max(money_scale, held_scale + price_scale)
    value = held * price * 10 ** (scale - held_scale - price_scale) + money * 10 ** (scale - money_scale)
    return format_scaled(int(value), scale)
