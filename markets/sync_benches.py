"""R1, R2, R3, R11 and R14: what mirroring a venue costs, against the least that a machine could do."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max

from itomarkets.lib import clock
from itomarkets.lib.bench import RATIOS, Bench, Row, ratio, slope
from itomarkets.lib.http import HttpClient, RateLimiter
from itomarkets.lib.venues import Venue
from markets.fake_venue import OPENED, FakeVenue, event_object, market_object, served
from markets.mirror import Mirror, SeenRows
from markets.models import Event, Market, MarketChange, SearchDocument, SyncRun
from markets.sync import MARKETS_A_WRITE, sync_markets, together
from markets.venues.kalshi import KalshiReads, parse_event, parse_market, parse_series
from markets.venues.rows import Page

A_PAGE = 1000
ROUNDS = 3
MIRRORED = (Event, Market)
# Kalshi's Basic tier, and the way there and back.
KALSHI_RATE = 20
SECONDS_AWAY = 0.25
SLOPE_WITHIN = 0.1
LOOK_EVERY_SECONDS = 0.02


def sizes(bench: Bench) -> tuple[int, ...]:
    return (25_000, 100_000, 400_000) if bench.is_full else (5_000, 20_000)


def pages(count: int) -> Iterator[Page]:
    """Yield parsed pages of 1,000 made-up markets with their events: the same rows whenever they are asked for."""
    body = FakeVenue(1).answer("/series", {})
    series = {row.key: row for row in map(parse_series, body["series"])}
    for first in range(0, count, A_PAGE):
        markets = tuple(parse_market(market_object(number)) for number in range(first, min(count, first + A_PAGE)))
        tickers = dict.fromkeys(row.event_key for row in markets)
        yield Page(events=tuple(parse_event(event_object(key), series) for key in tickers), markets=markets)


class Ingest:
    """The same rows by the mirror and by the plainest statement of the database; each tells its own seconds."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.batches = 0
        empty(MIRRORED)
        self.mirror()
        with connection.cursor() as cursor:
            for model in reversed(MIRRORED):
                cursor.execute(f"DROP TABLE IF EXISTS bare_{model._meta.db_table}")
        self.parents, self.children = (Bare(model) for model in MIRRORED)

    def mirror(self) -> float:
        """Take parsed pages to their last commit; making them is not counted."""
        largest = Market.objects.aggregate(largest=Max("pk"))["largest"] or 0
        run = SyncRun.objects.create(venue=Venue.KALSHI, started_at=OPENED)
        mirror = Mirror(venue=Venue.KALSHI, run=run, now=OPENED, seen=SeenRows(largest), fetch_events=_nothing)
        seconds = 0.0
        self.batches = 0
        for some in together(pages(self.count), markets=MARKETS_A_WRITE):
            started = time.perf_counter()
            mirror.store(*some)
            seconds += time.perf_counter() - started
            self.batches += 1
        if mirror.counts.seen != self.count:
            raise AssertionError(f"expected {self.count} markets seen, found {mirror.counts}")
        return seconds

    def all_new(self) -> float:
        empty(MIRRORED)
        return self.mirror()

    def plain(self) -> float:
        self.children.clear()
        self.parents.clear()
        return self.parents.write() + self.children.write()


def _nothing(keys: Any) -> Page:
    return Page()


