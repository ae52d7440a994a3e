"""One dry run, again and again: the same bytes, and no more memory for more steps."""

import gc
import hashlib
import json
import os
import subprocess
import sys
import types

import pytest

from c2lib.broker.mock import MockBroker
from c2lib.core.config import DryrunConfig
from c2lib.core.model import OrderIntent
from c2lib.core.vocabulary import BEHAVIOUR_VERSION
from c2lib.session.clocks import FixedClock
from tests.session.golden import GOLDEN_BEHAVIOUR_VERSION, GOLDEN_SHA256
from tests.session.harness import (
    BUY,
    SELL,
    Record,
    deciding,
    open_session,
    own_config,
    run,
)


def reachable(*roots: object) -> int:
    """Return how many objects hang on ``roots``, code and the mock venue with its history aside."""
    seen: set[int] = set()
    stack: list[object] = list(roots)
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, MockBroker)
    while stack:
        item = stack.pop()
        if id(item) not in seen and not isinstance(item, code):
            seen.add(id(item))
            stack.extend(gc.get_referents(item))
    return len(seen)


def size_after(steps: int) -> int:
    """Return the size of ledger, adapter and journal after a run that trades on every bar and is rejected as often."""
    order = OrderIntent("BUY", 1, "STOP", stop_price=1, time_in_force="IOC")
    strategy = deciding(lambda bar, view: (BUY if bar.bar_index % 2 else SELL, order))
    sinks = Record(**dict.fromkeys(("events", "snapshots", "metrics")), audit=Forgetful())
    session = open_session(own_config(steps=steps), sinks, strategy=strategy)
    assert session.run_n_steps(steps) == steps
    execution = session._execution
    return reachable(execution.ledger, execution._adapter, session._journal, session._lifecycle)


class Forgetful:
    """A sink that keeps nothing."""

    def write(self, line: str) -> None:
        """Let a line go."""


def test_memory_is_independent_of_steps() -> None:
    """A session of ten times as many steps ends with the same number of live objects."""
    assert size_after(20_000) == size_after(2_000)


SCRIPT = """
import hashlib, json
from c2lib.session.clocks import FixedClock
from c2lib.core.config import DryrunConfig
from c2lib.session.orchestrator import LiveSessionOrchestrator
sinks = {name: [] for name in ("event_sink", "state_sink", "audit_sink", "metrics_sink")}
config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)
LiveSessionOrchestrator().run_dryrun(config, clock=FixedClock("2026-01-01T00:00:00+00:00"), **sinks)
print(json.dumps([hashlib.sha256("".join(lines).encode()).hexdigest() for lines in sinks.values()]))
"""


def test_default_run_matches_golden() -> None:
    """The default dry run writes exactly the bytes whose digests tests/session/golden.py records."""
    record = Record()
    config = DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)
    run(config, record, clock=FixedClock("2026-01-01T00:00:00+00:00"))
    assert {name: hashlib.sha256(text.encode()).hexdigest() for name, text in record.bytes().items()} == GOLDEN_SHA256
    assert BEHAVIOUR_VERSION == GOLDEN_BEHAVIOUR_VERSION


@pytest.mark.parametrize(
    "change",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
    ],
)
def test_environment_changes_no_byte(change: dict[str, str]) -> None:
    """A dry run in another process writes the same bytes under any hash seed, time zone and locale."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **change},
    )
    names = ("events", "snapshots", "audit", "metrics")
    assert dict(zip(names, json.loads(done.stdout), strict=True)) == GOLDEN_SHA256
