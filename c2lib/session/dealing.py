"""How a session reaches its broker: an adapter whose failed attempts are audited and whose clock is the session's.

Rules kept here:

* the rate limit's time is that of the step, so that a replay holds back the same orders;
* nothing sleeps: a retry comes at once, and what waiting cannot mend is told and left.

>>> from c2lib.broker.build import plain_broker
>>> from c2lib.record.sinks import Sinks
>>> adapter = dealing_adapter(plain_broker(), BrokerConfig(), Journal("run_demo_001", "strat_demo", Sinks(), 0))
>>> adapter.counts.place
0
"""

from __future__ import annotations

from c2lib.broker.adapter import BrokerAdapter, FailedAttempt
from c2lib.broker.retry import TokenBucket
from c2lib.core.clock import parse_utc, utc_micros
from c2lib.core.config import BrokerConfig
from c2lib.core.model import BrokerPort
from c2lib.core.vocabulary import AuditCode, AuditLevel
from c2lib.record.journal import Journal
from c2lib.record.redact import describe_exception


def dealing_adapter(port: BrokerPort, config: BrokerConfig, journal: Journal) -> BrokerAdapter:
    """Return the adapter in front of ``port`` that a session deals through."""

    def note(failed: FailedAttempt) -> None:
        code, verb = (AuditCode.BROKER_RETRY, "is tried again") if failed.again else (AuditCode.BROKER_FAILED, "failed")
        meta = {"call": failed.call, "attempt": failed.attempt, "error": describe_exception(failed.error)}
        journal.audit(AuditLevel.WARN, code, f"{failed.call} of the broker {verb}", meta)

    limit, bucket = config.rate_limit, None
    if limit is not None:
        bucket = TokenBucket(limit.burst, limit.per_second, lambda: utc_micros(parse_utc(journal.ts)))
    return BrokerAdapter(port, max_retries=config.max_retries, bucket=bucket, on_attempt=note)
