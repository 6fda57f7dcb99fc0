"""Mirroring both venues: add and update what they list, then mark what a complete run proved gone.

A run is complete only if every listing ended by itself. Only a complete full run may say that a market
vanished, and never by absence alone: each missing one is asked for by its id first. Rows are never
deleted. One venue's trouble does not stop the other.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Max, Window
from django.db.models.functions import Mod, RowNumber

from itomarkets.lib.locks import extend, lease
from itomarkets.lib.venues import Venue, VenueError
from markets.mirror import Counts, Mirror, SeenRows
from markets.models import Market, QuarantinedRow, SyncRun
from markets.search_index import refresh_index
from markets.venues.clients import read_client
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads
from markets.venues.rows import Page
from markets.venues.walks import Walkers

# A run that sees less than this share of what stood before is kept aside, and marks nothing.
LEAST_SHARE_SEEN = 0.8
# More unreadable rows than this share: the venue changed its language, and the run is kept aside.
MOST_SHARE_BAD = 0.2
DELTA_OVERLAP = timedelta(minutes=5)
PROGRESS_EVERY = 10_000
# Extended with every write, so that a killed run is in nobody's way for longer.
LEASE_SECONDS = 120
# One transaction a so many markets: fewer statements, and no lock longer than a second.
MARKETS_A_WRITE = 4000
# Listings by closing time are parted so that their walks end together.
WINDOWS = 24
LEAST_A_WINDOW = 1000
# What the live tier holds: open markets, and those that closed within about three months.
LIVE_TIER = timedelta(days=100)
STANDING_A_READ = 5000
RAW_ROWS_KEPT = timedelta(days=14)
RUNS_KEPT = timedelta(days=90)

Progress = Callable[[str], None]
Client = KalshiReads | PolymarketReads


@dataclass(frozen=True)
class VenueSync:
    """How one venue's run went; status is a SyncRun status, or `skipped` while another run is at it."""

    venue: str
    status: str
    is_full: bool
    pages: int = 0
    seen: int = 0
    added: int = 0
    updated: int = 0
    repriced: int = 0
    unchanged: int = 0
    gone: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status in (SyncRun.Status.COMPLETE, "skipped")

    @property
    def sentence(self) -> str:
        if self.status == "skipped":
            return f"{self.venue}: skipped, another sync of it is running."
        text = (
            f"{self.venue}: {self.status}, {self.seen:,} markets in {self.seconds:.1f} s: {self.added:,} added, "
            f"{self.updated:,} updated, {self.repriced:,} repriced, {self.unchanged:,} unchanged, {self.gone:,} gone, "
            f"{self.quarantined:,} unreadable."
        )
        return f"{text} {self.error}" if self.error else text


@dataclass(frozen=True)
class SyncReport:
    venues: tuple[VenueSync, ...]

    @property
    def ok(self) -> bool:
        return all(venue.ok for venue in self.venues)

    @property
    def seen(self) -> int:
        return sum(venue.seen for venue in self.venues)

    @property
    def added(self) -> int:
        return sum(venue.added for venue in self.venues)

    @property
    def updated(self) -> int:
        return sum(venue.updated for venue in self.venues)


def sync_markets(
    *,
    venue: str | None,
    full: bool,
    now: datetime,
    progress: Progress | None = None,
    accept_drop: bool = False,
    client: Callable[[Venue], Client] = read_client,
) -> SyncReport:
    """Sync one venue, or both.

    `full` walks everything and may mark markets as gone; otherwise only what changed since the last
    complete run is fetched (all, where there was none). `accept_drop` lets a run through that sees far
    fewer markets than stood before. Never raises for a venue's trouble: the report says it.
    """
    say = progress or (lambda line: None)
    runs = []
    for one in [Venue(venue)] if venue else list(Venue):
        name = f"markets.sync:{one}"
        with lease(name, seconds=LEASE_SECONDS) as fence:
            if fence is None:
                report = VenueSync(venue=one, status="skipped", is_full=full)
            else:
                hold = partial(_hold, name, fence)
                report = _sync_venue(
                    one, full=full, now=now, say=say, accept_drop=accept_drop, client=client(one), hold=hold
                )
        say(report.sentence)
        runs.append(report)
    refresh_index(progress=say)
    return SyncReport(venues=tuple(runs))


