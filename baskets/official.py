"""The official fixing of a day: each leg at the time-weighted median of its mids over the day's last hour (UTC).

It is made once, within an hour of the day's end, from the minutes that were stored. What comes later makes none:
the day stays open, and nothing is ever back-dated.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from baskets.bulk import insert_rows
from baskets.fixing import UNIT
from baskets.legs import scaled
from baskets.marks import Reason, middle
from baskets.method import OFFICIAL_LEAST_MINUTES, OFFICIAL_STANDS_SECONDS, STALE_SHARE
from baskets.models import Composition, Constituent, MinuteMark, OfficialFixing, PriceHistory

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STALE_LIMIT = int(STALE_SHARE * UNIT)
COLUMNS = (
    "basket", "composition", "day", "value", "gauge_sum", "divisor", "divisor_net", "minutes", "stale_weight", "marks",
    "made_at",
)  # fmt: skip
CARRIED = (Reason.STALE, Reason.LISTING, Reason.NONE)
STANDS = (Reason.SETTLED, Reason.FROZEN, Reason.CLOSING)
# One side of a market, and one stored minute: the instant, and each side's mark and reason.
Held = tuple[int, str]
Minute = tuple[datetime, dict[Held, tuple[int, str]]]


@dataclass(frozen=True)
class OfficialReport:
    """What one run published; `refused` says of each basket without an official fixing why it has none."""

    day: date
    published: int = 0
    already_there: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    too_late: bool = False


@dataclass(frozen=True, slots=True)
class OfficialLeg:
    """A leg's official price in millionths, the rule that it comes from, and the seconds that it rests on."""

    price: int
    reason: Reason
    seconds: int


class NoFixing(ValueError):
    """A basket gets no official fixing; the text says why."""


def fix_official(*, now: datetime) -> OfficialReport:
    """Publish the official fixing of the day that has just ended for every basket that was fixed in its last hour."""
    ended = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    day = (ended - DAY).date()
    if now - ended > HOUR:
        return OfficialReport(day, too_late=True)
    published: list[list[object]] = []
    refused: dict[int, str] = {}
    stored = _stored_marks(ended - HOUR, ended)
    for basket_id, rows in groupby(_minutes(ended - HOUR, ended), key=itemgetter(0)):
        hour = list(rows)
        # Minutes of an older composition say nothing of what is held now.
        composition_id = hour[-1][1]
        minutes = [
            (at, _own_marks(marks) if marks else stored.get(at, {}))
            for _, version, at, marks in hour
            if version == composition_id
        ]
        try:
            published.append(_row(basket_id, composition_id, minutes, ended=ended, day=day, now=now))
        except NoFixing as error:
            refused[basket_id] = str(error)
    written = insert_rows(OfficialFixing, COLUMNS, published)
    return OfficialReport(day, written, len(published) - written, refused)


def _minutes(start: datetime, end: datetime) -> Iterable[Any]:
    return (
        PriceHistory.objects.filter(
            interval=PriceHistory.Interval.MINUTE, at__gte=start, at__lt=end, basket__is_active=True
        )
        .order_by("basket_id", "at")
        .values_list("basket_id", "composition_id", "at", "marks")
        .iterator(chunk_size=2_000)
    )


def _stored_marks(start: datetime, end: datetime) -> dict[datetime, dict[Held, tuple[int, str]]]:
    """Read each minute's marks once, for all baskets."""
    found: dict[datetime, dict[Held, tuple[int, str]]] = {}
    rows = MinuteMark.objects.filter(at__gte=start, at__lt=end, price__isnull=False)
    columns = rows.values_list("at", "market_id", "side", scaled("price"), "reason")
    for at, market_id, side, price, reason in columns.iterator(chunk_size=5_000):
        found.setdefault(at, {})[market_id, side] = (price, reason)
    return found


def _own_marks(marks: Iterable[Sequence[Any]]) -> dict[Held, tuple[int, str]]:
    return {(market_id, side): (price, reason) for market_id, side, price, reason in marks}


def _row(
    basket_id: int, composition_id: int, minutes: Sequence[Minute], *, ended: datetime, day: date, now: datetime
) -> list[object]:
    """Compute one basket's row; raises NoFixing."""
    if len(minutes) < OFFICIAL_LEAST_MINUTES:
        raise NoFixing(f"{len(minutes)} minutes of its last hour were fixed, fewer than {OFFICIAL_LEAST_MINUTES}")
    composition = Composition.objects.filter(pk=composition_id).values_list(
        scaled("cash"), scaled("divisor"), scaled("divisor_net")
    )
    value, divisor, divisor_net = composition.get()
    legs = Constituent.objects.filter(composition=composition_id).order_by("id")
    gauge = weight = stale = 0
    marks = []
    for market_id, side, leg_weight, units in legs.values_list("market_id", "side", scaled("weight"), scaled("units")):
        leg = official_leg((market_id, side), minutes, ended)
        value += units * leg.price
        gauge += leg_weight * leg.price
        weight += leg_weight
        if minutes[-1][1][market_id, side][1] in CARRIED:
            stale += leg_weight
        marks.append([market_id, side, leg.price, leg.reason.value, leg.seconds])
    if stale * UNIT > STALE_LIMIT * weight:
        raise NoFixing(f"{stale * 100 // weight}% of the weight is stale")
    return [
        basket_id,
        composition_id,
        day.isoformat(),
        value,
        gauge,
        divisor,
        divisor_net,
        len(minutes),
        stale,
        marks,
        now,
    ]


def official_leg(held: Held, minutes: Sequence[Minute], ended: datetime) -> OfficialLeg:
    """Return a leg's official price: what it paid or stands frozen at, else the median of its mids, else of its marks.

    Raises NoFixing where the whole hour had no usable price.
    """
    price, last = minutes[-1][1][held]
    if last in STANDS:
        return OfficialLeg(price, Reason(last), 0)
    seen: dict[str, list[tuple[int, int]]] = {}
    for place, (at, marks) in enumerate(minutes):
        until = minutes[place + 1][0] if place + 1 < len(minutes) else ended
        seconds = min(int((until - at).total_seconds()), OFFICIAL_STANDS_SECONDS)
        price, reason = marks[held]
        if reason not in CARRIED and reason not in STANDS:
            seen.setdefault(reason, []).append((price, seconds))
    mids = seen.get(Reason.MID) or [mark for marks in seen.values() for mark in marks]
    if not mids:
        raise NoFixing("a leg had no usable price in its last hour")
    reason = Reason.MID if Reason.MID in seen else Reason(max(seen, key=lambda name: len(seen[name])))
    return OfficialLeg(weighted_median(mids), reason, sum(seconds for _, seconds in mids))


def weighted_median(points: Sequence[tuple[int, int]]) -> int:
    """Return the price below and above which half of the time lies; between two, their middle, half to even."""
    ordered = sorted(points)
    half = sum(seconds for _, seconds in ordered)
    passed = 0
    for place, (price, seconds) in enumerate(ordered):
        passed += 2 * seconds
        if passed == half and place + 1 < len(ordered):
            return middle(price, ordered[place + 1][0])
        if passed >= half:
            return price
    raise ValueError("expected at least one price")