def empty(models: Iterable[Any]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
            cursor.execute(f"TRUNCATE {names} CASCADE")
            return
        # SQLite takes no row away that another points at.
        for model in (SearchDocument, MarketChange, *reversed(list(models))):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608


class Bare:
    """A table with the columns, keys and indexes of a model's, and the rows that stand in it."""

    def __init__(self, model: Any) -> None:
        self.source = model._meta.db_table
        self.table = f"bare_{self.source}"
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"CREATE TABLE {self.table} (LIKE {self.source} INCLUDING ALL)")
                if model is Market:
                    parent = f"bare_{Event._meta.db_table}"
                    cursor.execute(
                        f"ALTER TABLE {self.table} ADD FOREIGN KEY (event_id) REFERENCES {parent} (id) "
                        "DEFERRABLE INITIALLY DEFERRED"
                    )
                with cursor.copy(f"COPY {self.source} TO STDOUT") as copy:
                    self.rows: list[Any] = [bytes(line) for line in copy]
                return
            cursor.execute("SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL", [self.source])
            for (sql,) in cursor.fetchall():
                if sql.startswith(("CREATE TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX")):
                    for name in (one._meta.db_table for one in MIRRORED):
                        sql = sql.replace(f'"{name}"', f'"bare_{name}"')
                    cursor.execute(sql.replace('INDEX "', 'INDEX "bare_'))
            cursor.execute(f"SELECT * FROM {self.source}")  # noqa: S608
            self.rows = cursor.fetchall()

    def clear(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"TRUNCATE {self.table} CASCADE" if connection.vendor == "postgresql" else f"DELETE FROM {self.table}"  # noqa: S608
            )

    def write(self) -> float:
        """Write the rows into the empty table by one statement; return the seconds that it took."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                started = time.perf_counter()
                with cursor.copy(f"COPY {self.table} FROM STDIN") as copy:
                    copy.write(b"".join(self.rows))
                return time.perf_counter() - started
            marks = ", ".join(["%s"] * len(self.rows[0]))
            started = time.perf_counter()
            cursor.executemany(f"INSERT INTO {self.table} VALUES ({marks})", self.rows)  # noqa: S608
            return time.perf_counter() - started


@ratio("R1", target=2.0)
def ingesting(bench: Bench) -> Iterable[Row]:
    """Mirror pages of new markets, against COPY (SQLite: one executemany) of the same rows into the same tables."""
    points: list[tuple[float, float]] = []
    for count in sizes(bench):
        ingest = Ingest(count)
        timing = bench.alternate(ingest.all_new, ingest.plain, rounds=ROUNDS)
        points.append((count, timing.seconds))
        grows = slope(points) if len(points) > 1 else 1.0
        yield bench.row(
            seconds=timing.seconds,
            yardstick_seconds=timing.yardstick_seconds,
            n=count,
            # Two sizes that take a second each say little of how it grows.
            also=len(points) < 3 or abs(grows - 1) <= SLOPE_WITHIN,
            note=f"slope {grows:.2f}",
        )


@ratio("R2", target=1.2)
def syncing_again(bench: Bench) -> Iterable[Row]:
    """Mirror the same pages again, against writing them plainly; no row may be written."""
    for count in sizes(bench):
        ingest = Ingest(count)
        timing = bench.alternate(ingest.mirror, ingest.plain, rounds=ROUNDS)
        before, logged = row_versions(), log_position()
        ingest.mirror()
        # SQLite counts every row of the connection: the run's own row is made once, and counted up a batch.
        own = 0 if connection.vendor == "postgresql" else 1 + ingest.batches
        written = row_versions() - before - own
        note = f"{written} row versions written"
        if connection.vendor == "postgresql":
            note += f", {log_position() - logged:,} bytes of the server's log"
        yield bench.row(
            seconds=timing.seconds,
            yardstick_seconds=timing.yardstick_seconds,
            n=count,
            also=written == 0,
            note=note,
        )


def row_versions() -> int:
    """Return how many rows were inserted, updated or deleted so far: in the mirror's tables, or at all on SQLite."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute("SELECT total_changes()")
            return int(cursor.fetchone()[0])
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables "
            "WHERE relname = ANY(%s)",
            [[model._meta.db_table for model in (*MIRRORED, MarketChange)]],
        )
        return int(cursor.fetchone()[0])


