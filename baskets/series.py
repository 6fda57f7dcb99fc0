"""A basket's fixings as a series, by the minute, the hour or the day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import ExtractMinute

from baskets.models import Basket, PriceHistory
from itomarkets.lib.series import SeriesPage, Window, read_series

Interval = PriceHistory.Interval
DAY = timedelta(days=1)
COLUMNS = (
    "at", "value", "divisor", "divisor_net", "gauge_sum", "gauge_bid_sum", "gauge_ask_sum", "quality", "source",
    "legs", "legs_priced", "composition__version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One fixing: the instant that it stands for, prices of one dollar, levels base 100."""

    at: datetime
    gauge: Decimal
    bid: Decimal | None
    ask: Decimal | None
    level: Decimal
    level_net: Decimal
    quality: str
    source: str
    legs: int
    legs_priced: int
    version: int


def shift_of(step: timedelta) -> timedelta:
    """Return how much later than its key a fixing stands: a day's stands for the end of its day."""
    return DAY if step == DAY else timedelta(0)


def basket_series(basket: Basket, *, step: timedelta, window: Window, now: datetime) -> SeriesPage:
    """Read a page of a basket's fixings in two statements; an hour's fixing is that of its first minute."""
    return read_series(_rows(basket, step), COLUMNS, window=window, step=step, now=now, shift=shift_of(step))


def series_point(row: tuple[Any, ...], shift: timedelta) -> SeriesPoint:
    """Read one row of COLUMNS."""
    at, value, divisor, divisor_net, gauge, bid, ask, quality, source, legs, priced, version = row
    return SeriesPoint(
        at=at + shift,
        gauge=gauge,
        bid=bid,
        ask=ask,
        level=value / divisor,
        level_net=value / divisor_net,
        quality=quality,
        source=source,
        legs=legs,
        legs_priced=priced,
        version=version,
    )


def _rows(basket: Basket, step: timedelta) -> QuerySet[PriceHistory]:
    if step == DAY:
        return PriceHistory.objects.filter(basket=basket, interval=Interval.DAY)
    rows = PriceHistory.objects.filter(basket=basket, interval=Interval.MINUTE)
    return rows if step < timedelta(hours=1) else rows.annotate(minute=ExtractMinute("at")).filter(minute=0)
