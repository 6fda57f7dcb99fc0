"""The past prices of any market, from whichever of a venue's archives has them.

A point's `at` is its bucket's start; a day's is midnight UTC of the venue's own day. Polymarket's days are UTC days.
Kalshi's end at midnight in New York, so its point for a date was known 4 or 5 hours after that date's UTC end.

A market's past is fetched in stretches of a fixed grid. Each answer is stored with its checkpoint in one transaction:
points, the gaps between them with their reason, and what disagrees with a price that stands. A run that is killed
goes on where its last answer was stored, and a run over what is there asks nothing and writes nothing. What stands is
never overwritten; a bucket without a price stays a gap.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from itomarkets.lib.partitions import ensure_partitions
from itomarkets.lib.venues import Venue, VenueError, VenueProtocolError, VenueRejected
from markets.models import HistoryGap, HistoryWindow, Interval, Market, PriceConflict, PricePoint
from markets.upsert import RowWriter, plain, plain_columns
from markets.venues.clients import read_client
from markets.venues.kalshi import KalshiReads
from markets.venues.past import DAY, EPOCH, LIVE, TRADES, TRADES_ARCHIVED, Answer, Want, bucket_of, settled_at
from markets.venues.polymarket import PolymarketReads

LONGEST_DAYS = 3650
# What is older is rolled up, so it is not fetched either.
LONGEST_MINUTE_DAYS: int = settings.RETENTION_DAYS["minutes"]
CHUNK = 100
ERRORS_SHOWN = 5
# A bucket is asked for this long after its end: a venue's last word on it may be a little late.
SETTLING = timedelta(minutes=5)
# Two ways to measure one bucket, a book that we saw and a candle, say, agree when they differ by no more than this.
TOLERANCE = Decimal("0.02")
MEASURED_APART = frozenset({LIVE, TRADES, TRADES_ARCHIVED})

POINT_COLUMNS = (
    "market_id", "interval", "at", "price", "average", "bid", "ask", "volume", "source", "observed_at", "received_at",
)  # fmt: skip
WINDOW_COLUMNS = ("market_id", "interval", "start_at", "covered_from", "covered_to", "checked_at")
GAP_COLUMNS = ("market_id", "interval", "start_at", "end_at", "missing", "reason", "detail", "found_at")
CONFLICT_COLUMNS = (
    "market_id", "interval", "at", "price", "source", "other_price", "other_source", "found_at",
)  # fmt: skip
Client = Callable[[Venue], KalshiReads | PolymarketReads]


@dataclass(frozen=True)
class HistoryReport:
    """What one backfill did: prices written, already there, there with another price; and what is missing."""

    markets: int
    written: int
    standing: int
    conflicts: int
    without_history: int
    interval: int = Interval.DAY
    gaps: int = 0
    unreadable: int = 0
    asked: int = 0
    errors: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        prices = {Interval.DAY: "daily prices", Interval.HOUR: "hourly prices"}.get(Interval(self.interval), "prices")
        text = (
            f"{self.markets:,} markets: {self.written:,} {prices} written, {self.standing:,} already there, "
            f"{self.conflicts:,} of them with another price, {self.gaps:,} gaps, "
            f"{self.without_history:,} markets without history."
        )
        if self.unreadable:
            text += f" {self.unreadable:,} rows could not be read; their gaps say why."
        shown = self.errors[:ERRORS_SHOWN]
        more = len(self.errors) - len(shown)
        return " ".join([text, *shown, *([f"And {more} more of this kind."] if more else [])])


@dataclass
class _Tally:
    markets: int = 0
    written: int = 0
    standing: int = 0
    without_history: int = 0
    gaps: int = 0
    unreadable: int = 0
    asked: int = 0
    errors: list[str] = field(default_factory=list)
    # Market and bucket: two stretches that overlap may both find one.
    disputed: set[tuple[int, datetime]] = field(default_factory=set)


@dataclass(frozen=True)
class _Run:
    """What one backfill is about."""

    interval: Interval
    days: int
    now: datetime
    recheck: bool
    tally: _Tally
    say: Callable[[str], None]
    # Months whose partitions are known to be there.
    months: set[tuple[int, int]] = field(default_factory=set)

    @property
    def step(self) -> timedelta:
        return timedelta(seconds=self.interval)


def backfill_prices(
    *,
    markets: QuerySet[Market],
    days: int,
    now: datetime,
    interval: int = Interval.DAY,
    recheck: bool = False,
    progress: Callable[[str], None] | None = None,
    client: Client = read_client,
) -> HistoryReport:
    """Fetch and store the prices of the last `days` whole days, by the day unless `interval` says otherwise.

    Only what was never answered is asked for; with `recheck` everything is, and compared with what stands. A venue
    that stops answering is reported, and what one market cannot be asked does not stop the others; a rerun goes on
    there. Raises ValueError when `days` is not 1 to 3650, or for minutes 1 to 7.
    """
    interval = Interval(interval)
    longest = LONGEST_MINUTE_DAYS if interval == Interval.MINUTE else LONGEST_DAYS
    if not 1 <= days <= longest:
        raise ValueError(f"expected 1 to {longest} days, found {days}")
    tally = _Tally()
    run = _Run(interval, days, now, recheck, tally, progress or (lambda line: None))
    for venue in Venue:
        chosen = markets.filter(venue=venue).order_by("pk")
        if not chosen.exists():
            continue
        reads = client(venue)
        try:
            for chunk in _chunks(chosen.iterator(chunk_size=CHUNK), CHUNK):
                _fill(chunk, venue, reads, run)
                run.say(f"{venue}: history of {tally.markets:,} markets, {tally.written:,} prices written")
        except VenueError as trouble:
            tally.errors.append(str(trouble))
        finally:
            reads.close()
    return HistoryReport(
        markets=tally.markets,
        written=tally.written,
        standing=tally.standing,
        conflicts=len(tally.disputed),
        without_history=tally.without_history,
        interval=interval,
        gaps=tally.gaps,
        unreadable=tally.unreadable,
        asked=tally.asked,
        errors=tuple(tally.errors),
    )


def _chunks(markets: Iterator[Market], size: int) -> Iterator[list[Market]]:
    while chunk := list(islice(markets, size)):
        yield chunk


def _fill(chunk: Sequence[Market], venue: Venue, reads: KalshiReads | PolymarketReads, run: _Run) -> None:
    """Fetch what a hundred markets lack, stretch by stretch of the grid, oldest first."""
    history, tally = reads.history, run.tally
    length = history.windows[run.step]
    # The first bucket that has not ended, or ended only just now.
    end = bucket_of(venue, run.now - SETTLING, run.step)
    start = bucket_of(venue, run.now - run.days * DAY, run.step)
    covered = _covered(chunk, run, since=start - length)
    tally.standing += PricePoint.objects.filter(
        market__in=chunk, interval=run.interval, at__gte=start, at__lt=end
    ).count()
    lives = {market.pk: _life(market, run.step) for market in chunk}
    answered: dict[int, bool] = {}
    window = start - (start - EPOCH) % length
    while window < end:
        wants = []
        for market in chunk:
            first, last = lives[market.pk]
            want = _wanted(
                market,
                start=max(start, first, window),
                end=min(end, last, window + length),
                window=window,
                window_end=window + length,
                covered=covered.get((market.pk, window)),
                recheck=run.recheck,
                step=run.step,
            )
            if want is not None:
                wants.append(want)
        by_pk = {market.pk: market for market in chunk}
        for batch in history.fetch(wants, step=run.step):
            read = [(want, _with_trades(want, answer, by_pk[want.market_id], history, run)) for want, answer in batch]
            _store(read, covered, run)
            for want, answer in read:
                answered[want.market_id] = answered.get(want.market_id, False) or bool(answer.prices)
            before, tally.asked = tally.asked, tally.asked + len(read)
            if before // CHUNK != tally.asked // CHUNK:
                run.say(f"{venue}: {tally.asked:,} stretches of history fetched, {tally.written:,} prices written")
        window += length
    tally.markets += len(chunk)
    empty = [pk for pk, found in answered.items() if not found]
    if empty:
        known = PricePoint.objects.filter(market__in=empty, interval=run.interval).values_list("market_id").distinct()
        tally.without_history += len(empty) - known.count()


def _covered(chunk: Sequence[Market], run: _Run, *, since: datetime) -> dict[tuple[int, datetime], Any]:
    rows = HistoryWindow.objects.filter(market__in=chunk, interval=run.interval, start_at__gte=since)
    return {
        (market_id, start_at): (covered_from, covered_to)
        for market_id, start_at, covered_from, covered_to in rows.values_list(
            "market_id", "start_at", "covered_from", "covered_to"
        )
    }


def _life(market: Market, step: timedelta) -> tuple[datetime, datetime]:
    """Return the first bucket in which a market can have had a price, and the first after its last one."""
    ended = settled_at(market.status, market.resolved_at, market.close_at)
    first = datetime.min.replace(tzinfo=UTC) if market.open_at is None else market.open_at
    last = datetime.max.replace(tzinfo=UTC) if ended is None else ended
    if market.open_at is not None:
        first = bucket_of(market.venue, market.open_at, step)
    if ended is not None:
        last = bucket_of(market.venue, ended, step) + step
    return first, last


def _wanted(
    market: Market,
    *,
    start: datetime,
    end: datetime,
    window: datetime,
    window_end: datetime,
    covered: tuple[datetime, datetime] | None,
    recheck: bool,
    step: timedelta,
) -> Want | None:
    """Say what a stretch still lacks, with the bucket on either side that stands already, to compare."""
    if covered is not None:
        # What is asked for adjoins what was, so that a checkpoint stays one stretch without holes.
        covered_from, covered_to = covered
        if start >= covered_from:
            start = min(start, covered_to) if recheck else covered_to
        if end <= covered_to and not (recheck and end >= covered_from):
            end = covered_from
    if start >= end:
        return None
    return Want(
        market_id=market.pk,
        native_id=market.native_id,
        yes_token=market.yes_token,
        no_token=market.no_token,
        condition_id=market.condition_id,
        settled_at=settled_at(market.status, market.resolved_at, market.close_at),
        start=start,
        end=end,
        window=window,
        window_end=window_end,
        overlap_start=start - step,
        overlap_end=end + step if covered is not None and end == covered[0] else end,
    )


def _with_trades(want: Want, answer: Answer, market: Market, history: Any, run: _Run) -> Answer:
    """Where a market was traded and its venue has no prices of that stretch, make daily ones of its trades."""
    if answer.error or not answer.is_empty or run.interval != Interval.DAY or not market.volume:
        return answer
    try:
        found: Answer = history.fetch_trades(want, step=run.step)
    except (VenueProtocolError, VenueRejected) as error:
        return Answer(error=f"{want.native_id}: {error}")
    return found


def _store(
    batch: Sequence[tuple[Want, Answer]], covered: dict[tuple[int, datetime], tuple[datetime, datetime]], run: _Run
) -> None:
    """Store one call's answers, with their checkpoints, or nothing of them."""
    tally = run.tally
    tally.errors += [answer.error for _, answer in batch if answer.error]
    batch = [(want, answer) for want, answer in batch if not answer.error]
    if not batch:
        return
    standing = _standing([want for want, _ in batch], run)
    points: list[list[Any]] = []
    conflicts: list[list[Any]] = []
    missing: dict[Want, dict[datetime, tuple[str, str]]] = {}
    windows: list[list[Any]] = []
    for want, answer in batch:
        stands = standing[want.market_id]
        known = set(stands)
        for at, price in sorted(answer.prices.items()):
            if at in stands:
                found = stands[at]
                if not _agree(found, (price.price, price.source)):
                    tally.disputed.add((want.market_id, at))
                    conflicts.append(
                        [want.market_id, run.interval.value, at, *found, price.price, price.source, run.now]
                    )
            elif want.start <= at < want.end:
                known.add(at)
                points.append(
                    [want.market_id, run.interval.value, at, price.price, price.average, price.bid, price.ask,
                     price.volume, price.source, price.observed_at, run.now]
                )  # fmt: skip
        missing[want] = _missing(want, answer, known, run.step)
        tally.unreadable += len(answer.unreadable)
        before = covered.get((want.market_id, want.window))
        span = _joined(before, want)
        if span != before:
            covered[want.market_id, want.window] = span
            windows.append([want.market_id, run.interval.value, want.window, *span, run.now])
    _ensure_months([row[2] for row in points], run)
    with transaction.atomic():
        _write(PricePoint, POINT_COLUMNS, points, key=("market_id", "interval", "at"))
        _write(PriceConflict, CONFLICT_COLUMNS, conflicts,
               key=("market_id", "interval", "at", "other_source", "other_price"))  # fmt: skip
        tally.gaps += _replace_gaps(missing, run)
        _write(HistoryWindow, WINDOW_COLUMNS, windows, key=("market_id", "interval", "start_at"), update=True)
    tally.written += len(points)


