import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from c2lib.core.config import DryrunConfig
from c2lib.core.criteria import Criteria
from c2lib.core.errors import ConfigError

DEFAULTS = {
    "status": "COMPLETED",
    "stop_reason": "completed",
    "steps_as_planned": True,
    "min_fills": 1,
    "max_rail_trips": 0,
    "max_no_live_attempts": 0,
}
GOLDEN = "e18f1063c8757d2d21b32c38bba55795bf1d4eae33f2d6155561476fd9179d33"


def test_defaults_define_a_pass() -> None:
    """The default criteria are completion as planned, at least one fill, no rail trip and no NO-LIVE attempt."""
    assert Criteria().canonical() == DEFAULTS


def test_default_hash_is_pinned() -> None:
    """The hash of the default criteria is pinned and is the SHA-256 of their sorted JSON."""
    text = json.dumps(DEFAULTS, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN
    assert Criteria().digest() == GOLDEN


@pytest.mark.parametrize(
    "changed",
    [
        Criteria(status="REJECTED"),
        Criteria(stop_reason="cancelled"),
        Criteria(stop_reason=None),
        Criteria(steps_as_planned=False),
        Criteria(min_fills=0),
        Criteria(max_rail_trips=1),
        Criteria(max_no_live_attempts=1),
    ],
)
def test_every_criterion_is_hashed(changed: Criteria) -> None:
    """A change of any criterion changes the hash of the criteria."""
    assert changed.digest() != GOLDEN


def test_criteria_are_immutable() -> None:
    """A criterion cannot be assigned after construction."""
    criteria = Criteria()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(criteria, "min_fills", 0)  # noqa: B010 - mypy refuses the plain assignment, which is what is tried
    assert criteria.min_fills == 1


@pytest.mark.parametrize("name", ["min_fills", "max_rail_trips", "max_no_live_attempts"])
def test_count_is_not_negative(name: str) -> None:
    """A negative count among the criteria raises a validation error."""
    with pytest.raises(ValidationError, match=name):
        Criteria.model_validate({name: -1})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"min_fil": 1}, "min_fil: unknown field (did you mean 'min_fills'?)"),
        ({"min_fills": -1}, "min_fills: input should be greater than or equal to 0"),
        ({"min_fills": "1"}, "min_fills: input should be a valid integer"),
        ({"status": "PASS"}, "status: input should be 'COMPLETED', 'REJECTED' or 'FAILED'"),
    ],
)
def test_wrong_criterion_is_named(values: dict[str, Any], problem: str) -> None:
    """Criteria made alone raise the error of a config, which names the field; within a config its whole name."""
    with pytest.raises(ConfigError) as alone:
        Criteria(**values)
    assert str(alone.value) == problem
    with pytest.raises(ConfigError) as within:
        DryrunConfig(strategy_id="strat_demo", seed=1, criteria=values)
    assert str(within.value) == f"criteria.{problem}"
