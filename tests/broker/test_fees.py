from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from c2lib.broker.fill_models import MakerTakerFee
from c2lib.core.config import BrokerConfig, DryrunConfig, MarketConfig, seal
from c2lib.core.decimals import canonical_decimal

RATES = st.integers(0, 10**6).map(lambda number: canonical_decimal(f"{number}e-8"))
SIZES = st.sampled_from(("0.01", "0.00005", "0.25", "1", "5", "1000"))


@given(RATES, RATES, SIZES, SIZES, st.integers(1, 10**9), st.integers(1, 10**9), st.sampled_from(("MAKER", "TAKER")))
def test_a_fee_is_the_exact_share_of_the_notional(
    maker: str, taker: str, tick: str, lot: str, price: int, quantity: int, liquidity: str
) -> None:
    """Counted in money units of the grid, nothing is rounded."""
    broker = BrokerConfig(maker_fee_rate=maker, taker_fee_rate=taker)
    config = DryrunConfig(
        strategy_id="strat_demo", seed=1, broker=broker, market=MarketConfig(tick_size=tick, lot_size=lot)
    )
    grid = seal(config).grid()
    fee = MakerTakerFee.of(broker, grid).fee(price, quantity, liquidity)
    rate = Fraction(taker if liquidity == "TAKER" else maker)
    exact = price * Fraction(tick) * quantity * Fraction(lot) * rate
    assert Fraction(grid.money_text(fee)) == exact