def log_position() -> int:
    """Return how many bytes PostgreSQL has logged, for all its databases; 0 where there is no such log."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


@ratio("R3", target=1.3)
def under_a_limit(bench: Bench) -> Iterable[Row]:
    """Sync everything from a venue that is 250 ms away and takes 20 requests a second, against that limit alone."""
    for count in (100_000, 400_000) if bench.is_full else (40_000,):
        empty(MIRRORED)
        SyncRun.objects.all().delete()
        limiter = RateLimiter(KALSHI_RATE)
        with served(count, requests_per_second=KALSHI_RATE, seconds_away=SECONDS_AWAY) as venue:
            started = time.perf_counter()
            report = sync_markets(venue="kalshi", full=True, now=clock.now(), client=partial(reads, venue.url, limiter))
            seconds = time.perf_counter() - started
            requests, refused = venue.asked()
        if report.added != count:
            raise AssertionError(f"expected {count} markets, found {report}")
        # What a full bucket gives at once is no achievement.
        bound = (requests - limiter.capacity) / KALSHI_RATE
        yield bench.row(
            seconds=seconds,
            yardstick_seconds=bound,
            n=count,
            also=refused == 0,
            note=f"{requests} requests, {refused} refused",
        )


def reads(url: str, limiter: RateLimiter, venue: Venue) -> KalshiReads:
    """Return a client of what stands in for Kalshi."""
    http = HttpClient(url, venue=venue, requests_per_second=limiter.rate, timeout_seconds=30, limiter=limiter)
    return KalshiReads(http)


@ratio("R11", target=1.1)
def memory(bench: Bench) -> Iterable[Row]:
    """Sync four times as many markets, each size in a process of its own: the peak of memory must stay."""
    peaks = []
    # Fewer would not fill what may be under way at once, and what fills later looks like growth.
    small, large = (100_000, 400_000) if bench.is_full else (40_000, 160_000)
    for count in (small, large):
        empty(MIRRORED)
        SyncRun.objects.all().delete()
        with served(count) as venue:
            peaks.append(_measured_apart(venue.url))
        if Market.objects.count() != count:
            raise AssertionError(f"expected {count} markets, found {Market.objects.count()}")
    yield bench.row(
        seconds=peaks[1],
        yardstick_seconds=peaks[0],
        n=large,
        note=f"peaks of {peaks[1]:,.1f} and {peaks[0]:,.1f} MB, not seconds",
    )


APART = (
    "import sys, django; django.setup(); from markets.sync_benches import sync_and_tell; sync_and_tell(*sys.argv[1:])"
)


def _measured_apart(url: str) -> float:
    """Return the peak of memory, in MB, of a process that syncs into this database."""
    command = [
        sys.executable,
        "-c",
        f"import django; django.setup(); {APART}",
        url,
        str(connection.settings_dict["NAME"]),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=settings.BASE_DIR)  # noqa: S603
    if ended.returncode:
        raise RuntimeError(f"The process that syncs ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return int(ended.stdout.split()[-1]) / 1024


def sync_and_tell(url: str, database: str) -> None:
    """Sync from this address into that database and print the peak of the process's own memory in KiB.

    What SQLite maps of its file is the system's cache, given back when anybody needs it: it grows with the file,
    and is not counted.
    """
    connection.settings_dict["NAME"] = database
    client = partial(reads, url, RateLimiter(1_000_000))
    peak, ended = [own_memory()], threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_EVERY_SECONDS):
            peak[0] = max(peak[0], own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        report = sync_markets(venue="kalshi", full=True, now=clock.now(), client=client)
    finally:
        ended.set()
        watcher.join()
    if not report.ok:
        raise SystemExit(str(report))
    print(peak[0])  # noqa: T201


def own_memory() -> int:
    """Return this process's resident memory in KiB, without what is mapped from files."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


@ratio("R14", target=2.0)
def embedded(bench: Bench) -> Iterable[Row]:
    """Do the work of R1 and R7 on SQLite, against PostgreSQL, one after the other in this run."""
    if connection.vendor != "postgresql":
        bench.say("R14 compares both databases; it is measured where PostgreSQL is: --databases postgres.")
        return
    ids = [id for id in ("R1", "R7") if id in RATIOS]
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench", *ids, "--json"]
    command += ["--scale", bench.scale, "--databases", "sqlite,postgres"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))  # noqa: S603
    if ended.returncode > 1 or not ended.stdout.strip():
        raise RuntimeError(f"Measuring {' and '.join(ids)} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    took = {(row["id"], row["n"], row["database"]): row["seconds"] for row in json.loads(ended.stdout)}
    for id, n, database in took:
        if database == "sqlite":
            yield bench.row(
                seconds=took[id, n, "sqlite"], yardstick_seconds=took[id, n, "postgres"], n=n, note=f"the work of {id}"
            )
