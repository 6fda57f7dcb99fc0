"""Streamed and polled quotes side by side, the lease, the status that pages show, and the command."""

import os
import signal
import threading
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from itomarkets.lib.locks import KeptLease, lease
from itomarkets.lib.venues import Venue
from markets.models import Quote, QuoteDemand, QuoteStream
from markets.quotes import refresh_quotes, store_books
from markets.streams.desk import Desk, StreamStatus, stream_statuses
from markets.venues.base import Level, OrderBook, SideBook
from tests.factories import make_market, make_user
from tests.markets.payloads import FakeVenues
from tests.markets.streams.stage import sandbox

pytestmark = pytest.mark.django_db
POLLED, STREAMED = Quote.Source.POLLED, Quote.Source.STREAMED
SECOND = timedelta(seconds=1)


def book(bid: str, observed: datetime, received: datetime, last: str | None = None) -> OrderBook:
    yes = SideBook(bids=(Level(Decimal(bid), Decimal("2.5")),), asks=())
    return OrderBook(yes, yes.flipped(), observed, received, None if last is None else Decimal(last))


@pytest.mark.parametrize(
    ("observed", "received", "wins"),
    [
        (1, 1, True),
        (0, 0, True),
        (0, -1, False),  # told by the venue at the same time, received before
        (-1, 1, False),  # asked for before the stream told of something newer, answered after
        (1, -1, True),  # received before and newer: the venue's own stamp decides
        (-3600, 9, False),
        (-3600, 10, True),  # so much later that the venue's interfaces only stamp differently
        (-3600, -301, True),  # what stands was written by a clock that was ahead
        (-3600, -299, False),
    ],
)
@pytest.mark.parametrize("source", [POLLED, STREAMED])
def test_an_older_book_never_replaces_a_newer_quote(
    now: datetime, observed: int, received: int, wins: bool, source: Quote.Source
) -> None:
    market = make_market()
    other = STREAMED if source == POLLED else POLLED
    store_books({market.pk: book("0.4", now, now)}, source=other)
    later = book("0.5", now + observed * SECOND, now + received * SECOND)
    for _ in range(2):
        store_books({market.pk: later}, source=source)
    quote = Quote.objects.get()
    assert (quote.yes_bid, quote.source) == ((Decimal("0.5"), source) if wins else (Decimal("0.4"), other))
    assert quote.observed_at == now + (observed * SECOND if wins else 0 * SECOND)


def test_a_book_without_a_last_price_leaves_the_one_that_stands(now: datetime) -> None:
    market = make_market()
    store_books({market.pk: book("0.4", now, now, "0.41")}, source=STREAMED)
    store_books({market.pk: book("0.5", now + SECOND, now + SECOND)})
    quote = Quote.objects.get()
    assert (quote.yes_bid, quote.last_price, quote.last_at) == (Decimal("0.5"), Decimal("0.41"), now)


def test_a_market_that_is_gone_stops_no_other(now: datetime) -> None:
    market = make_market()
    store_books({10**9: book("0.4", now, now), market.pk: book("0.4", now, now)}, source=STREAMED)
    assert list(Quote.objects.values_list("market_id", flat=True)) == [market.pk]


def test_polling_leaves_out_what_a_stream_has_just_told(venues: FakeVenues, now: datetime) -> None:
    told, silent, polled = make_market(), make_market(), make_market()
    for market in (told, silent, polled):
        venues.books[market.native_id] = {"yes_dollars": [["0.6", "1"]], "no_dollars": []}
        QuoteDemand.objects.create(market=market, source="x")
    store_books({told.pk: book("0.4", now, now - 60 * SECOND)}, source=STREAMED)
    store_books({silent.pk: book("0.4", now, now - 61 * SECOND)}, source=STREAMED)
    store_books({polled.pk: book("0.4", now, now)})
    report = refresh_quotes(now=now, client=venues.client)
    assert (report.asked, report.refreshed, report.streamed) == (2, 2, 1)
    assert "1 more are streamed" in report.sentence
    # By name it is asked for all the same.
    assert refresh_quotes(now=now, market_ids=[told.pk], client=venues.client).asked == 1


def test_the_desk_wants_what_is_demanded_of_its_venue_and_can_have_a_book(now: datetime) -> None:
    wanted, other, closed = make_market(), make_market(venue="polymarket"), make_market(status="closed")
    over, unasked = make_market(), make_market()
    for market in (wanted, other, closed):
        QuoteDemand.objects.create(market=market, source="x")
    QuoteDemand.objects.create(market=over, source="x", until=now)
    assert unasked.pk
    assert [*Desk(Venue.KALSHI).wanted()] == [wanted.pk]
    (found,) = Desk(Venue.POLYMARKET).wanted().values()
    assert (found.yes_token, found.no_token) == (other.yes_token, other.no_token)


