"""A basket's past from its legs' daily prices: each day by its composition, and simulated before the first one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet

from baskets.bulk import insert_rows
from baskets.legs import scaled
from baskets.marks import DOLLAR, Reason, middle
from baskets.method import TIGHT_SPREAD
from baskets.minutes import Marked, marks_of
from baskets.models import Basket, Composition, Constituent, PriceHistory
from baskets.snapshots import HISTORY_COLUMNS
from itomarkets.lib.venues import Side
from markets.history import backfill_prices
from markets.models import Market, PricePoint

DAY = timedelta(days=1)
LONGEST_DAYS = 3_650
Progress = Callable[[str], None]
Fetch = Callable[..., object]
# A day's last YES price, bid and ask, in millionths of a dollar.
DayPoint = tuple[int, int | None, int | None]
# The columns of a minute's fixing that its day takes over when the day ends with it.
LIVE_COLUMNS = tuple(name for name in HISTORY_COLUMNS if name not in ("basket", "interval", "at", "source"))


@dataclass(frozen=True)
class BackfillLine:
    """One basket: days written, already there, and open because a leg had no price."""

    slug: str
    written: int
    standing: int
    gaps: int
    first_day: date | None


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill did."""

    baskets: int
    written: int
    standing: int
    gaps: int
    prices: str
    # What the venues could not be asked; the days that it would have filled stay gaps.
    errors: tuple[str, ...] = ()
    lines: list[BackfillLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _PastLeg:
    """A leg of some composition, scaled as stored."""

    market_id: int
    side: str
    weight: int
    units: int
    payout: int | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Version:
    """A composition and its legs, scaled as stored."""

    pk: int
    effective_at: datetime
    cash: int
    divisor: int
    divisor_net: int
    legs: tuple[_PastLeg, ...]


def backfill_history(
    *,
    baskets: QuerySet[Basket] | None,
    days: int,
    now: datetime,
    progress: Progress | None = None,
    fetch: Fetch = backfill_prices,
) -> BackfillReport:
    """Write the missing daily fixings of the last `days` whole days; None means all active baskets.

    1. Have the legs' daily prices fetched.  2. A day that was recorded live ends with its last fixing.  3. Other days
    are priced from the daily prices, by the composition in force when the day ended; days before the first one take
    the first and are labelled simulated. A day on which a leg has no price stays a gap, unless the leg was decided.
    What stands is never changed, so that a second run writes nothing. Raises ValueError for a number of days that is
    not 1 to 3,650.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"expected 1 to {LONGEST_DAYS:,} days, found {days}")
    say = progress or (lambda text: None)
    chosen = list((Basket.objects.filter(is_active=True) if baskets is None else baskets).order_by("pk"))
    markets = Market.objects.filter(constituents__composition__basket__in=chosen).distinct()
    prices = fetch(markets=markets, days=days, now=now, progress=progress)
    lines = []
    for basket in chosen:
        line = _backfill(basket, days=days, now=now)
        lines.append(line)
        say(f"{line.slug}: {line.written} days written, {line.standing} already there, {line.gaps} gaps")
    return BackfillReport(
        baskets=len(lines),
        written=sum(line.written for line in lines),
        standing=sum(line.standing for line in lines),
        gaps=sum(line.gaps for line in lines),
        prices=str(getattr(prices, "sentence", "")),
        errors=tuple(getattr(prices, "errors", ())),
        lines=lines,
    )


def _backfill(basket: Basket, *, days: int, now: datetime) -> BackfillLine:
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    start = today - days * DAY
    versions = _versions(basket)
    if not versions:
        return BackfillLine(basket.slug, 0, 0, 0, None)
    standing = set(
        PriceHistory.objects.filter(
            basket=basket, interval=PriceHistory.Interval.DAY, at__gte=start, at__lt=today
        ).values_list("at", flat=True)
    )
    missing = [start + step * DAY for step in range(days) if start + step * DAY not in standing]
    live = _live_days(basket, start=start, end=today) if missing else {}
    points = _points(versions, start=start, end=today) if missing else {}
    rows: list[list[object]] = []
    for day in missing:
        row = live.get(day) or _computed(basket.pk, versions, points, day)
        if row is not None:
            rows.append(row)
    written = insert_rows(PriceHistory, HISTORY_COLUMNS, rows)
    found = [*standing, *[row[3] for row in rows]]
    first = min((moment for moment in found if isinstance(moment, datetime)), default=None)
    return BackfillLine(
        slug=basket.slug,
        written=written,
        standing=len(standing),
        gaps=days - len(standing) - len(rows),
        first_day=first.date() if first else None,
    )


def _versions(basket: Basket) -> list[_Version]:
    legs: dict[int, list[_PastLeg]] = {}
    for row in (
        Constituent.objects.filter(composition__basket=basket)
        .order_by("id")
        .values_list(
            "composition_id",
            "market_id",
            "side",
            scaled("weight"),
            scaled("units"),
            scaled("market__payout"),
            "market__resolved_at",
        )
    ):
        legs.setdefault(row[0], []).append(_PastLeg(*row[1:]))
    rows: Iterable[Any] = (
        Composition.objects.filter(basket=basket)
        .order_by("version")
        .values_list("pk", "effective_at", scaled("cash"), scaled("divisor"), scaled("divisor_net"))
    )
    return [_Version(*[*row, tuple(legs.get(row[0], ()))]) for row in rows]


def _live_days(basket: Basket, *, start: datetime, end: datetime) -> dict[datetime, list[object]]:
    """Return the day's row for each day with fixings of the minute: the last one stands for the day's end."""
    rows = PriceHistory.objects.filter(
        basket=basket, interval=PriceHistory.Interval.MINUTE, at__gte=start, at__lt=end
    ).order_by("at")
    last: dict[datetime, int] = {}
    for pk, at in rows.values_list("pk", "at").iterator(chunk_size=5_000):
        last[datetime.combine(at.date(), time(), UTC)] = pk
    by_pk = {row.pk: row for row in PriceHistory.objects.filter(pk__in=list(last.values()))}
    marks = marks_of(by_pk.values())
    return {day: _day_of(by_pk[pk], marks[pk], day) for day, pk in last.items()}


def _day_of(row: PriceHistory, marks: Sequence[Marked], day: datetime) -> list[object]:
    values: dict[str, object] = {
        "basket": row.basket_id,
        "interval": PriceHistory.Interval.DAY.value,
        "at": day,
        "source": PriceHistory.Source.LIVE.value,
        "composition": row.composition_id,
        "marks": [list(mark) for mark in marks],
    }
    for name in LIVE_COLUMNS:
        if name not in values:
            model_field: Any = PriceHistory._meta.get_field(name)
            values[name] = model_field.get_prep_value(getattr(row, name))
    return [values[name] for name in HISTORY_COLUMNS]


def _points(versions: Iterable[_Version], *, start: datetime, end: datetime) -> dict[int, dict[datetime, DayPoint]]:
    """Return each market's daily YES price, bid and ask in millionths, by the day's start."""
    market_ids = {leg.market_id for version in versions for leg in version.legs}
    points: dict[int, dict[datetime, DayPoint]] = {}
    rows = PricePoint.objects.filter(
        market__in=market_ids, interval=PricePoint.Interval.DAY, at__gte=start, at__lt=end
    ).values_list("market_id", "at", scaled("price"), scaled("bid"), scaled("ask"))
    for market_id, at, price, bid, ask in rows.iterator(chunk_size=5_000):
        points.setdefault(market_id, {})[at] = (price, bid, ask)
    return points


def _computed(
    basket_id: int,
    versions: Sequence[_Version],
    points: dict[int, dict[datetime, DayPoint]],
    day: datetime,
) -> list[object] | None:
    """Price one day; None where a leg has no price."""
    ends_at = day + DAY
    in_force = [version for version in versions if version.effective_at <= ends_at]
    version = in_force[-1] if in_force else versions[0]
    value, gauge = version.cash, 0
    marks: list[list[object]] = []
    for leg in version.legs:
        mark = _day_mark(leg, points.get(leg.market_id, {}).get(day), ends_at)
        if mark is None:
            return None
        price, reason = mark
        value += leg.units * price
        gauge += leg.weight * price
        marks.append([leg.market_id, leg.side, price, reason.value])
    values: dict[str, object] = {
        "basket": basket_id,
        "composition": version.pk,
        "interval": PriceHistory.Interval.DAY.value,
        "at": day,
        "value": value,
        "value_bid": None,
        "value_ask": None,
        "gauge_sum": gauge,
        "gauge_bid_sum": None,
        "gauge_ask_sum": None,
        "divisor": version.divisor,
        "divisor_net": version.divisor_net,
        "legs": len(version.legs),
        "legs_priced": len(version.legs),
        "worst_age_seconds": None,
        "quality": "complete",
        "marks": marks,
        "source": (PriceHistory.Source.BACKFILL if in_force else PriceHistory.Source.SIMULATED).value,
    }
    return [values[name] for name in HISTORY_COLUMNS]


def _day_mark(leg: _PastLeg, point: DayPoint | None, ends_at: datetime) -> tuple[int, Reason] | None:
    """Return the held side's price when a day ended: what it paid, the middle of a tight book, or the last price."""
    if leg.payout is not None and leg.resolved_at is not None and leg.resolved_at <= ends_at:
        yes, reason = leg.payout, Reason.SETTLED
    elif point is None:
        return None
    else:
        yes, bid, ask = point
        reason = Reason.LAST
        if bid is not None and ask is not None and bid < ask and ask - bid <= TIGHT_SPREAD:
            yes, reason = middle(bid, ask), Reason.MID
    return (yes if leg.side == Side.YES else DOLLAR - yes), reason
