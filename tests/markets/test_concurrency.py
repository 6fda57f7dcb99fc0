"""Two of a kind at once: leases and natural keys keep one row a thing."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from itomarkets.lib.venues import Venue
from markets.mirror import Mirror, SeenRows
from markets.models import Market, Quote, SyncRun
from markets.quotes import store_books
from markets.sync import sync_markets
from markets.venues.base import Level, OrderBook, SideBook
from markets.venues.kalshi import parse_market
from markets.venues.rows import Page
from tests.factories import make_market
from tests.markets.payloads import FakeVenues, kalshi_market

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def together(*jobs: Callable[[], object]) -> list[object]:
    """Run jobs at the same moment, each with its own connection; return what they gave or raised."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def work(number: int, job: Callable[[], object]) -> None:
        try:
            barrier.wait()
            results[number] = job()  # type: ignore[call-overload]
        except Exception as error:
            results[number] = error  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results  # type: ignore[return-value]


def test_two_syncs_at_once_leave_one_row_a_market(now: datetime) -> None:
    def sync() -> list[str]:
        venues = FakeVenues()
        venues.live = [kalshi_market(f"KXRATE-26SEP-T{number}") for number in range(50)]
        venues.page_size = 10
        report = sync_markets(venue="kalshi", full=True, now=now, client=venues.client)
        return [one.status for one in report.venues]

    results = together(sync, sync, sync)
    assert ["complete"] in results
    assert all(result in (["complete"], ["skipped"]) for result in results)
    assert Market.objects.count() == 50
    assert not SyncRun.objects.exclude(status="complete").exists()


def test_two_writers_of_one_page_leave_one_row_a_market(now: datetime) -> None:
    page = Page(markets=tuple(parse_market(kalshi_market(f"KXRATE-26SEP-T{number}")) for number in range(50)))

    def write() -> int:
        run = SyncRun.objects.create(venue="kalshi", started_at=now)
        mirror = Mirror(venue=Venue.KALSHI, run=run, now=now, seen=SeenRows(0), fetch_events=lambda keys: Page())
        mirror.store(page)
        return mirror.counts.pages

    assert together(write, write, write) == [1, 1, 1]
    assert Market.objects.count() == 50


def test_two_first_quotes_at_once_leave_the_newer(now: datetime) -> None:
    markets = [make_market() for _ in range(20)]

    def write(bid: str, seconds: int) -> Callable[[], None]:
        at = now + timedelta(seconds=seconds)
        side = SideBook(bids=(Level(Decimal(bid), Decimal(1)),), asks=())
        book = OrderBook(side, side.flipped(), observed_at=at, received_at=at)
        return lambda: store_books({market.pk: book for market in markets})

    assert together(write("0.4", 0), write("0.6", 2), write("0.5", 1)) == [None, None, None]
    assert set(Quote.objects.values_list("yes_bid", "observed_at")) == {(Decimal("0.6"), now + timedelta(seconds=2))}