def test_one_process_streams_a_venue_and_a_killed_one_is_replaced(now: datetime) -> None:
    first, second, elsewhere = Desk(Venue.KALSHI), Desk(Venue.KALSHI), Desk(Venue.POLYMARKET)
    assert [first.hold(), second.hold(), elsewhere.hold(), first.hold()] == [True, False, True, True]
    first.leave()
    assert [second.hold(), first.hold()] == [True, False]
    # Killed: nothing is given back, and the lease runs out.
    killed = KeptLease("stream:killed", seconds=-1)
    assert killed.hold()
    with lease("stream:killed") as fence:
        assert fence == 2
        assert not killed.hold()


def test_pages_and_programs_are_told_how_quotes_come(client: Client, now: datetime) -> None:
    def told() -> dict[str, Any]:
        client.force_login(make_user())
        return {row["name"]: row for row in client.get("/api/v1/status").json()["quotes"]}

    assert told()["Kalshi"] == {
        "name": "Kalshi",
        "state": "polling",
        "is_running": False,
        "reason": "No process streams quotes; they are asked for each minute.",
        "since": None,
        "data_at": None,
        "data_age_seconds": None,
        "markets": 0,
        "connections": 0,
    }
    assert "No process streams quotes" in client.get("/status").content.decode()
    desk = Desk(Venue.KALSHI)
    assert desk.hold()
    earlier = now - timedelta(minutes=7)
    desk.tell(
        StreamStatus(
            Venue.KALSHI,
            QuoteStream.State.STREAMING,
            since=earlier,
            data_at=now - 3 * SECOND,
            markets=12,
            connections=1,
        )
    )
    assert told()["Kalshi"] | {"name": ""} == {
        "name": "",
        "state": "streaming",
        "is_running": True,
        "reason": "",
        "since": "2026-08-01T11:53:00Z",
        "data_at": "2026-08-01T11:59:57Z",
        "data_age_seconds": 3,
        "markets": 12,
        "connections": 1,
    }
    page = client.get("/status").content.decode()
    assert "streaming" in page
    assert "3 s ago" in page
    desk.tell(StreamStatus(Venue.KALSHI, QuoteStream.State.DOWN, "No <way>.", since=now))
    assert (told()["Kalshi"]["state"], told()["Kalshi"]["reason"]) == ("down", "No <way>.")
    assert "No &lt;way&gt;." in client.get("/status").content.decode()
    # A process that was killed says nothing more; its last word is not believed for long.
    (row, _) = stream_statuses(now + 31 * SECOND)
    assert (row.state, row.is_running, row.since) == ("polling", False, now)
    assert "has stopped" in row.reason
    desk.leave()
    assert not QuoteStream.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_command_streams_what_is_demanded_until_it_is_told_to_stop(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with sandbox(settings) as exchange:
        account = exchange.control("/accounts", {"name": "listener"})["kalshi"]
        settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY = account["key_id"], account["private_key_pem"]
        for venue, key in (("kalshi", "KXFED-26SEP-CUT"), ("polymarket", "11")):
            found = exchange.feed.market(venue, key)
            assert found is not None
            market = make_market(venue=venue, native_id=key, yes_token=found.yes_token, no_token=found.no_token)
            QuoteDemand.objects.create(market=market, source="x")
        seen: set[Any] = set()
        wanted = {(venue, Decimal("0.39")) for venue in Venue.values} | {(venue, "streaming") for venue in Venue.values}

        def end_when_streamed() -> None:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and seen != wanted:
                seen.clear()
                seen.update(Quote.objects.filter(source=STREAMED).values_list("market__venue", "yes_bid"))
                seen.update(QuoteStream.objects.values_list("venue", "state"))
                time.sleep(0.1)
            connection.close()
            os.kill(os.getpid(), signal.SIGTERM)

        before = signal.getsignal(signal.SIGTERM)
        watcher = threading.Thread(target=end_when_streamed)
        watcher.start()
        call_command("stream_quotes")
        watcher.join()
        assert seen == wanted
    assert signal.getsignal(signal.SIGTERM) == before
    assert not QuoteStream.objects.exists()
    said = capsys.readouterr().out
    assert "Polymarket: ws://127.0.0.1:" in said
    assert said.endswith("Stopped.\n")


def test_the_command_names_a_key_that_is_none(settings: Any) -> None:
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY = "a", "b"
    with pytest.raises(CommandError, match="KALSHI_PRIVATE_KEY cannot be used"):
        call_command("stream_quotes")
