"""The venue against the oracle; ``HYPOTHESIS_PROFILE=long`` for the long run."""

import os

from hypothesis import settings

from tests.broker.trading import Trading

_SIZES = {"dev": (60, 30), "long": (20_000, 50)}
_EXAMPLES, _STEPS = _SIZES[os.environ.get("HYPOTHESIS_PROFILE", "dev")]

TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=_EXAMPLES, stateful_step_count=_STEPS)
