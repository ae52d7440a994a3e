from typing import Any

import pytest

from c2lib.core.config import BrokerConfig, MarketConfig, seal
from c2lib.core.vocabulary import RejectCode
from c2lib.session import nolive
from c2lib.session.preflight import CHECKS, MAX_SINK_RETRIES
from tests.session.harness import SECRET, SECRET_PART, Record, config_of, own_config, run

LONG_SECRET_ID = "AK" + "IA" + "B" * 16

# one config value per gate that closes it; NO_AUDIT_SINK is closed by the sinks
CLOSED: dict[RejectCode, dict[str, Any]] = {
    RejectCode.MISSING_RUN_ID: {"run_id": ""},
    RejectCode.MISSING_STRATEGY_ID: {"strategy_id": ""},
    RejectCode.LIVE_ENABLED: {"enabled": True},
    RejectCode.ALLOWLIST_MISSING: {"strategy_allowlist": ()},
    RejectCode.ALLOWLIST_MALFORMED: {"strategy_allowlist": ("strat_demo", "strat_demo")},
    RejectCode.STRATEGY_NOT_ALLOWED: {"strategy_allowlist": ("sma_cross",)},
    RejectCode.UNKNOWN_STRATEGY: {"strategy_id": "nobody", "strategy_allowlist": ("nobody",)},
    RejectCode.BROKER_NOT_MOCK: {"broker": BrokerConfig(kind="live")},
    RejectCode.NO_AUDIT_SINK: {},
    RejectCode.BAD_RETRY_CONFIG: {"max_sink_retries": -1},
    RejectCode.SECRET_IN_CONFIG: {"run_id": SECRET},
    RejectCode.NO_LIVE_GUARD: {"no_live_required": "namespace"},
}
# everything closed at once, and for each gate in the documented order the change that opens it
ALL_CLOSED: dict[str, Any] = {
    "run_id": "",
    "strategy_id": "",
    "enabled": True,
    "strategy_allowlist": (),
    "broker": BrokerConfig(kind="live"),
    "max_sink_retries": -1,
    "market": MarketConfig(symbol=LONG_SECRET_ID),
    "no_live_required": "namespace",
}
OPENINGS: tuple[tuple[RejectCode, dict[str, Any]], ...] = (
    (RejectCode.MISSING_RUN_ID, {"run_id": "r"}),
    (RejectCode.MISSING_STRATEGY_ID, {"strategy_id": "nobody"}),
    (RejectCode.LIVE_ENABLED, {"enabled": False}),
    (RejectCode.ALLOWLIST_MISSING, {"strategy_allowlist": ("no name!",)}),
    (RejectCode.ALLOWLIST_MALFORMED, {"strategy_allowlist": ("strat_demo",)}),
    (RejectCode.STRATEGY_NOT_ALLOWED, {"strategy_allowlist": ("strat_demo", "nobody")}),
    (RejectCode.UNKNOWN_STRATEGY, {"strategy_id": "strat_demo"}),
    (RejectCode.BROKER_NOT_MOCK, {"broker": BrokerConfig()}),
    (RejectCode.NO_AUDIT_SINK, {}),
    (RejectCode.BAD_RETRY_CONFIG, {"max_sink_retries": 1}),
    (RejectCode.SECRET_IN_CONFIG, {"market": MarketConfig()}),
    (RejectCode.NO_LIVE_GUARD, {"no_live_required": "hook"}),
)


def rejected(code: RejectCode, values: dict[str, Any]) -> tuple[Record, Any]:
    """Run a config into a record that has no audit sink when that is the gate."""
    record = Record(audit=None) if code is RejectCode.NO_AUDIT_SINK else Record()
    return record, run(config_of(**values), record)


@pytest.mark.parametrize("code", RejectCode)
def test_gate_rejects_with_its_code(code: RejectCode) -> None:
    """Each closed gate rejects the session with its code and full artifacts, before any step."""
    record, result = rejected(code, CLOSED[code])
    assert (result.accepted, result.status, result.phase) == (False, "REJECTED", "PREFLIGHT_FAILED")
    assert (result.reject_code, result.steps, result.stop_reason) == (code, 0, None)
    (event,) = record.events()
    assert (event["event_type"], event["payload"]) == (
        "REJECTED",
        {"code": code.value, "reason": result.reject_reason},
    )
    assert [snapshot["status"] for snapshot in record.snapshots()] == ["INIT", "REJECTED"]
    assert record.snapshots()[-1]["reject_code"] == code.value
    assert record.metrics()["status"] == "REJECTED"
    if code is RejectCode.NO_AUDIT_SINK:
        return
    checks = [entry["meta"] for entry in record.audit() if entry["code"] == "C2_PREFLIGHT_CHECK"]
    assert [check["passed"] for check in checks] == [True] * (len(checks) - 1) + [False]
    assert checks[-1]["check"] == CHECKS[list(RejectCode).index(code)].name
    assert record.codes()[-3:] == [code.value, "C2_DRYRUN_STOP", "C2_PHASE_TRANSITION"]