def _ensure_months(ats: Sequence[datetime], run: _Run) -> None:
    new = {(at.year, at.month) for at in ats} - run.months
    if new:
        inside = [at for at in ats if (at.year, at.month) in new]
        ensure_partitions(PricePoint._meta.db_table, start=min(inside), end=max(inside))
        run.months.update(new)


def _standing(wants: Sequence[Want], run: _Run) -> dict[int, dict[datetime, tuple[Decimal, str]]]:
    standing: dict[int, dict[datetime, tuple[Decimal, str]]] = {want.market_id: {} for want in wants}
    rows = PricePoint.objects.filter(
        market_id__in=list(standing),
        interval=run.interval,
        at__gte=min(want.overlap_start for want in wants),
        at__lt=max(want.overlap_end for want in wants),
    ).values_list("market_id", "at", "price", "source")
    for market_id, at, price, source in rows.iterator(chunk_size=5000):
        standing[market_id][at] = (price, source)
    return standing


def _agree(one: tuple[Decimal, str], other: tuple[Decimal, str]) -> bool:
    (price, source), (other_price, other_source) = one, other
    is_apart = source != other_source and bool(MEASURED_APART & {source, other_source})
    return abs(price - other_price) <= (TOLERANCE if is_apart else 0)


def _joined(covered: tuple[datetime, datetime] | None, want: Want) -> tuple[datetime, datetime]:
    if covered is None:
        return want.start, want.end
    return min(covered[0], want.start), max(covered[1], want.end)


