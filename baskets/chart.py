"""A basket's history for a chart: levels and gauge over time, gaps left open, changes of composition marked."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q
from django.db.models.functions import ExtractMinute

from baskets.models import Basket, Composition, PriceHistory
from baskets.valuation import DAY, history_point

# How far back each span goes (None: all), the minutes of an hour that it reads, and how far apart they then lie.
SPANS: dict[str, tuple[timedelta | None, tuple[int, ...], timedelta]] = {
    "1d": (timedelta(days=1), tuple(range(0, 60, 5)), timedelta(minutes=5)),
    "1w": (timedelta(days=7), (0, 30), timedelta(minutes=30)),
    "1m": (timedelta(days=30), (), DAY),
    "6m": (timedelta(days=182), (), DAY),
    "1y": (timedelta(days=365), (), DAY),
    "all": (None, (), DAY),
}


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One instant: levels base 100, gauge 0 to 1; all None inside a gap."""

    at: datetime
    level: Decimal | None
    level_net: Decimal | None
    gauge: Decimal | None


@dataclass(frozen=True, slots=True)
class CompositionMark:
    """A change of composition inside the span."""

    at: datetime
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """A span of history, oldest first. `gaps`: (last known, next known). Up to `simulated_until` nothing was held."""

    span: str
    points: list[ChartPoint]
    gaps: list[tuple[datetime, datetime]]
    changes: list[CompositionMark]
    simulated_until: datetime | None


def chart_series(basket: Basket, *, span: str, now: datetime) -> ChartSeries:
    """Read a basket's history over a span in three statements at most.

    A day's fixing stands for the end of its day; short spans read fixings of the minute (each fifth, each thirtieth)
    and the newest fixing always ends the line. Raises ValueError for a span that does not exist.
    """
    if span not in SPANS:
        raise ValueError(f"expected a span of {', '.join(SPANS)}, found {span!r}")
    length, minutes, step = SPANS[span]
    start = now - length if length is not None else None
    rows = PriceHistory.objects.filter(basket=basket, at__lte=now)
    wanted = Q(interval=PriceHistory.Interval.DAY)
    if minutes:
        rows = rows.annotate(minute=ExtractMinute("at"))
        wanted |= Q(interval=PriceHistory.Interval.MINUTE, minute__in=minutes)
    if start is not None:
        rows = rows.filter(at__gte=start - DAY)
    columns = ("interval", "at", "value", "divisor", "divisor_net", "gauge_sum", "source")
    found = [history_point(*row) for row in rows.filter(wanted).values_list(*columns)]
    newest = (
        PriceHistory.objects.filter(basket=basket, interval=PriceHistory.Interval.MINUTE, at__lte=now)
        .order_by("-at")
        .values_list(*columns)
        .first()
    )
    if newest is not None:
        found.append(history_point(*newest))
    by_time = {point.at: point for point in sorted(found, key=lambda point: point.at)}
    known = [point for at, point in sorted(by_time.items()) if at <= now and (start is None or at >= start)]
    points: list[ChartPoint] = []
    gaps: list[tuple[datetime, datetime]] = []
    for place, point in enumerate(known):
        if place and _is_gap(known[place - 1].at, point.at, step):
            before = known[place - 1].at
            gaps.append((before, point.at))
            points.append(ChartPoint(before + (point.at - before) / 2, None, None, None))
        points.append(ChartPoint(point.at, point.level, point.level_net, point.gauge))
    simulated = [point.at for point in known if point.is_simulated]
    changes = Composition.objects.filter(basket=basket, effective_at__lte=now)
    if start is not None:
        changes = changes.filter(effective_at__gte=start)
    return ChartSeries(
        span=span,
        points=points,
        gaps=gaps,
        changes=[
            CompositionMark(*row)
            for row in changes.order_by("version").values_list("effective_at", "version", "reason")
        ],
        simulated_until=max(simulated, default=None),
    )


def _is_gap(before: datetime, after: datetime, step: timedelta) -> bool:
    """Tell whether clearly more than one step lies between two fixings.

    Fixings of the minute begin somewhere inside a day: up to a day after the last one that is known by its end only.
    """
    is_day_end = (before.hour, before.minute, before.second) == (0, 0, 0)
    return after - before > (max(step, DAY) if is_day_end else step) * 5 / 4
