"""Index mathematics: units, values, gauge, level and divisor. Pure; Decimal in, Decimal out.

Sources: S&P DJI Index Mathematics for the divisor; methodology sections 3, 4, 5 and 7 for the rest.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from baskets.method import DEFAULTS, Method
from itomarkets.lib.rounding import ONE, ZERO, quantize

UNIT_PLACES = 8
VALUE_PLACES = 14
DIVISOR_PLACES = 15


def gauge(weights: Sequence[Decimal], prices: Sequence[Decimal]) -> Decimal:
    """Return Σwq / Σw: the basket's price in dollars of one dollar, 0 to 1."""
    return sum((w * q for w, q in zip(weights, prices, strict=True)), ZERO) / sum(weights, ZERO)


def market_value(units: Sequence[Decimal], prices: Sequence[Decimal], cash: Decimal = ZERO) -> Decimal:
    """Return Σnq + cash, exactly; a settled leg's price is what it paid."""
    return sum((n * q for n, q in zip(units, prices, strict=True)), cash)


def level(value: Decimal, divisor: Decimal) -> Decimal:
    """Return the index level."""
    return value / divisor


def divisor_after(*, divisor: Decimal, value_before: Decimal, value_after: Decimal, cost: Decimal = ZERO) -> Decimal:
    """Return the divisor that leaves the level (less the cost of the change) where it was.

    Raises ValueError when nothing was left to carry over.
    """
    if value_before - cost <= 0:
        raise ValueError(f"expected a basket worth more than the cost {cost} of its change, found {value_before}")
    return quantize(divisor * value_after / (value_before - cost), DIVISOR_PLACES)


def units_of(
    *, mode: str, weights: Sequence[Decimal], prices: Sequence[Decimal], value: Decimal, method: Method = DEFAULTS
) -> list[Decimal]:
    """Return units whose value is at most `value`, by what the weights mean.

    dollar: n = w·V/q; share: n = λ·w; risk: n = λ·w/√(q(1−q)), with q held inside the basket's price gate so that
    it cannot explode. Rounded down to eight places: rounding makes no units, what is left stays as cash.
    """
    if mode == "dollar":
        exact = [w * value / q for w, q in zip(weights, prices, strict=True)]
    else:
        if mode == "risk":
            parts = [w / terminal_risk(q, method) for w, q in zip(weights, prices, strict=True)]
        elif mode == "share":
            parts = list(weights)
        else:
            raise ValueError(f"expected the mode dollar, share or risk, found {mode!r}")
        scale = value / market_value(parts, prices)
        exact = [part * scale for part in parts]
    return [quantize(n, UNIT_PLACES, ROUND_DOWN) for n in exact]


def implied_weights(
    *, mode: str, units: Sequence[Decimal], prices: Sequence[Decimal], method: Method = DEFAULTS
) -> list[Decimal]:
    """Return the parts from which `units_of` makes units in these proportions: what each mode means, read backwards."""
    if mode == "dollar":
        return [n * q for n, q in zip(units, prices, strict=True)]
    if mode == "share":
        return list(units)
    if mode == "risk":
        return [n * terminal_risk(q, method) for n, q in zip(units, prices, strict=True)]
    raise ValueError(f"expected the mode dollar, share or risk, found {mode!r}")


def terminal_risk(price: Decimal, method: Method = DEFAULTS) -> Decimal:
    """Return √(q(1−q)) with q inside the price gate: how far one contract's payout may lie from its price."""
    held = min(max(price, method.price_low), method.price_high)
    return (held * (ONE - held)).sqrt()


def turnover(before: Mapping[int, Decimal], after: Mapping[int, Decimal]) -> Decimal:
    """Return half the sum of the changes of weights, keyed by leg; cash is whatever the weights leave of one."""
    legs = before.keys() | after.keys()
    moved = sum((abs(after.get(leg, ZERO) - before.get(leg, ZERO)) for leg in legs), ZERO)
    cash = abs(sum(after.values(), ZERO) - sum(before.values(), ZERO))
    return (moved + cash) / 2
