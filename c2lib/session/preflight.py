"""The gates before a session may step.

The checks are made in the order of :class:`~c2lib.core.vocabulary.RejectCode`; each answer is audited, and the first
check that fails gives the code. A check changes nothing and never raises for what a config can hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from c2lib.core.config import SealedConfig
from c2lib.core.redaction import is_redacted, secret_field
from c2lib.core.vocabulary import NO_LIVE_CHECK, RejectCode
from c2lib.session.nolive import NAMESPACE, NoLiveGuard

MAX_SINK_RETRIES = 100
"""Most retries of a sink that preflight lets pass."""

_STRATEGY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)


class PreflightFacts(NamedTuple):
    """What the checks read; ``enabled_override`` says whether a test lets a config with ``enabled`` pass."""

    config: SealedConfig
    strategy_known: bool
    has_audit_sink: bool
    guard: NoLiveGuard
    enabled_override: bool


class Check(NamedTuple):
    """A named gate: ``problem`` returns what is wrong, or ``None``."""

    name: str
    code: RejectCode
    problem: Callable[[PreflightFacts], str | None]


def _run_id(facts: PreflightFacts) -> str | None:
    return None if facts.config.run_id.strip() else "run_id is empty: name the run, or leave run_id out"


def _strategy_id(facts: PreflightFacts) -> str | None:
    return None if facts.config.strategy_id.strip() else "strategy_id is empty: name a strategy"


def _enabled(facts: PreflightFacts) -> str | None:
    # anything but False itself: a config can be built past its model
    passes = facts.config.enabled is False or facts.enabled_override
    return None if passes else "enabled is true: this package runs dry only, leave enabled at false"


def _allowlist(facts: PreflightFacts) -> str | None:
    return None if facts.config.strategy_allowlist else "strategy_allowlist is missing or empty: name what may run"


def _allowlist_form(facts: PreflightFacts) -> str | None:
    # what is left of a secret is for another check to report
    names = [name for name in facts.config.strategy_allowlist or () if not is_redacted(name)]
    if len(set(names)) != len(names):
        return "strategy_allowlist names a strategy twice"
    if not all(_STRATEGY_NAME.fullmatch(name) for name in names):
        return "strategy_allowlist holds something that is no plain name (letters, digits, . _ : -)"
    return None


def _allowed(facts: PreflightFacts) -> str | None:
    name, allowed = facts.config.strategy_id, facts.config.strategy_allowlist or ()
    return None if name in allowed else f"strategy {name!r} is not on strategy_allowlist: add it if it may run"


def _known(facts: PreflightFacts) -> str | None:
    name = facts.config.strategy_id
    return None if facts.strategy_known else f"strategy {name!r} is neither built in nor handed over"


def _mock(facts: PreflightFacts) -> str | None:
    kind = facts.config.broker.kind
    return None if kind == "mock" else f"broker.kind is {kind!r}: only 'mock' exists here"


def _audit_sink(facts: PreflightFacts) -> str | None:
    return None if facts.has_audit_sink else "there is no audit sink: hand one over as audit_sink"


def _retries(facts: PreflightFacts) -> str | None:
    retries = facts.config.max_sink_retries
    problem = f"max_sink_retries is {retries}: it must lie between 0 and {MAX_SINK_RETRIES}"
    return None if 0 <= retries <= MAX_SINK_RETRIES else problem


def _no_secret(facts: PreflightFacts) -> str | None:
    field = secret_field(facts.config.model_dump(mode="json"))
    return f"{field} looks like a secret; take it out of the config" if field else None


def _guard(facts: PreflightFacts) -> str | None:
    required, layer = facts.config.no_live_required, facts.guard.layer
    if required != layer:
        advice = ": run it with c2lib dryrun or c2lib.run_dryrun" if required == NAMESPACE else ""
        return f"no_live_required is {required!r}, but the guard here is of the layer {layer!r}{advice}"
    return facts.guard.canary_problem()


CHECKS: tuple[Check, ...] = (
    Check("run_id", RejectCode.MISSING_RUN_ID, _run_id),
    Check("strategy_id", RejectCode.MISSING_STRATEGY_ID, _strategy_id),
    Check("enabled", RejectCode.LIVE_ENABLED, _enabled),
    Check("allowlist", RejectCode.ALLOWLIST_MISSING, _allowlist),
    Check("allowlist_form", RejectCode.ALLOWLIST_MALFORMED, _allowlist_form),
    Check("strategy_allowed", RejectCode.STRATEGY_NOT_ALLOWED, _allowed),
    Check("strategy_known", RejectCode.UNKNOWN_STRATEGY, _known),
    Check("broker_mock", RejectCode.BROKER_NOT_MOCK, _mock),
    Check("audit_sink", RejectCode.NO_AUDIT_SINK, _audit_sink),
    Check("sink_retries", RejectCode.BAD_RETRY_CONFIG, _retries),
    Check("no_secret", RejectCode.SECRET_IN_CONFIG, _no_secret),
    Check(NO_LIVE_CHECK, RejectCode.NO_LIVE_GUARD, _guard),
)
