"""Weights of a draft in tenths of a percent: they always sum to 1000. Pure arithmetic.

The builder's script does the same while a slider moves; this is what counts.
"""

from collections.abc import Collection, Mapping
from decimal import Decimal

from itomarkets.lib.rounding import shares_of_one

WHOLE = 1000


def balance(weights: Mapping[int, int], *, fixed: Collection[int] = ()) -> dict[int, int]:
    """Scale weights to sum to 1000, at least 1 each, leaving the fixed ones alone where that can be.

    Keys are market ids. When the fixed ones leave no room for the others, all of them give.
    """
    if not weights:
        return {}
    if sum(weights.values()) == WHOLE and min(weights.values()) > 0:
        # Whole already: scaling again would move weights that nobody touched.
        return dict(weights)
    if len(weights) > WHOLE:
        raise ValueError(f"expected at most {WHOLE} legs, found {len(weights)}")
    kept = {key: max(weights[key], 1) for key in weights if key in fixed}
    free = [key for key in weights if key not in fixed]
    room = WHOLE - sum(kept.values())
    if not free and room == 0:
        return {key: kept[key] for key in weights}
    if not free or room < len(free):
        kept, free, room = {}, list(weights), WHOLE
    # Each gets one; what is left is shared in proportion.
    parts = [Decimal(max(weights[key], 1)) for key in free]
    shares = shares_of_one(parts, places=8)
    exact = [share * (room - len(free)) for share in shares]
    given = [1 + int(value) for value in exact]
    order = sorted(range(len(free)), key=lambda place: (int(exact[place]) - exact[place], place))
    for step in range(room - sum(given)):
        given[order[step % len(order)]] += 1
    scaled = kept | dict(zip(free, given, strict=True))
    return {key: scaled[key] for key in weights}


def even(keys: Collection[int]) -> dict[int, int]:
    """Give every leg the same weight, as near as tenths of a percent allow."""
    return balance(dict.fromkeys(keys, 1))
