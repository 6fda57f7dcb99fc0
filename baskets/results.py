"""What venues decided of the markets that baskets hold or held, version by version: a correction adds, never edits."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from baskets.models import Basket, Constituent, MarketResult
from itomarkets.lib.venues import Side
from markets.models import Market


@dataclass(frozen=True)
class ResultsReport:
    """Results seen for the first time, and those that differ from what was seen before."""

    first: int = 0
    corrected: list[int] = field(default_factory=list)


def record_results(*, now: datetime) -> ResultsReport:
    """Keep what each decided market pays, when it was first seen to; a payout that changed is the next version.

    Fixings of before stay as they were published: from the next one on, the level counts what is right now.
    """
    held = Market.objects.filter(
        constituents__isnull=False, payout__isnull=False, status__in=(Market.Status.RESOLVED, Market.Status.VOID)
    )
    payouts = {pk: paid for pk, paid in held.distinct().values_list("pk", "payout") if paid is not None}
    newest = dict(
        MarketResult.objects.filter(market__in=payouts).values_list("market_id").annotate(newest=Max("version"))
    )
    known = {
        row.market_id: row
        for row in MarketResult.objects.filter(market__in=payouts)
        if row.version == newest[row.market_id]
    }
    first, corrected, rows = 0, [], []
    for market_id, payout in payouts.items():
        before = known.get(market_id)
        if before is None:
            first += 1
        elif before.payout == payout:
            continue
        else:
            corrected.append(market_id)
        rows.append(
            MarketResult(market_id=market_id, version=before.version + 1 if before else 1, payout=payout, seen_at=now)
        )
    # Two runs at once see the same: the second one's rows are there already.
    with transaction.atomic():
        MarketResult.objects.bulk_create(rows, ignore_conflicts=True)
    return ResultsReport(first, sorted(corrected))


@dataclass(frozen=True, slots=True)
class Correction:
    """A result that its venue changed, as the basket's changelog tells it; prices of the held side."""

    seen_at: datetime
    question: str
    side: str
    before: Decimal
    after: Decimal
    version: int


def corrections_of(basket: Basket) -> list[Correction]:
    """List the corrected results of what a basket ever held, newest first."""
    legs = Constituent.objects.filter(composition__basket=basket)
    rows = list(
        MarketResult.objects.filter(market__in=MarketResult.objects.filter(version=2).values("market"))
        .filter(market__in=legs.values("market"))
        .select_related("market__event")
        .order_by("market_id", "version")
    )
    if not rows:
        return []
    sides = dict(legs.order_by("composition__version").values_list("market_id", "side"))
    found: list[Correction] = []
    older: MarketResult | None = None
    for row in rows:
        if older is not None and older.market_id == row.market_id:
            side = sides[row.market_id]
            paid = [r.payout if side == Side.YES else 1 - r.payout for r in (older, row)]
            found.append(Correction(row.seen_at, row.market.question, side, paid[0], paid[1], row.version))
        older = row
    return sorted(found, key=lambda line: line.seen_at, reverse=True)
