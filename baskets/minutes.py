"""The marks that a stored fixing was added up of: its own, or those that stand for its minute."""

from collections.abc import Iterable, Sequence

from django.db import connection

from baskets.models import PriceHistory

# One leg: market id, side, price in millionths of a dollar, reason of the waterfall.
Marked = tuple[int, str, int, str]
MARKS_OF = """
    SELECT h.id, c.market_id, c.side, m.price, m.reason
    FROM baskets_pricehistory h
    JOIN baskets_constituent c ON c.composition_id = h.composition_id
    JOIN baskets_minutemark m ON m.at = h.at AND m.market_id = c.market_id AND m.side = c.side
    WHERE h.id IN ({places}) ORDER BY h.id, c.id
"""
SLICE = 500


def marks_of(rows: Iterable[PriceHistory]) -> dict[int, list[Marked]]:
    """Return each fixing's marks by its key, in the order of its legs; a mark that is gone is missing."""
    found: dict[int, list[Marked]] = {}
    bare = []
    for row in rows:
        found[row.pk] = [(market_id, side, price, reason) for market_id, side, price, reason in row.marks]
        if not row.marks and row.interval == PriceHistory.Interval.MINUTE:
            bare.append(row.pk)
    for first in range(0, len(bare), SLICE):
        for key, market_id, side, price, reason in _stored(bare[first : first + SLICE]):
            found[key].append((market_id, side, price, reason))
    return found


def _stored(keys: Sequence[int]) -> list[tuple[int, int, str, int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(MARKS_OF.format(places=", ".join(["%s"] * len(keys))), keys)
        return cursor.fetchall()
