"""What a market's past lacks and where its sources disagree, as pages and the API tell it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum, Window

from itomarkets.lib.series import Gap
from markets.models import HistoryGap, Interval, Market, PriceConflict

UNASKED = "unasked"
REASONS = [*HistoryGap.Reason.choices, (UNASKED, "Nobody has asked the venue yet")]
SHOWN = 5


@dataclass(frozen=True, slots=True)
class ExplainedGap:
    """Buckets without a price: the first, the last, how many, and the one reason for all of them."""

    start: datetime
    end: datetime
    missing: int
    reason: str
    detail: str = ""


def explain_gaps(gaps: Iterable[Gap], *, market: Market, interval: int, step: timedelta) -> list[ExplainedGap]:
    """Say why each gap is there; one with several reasons comes in as many parts."""
    gaps = list(gaps)
    if not gaps:
        return []
    rows = HistoryGap.objects.filter(
        market=market, interval=interval, end_at__gte=gaps[0].start, start_at__lte=gaps[-1].end
    ).order_by("start_at")
    recorded = list(rows.values_list("start_at", "end_at", "reason", "detail"))
    parts: list[ExplainedGap] = []
    for gap in gaps:
        at = gap.start
        for start, end, reason, detail in recorded:
            if end < at or start > gap.end:
                continue
            if start > at:
                parts.append(_part(at, start - step, UNASKED, "", step))
            first, last = max(start, at), min(end, gap.end)
            parts.append(_part(first, last, reason, detail, step))
            at = last + step
        if at <= gap.end:
            parts.append(_part(at, gap.end, UNASKED, "", step))
    return parts


def _part(start: datetime, end: datetime, reason: str, detail: str, step: timedelta) -> ExplainedGap:
    return ExplainedGap(start, end, (end - start) // step + 1, reason, detail)


def conflicts_between(*, market: Market, interval: int, start: datetime, end: datetime) -> QuerySet[PriceConflict]:
    """Return what disagrees with a price that stands, oldest first."""
    return PriceConflict.objects.filter(market=market, interval=interval, at__gte=start, at__lte=end).order_by("at")


@dataclass(frozen=True)
class DailyTroubles:
    """What a page says of a market's daily prices."""

    gaps: Sequence[HistoryGap]
    missing: int
    conflicts: list[PriceConflict]


def daily_troubles(market: Market) -> DailyTroubles:
    """Return the newest gaps and conflicts of a market's days, and how many days are missing in all."""
    rows = HistoryGap.objects.filter(market=market, interval=Interval.DAY).annotate(in_all=Window(Sum("missing")))
    gaps = list(rows.order_by("-start_at")[:SHOWN])
    return DailyTroubles(
        gaps=gaps,
        missing=gaps[0].in_all if gaps else 0,
        conflicts=list(PriceConflict.objects.filter(market=market, interval=Interval.DAY).order_by("-at")[:SHOWN]),
    )
