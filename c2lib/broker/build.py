"""The one place where a venue is put together.

Rules kept here:

* every field of the broker config that shapes fills is read here and nowhere else;
* the venue's chance comes from its component's own seed.

>>> broker = build_broker(BrokerConfig(latency_steps=1), Grid.of("0.01", "1", fee_scale=4), seed=123)
>>> broker.list_open_orders()
()
"""

from __future__ import annotations

from c2lib.broker.fees import MakerTakerFee
from c2lib.broker.fills import VolumeModel
from c2lib.broker.mock import MockBroker
from c2lib.broker.prices import price_rules
from c2lib.broker.rejects import SeededRejects
from c2lib.broker.volume import Participation, Unlimited
from c2lib.core.canon import component_seed
from c2lib.core.config import BrokerConfig
from c2lib.core.model import Grid


def build_broker(config: BrokerConfig, grid: Grid, seed: int) -> MockBroker:
    """Return the venue of a sealed broker config; ``seed`` is the run's."""
    share, rate = config.participation, config.reject_rate
    volume: VolumeModel = Unlimited() if share is None else Participation.of(share)
    rejects = None if rate == "0" else SeededRejects(component_seed(seed, "broker"), rate)
    rules = price_rules(slippage_ticks=config.slippage_ticks, touch_fills=config.touch_fills)
    return MockBroker(rules, volume, MakerTakerFee.of(config, grid), rejects, config.latency_steps)


def plain_broker() -> MockBroker:
    """Return a venue that fills whole, at once and free of charge."""
    rules = price_rules(slippage_ticks=0, touch_fills=False)
    return MockBroker(rules, Unlimited(), MakerTakerFee(0, 0))
