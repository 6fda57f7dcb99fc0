"""A year of daily prices for any market, from whichever of a venue's archives has them.

A point's `at` is midnight UTC of the venue's own day. Polymarket's days are UTC days. Kalshi's end at
midnight in New York, so its point for a date was known 4 or 5 hours after that date's UTC end. Days
without a usable price stay gaps. What stands is never overwritten: the first to know a day is kept, and
a later, different answer is counted as a conflict.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from django.db import transaction
from django.db.models import QuerySet

from itomarkets.lib.venues import Venue, VenueError
from markets.models import Market, PricePoint
from markets.upsert import RowWriter, plain, plain_columns
from markets.venues.clients import read_client
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads
from markets.venues.rows import DayPrice

LONGEST_DAYS = 3650
CHUNK = 100
SHORT = timedelta(days=31)
COLUMNS = ["market_id", "interval", "at", "price", "bid", "ask", "volume", "source"]


@dataclass(frozen=True)
class HistoryReport:
    """What one backfill did: days written, already there, and there with another price."""

    markets: int
    written: int
    standing: int
    conflicts: int
    without_history: int
    errors: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        text = (
            f"{self.markets:,} markets: {self.written:,} daily prices written, {self.standing:,} already there, "
            f"{self.conflicts:,} of them with another price, {self.without_history:,} markets without history."
        )
        return " ".join([text, *self.errors])


@dataclass
class _Tally:
    markets: int = 0
    written: int = 0
    standing: int = 0
    conflicts: int = 0
    without_history: int = 0


@dataclass(frozen=True)
class _Wanted:
    """The days that one market lacks: from the first missing one to the last."""

    market: Market
    start: datetime
    end: datetime


def backfill_prices(
    *,
    markets: QuerySet[Market],
    days: int,
    now: datetime,
    progress: Callable[[str], None] | None = None,
    client: Callable[[Venue], KalshiReads | PolymarketReads] = read_client,
) -> HistoryReport:
    """Fetch and store daily prices of the last `days` whole days.

    Only days between those that stand are asked for again, so a second run costs little and writes
    nothing. A venue that stops answering is reported; what was stored stays, and a rerun goes on there.
    Raises ValueError when `days` is not 1 to 3650.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise ValueError(f"expected 1 to {LONGEST_DAYS} days, found {days}")
    say = progress or (lambda line: None)
    tally, errors = _Tally(), []
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    for venue in Venue:
        chosen = markets.filter(venue=venue).order_by("pk")
        if not chosen.exists():
            continue
        reads = client(venue)
        fetch = _fetch_kalshi if isinstance(reads, KalshiReads) else _fetch_polymarket
        try:
            for chunk in _chunks(chosen.iterator(chunk_size=CHUNK), CHUNK):
                standing = _standing(chunk, since=today - timedelta(days=days))
                wanted = [
                    want for market in chunk if (want := _wanted(market, standing, days=days, today=today)) is not None
                ]
                for market, prices in fetch(reads, wanted):
                    _store(
                        market,
                        prices,
                        standing[market.pk],
                        start=today - timedelta(days=days),
                        today=today,
                        tally=tally,
                    )
                tally.markets += len(chunk)
                say(f"{venue}: history of {tally.markets:,} markets, {tally.written:,} daily prices written")
        except VenueError as trouble:
            errors.append(str(trouble))
        finally:
            reads.close()
    return HistoryReport(**vars(tally), errors=tuple(errors))


def _chunks(markets: Iterator[Market], size: int) -> Iterator[list[Market]]:
    while chunk := list(islice(markets, size)):
        yield chunk


def _standing(markets: Sequence[Market], *, since: datetime) -> dict[int, dict[date, object]]:
    standing: dict[int, dict[date, object]] = {market.pk: {} for market in markets}
    points = PricePoint.objects.filter(
        market_id__in=list(standing), interval=PricePoint.Interval.DAY, at__gte=since
    ).values_list("market_id", "at", "price")
    for market_id, at, price in points.iterator(chunk_size=5000):
        standing[market_id][at.date()] = price
    return standing


