"""How much a wrong label would cost: what reviewers look at first."""

from datetime import datetime
from decimal import Decimal

from baskets.legs import current_compositions
from baskets.models import Constituent
from categorization.models import Classification

LOOKED_AT = ("assigned", "waiting", "confirmed", "corrected")
# A held leg starts here; what is traded elsewhere stays below it.
HELD_FLOOR = Decimal("0.5")
CHUNK = 500


def write_importance(*, now: datetime) -> int:
    """Write the importance of held and tradable markets' labels, only where it changed; returns how many did.

    Half comes from being held and by how much, half from the order of magnitude of the volume: it moves seldom.
    """
    weights: dict[int, Decimal] = {}
    for market_id, weight in Constituent.objects.filter(
        composition__in=current_compositions().filter(basket__is_active=True)
    ).values_list("market_id", "weight"):
        weights[market_id] = max(weights.get(market_id, Decimal(0)), weight)
    changes: dict[Decimal, list[int]] = {}
    rows = Classification.objects.filter(
        status__in=LOOKED_AT, market__status="open", market__vanished_at__isnull=True
    ).values_list("pk", "market_id", "market__volume", "importance")
    for pk, market_id, volume, stored in rows.iterator(chunk_size=5_000):
        importance = importance_of(volume=volume, weight=weights.get(market_id))
        if importance != Decimal(str(stored)):
            changes.setdefault(importance, []).append(pk)
    for importance, pks in changes.items():
        for start in range(0, len(pks), CHUNK):
            Classification.objects.filter(pk__in=pks[start : start + CHUNK]).update(importance=importance)
    return sum(len(pks) for pks in changes.values())


def importance_of(*, volume: Decimal, weight: Decimal | None) -> Decimal:
    """Return 0 to 1 in steps of 0.05: volume's magnitude up to a half; a held leg from a half on, by its weight."""
    magnitude = min(Decimal(len(str(int(max(volume, Decimal(0)))))) / 20, HELD_FLOOR)
    if weight is None:
        return magnitude.quantize(Decimal("0.01"))
    return min(Decimal(1), HELD_FLOOR + magnitude / 2 + weight).quantize(Decimal("0.01"))