def _missing(want: Want, answer: Answer, known: set[datetime], step: timedelta) -> dict[datetime, tuple[str, str]]:
    """Return the buckets without a price, each with its reason and what there is to say of it."""
    reasons = HistoryGap.Reason
    # A row that did not say when it was might have been any of those that are missing.
    missing = {}
    for at in want.buckets(step):
        if at not in known:
            why = answer.unreadable.get(at) or answer.unreadable.get(None, "")
            if at in answer.unpriced:
                missing[at] = (reasons.UNPRICED.value, "")
            else:
                missing[at] = (reasons.UNREADABLE.value, why) if why else (reasons.EMPTY.value, "")
    return missing


def _replace_gaps(missing: Mapping[Want, dict[datetime, tuple[str, str]]], run: _Run) -> int:
    """Have exactly the gaps that there are in each stretch, however it was asked for; returns how many are new."""
    standing: dict[int, dict[tuple[datetime, datetime, str, str], int]] = {want.market_id: {} for want in missing}
    windows = [want.window for want in missing]
    for pk, market_id, start, end, reason, detail in HistoryGap.objects.filter(
        market__in=list(standing),
        interval=run.interval,
        start_at__gte=min(windows),
        start_at__lt=max(want.window_end for want in missing),
    ).values_list("pk", "market_id", "start_at", "end_at", "reason", "detail"):
        standing[market_id][start, end, reason, detail] = pk
    over: list[int] = []
    rows: list[list[Any]] = []
    for want, found in missing.items():
        stands = {
            gap: pk for gap, pk in standing[want.market_id].items() if want.window <= gap[0] < want.window_end
        }  # fmt: skip
        buckets = {
            start + number * run.step: (reason, detail)
            for start, end, reason, detail in stands
            for number in range((end - start) // run.step + 1)
        }
        buckets = {at: why for at, why in buckets.items() if not want.start <= at < want.end} | found
        gaps = _grouped(buckets, run.step)
        over += [pk for gap, pk in stands.items() if gap not in gaps]
        rows += [
            [want.market_id, run.interval.value, start, end, (end - start) // run.step + 1, reason, detail, run.now]
            for start, end, reason, detail in gaps
            if (start, end, reason, detail) not in stands
        ]
    if over:
        HistoryGap.objects.filter(pk__in=over).delete()
    _write(HistoryGap, GAP_COLUMNS, rows, key=("market_id", "interval", "start_at"))
    return len(rows)


def _grouped(buckets: Mapping[datetime, tuple[str, str]], step: timedelta) -> list[tuple[datetime, datetime, str, str]]:
    """Join neighbours that are missing for one reason: (first, last, reason, detail)."""
    gaps = []
    numbered = enumerate(sorted(buckets.items()))
    for (_, (reason, detail)), part in groupby(numbered, key=lambda pair: (pair[1][0] - pair[0] * step, pair[1][1])):
        ats = [at for _, (at, _) in part]
        gaps.append((ats[0], ats[-1], reason, detail))
    return gaps


def _write(
    model: type[Any], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, key: Sequence[str], update: bool = False
) -> None:
    makers = plain_columns(model, columns)
    RowWriter(model, list(columns), key=list(key), update=update).write(plain(row, makers) for row in rows)
