"""Mirroring both venues: add and update what they list, then mark what a complete run proved gone.

A run is complete only if every listing ended by itself. Only a complete full run may say that a market
vanished, and never by absence alone: each missing one is asked for by its id first. Rows are never
deleted. One venue's trouble does not stop the other.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from itomarkets.lib.locks import lease
from itomarkets.lib.venues import Venue, VenueError
from markets.mirror import Counts, Mirror, SeenRows
from markets.models import Market, SyncRun
from markets.search_index import refresh_index
from markets.venues.clients import read_client
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads

# A run that sees less than this share of what stood before is kept aside, and marks nothing.
LEAST_SHARE_SEEN = 0.8
# More unreadable rows than this share: the venue changed its language, and the run is kept aside.
MOST_SHARE_BAD = 0.2
DELTA_OVERLAP = timedelta(minutes=5)
PROGRESS_EVERY = 10_000
LEASE_SECONDS = 1800
PAGES_AHEAD = 2

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
        with lease(f"markets.sync:{one}", seconds=LEASE_SECONDS) as fence:
            if fence is None:
                report = VenueSync(venue=one, status="skipped", is_full=full)
            else:
                report = _sync_venue(one, full=full, now=now, say=say, accept_drop=accept_drop, client=client(one))
        say(report.sentence)
        runs.append(report)
    refresh_index(progress=say)
    return SyncReport(venues=tuple(runs))


def _sync_venue(
    venue: Venue, *, full: bool, now: datetime, say: Progress, accept_drop: bool, client: Client
) -> VenueSync:
    started = time.monotonic()
    since = None if full else _last_complete(venue)
    # Whoever left a run open is gone: the lease is ours.
    SyncRun.objects.filter(venue=venue, status=SyncRun.Status.RUNNING).update(
        status=SyncRun.Status.INCOMPLETE, finished_at=now, error="The run was cut off."
    )
    run = SyncRun.objects.create(venue=venue, is_full=since is None, started_at=now)
    standing = Market.objects.filter(venue=venue)
    known = standing.filter(vanished_at__isnull=True).count()
    seen = SeenRows(standing.aggregate(largest=Max("pk"))["largest"] or 0)
    mirror = Mirror(venue=venue, run=run, now=now, seen=seen, fetch_events=client.fetch_events)
    status, error = SyncRun.Status.FAILED, ""
    try:
        _add_and_update(mirror, client, since=since, say=say)
        if since is None:
            status, error = _judge(mirror.counts, known=known, seen=seen, accept_drop=accept_drop)
            if status == SyncRun.Status.COMPLETE:
                _mark_gone(mirror, client, say=say)
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


def _last_complete(venue: Venue) -> datetime | None:
    """When the newest complete run began, with an overlap for clocks that differ; None if there was none."""
    complete = SyncRun.objects.filter(venue=venue, status=SyncRun.Status.COMPLETE)
    started_at = complete.order_by("-started_at").values_list("started_at", flat=True).first()
    return None if started_at is None else started_at - DELTA_OVERLAP


def _add_and_update(mirror: Mirror, client: Client, *, since: datetime | None, say: Progress) -> None:
    """Pass one: store every page, the next ones being fetched and parsed meanwhile."""
    told = 0
    for page in pages_ahead(client.fetch_pages(since=since)):
        mirror.store(page)
        if mirror.counts.seen - told >= PROGRESS_EVERY:
            told = mirror.counts.seen
            say(f"{mirror.venue}: {told:,} markets so far")


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


def _mark_gone(mirror: Mirror, client: Client, *, say: Progress) -> None:
    """Pass two: ask by id for each market that the complete run did not list; mark those nobody knows."""
    standing = Market.objects.filter(
        venue=mirror.venue, vanished_at__isnull=True, pk__lte=mirror.seen.largest_pk
    ).values_list("pk", "native_id")
    missing = [(pk, key) for pk, key in standing.iterator(chunk_size=5000) if pk not in mirror.seen]
    if missing:
        say(f"{mirror.venue}: asking by id for {len(missing):,} markets that were not listed")
    for pk, key in missing:
        page = client.fetch_market(key)
        if page is not None:
            mirror.store(page)
            continue
        gone = Market.objects.filter(pk=pk, vanished_at__isnull=True).update(
            vanished_at=mirror.now, last_changed_at=mirror.now
        )
        mirror.counts.gone += gone


class _End:
    """Marks the end of the pages; carries the error that ended them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def pages_ahead(pages: Iterable[Any], *, ahead: int = PAGES_AHEAD) -> Iterator[Any]:
    """Fetch and parse pages in a thread of their own, at most `ahead` of them waiting.

    The thread touches no database. An error comes out here, in its place in the order.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def put(item: Any) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def fetch() -> None:
        try:
            for page in pages:
                if not put(page):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    thread = threading.Thread(target=fetch, name="pages-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        thread.join()
