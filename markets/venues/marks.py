"""One day's price from a day's last bid, ask and trade. Pure arithmetic."""

from decimal import ROUND_HALF_EVEN, Decimal

MICRO = Decimal("0.000001")
TIGHT = Decimal("0.10")
WIDE = Decimal("0.30")


def daily_mark(*, bid: Decimal | None, ask: Decimal | None, last: Decimal | None) -> Decimal | None:
    """Return the day's mark, by the order of the methodology's waterfall, or None for a gap.

    A tight two-sided book gives its middle; a wide one the day's last trade, held inside the book, or
    its middle while that still says something; a one-sided book the last trade, held to the side that
    is there. Nothing is carried over from the day before.
    """
    if bid is not None and ask is not None and bid < ask:
        spread, middle = ask - bid, ((bid + ask) / 2).quantize(MICRO, rounding=ROUND_HALF_EVEN)
        if spread <= TIGHT:
            return middle
        if last is not None:
            return min(max(last, bid), ask)
        return middle if spread <= WIDE else None
    if last is None:
        return None
    if bid is not None and ask is None:
        return max(last, bid)
    if ask is not None and bid is None:
        return min(last, ask)
    return last