def _sync_venue(
    venue: Venue,
    *,
    full: bool,
    now: datetime,
    say: Progress,
    accept_drop: bool,
    client: Client,
    hold: Callable[[], None],
) -> VenueSync:
    started = time.monotonic()
    since = None if full else _last_complete(venue)
    # Whoever left a run open is gone: the lease is ours.
    SyncRun.objects.filter(venue=venue, status=SyncRun.Status.RUNNING).update(
        status=SyncRun.Status.INCOMPLETE,
        finished_at=now,
        error="The run was cut off: its process ended before it could.",
    )
    prune_runs(now=now)
    run = SyncRun.objects.create(venue=venue, is_full=since is None, started_at=now)
    standing = Market.objects.filter(venue=venue)
    known = standing.filter(vanished_at__isnull=True).count()
    seen = SeenRows(standing.aggregate(largest=Max("pk"))["largest"] or 0)
    mirror = Mirror(venue=venue, run=run, now=now, seen=seen, fetch_events=client.fetch_events)
    status, error = SyncRun.Status.FAILED, ""
    try:
        _add_and_update(mirror, client, since=since, say=say, hold=hold)
        if since is None:
            status, error = _judge(mirror.counts, known=known, seen=seen, accept_drop=accept_drop)
            if status == SyncRun.Status.COMPLETE:
                _mark_gone(mirror, client, say=say, hold=hold)
        else:
            status = SyncRun.Status.COMPLETE
    except VenueError as trouble:
        status = SyncRun.Status.INCOMPLETE if mirror.counts.pages else SyncRun.Status.FAILED
        error = str(trouble)
    except Exception as trouble:
        status, error = SyncRun.Status.FAILED, f"{type(trouble).__name__}: {trouble}"
        raise
    finally:
        client.close()
        mirror.save_counts()
        SyncRun.objects.filter(pk=run.pk).update(status=status, error=error, finished_at=now)
    seconds = time.monotonic() - started
    return VenueSync(
        venue=venue.value,
        status=str(status),
        is_full=since is None,
        seconds=seconds,
        error=error,
        **vars(mirror.counts),
    )


def _hold(name: str, fence: int) -> None:
    """Keep the lease; a run that has lost it to another may write nothing more."""
    if not extend(name, fence, seconds=LEASE_SECONDS):
        raise VenueError("Another sync has taken over; this run was too slow to say that it lives.")


def prune_runs(*, now: datetime) -> int:
    """Delete runs that are older than 90 days, and the raw rows that runs older than 14 days kept aside.

    The newest complete run of a venue stays however old it is: the next delta begins there. Returns how
    many raw rows went.
    """
    gone, _ = QuarantinedRow.objects.filter(run__started_at__lt=now - RAW_ROWS_KEPT).delete()
    newest = [
        run.pk
        for venue in Venue
        if (run := SyncRun.objects.filter(venue=venue, status=SyncRun.Status.COMPLETE).order_by("-started_at").first())
    ]
    SyncRun.objects.filter(started_at__lt=now - RUNS_KEPT).exclude(pk__in=newest).delete()
    return gone


def _last_complete(venue: Venue) -> datetime | None:
    """When the newest complete run began, with an overlap for clocks that differ; None if there was none."""
    complete = SyncRun.objects.filter(venue=venue, status=SyncRun.Status.COMPLETE)
    started_at = complete.order_by("-started_at").values_list("started_at", flat=True).first()
    return None if started_at is None else started_at - DELTA_OVERLAP


