"""The bytes of one default run, as digests.

They pin ``BEHAVIOUR_VERSION``. When one of them changes and nobody meant it to, that is the defect to mend. When it
was meant, put in what the failing test shows, and raise ``c2lib.core.vocabulary.BEHAVIOUR_VERSION`` once per release,
so that a replay tells an upgrade from tampering.

The run: ``DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)``, a ``FixedClock`` at
2026-01-01T00:00:00+00:00, four lists as sinks.
"""

GOLDEN_BEHAVIOUR_VERSION = 1
GOLDEN_SHA256 = {
    "events": "",
    "snapshots": "",
    "audit": "",
    "metrics": "",
}
