"""The bytes of one default run, as digests.

They pin ``BEHAVIOUR_VERSION``. When one of them changes and nobody meant it to, that is the defect to mend. When it
was meant, put in what the failing test shows, by the rule of ``CONTRIBUTING.md`` on bytes of a run.

The run: ``DryrunConfig(strategy_id="strat_demo", run_id="run_demo_001", seed=123)``, a ``FixedClock`` at
2026-01-01T00:00:00+00:00, four lists as sinks.
"""

GOLDEN_BEHAVIOUR_VERSION = 2
GOLDEN_SHA256 = {
    "events": "8dbb0559dab040c6dcd44569f696eca56ff1c0cc6eb3271c1ec0eb410e02bb87",
    "snapshots": "8de2017e62c26ec28e726d317457b71460056adf0c2c2bda90123a4f410ef0b4",
    "audit": "be3707f6ab227c606c38eaf4bd96035d6f9ae28d7f20a209834373ffc0db0b48",
    "metrics": "170faa2ae43c740756886e2297ab7bbfd6c6e67df0f1387655b192bda87427cc",
}
