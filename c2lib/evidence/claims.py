"""The criteria of a run, evaluated: each claim with what was expected, what was observed, and its references.

The criteria are those sealed in the run's config; when they cannot be read, the defaults stand in and the claim
``criteria_sealed`` fails. Nothing here raises for what a damaged run can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from pydantic import ValidationError

from c2lib.core.canon import canonical_sha256
from c2lib.core.config import BUILT_IN_STRATEGIES
from c2lib.core.criteria import Criteria
from c2lib.core.decimals import canonical_decimal
from c2lib.evidence.figures import EXACT
from c2lib.witness.findings import Verdict
from c2lib.witness.lines import at
from c2lib.witness.refold import decimal_text
from c2lib.witness.summary import RunSummary

CLAIMS = {
    "status": "The session ended with status {status}. A PASS needs COMPLETED.",
    "stop_reason": "Stepping ended for the reason {stop_reason}.",
    "steps_as_planned": "The session made the steps that were planned before the first one, no more and no fewer.",
    "min_fills": "Fills were applied: {min_fills} or more.",
    "max_rail_trips": "At most {max_rail_trips} rails were broken.",
    "max_no_live_attempts": "The NO-LIVE guard refused and counted at most {max_no_live_attempts} attempts.",
    "criteria_sealed": "The record holds together around these criteria, whose hash event 0 carries. "
    "That they stood before the run, only a digest kept elsewhere proves.",
    "sealed_and_clean": "The record is sealed and the verifier finds nothing wrong with it.",
    "reproduced": "Running the session again from its sealed config and inputs gives the same bytes.",
    "re_executable": "The strategy can be executed again by anybody: "
    "it is built in, or a file that is sealed by its hash.",
    "no_live_held": "The NO-LIVE layer that the config requires was there and held.",
    "enabled_off": "The gate to live trading stayed shut.",
    "accounts": "Equity is cash plus position times mark price, exactly.",
}
"""The sentence of each claim, in the order of evidence; what stands in braces is a field of the criteria."""

NEEDED = {name for name in CLAIMS if name == "status" or name not in Criteria.model_fields}
"""The claims that a PASS needs whatever the criteria are."""

NO_LIVE_LAYERS = ("hook", "namespace")
NOT_RECORDED = "not recorded"
IN_MEMORY = "a class in memory"

_DEFAULT = Criteria()


class Replay(Enum):
    """How executing the session again ended, in the words of the claim ``reproduced`` and of the verifier's outcome."""

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


_Row = tuple[str, str, str, bool, tuple[str, ...]]
"""A claim before it has its sentence and hashes: name, expected, observed, passed, names of its references."""


def evaluate(summary: RunSummary, verification: Verification) -> tuple[Claim, ...]:
    """Return the claims on a run, the criteria first, always in the same order.

    Args:
        summary: the facts of the run, as the witness read them.
        verification: what ``verify`` reported on it; a run that was not replayed is no PASS.
    """
    sealed = sealed_criteria(summary)
    asked, found = sealed or _DEFAULT, references(summary)
    rows = (
        *_outcome_claims(summary, asked),
        *_bound_claims(summary, asked),
        *_record_claims(summary, sealed, verification),
        *_control_claims(summary),
    )
    claims = []
    for name, expected, observed, holds, named in rows:
        sentence = CLAIMS[name].format_map(asked.model_dump())
        hashes = dict.fromkeys(found[reference] for reference in named if found.get(reference))
        claims.append(Claim(name, sentence, expected, observed, holds, tuple(hashes)))
    return tuple(claims)


def sealed_criteria(summary: RunSummary) -> Criteria | None:
    """Return the criteria of the sealed config, ``None`` when they cannot be read."""
    try:
        return Criteria.model_validate(summary.config.get("criteria"))
    except ValidationError:
        return None


def passed(claims: Sequence[Claim]) -> bool:
    """Return whether the claims make a PASS: all hold, and none that a PASS needs was left out."""
    return {claim.name for claim in claims}.issuperset(NEEDED) and not failed_names(claims)


