"""The criteria of a run, evaluated: each claim with what was expected, what was seen, and what bears it.

Rules kept here:

* the criteria are those sealed in the run's config; when they cannot be read, the defaults stand in and the
  claim ``criteria_sealed`` fails;
* a PASS needs every claim: the criteria, and that they were sealed before the first step, that the record is
  sealed and clean, that a replay gave the same bytes, that the required NO-LIVE layer held, that the gate to
  live trading stayed shut, and that the books add up;
* what was not looked at is never claimed: a run that was not replayed is no PASS;
* nothing here raises for what a damaged run can hold.

>>> verification = Verification(Verdict.UNSEALED, findings=0, replayed=None, reproduced=False)
>>> claims = evaluate(RunSummary(status="COMPLETED"), verification)
>>> passed(claims), [claim.name for claim in claims if claim.passed]
(False, ['status', 'max_rail_trips', 'accounts'])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from c2lib.core.canon import canonical_sha256
from c2lib.core.criteria import Criteria
from c2lib.core.decimals import canonical_decimal, format_scaled, parse_decimal
from c2lib.core.vocabulary import Artifact
from c2lib.witness.findings import Verdict
from c2lib.witness.run import RunSummary

ALWAYS = ("criteria_sealed", "sealed_and_clean", "reproduced", "no_live_held", "enabled_off", "accounts")
"""Names of the claims that a PASS needs whatever the criteria are."""

NO_LIVE_LAYERS = ("hook", "namespace")

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` reported: the verdict, how many findings, and what became of the replay.

    ``replayed`` is ``None`` when no replay was asked for, ``False`` when it could not be made; ``reproduced``
    says that it gave the same bytes.
    """

    verdict: Verdict
    findings: int
    replayed: bool | None
    reproduced: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim; ``references`` are the event ids, entry hashes and file hashes where a reader finds it."""

    name: str
    sentence: str
    expected: str
    observed: str
    passed: bool
    references: tuple[str, ...]


def evaluate(summary: RunSummary, verification: Verification) -> tuple[Claim, ...]:
    """Return the claims on a run, the criteria first, always in the same order."""
    sealed = _sealed_criteria(summary.config)
    asked = sealed or Criteria()
    return (
        *_outcome_claims(asked, summary),
        *_bound_claims(asked, summary),
        _criteria_sealed(sealed, summary),
        _sealed_and_clean(summary, verification),
        _reproduced(summary, verification),
        _no_live_held(summary),
        _enabled_off(summary),
        _accounts(summary),
    )


def passed(claims: Sequence[Claim]) -> bool:
    """Return whether the claims make a PASS: all hold, and none that a PASS needs was left out."""
    return {claim.name for claim in claims}.issuperset((*ALWAYS, "status")) and all(claim.passed for claim in claims)


def failed_names(claims: Sequence[Claim]) -> tuple[str, ...]:
    """Return the names of the claims that do not hold."""
    return tuple(claim.name for claim in claims if not claim.passed)


def _sealed_criteria(config: Mapping[str, Any]) -> Criteria | None:
    try:
        return Criteria.model_validate(config.get("criteria"))
    except ValidationError:
        return None


def _found(*hashes: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(digest for digest in hashes if digest))


def _file(summary: RunSummary, artifact: Artifact) -> str | None:
    facts = summary.artifacts.get(artifact.value)
    return facts.sha256 if facts else None


def _last_event(summary: RunSummary) -> str | None:
    return summary.references.get("session_stop") or summary.references.get("rejected")


def _counted(count: int | None, word: str) -> str:
    return NOT_RECORDED if count is None else f"{count} {word}"


def _outcome_claims(asked: Criteria, summary: RunSummary) -> list[Claim]:
    ends = ((summary.reject_code, summary.reject_reason), (summary.fail_code, summary.fail_reason))
    observed = [summary.status or NOT_RECORDED, *(f"{code}: {reason or NOT_RECORDED}" for code, reason in ends if code)]
    claims = [
        Claim(
            "status",
            f"The session ended with status {asked.status}.",
            asked.status,
            ", ".join(observed),
            summary.status == asked.status,
            _found(_last_event(summary), _file(summary, Artifact.SNAPSHOTS)),
        )
    ]
    if asked.stop_reason is not None:
        claims.append(
            Claim(
                "stop_reason",
                f"Stepping ended for the reason {asked.stop_reason}.",
                asked.stop_reason,
                summary.stop_reason or NOT_RECORDED,
                summary.stop_reason == asked.stop_reason,
                _found(_last_event(summary)),
            )
        )
    if asked.steps_as_planned:
        claims.append(
            Claim(
                "steps_as_planned",
                "The session made the steps that were planned before the first one, no more and no fewer.",
                "as many as planned" if summary.steps_planned is None else f"{summary.steps_planned} steps",
                _counted(summary.steps, "steps"),
                summary.steps == summary.steps_planned,
                _found(summary.references.get("session_start"), _last_event(summary)),
            )
        )
    return claims


def _bound_claims(asked: Criteria, summary: RunSummary) -> tuple[Claim, ...]:
    events, attempts = _file(summary, Artifact.EVENTS), summary.no_live_attempts
    fills = _found(summary.references.get("first_fill"), summary.references.get("last_fill"))
    return (
        Claim(
            "min_fills",
            f"At least {asked.min_fills} fills were applied.",
            f"{asked.min_fills} or more",
            _counted(summary.fills, "fills"),
            summary.fills >= asked.min_fills,
            fills or _found(events),
        ),
        Claim(
            "max_rail_trips",
            f"At most {asked.max_rail_trips} rails were broken.",
            f"{asked.max_rail_trips} or fewer",
            _counted(summary.rail_trips, "broken"),
            summary.rail_trips <= asked.max_rail_trips,
            _found(summary.references.get("rail_tripped"), events),
        ),
        Claim(
            "max_no_live_attempts",
            f"The NO-LIVE guard refused and counted at most {asked.max_no_live_attempts} attempts.",
            f"{asked.max_no_live_attempts} or fewer",
            _counted(attempts, "refused"),
            attempts is not None and attempts <= asked.max_no_live_attempts,
            _found(_file(summary, Artifact.METRICS), _file(summary, Artifact.AUDIT)),
        ),
    )


def announced_criteria(summary: RunSummary) -> str | None:
    """Return the hash of the criteria that event 0 carries, ``None`` when there is no such event.

    Without a ``SESSION_START`` the summary's hash is the manifest's, which is written after the run.
    """
    return summary.criteria_sha256 if summary.criteria_sha256 and "session_start" in summary.references else None


def _criteria_sealed(sealed: Criteria | None, summary: RunSummary) -> Claim:
    expected = canonical_sha256(summary.config["criteria"]) if sealed else "criteria in the sealed config"
    announced = announced_criteria(summary)
    return Claim(
        "criteria_sealed",
        "Event 0 carries the hash of these criteria, so they were fixed before the first step.",
        expected,
        announced or NOT_RECORDED,
        sealed is not None and announced == expected,
        _found(summary.references.get("session_start") or summary.references.get("rejected")),
    )


def _sealed_and_clean(summary: RunSummary, verification: Verification) -> Claim:
    return Claim(
        "sealed_and_clean",
        "The record is sealed and the verifier finds nothing wrong with it.",
        f"{Verdict.SEALED.value}, 0 findings",
        f"{verification.verdict.value}, {verification.findings} findings",
        verification.verdict is Verdict.SEALED and verification.findings == 0 and summary.run_digest is not None,
        _found(summary.run_digest, summary.audit_last_hash),
    )


def _reproduced(summary: RunSummary, verification: Verification) -> Claim:
    if verification.replayed is None:
        observed = "not replayed"
    elif not verification.replayed:
        observed = "replay was not possible"
    else:
        observed = "every byte identical" if verification.reproduced else "bytes differ"
    return Claim(
        "reproduced",
        "Running the session again from its sealed config and inputs gives the same bytes.",
        "every byte identical",
        observed,
        verification.replayed is True and verification.reproduced,
        _found(summary.run_digest),
    )


def _no_live_held(summary: RunSummary) -> Claim:
    required, sealed = summary.no_live_required, summary.config.get("no_live_required")
    held = summary.no_live_held and required == sealed and required in NO_LIVE_LAYERS
    return Claim(
        "no_live_held",
        "The NO-LIVE layer that the config requires was there and held.",
        f"layer {sealed} held" if sealed else "a layer required by the sealed config",
        f"layer {required} {'held' if held else 'not shown to hold'}" if required else NOT_RECORDED,
        held,
        _found(summary.audit_last_hash, _file(summary, Artifact.AUDIT)),
    )


def _enabled_off(summary: RunSummary) -> Claim:
    enabled = summary.config.get("enabled", NOT_RECORDED)
    observed = "the gate was overridden by a test" if summary.enabled_overridden else f"enabled is {enabled}".lower()
    return Claim(
        "enabled_off",
        "The gate to live trading stayed shut.",
        "enabled is false",
        observed,
        enabled is False and not summary.enabled_overridden,
        _found(summary.references.get("session_start"), _file(summary, Artifact.AUDIT)),
    )


def _accounts(summary: RunSummary) -> Claim:
    try:
        total = _worth(summary.position, summary.cash, summary.mark_price)
        holds = total == canonical_decimal(summary.equity)
        observed = f"{summary.equity} = {summary.cash} + {summary.position} x {summary.mark_price or '(no price)'}"
    except ValueError as error:
        total, holds, observed = "decimal numbers", False, str(error)
    return Claim(
        "accounts",
        "Equity is cash plus position times mark price, exactly.",
        total,
        observed,
        holds,
        _found(_last_event(summary)),
    )


def _worth(position: str, cash: str, mark_price: str | None) -> str:
    (held, held_scale), (money, money_scale) = parse_decimal(position), parse_decimal(cash)
    if mark_price is None and held:
        raise ValueError(f"a position of {position} without a mark price")
    price, price_scale = parse_decimal(mark_price or "0")
    scale = max(money_scale, held_scale + price_scale)
    value = held * price * 10 ** (scale - held_scale - price_scale) + money * 10 ** (scale - money_scale)
    return format_scaled(int(value), scale)