def test_first_closed_gate_counts() -> None:
    """When several gates are closed, the first in the documented order gives the reject code."""
    values, audit_sink = dict(ALL_CLOSED), False
    for code, opening in OPENINGS:
        record = Record() if audit_sink else Record(audit=None)
        assert run(config_of(**values), record).reject_code is code
        values |= opening
        audit_sink = audit_sink or code is RejectCode.NO_AUDIT_SINK
    assert [code for code, _ in OPENINGS] == list(RejectCode)
    assert run(config_of(**values)).accepted


def test_checks_follow_code_order() -> None:
    """Every reject code has one check, with a name of its own, in the order of the codes."""
    assert [check.code for check in CHECKS] == list(RejectCode)
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_passing_config_meets_all_checks() -> None:
    """A config that passes preflight has every check audited as passed."""
    record = Record()
    assert run(config_of(), record).accepted
    checks = [entry["meta"] for entry in record.audit() if entry["code"] == "C2_PREFLIGHT_CHECK"]
    assert checks == [{"check": check.name, "passed": True} for check in CHECKS]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"run_id": " \t"}, "C2_REJECT_MISSING_RUN_ID"),
        ({"strategy_id": "  "}, "C2_REJECT_MISSING_STRATEGY_ID"),
        ({"strategy_allowlist": None}, "C2_REJECT_ALLOWLIST_MISSING"),
        ({"strategy_allowlist": ("strat_demo", "")}, "C2_REJECT_ALLOWLIST_MALFORMED"),
        ({"max_sink_retries": MAX_SINK_RETRIES + 1}, "C2_REJECT_BAD_RETRY_CONFIG"),
        ({"max_sink_retries": MAX_SINK_RETRIES}, None),
        ({"max_sink_retries": 0}, None),
    ],
)
def test_gate_bounds_are_exact(values: dict[str, Any], code: str | None) -> None:
    """A value just inside a gate's bound passes, and a value just outside is rejected."""
    assert run(config_of(**values)).reject_code == code


@pytest.mark.parametrize("field", ["run_id", "strategy_id", "strategy_allowlist", "kind"])
@pytest.mark.parametrize("secret", [SECRET, LONG_SECRET_ID, f'x" {SECRET}'])
def test_config_secret_reaches_no_line(field: str, secret: str) -> None:
    """A config with a secret in any field is rejected, and the secret appears in no line and no result."""
    by_field: dict[str, dict[str, Any]] = {
        "run_id": {"run_id": secret},
        "strategy_id": {"strategy_id": secret},
        "strategy_allowlist": {"strategy_allowlist": ("strat_demo", secret)},
        "kind": {"broker": BrokerConfig(kind=secret)},
    }
    record = Record()
    result = run(config_of(**by_field[field]), record)
    assert result.status == "REJECTED"
    for text in (record.whole(), repr(result)):
        assert SECRET_PART not in text
        assert LONG_SECRET_ID not in text


def test_own_hashes_survive_redaction() -> None:
    """The hashes of config and criteria stand unredacted in event 0."""
    record, config = Record(), seal(config_of())
    run(config, record)
    (start,) = record.payloads("SESSION_START")
    assert (start["config_sha256"], start["criteria_sha256"]) == (config.digest(), config.criteria.digest())


def test_broken_guard_closes_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preflight rejects the session when the canary's loopback connection is not stopped."""
    monkeypatch.setattr(nolive, "REFUSED_PREFIX", "nothing.")
    result = run(config_of())
    assert result.reject_code == "C2_REJECT_NO_LIVE_GUARD"
    assert "canary" in (result.reject_reason or "")


def test_live_override_is_audited() -> None:
    """Only the orchestrator's test argument opens the live gate, and an override that took effect is audited."""
    record = Record()
    result = run(config_of(enabled=True), record, enabled_override_for_tests=True)
    assert result.status == "COMPLETED"
    assert record.codes()[:2] == ["C2_DRYRUN_START", "C2_LIVE_GATE_OVERRIDDEN"]
    assert record.audit()[0]["meta"] == {"enabled": True}
    plain = Record()
    run(config_of(), plain, enabled_override_for_tests=True)
    assert "C2_LIVE_GATE_OVERRIDDEN" not in plain.codes()
    assert plain.audit()[0]["meta"] == {"enabled": False}


def test_own_strategy_must_be_given() -> None:
    """An allowed strategy_id that is not built in is rejected when no strategy is given."""
    assert run(own_config()).reject_code == "C2_REJECT_UNKNOWN_STRATEGY"
