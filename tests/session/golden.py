"""The bytes of one default run, as digests.

They pin ``BEHAVIOUR_VERSION``. When one of them changes and nobody meant it to, that is the defect to mend. When it
was meant, put in what the failing test shows, by the rule of ``CONTRIBUTING.md`` on bytes of a run.

The run: ``DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)``, a ``FixedClock`` at
2026-01-01T00:00:00+00:00, four lists as sinks.
"""

GOLDEN_BEHAVIOUR_VERSION = 1
GOLDEN_SHA256 = {
    "events": "d936cf79cad58499f9366ba103c20b460ba246c285d9e0e4d25e0dce8bc4b489",
    "snapshots": "8de2017e62c26ec28e726d317457b71460056adf0c2c2bda90123a4f410ef0b4",
    "audit": "be3707f6ab227c606c38eaf4bd96035d6f9ae28d7f20a209834373ffc0db0b48",
    "metrics": "7a7d7026ffd74d3b51717db1f289bd94d37ba0631491be1f42f19faea64dabe5",
}
