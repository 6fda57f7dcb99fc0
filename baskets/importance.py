"""How much a wrong label would cost: what reviewers look at first."""

from datetime import datetime
from decimal import Decimal

from baskets.legs import current_compositions
from baskets.models import Constituent
from categorization.models import Classification
from itomarkets.lib.rounding import ZERO

LOOKED_AT = ("assigned", "waiting", "confirmed", "corrected")
# What a reviewer decided is in no doubt.
DECIDED = ("confirmed", "corrected")
LEAST_DOUBT = Decimal("0.01")
# A held leg starts here; what is only traded stays below it.
HELD_FLOOR = Decimal("0.75")
UNHELD = Decimal("0.5")
# A volume of ten digits counts in full.
MAGNITUDES = 10
CHUNK = 500


def write_importance(*, now: datetime) -> int:
    """Write the importance of held and tradable markets' labels, only where it changed; returns how many did."""
    weights: dict[int, Decimal] = {}
    for market_id, weight in Constituent.objects.filter(
        composition__in=current_compositions().filter(basket__is_active=True)
    ).values_list("market_id", "weight"):
        weights[market_id] = max(weights.get(market_id, Decimal(0)), weight)
    changes: dict[Decimal, list[int]] = {}
    rows = Classification.objects.filter(
        status__in=LOOKED_AT, market__status="open", market__vanished_at__isnull=True
    ).values_list("pk", "market_id", "market__volume", "status", "confidence", "importance")
    for pk, market_id, volume, status, confidence, stored in rows.iterator(chunk_size=5_000):
        doubt = ZERO if status in DECIDED else 1 - Decimal(str(confidence))
        importance = importance_of(volume=volume, weight=weights.get(market_id), doubt=doubt)
        if importance != Decimal(str(stored)):
            changes.setdefault(importance, []).append(pk)
    for importance, pks in changes.items():
        for start in range(0, len(pks), CHUNK):
            Classification.objects.filter(pk__in=pks[start : start + CHUNK]).update(importance=importance)
    return sum(len(pks) for pks in changes.values())


def importance_of(*, volume: Decimal, weight: Decimal | None, doubt: Decimal) -> Decimal:
    """Return uncertainty × liquidity × how heavily it is held, 0 to 1.

    Liquidity is the order of magnitude of the volume, so that it moves seldom; a market that no basket holds
    counts a half, and a held leg three quarters and its weight. No doubt is quite nothing: a busy leg that the
    stages are sure of still comes before a quiet one.
    """
    liquidity = min(Decimal(len(str(int(max(volume, ZERO))))) / MAGNITUDES, Decimal(1))
    held = UNHELD if weight is None else min(Decimal(1), HELD_FLOOR + weight)
    return (min(Decimal(1), max(doubt, LEAST_DOUBT)) * liquidity * held).quantize(Decimal("0.001"))
