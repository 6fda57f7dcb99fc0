"""What a venue charges for a fill. Pure Decimal arithmetic on `Market.fee_schedule`.

Kalshi (https://kalshi.com/docs/kalshi-fee-schedule.pdf): rate x count x price x (1 − price), the rate
0.07 times the multiplier of the series or event, rounded up to $0.0001 a fill; makers pay by the type.
Polymarket (https://docs.polymarket.com/trading/fees): rate x count x (price x (1 − price))^exponent,
rounded to five places, at least 0.00001; makers pay nothing.

`{}`: Polymarket charges nothing, Kalshi its standard. `{"type": "unknown"}`: a fee that the listing
does not name; the highest known rate is assumed. `waived_until` is kept for show: a waiver lowers a
cost that we would rather overstate.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any

from itomarkets.lib.venues import Venue
from markets.models import Market

ZERO = Decimal(0)
ONE = Decimal(1)
KALSHI_RATE = Decimal("0.07")
KALSHI_STEP = Decimal("0.0001")
CENT = Decimal("0.01")
POLYMARKET_STEP = Decimal("0.00001")
# Polymarket's dearest shelf (crypto).
POLYMARKET_WORST_RATE = Decimal("0.07")
# The maker's part of the taker's fee, by Kalshi's fee types.
MAKER_SHARE = {
    "quadratic_with_maker_fees": Decimal("0.25"),
    "quadratic_with_combo_maker_fees": Decimal("0.5"),
}
# Kalshi's flat table is not published over the API: reckoned as the quadratic fee at its peak.
PEAK = Decimal("0.5")


def taker_fee(market: Market, *, price: Decimal, count: Decimal) -> Decimal:
    """Return the fee in dollars for taking `count` contracts at `price`, of either side."""
    return fee(venue=market.venue, schedule=market.fee_schedule, price=price, count=count)


def maker_fee(market: Market, *, price: Decimal, count: Decimal) -> Decimal:
    """Return the fee in dollars for a resting order that is filled."""
    share = MAKER_SHARE.get(market.fee_schedule.get("type", ""), ZERO)
    if market.venue != Venue.KALSHI or share == 0 or count == 0:
        return ZERO
    return _up(_quadratic(_rate(market.fee_schedule, KALSHI_RATE) * share, ONE, price, count), KALSHI_STEP)


def worst_fee(market: Market, *, price: Decimal, count: Decimal) -> Decimal:
    """Return the most that taking `count` contracts at `price` can cost in fees, over any split into fills.

    Each fill is rounded by itself, and a broker's member is rounded to whole cents, so Kalshi's is reckoned
    to the next cent. Polymarket's fills are rounded to the nearest 0.00001: one of those a contract is added.
    """
    exact = taker_fee(market, price=price, count=count)
    if market.venue == Venue.KALSHI:
        return _up(exact, CENT)
    return exact if exact == 0 else _up(exact + POLYMARKET_STEP * count, POLYMARKET_STEP)


def fee(*, venue: str, schedule: Mapping[str, Any], price: Decimal, count: Decimal) -> Decimal:
    """Return a taker's fee from a schedule. Raises ValueError for a price outside 0 to 1 or a negative count."""
    if not ZERO <= price <= ONE or count < 0:
        raise ValueError(f"expected a price from 0 to 1 and a count of 0 or more, found {price} and {count}")
    if count == 0:
        return ZERO
    if venue == Venue.KALSHI:
        if schedule.get("type") == "flat":
            price = PEAK
        return _up(_quadratic(_rate(schedule, KALSHI_RATE), ONE, price, count), KALSHI_STEP)
    if not schedule:
        return ZERO
    exact = _quadratic(_rate(schedule, POLYMARKET_WORST_RATE), Decimal(schedule.get("exponent", "1")), price, count)
    if exact == 0:
        return ZERO
    return max(exact.quantize(POLYMARKET_STEP, rounding=ROUND_HALF_EVEN), POLYMARKET_STEP)


def _rate(schedule: Mapping[str, Any], default: Decimal) -> Decimal:
    return Decimal(schedule["rate"]) if schedule.get("rate") else default


def _quadratic(rate: Decimal, exponent: Decimal, price: Decimal, count: Decimal) -> Decimal:
    return count * rate * (price * (ONE - price)) ** exponent


def _up(amount: Decimal, step: Decimal) -> Decimal:
    return amount.quantize(step, rounding=ROUND_CEILING)
