"""Rounding, named: every place where a digit is lost says how. Pure Decimal arithmetic."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)


def quantize(value: Decimal, places: int, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Round to a number of decimal places, half to even unless told."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=rounding)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of step that is not above value (both at least 0)."""
    return (value / step).to_integral_value(rounding=ROUND_DOWN) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of step that is not below value."""
    return (value / step).to_integral_value(rounding=ROUND_CEILING) * step


def shares_of_one(parts: Sequence[Decimal], places: int = 8) -> list[Decimal]:
    """Scale positive parts to shares with the given places that sum to exactly 1.

    Each share is rounded down; what is missing goes, one smallest unit each, to the largest
    remainders, ties in order. Raises ValueError when the parts do not sum to more than 0.
    """
    total = sum(parts, ZERO)
    if not parts or total <= 0 or any(part < 0 for part in parts):
        raise ValueError("expected at least one positive part and no negative one")
    unit = Decimal(1).scaleb(-places)
    exact = [part / total for part in parts]
    shares = [value.quantize(unit, rounding=ROUND_DOWN) for value in exact]
    missing = int((ONE - sum(shares, ZERO)) / unit)
    order = sorted(range(len(parts)), key=lambda i: (shares[i] - exact[i], i))
    for step in range(missing):
        shares[order[step % len(order)]] += unit
    return shares