def _wanted(market: Market, standing: dict[int, dict[date, object]], *, days: int, today: datetime) -> _Wanted | None:
    """Say which days are missing between the market's first and its last, within the window."""
    first = max(today - timedelta(days=days), _midnight(market.open_at) or today - timedelta(days=days))
    ended = market.resolved_at or (market.close_at if market.status == Market.Status.RESOLVED else None)
    last = min(today, (_midnight(ended) or today) + timedelta(days=1))
    missing = [
        day
        for offset in range((last - first).days)
        if (day := first.date() + timedelta(days=offset)) not in standing[market.pk]
    ]
    if not missing:
        return None
    start = datetime.combine(missing[0], time(), UTC)
    return _Wanted(market=market, start=start, end=datetime.combine(missing[-1], time(), UTC) + timedelta(days=1))


def _midnight(moment: datetime | None) -> datetime | None:
    return None if moment is None else datetime.combine(moment.astimezone(UTC).date(), time(), UTC)


def _fetch_kalshi(
    reads: KalshiReads | PolymarketReads, wanted: Sequence[_Wanted]
) -> Iterator[tuple[Market, list[DayPrice]]]:
    """Ask the live tier in batches and the historical tier one by one, parted at the served cutoff.

    A market on the wrong side of the cutoff (it moved in between) is asked for on the other side.
    """
    if not wanted:
        return
    if not isinstance(reads, KalshiReads):
        raise TypeError("expected Kalshi's client")
    cutoff = reads.fetch_cutoff()
    archived = [want for want in wanted if _is_archived(want.market, cutoff)]
    live = [want for want in wanted if not _is_archived(want.market, cutoff)]
    # New York's day ends after UTC's: the last candle of the window comes up to five hours later.
    late = timedelta(hours=5)
    # A few old gaps must not make every other market of the batch fetch its year again.
    short = [want for want in live if want.end - want.start <= SHORT]
    long = [want for want in live if want.end - want.start > SHORT]
    for group in (short, long):
        if not group:
            continue
        start, end = min(want.start for want in group), max(want.end for want in group)
        found = reads.fetch_days([want.market.native_id for want in group], start, end + late)
        for want in group:
            prices = found.get(want.market.native_id, [])
            if not prices and want.market.status in (Market.Status.RESOLVED, Market.Status.VOID):
                prices = reads.fetch_archived_days(want.market.native_id, want.start, want.end + late)
            yield want.market, prices
    for want in archived:
        prices = reads.fetch_archived_days(want.market.native_id, want.start, want.end + late)
        if not prices:
            found = reads.fetch_days([want.market.native_id], want.start, want.end + late)
            prices = found.get(want.market.native_id, [])
        yield want.market, prices


def _is_archived(market: Market, cutoff: datetime) -> bool:
    settled_at = market.resolved_at or (market.close_at if market.status == Market.Status.RESOLVED else None)
    return settled_at is not None and settled_at < cutoff


def _fetch_polymarket(
    reads: KalshiReads | PolymarketReads, wanted: Sequence[_Wanted]
) -> Iterator[tuple[Market, list[DayPrice]]]:
    if not isinstance(reads, PolymarketReads):
        raise TypeError("expected Polymarket's client")
    for want in wanted:
        token = want.market.yes_token
        yield want.market, reads.fetch_days(token, want.start, want.end) if token else []


def _store(
    market: Market,
    prices: Iterable[DayPrice],
    standing: dict[date, object],
    *,
    start: datetime,
    today: datetime,
    tally: _Tally,
) -> None:
    """Insert the days that are missing; the day that has not ended is not a day yet."""
    fresh, found = [], 0
    for price in prices:
        found += 1
        if not start.date() <= price.day < today.date():
            continue
        if price.day in standing:
            tally.standing += 1
            tally.conflicts += standing[price.day] != price.price
            continue
        at = datetime.combine(price.day, time(), UTC)
        fresh.append(
            [
                market.pk,
                PricePoint.Interval.DAY.value,
                at,
                price.price,
                price.bid,
                price.ask,
                price.volume,
                price.source,
            ]
        )
    tally.without_history += not found
    if fresh:
        makers = plain_columns(PricePoint, COLUMNS)
        writer = RowWriter(PricePoint, COLUMNS, key=["market_id", "interval", "at"], update=False)
        with transaction.atomic():
            writer.write(plain(values, makers) for values in fresh)
        tally.written += len(fresh)