def failed_names(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Return the names of the claims that do not hold."""
    return tuple(claim.name for claim in claims if not claim.passed)


def references(summary: RunSummary) -> dict[str, str]:
    """Return the hashes that a claim can refer to, by the name of what each belongs to."""
    named = {f"event {name}": event_id for name, event_id in summary.references.items()}
    named |= {f"file {name}": facts.sha256 for name, facts in summary.artifacts.items()}
    return named | {"last audit entry": summary.audit_last_hash, "run_digest": summary.run_digest or ""}


def weakened(summary: RunSummary) -> dict[str, tuple[object, object]] | None:
    """Return the sealed criteria that ask less or other than the defaults, with both values; ``None`` if unreadable."""
    sealed = sealed_criteria(summary)
    if sealed is None:
        return None
    both = {name: (getattr(sealed, name), default) for name, default in _DEFAULT}
    # no bound but min_fills can be stricter than its default
    return {
        name: (own, usual) for name, (own, usual) in both.items() if own != usual and (name != "min_fills" or not own)
    }


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
    named = (_last_event(run), "file state_snapshots.jsonl")
    expected = asked.status if asked.status == _DEFAULT.status else f"{asked.status}, which is no PASS"
    yield "status", expected, ", ".join(ended), run.status == asked.status == _DEFAULT.status, named
    if asked.stop_reason is not None:
        holds = run.stop_reason == asked.stop_reason
        yield "stop_reason", asked.stop_reason, run.stop_reason or NOT_RECORDED, holds, (_last_event(run),)
    if asked.steps_as_planned:
        made, planned = (f"{count} step{'s'[: count != 1]}" for count in (run.steps, run.steps_planned))
        expected = "as many as planned" if run.steps_planned is None else planned
        named, holds = ("event session_start", _last_event(run)), run.steps == run.steps_planned
        yield "steps_as_planned", expected, made, holds, named


def _bound_claims(run: RunSummary, asked: Criteria) -> Iterator[_Row]:
    fills = ("event first_fill", "event last_fill") if "first_fill" in run.references else ("file events.jsonl",)
    rails, attempts = ("event rail_tripped", "file events.jsonl"), ("file metrics.json", "file audit.jsonl")
    bounds = (
        ("min_fills", "or more", run.fills, "fill" if run.fills == 1 else "fills", fills),
        ("max_rail_trips", "or fewer", run.rail_trips, "broken", rails),
        ("max_no_live_attempts", "or fewer", run.no_live_attempts, "refused", attempts),
    )
    for name, way, count, word, named in bounds:
        bound = getattr(asked, name)
        holds = count is not None and (count >= bound if way == "or more" else count <= bound)
        yield name, f"{bound} {way}", NOT_RECORDED if count is None else f"{count} {word}", holds, named


def _record_claims(run: RunSummary, sealed: Criteria | None, verification: Verification) -> Iterator[_Row]:
    expected = canonical_sha256(run.config["criteria"]) if sealed else "criteria in the sealed config"
    announced = announced_criteria(run)
    first = "event session_start" if "session_start" in run.references else "event rejected"
    holds = sealed is not None and announced == expected
    yield "criteria_sealed", expected, announced or NOT_RECORDED, holds, (first,)
    verdict, findings, replay = verification.verdict, verification.findings, verification.replay
    expected = f"{Verdict.SEALED.value}, 0 findings"
    observed = f"{verdict.value}, {findings} finding{'s'[: findings != 1]}"
    holds = verdict is Verdict.SEALED and findings == 0 and run.run_digest is not None
    yield "sealed_and_clean", expected, observed, holds, ("run_digest", "last audit entry")
    yield "reproduced", Replay.IDENTICAL.observed, replay.observed, replay is Replay.IDENTICAL, ("run_digest",)
    origin, source = (at(run.config, "strategy", name) for name in ("origin", "sha256"))
    known = {"built-in": f"built-in {run.strategy_id}", "file": f"file of sha256 {source}", "object": IN_MEMORY}
    built_in = origin == "built-in" and run.strategy_id in BUILT_IN_STRATEGIES
    holds = built_in or (origin == "file" and source is not None)
    observed = known.get(str(origin), NOT_RECORDED)
    yield "re_executable", "built-in or file", observed, holds, ("file strategy.py", "run_digest")


def _control_claims(run: RunSummary) -> Iterator[_Row]:
    layer, required = run.no_live_required, run.config.get("no_live_required")
    holds = run.no_live_held and layer == required and layer in NO_LIVE_LAYERS
    expected = f"layer {required} held" if required else "a layer required by the sealed config"
    observed = f"layer {layer} {'held' if holds else 'not shown to hold'}" if layer else NOT_RECORDED
    yield "no_live_held", expected, observed, holds, ("last audit entry", "file audit.jsonl")
    enabled = run.config.get("enabled", NOT_RECORDED)
    holds = enabled is False and not run.enabled_overridden
    observed = "the gate was overridden by a test" if run.enabled_overridden else f"enabled is {enabled}".lower()
    yield "enabled_off", "enabled is false", observed, holds, ("event session_start", "file audit.jsonl")
    try:
        expected = _equity(run.position, run.cash, run.mark_price)
        holds = expected == canonical_decimal(run.equity)
        observed = f"{run.equity} = {run.cash} + {run.position} x {run.mark_price or '(no price)'}"
    except ValueError as error:
        expected, holds, observed = "decimal numbers", False, str(error)
    yield "accounts", expected, observed, holds, (_last_event(run),)


def _equity(position: str, cash: str, mark_price: str | None) -> str:
    held, money, price = (Decimal(canonical_decimal(text)) for text in (position, cash, mark_price or "0"))
    if mark_price is None and held:
        raise ValueError(f"a position of {position} without a mark price")
    return decimal_text(EXACT.fma(held, price, money))
