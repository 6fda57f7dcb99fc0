"""What baskets are worth now, as decimals for people, pages and programs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from baskets.fixing import UNIT, Fixing, fix_baskets
from baskets.legs import HeldLeg, held_legs
from baskets.marks import DOLLAR, LegMark, Reason
from baskets.method import STALE_SHARE
from baskets.models import Basket, PriceHistory
from itomarkets.lib.rounding import ONE, ZERO

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
# How far from the wanted instant a reference may lie.
DAY_SLACK, MONTH_SLACK = timedelta(hours=12), timedelta(days=3)
SPARKLINE_DAYS = 34
STALE_LIMIT = int(STALE_SHARE * UNIT)


@dataclass(frozen=True, slots=True)
class LegValue:
    """One leg now: prices of the held side in dollars of one contract, value in index dollars.

    `weight` is the target; `share` is what the leg has become as a part of the whole value.
    """

    constituent_id: int
    market_id: int
    side: str
    weight: Decimal
    units: Decimal
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    reason: str
    age_seconds: int
    value: Decimal | None
    share: Decimal | None
    is_settled: bool


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """One stored fixing: the instant that it stands for, level, net level and gauge."""

    at: datetime
    level: Decimal
    level_net: Decimal
    gauge: Decimal
    source: str

    @property
    def is_simulated(self) -> bool:
        return self.source == PriceHistory.Source.SIMULATED


@dataclass(frozen=True, slots=True)
class BasketValue:
    """A basket now.

    gauge (= mid), bid and ask: dollars of one dollar, 0 to 1; bid and ask are None when a leg cannot be sold or
    bought. level and level_net: base 100. change_day and change_month: the level's change as a share of one (0.021 is
    +2.1 %); gauge_change_day: dollars. `not_official` says why the minute's fixing would be refused, else empty.
    """

    basket_id: int
    composition_id: int
    version: int
    at: datetime
    gauge: Decimal
    bid: Decimal | None
    mid: Decimal
    ask: Decimal | None
    value: Decimal
    level: Decimal
    level_net: Decimal
    cash_share: Decimal
    change_day: Decimal | None
    change_month: Decimal | None
    gauge_change_day: Decimal | None
    changes_are_simulated: bool
    worst_age_seconds: int
    quality: str
    not_official: str
    legs: list[LegValue]

    @property
    def is_stale(self) -> bool:
        return bool(self.not_official)


def value_basket(basket: Basket, *, now: datetime) -> BasketValue | None:
    """Value one basket at the quotes of now; None when it holds nothing or a leg has no price."""
    return value_baskets([basket.pk], now=now).get(basket.pk)


def value_baskets(basket_ids: Sequence[int], *, now: datetime) -> dict[int, BasketValue]:
    """Value several baskets in two statements."""
    return value_legs(held_legs(basket_ids=basket_ids), history=recent_points(basket_ids, now=now), now=now)


def value_legs(
    legs: Iterable[HeldLeg], *, history: Mapping[int, Sequence[HistoryPoint]], now: datetime
) -> dict[int, BasketValue]:
    """Value what was read, with the history that changes are measured against."""
    values = {}
    for fixing in fix_baskets(legs, now):
        value = basket_value(fixing, history.get(fixing.basket_id, ()), now)
        if value is not None:
            values[fixing.basket_id] = value
    return values


def recent_points(basket_ids: Sequence[int], *, now: datetime) -> dict[int, list[HistoryPoint]]:
    """Return the daily fixings of the last weeks and the minutes around a day ago, oldest first, by basket."""
    wanted = Q(interval=PriceHistory.Interval.DAY, at__gte=now - SPARKLINE_DAYS * DAY) | Q(
        interval=PriceHistory.Interval.MINUTE, at__gt=now - DAY - timedelta(minutes=5), at__lte=now - DAY
    )
    points: dict[int, list[HistoryPoint]] = {}
    for row in PriceHistory.objects.filter(wanted, basket__in=list(basket_ids)).values_list(
        "basket_id", "interval", "at", "value", "divisor", "divisor_net", "gauge_sum", "source"
    ):
        points.setdefault(row[0], []).append(history_point(*row[1:]))
    for series in points.values():
        series.sort(key=lambda point: point.at)
    return points


def history_point(
    interval: int,
    at: datetime,
    value: Decimal,
    divisor: Decimal,
    divisor_net: Decimal,
    gauge: Decimal,
    source: str,
) -> HistoryPoint:
    """Read a stored row; a day's fixing stands for the end of its day."""
    moment = at + DAY if interval == PriceHistory.Interval.DAY else at
    return HistoryPoint(moment, value / divisor, value / divisor_net, gauge, source)


def basket_value(fixing: Fixing, history: Sequence[HistoryPoint], now: datetime) -> BasketValue | None:
    """Turn exact sums into what is shown; None without a value."""
    if fixing.value is None:
        return None
    total = Decimal(fixing.value).scaleb(-14)
    level = total / Decimal(fixing.divisor).scaleb(-15)
    gauge = Decimal(fixing.gauge).scaleb(-14)
    legs = [leg_value(leg, mark, total) for leg, mark in fixing.marks]
    live = sum((leg.share for leg in legs if leg.share is not None and not leg.is_settled), ZERO)
    day = nearest(history, now - DAY, DAY_SLACK)
    month = nearest(history, now - MONTH, MONTH_SLACK)
    return BasketValue(
        basket_id=fixing.basket_id,
        composition_id=fixing.composition_id,
        version=fixing.version,
        at=now,
        gauge=gauge,
        bid=_price(fixing.gauge_bid, 14),
        mid=gauge,
        ask=_price(fixing.gauge_ask, 14),
        value=total,
        level=level,
        level_net=total / Decimal(fixing.divisor_net).scaleb(-15),
        cash_share=ONE - live if total else ZERO,
        change_day=_change(level, day),
        change_month=_change(level, month),
        gauge_change_day=gauge - day.gauge if day else None,
        changes_are_simulated=any(point.is_simulated for point in (day, month) if point),
        worst_age_seconds=fixing.worst_age_seconds,
        quality=fixing.quality,
        not_official=fixing.refusal(STALE_LIMIT),
        legs=legs,
    )


def leg_value(leg: HeldLeg, mark: LegMark, total: Decimal) -> LegValue:
    units = Decimal(leg.units).scaleb(-8)
    price = _price(mark.price, 6)
    value = None if price is None else units * price
    return LegValue(
        constituent_id=leg.constituent_id,
        market_id=leg.book.market_id,
        side=leg.side,
        weight=Decimal(leg.weight).scaleb(-8),
        units=units,
        price=price,
        bid=_price(mark.bid, 6),
        ask=_price(mark.ask, 6),
        reason=mark.reason.value,
        age_seconds=mark.age_seconds,
        value=value,
        share=None if value is None or not total else value / total,
        is_settled=mark.reason is Reason.SETTLED,
    )


def nearest(history: Sequence[HistoryPoint], moment: datetime, slack: timedelta) -> HistoryPoint | None:
    """Return the point closest to a moment, if it is close enough."""
    best = min(history, key=lambda point: abs(point.at - moment), default=None)
    return best if best is not None and abs(best.at - moment) <= slack else None


def micro(price: Decimal | None) -> int | None:
    """Return a price as whole millionths of a dollar."""
    return None if price is None else int(price * DOLLAR)


def _price(scaled: int | None, places: int) -> Decimal | None:
    return None if scaled is None else Decimal(scaled).scaleb(-places)


def _change(level: Decimal, point: HistoryPoint | None) -> Decimal | None:
    return None if point is None or not point.level else level / point.level - ONE