def _add_and_update(
    mirror: Mirror, client: Client, *, since: datetime | None, say: Progress, hold: Callable[[], None]
) -> None:
    """Pass one: store and index every page, the next ones being fetched and parsed meanwhile."""
    told, indexed = 0, mirror.seen.largest_pk
    cuts = () if since else closing_quantiles(mirror.venue, now=mirror.now)
    walkers = Walkers(client.walks(since=since, cuts=cuts))
    for pages in together(walkers.pages(), markets=MARKETS_A_WRITE, is_waited_for=walkers.are_waited_for):
        hold()
        mirror.store(*pages)
        # New markets now, while the venue is waited for; what changed is made up for at the end.
        indexed = refresh_index(after=indexed).last
        if mirror.counts.seen - told >= PROGRESS_EVERY:
            told = mirror.counts.seen
            say(f"{mirror.venue}: {told:,} markets so far")


def closing_quantiles(venue: Venue, *, now: datetime) -> list[int]:
    """Return closing times, in seconds, that part what a venue listed until now into windows of one size."""
    known = Market.objects.filter(venue=venue, close_at__gte=now - LIVE_TIER, vanished_at__isnull=True)
    size = known.count() // WINDOWS
    if size < LEAST_A_WINDOW:
        return []
    placed = known.annotate(place=Window(RowNumber(), order_by="close_at"))
    times = placed.annotate(left=Mod("place", size)).filter(left=0).values_list("close_at", flat=True)
    return [int(at.timestamp()) for at in times if at is not None]


def together(
    pages: Iterator[Page], *, markets: int, is_waited_for: Callable[[], bool] = lambda: False
) -> Iterator[list[Page]]:
    """Gather pages until they hold so many markets: a transaction for each of Gamma's small ones would cost more.

    While the next page is waited for, a quarter is enough.
    """
    gathered: list[Page] = []
    try:
        for page in pages:
            gathered.append(page)
            held = sum(len(one.markets) or len(one.events) for one in gathered)
            if held >= markets or (held * 4 >= markets and is_waited_for()):
                yield gathered
                gathered = []
    except VenueError:
        # What came before the trouble is true, and is kept.
        if gathered:
            yield gathered
        raise
    if gathered:
        yield gathered


def _judge(counts: Counts, *, known: int, seen: SeenRows, accept_drop: bool) -> tuple[SyncRun.Status, str]:
    bad = counts.quarantined
    if bad > MOST_SHARE_BAD * (counts.seen + bad):
        return SyncRun.Status.QUARANTINED, (
            f"{bad:,} of {counts.seen + bad:,} rows could not be read; nothing was marked as gone. "
            "The venue may have changed its format: see the quarantined rows."
        )
    if seen.count < LEAST_SHARE_SEEN * known and not accept_drop:
        return SyncRun.Status.QUARANTINED, (
            f"Only {seen.count:,} of {known:,} known markets were listed; nothing was marked as gone. "
            "If that is right, sync again with --accept-drop."
        )
    return SyncRun.Status.COMPLETE, ""


def _mark_gone(mirror: Mirror, client: Client, *, say: Progress, hold: Callable[[], None]) -> None:
    """Pass two: ask by id for each market that the complete run did not list; mark those nobody knows."""
    standing = Market.objects.filter(
        venue=mirror.venue, vanished_at__isnull=True, pk__lte=mirror.seen.largest_pk
    ).order_by("pk")
    last, asked = 0, 0
    while some := list(standing.filter(pk__gt=last).values_list("pk", "native_id")[:STANDING_A_READ]):
        last = some[-1][0]
        for pk, key in some:
            if pk in mirror.seen:
                continue
            if not asked:
                say(f"{mirror.venue}: asking by id for the markets that were not listed")
            asked += 1
            hold()
            page = client.fetch_market(key)
            if page is None:
                mirror.mark_gone(pk)
            else:
                mirror.store(page)
