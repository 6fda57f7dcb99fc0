"""Target weights: how raw parts become capped shares of exactly one. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from baskets.method import SCHEMES
from itomarkets.lib.rounding import ONE, ZERO, shares_of_one

# A liquid market counts at most this many times its venue's median, and a thin one at least the inverse.
TILT = Decimal(2)
LEAST_CONFIDENCE = Decimal("0.01")


def equal_parts(count: int) -> list[Decimal]:
    return [ONE] * count


def liquidity_parts(volumes: Sequence[Decimal], venues: Sequence[str]) -> list[Decimal]:
    """Return parts around 1 that grow with the square root of what trades, kept within TILT of 1.

    Each venue is measured against its own median: one counts contracts and the other dollars.
    """
    roots = [max(volume, ONE).sqrt() for volume in volumes]
    medians = _medians(roots, venues)
    return [min(max(root / medians[venue], ONE / TILT), TILT) for root, venue in zip(roots, venues, strict=True)]


def volume_parts(volumes: Sequence[Decimal], venues: Sequence[str]) -> list[Decimal]:
    """Return parts in proportion to what trades, each venue against its own median; only the caps bound them."""
    counted = [max(volume, ONE) for volume in volumes]
    medians = _medians(counted, venues)
    return [volume / medians[venue] for volume, venue in zip(counted, venues, strict=True)]


def confidence_parts(confidences: Sequence[Decimal]) -> list[Decimal]:
    """Return parts in proportion to how sure the labels are; the least sure still counts a hundredth."""
    return [min(max(confidence, LEAST_CONFIDENCE), ONE) for confidence in confidences]


def parts_of(
    scheme: str, *, volumes: Sequence[Decimal], venues: Sequence[str], confidences: Sequence[Decimal]
) -> list[Decimal]:
    """Return the raw parts by the scheme's name; raises ValueError for a name that the method has not."""
    if scheme == "equal":
        return equal_parts(len(volumes))
    if scheme == "liquidity":
        return liquidity_parts(volumes, venues)
    if scheme == "volume":
        return volume_parts(volumes, venues)
    if scheme == "confidence":
        return confidence_parts(confidences)
    raise ValueError(f"expected the scheme {', '.join(SCHEMES)}, found {scheme!r}")


def _medians(values: Sequence[Decimal], venues: Sequence[str]) -> dict[str, Decimal]:
    """Return each venue's median, the upper one of two."""
    medians = {}
    for venue in set(venues):
        ordered = sorted(value for value, name in zip(values, venues, strict=True) if name == venue)
        medians[venue] = ordered[len(ordered) // 2]
    return medians


def capped_weights(
    parts: Sequence[Decimal],
    groups: Sequence[object],
    *,
    leg_cap: Decimal,
    group_cap: Decimal,
    fixed: Sequence[Decimal | None] | None = None,
) -> list[Decimal]:
    """Turn positive parts into weights that sum to exactly 1, none above its cap.

    The caps are max(leg_cap, 1/n) and max(group_cap, 1/number of groups). What a cap cuts off flows to the rest in
    proportion (water-filling). Where both caps together leave no solution, the group cap gives way. A fixed weight
    stays as it is, whatever the caps. `groups` names each leg's event. Raises ValueError when the parts are not
    positive or the fixed weights leave nothing for the rest.
    """
    count = len(parts)
    fixed = fixed or [None] * count
    if not count or any(part <= 0 for part in parts):
        raise ValueError("expected at least one leg and only positive parts")
    held = sum((weight for weight in fixed if weight is not None), ZERO)
    free = [i for i in range(count) if fixed[i] is None]
    if held > 1 or (free and held >= 1):
        raise ValueError(f"expected fixed weights below 1, found {held} together")
    if not free:
        return shares_of_one([weight for weight in fixed if weight is not None])
    room = ONE - held
    leg = max(leg_cap, ONE / count, room / len(free))
    group = max(group_cap, ONE / len(set(groups)))
    weights = _fill([parts[i] for i in free], [groups[i] for i in free], room, leg, group)
    shares = [share * room for share in weights]
    result = [weight if weight is not None else ZERO for weight in fixed]
    for i, share in zip(free, _exact(shares, room), strict=True):
        result[i] = share
    return result


def _exact(shares: Sequence[Decimal], room: Decimal) -> list[Decimal]:
    """Round to eight places so that the shares add up to the room, which itself has eight places."""
    if room == 1:
        return shares_of_one(shares)
    unit = Decimal(1).scaleb(-8)
    rounded = [share // unit * unit for share in shares]
    missing = int((room - sum(rounded, ZERO)) / unit)
    order = sorted(range(len(shares)), key=lambda i: (rounded[i] - shares[i], i))
    for step in range(missing):
        rounded[order[step % len(order)]] += unit
    return rounded


def _fill(
    parts: Sequence[Decimal], groups: Sequence[object], room: Decimal, leg_cap: Decimal, group_cap: Decimal
) -> list[Decimal]:
    """Return shares of one (of the room) with each leg and group under its cap, caps being shares of the whole."""
    leg, group = leg_cap / room, group_cap / room
    members: dict[object, list[int]] = {}
    for i, name in enumerate(groups):
        members.setdefault(name, []).append(i)
    # What each group can carry at most; where all together cannot carry one, only the leg cap can be kept.
    limits = {name: min(group, leg * len(legs)) for name, legs in members.items()}
    if sum(limits.values(), ZERO) < 1:
        return _pour(list(parts), [leg] * len(parts), ONE)
    names = list(members)
    totals = _pour([sum((parts[i] for i in members[name]), ZERO) for name in names], [limits[n] for n in names], ONE)
    shares = [ZERO] * len(parts)
    for name, total in zip(names, totals, strict=True):
        legs = members[name]
        inside = _pour([parts[i] for i in legs], [leg] * len(legs), total)
        for i, share in zip(legs, inside, strict=True):
            shares[i] = share
    return shares


def _pour(parts: list[Decimal], caps: list[Decimal], amount: Decimal) -> list[Decimal]:
    """Share an amount in proportion to the parts, moving what overflows a cap to the others until nothing does."""
    shares = [ZERO] * len(parts)
    open_ones = set(range(len(parts)))
    left = amount
    while open_ones:
        total = sum((parts[i] for i in open_ones), ZERO)
        full = {i for i in open_ones if left * parts[i] / total > caps[i]}
        if not full:
            for i in open_ones:
                shares[i] = left * parts[i] / total
            break
        for i in full:
            shares[i] = caps[i]
            left -= caps[i]
        open_ones -= full
    return shares
