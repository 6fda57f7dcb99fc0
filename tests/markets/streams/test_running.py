"""Streams against the sandbox's real sockets: followed, frozen, dropped, gapped, swapped, sharded, demanded anew."""

import asyncio
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError

from itomarkets.lib.venues import Venue, VenueUnavailable
from markets.models import Quote
from markets.streams.session import Patience
from markets.streams.wires import NO_KALSHI_KEY, wire_of
from markets.venues.base import Level
from tests.markets.streams.stage import ManyVenues, Rows, Stage, market_of, rest_books, sandbox, since, streaming
from tests.trading.sandbox_world import TICKER, Exchange

BOTH = pytest.mark.parametrize("venue", list(Venue))
KEYS = {Venue.KALSHI: TICKER, Venue.POLYMARKET: "11"}


@pytest.fixture
def exchange(settings: Any) -> Iterator[Exchange]:
    with sandbox(settings) as exchange:
        yield exchange


def random_book(draw: random.Random) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Draw a book of a few levels on the cent grid, best first, that does not cross itself; a side may be empty."""
    middle = draw.randrange(5, 95)
    bids = sorted(draw.sample(range(1, middle), draw.randrange(0, min(5, middle))), reverse=True)
    asks = sorted(draw.sample(range(middle, 100), draw.randrange(0, min(5, 100 - middle))))
    return tuple([(cents * 100, draw.randrange(1, 500)) for cents in side] for side in (bids, asks))  # type: ignore[return-value]


@BOTH
def test_a_book_is_followed_through_200_changes_and_is_the_rest_book(exchange: Exchange, venue: Venue) -> None:
    async def follow() -> None:
        draw = random.Random(7)
        async with streaming(exchange, venue) as stage:
            await stage.until(stage.streams)
            session = stage.stream.connections[0].session
            for _ in range(200):
                before = session.state_of(1)[0]
                stage.change(KEYS[venue], *random_book(draw))
                await stage.until(lambda before=before: session.state_of(1)[0] != before)
            rest = await asyncio.to_thread(stage.rest_levels, 1)
            await stage.until(lambda: stage.levels(1) == rest)
            assert session.reasked == 0
            await stage.until(lambda: stage.best_bid(1) == (rest[0][0] if rest[0] else None))
            assert stage.rows.sources[1] == Quote.Source.STREAMED
        assert stage.rows.has_left

    asyncio.run(follow())


@BOTH
def test_a_frozen_socket_is_given_up_polled_and_taken_up_again(exchange: Exchange, venue: Venue) -> None:
    async def freeze() -> None:
        async with streaming(exchange, venue, patience=Patience(quiet=0.6, probe=0.4, reask=0.2)) as stage:
            await stage.until(lambda: stage.streams() and stage.rows.states[-1:] == ["streaming"])
            await stage.fault(("stream_freeze", 0))
            stage.change(KEYS[venue], [(2100, 7)], [(2300, 9)])
            await stage.until(lambda: stage.rows.states[-1] == "polling")
            status = stage.rows.told[-1]
            assert "whatever the pings say" in status.reason
            await stage.until(lambda: stage.best_bid(1) == Level(Decimal("0.21"), Decimal(7)))
            assert stage.rows.sources[1] == Quote.Source.POLLED
            await stage.fault()
            await stage.until(lambda: stage.rows.states[-1] == "streaming")
            await stage.until(lambda: stage.rows.sources[1] == Quote.Source.STREAMED)
            assert since(stage.rows.told[-1]) > since(status)

    asyncio.run(freeze())


@BOTH
def test_quiet_markets_are_probed_and_stay_streamed(exchange: Exchange, venue: Venue) -> None:
    async def wait() -> None:
        async with streaming(exchange, venue, patience=Patience(quiet=0.2, probe=5, reask=0.2)) as stage:
            await stage.until(stage.streams)
            session = stage.stream.connections[0].session
            seen = set()

            def probed_often() -> bool:
                seen.add(session.data_seconds)
                return len(seen) > 4

            await stage.until(probed_often)
            assert stage.rows.states[-1] == "streaming"
            assert stage.rows.states.count("polling") <= 1

    asyncio.run(wait())


@BOTH
def test_a_dropped_connection_comes_back_with_the_book_of_then(exchange: Exchange, venue: Venue) -> None:
    async def drop() -> None:
        async with streaming(exchange, venue) as stage:
            await stage.until(stage.streams)
            await stage.fault(("stream_drop", 1))
            stage.change(KEYS[venue], [(2100, 7), (2000, 1)], [(2300, 9)])
            rest = await asyncio.to_thread(stage.rest_levels, 1)
            await stage.until(lambda: stage.streams() and stage.levels(1) == rest)
            assert len(opened(stage)) == 2

    asyncio.run(drop())


def opened(stage: Stage) -> list[str]:
    """Return the openings of this venue's sockets, by the exchange's own log."""
    path = "/" + (stage.stream.wire.url if stage.stream.wire else "").split("/", 3)[3]
    return [body for body in stage.exchange.requests("WS", path) if not body]


@pytest.mark.parametrize("fault", ["stream_gap", "stream_duplicate", "stream_reorder"])
@BOTH
def test_lost_doubled_and_swapped_messages_end_in_the_rest_book(exchange: Exchange, venue: Venue, fault: str) -> None:
    async def disturb() -> None:
        draw = random.Random(fault)
        async with streaming(exchange, venue) as stage:
            await stage.until(stage.streams)
            session = stage.stream.connections[0].session
            for turn in range(12):
                if turn % 3 == 0:
                    await stage.fault((fault, 2))
                stage.change(KEYS[venue], *random_book(draw))
                await asyncio.sleep(0.05)
            await stage.fault()
            # One more change, so that a loss at the end is seen.
            stage.change(KEYS[venue], [(4900, 1)], [(5100, 1)])
            rest = await asyncio.to_thread(stage.rest_levels, 1)
            await stage.until(lambda: stage.streams() and stage.levels(1) == rest)
            if fault != "stream_duplicate":
                assert session.reasked > 0
            else:
                assert session.reasked == 0
            assert len(opened(stage)) == 1

    asyncio.run(disturb())


def test_what_no_message_shows_the_audit_finds(exchange: Exchange) -> None:
    async def audit() -> None:
        async with streaming(exchange, Venue.POLYMARKET, audit=0.3) as stage:
            await stage.until(stage.streams)
            session = stage.stream.connections[0].session
            snapshot = session.book(1)
            assert snapshot is not None

            def is_confirmed() -> bool:
                later = stage.rows.books[1].received_at > snapshot.received_at
                return later and stage.rows.sources[1] == Quote.Source.STREAMED

            await stage.until(lambda: 1 in stage.rows.books and is_confirmed())
            assert session.reasked == 0
            # A size at the best price is lost: no later message tells it, and the best prices stay right.
            await stage.fault(("stream_gap", 1))
            stage.change("11", [(3900, 999), (3800, 200)], [(4100, 50), (4200, 300)])
            await stage.until(lambda: session.reasked > 0)
            await stage.until(lambda: stage.best_bid(1) == Level(Decimal("0.39"), Decimal(999)))

    asyncio.run(audit())


def test_a_new_tick_size_is_a_new_book(exchange: Exchange) -> None:
    async def change() -> None:
        async with streaming(exchange, Venue.POLYMARKET) as stage:
            await stage.until(stage.streams)
            body = {"venue": "polymarket", "key": "11", "step": "0.001"}
            await asyncio.to_thread(exchange.control, "/tick", body)
            stage.change("11", [(4015, 7)], [(4022, 9)])
            await stage.until(lambda: stage.best_bid(1) == Level(Decimal("0.4015"), Decimal(7)))
            assert stage.stream.connections[0].session.reasked > 0

    asyncio.run(change())


def test_more_than_200_assets_are_spread_over_connections(settings: Any) -> None:
    async def spread(exchange: Exchange) -> None:
        keys = [str(number) for number in range(1000, 1250)]
        async with streaming(exchange, Venue.POLYMARKET, keys) as stage:
            await stage.until(stage.streams)
            assert [len(one.session.books) for one in stage.stream.connections] == [200, 200, 100]
            await stage.until(lambda: stage.rows.told[-1].connections == 3)
            stage.change("1249", [(1100, 3)], [(1200, 4)])
            await stage.until(lambda: stage.best_bid(250) == Level(Decimal("0.11"), Decimal(3)))
            # The second connection's markets are wanted no more: it is closed, the others stay.
            kept = [stage.stream.connections[0], stage.stream.connections[2]]
            stage.rows.markets = {pk: one for pk, one in stage.rows.markets.items() if not 100 < pk <= 200}
            await stage.until(lambda: stage.stream.connections == kept)
            assert all(one.streams for one in kept)

    with sandbox(settings, ManyVenues(250)) as exchange:
        asyncio.run(spread(exchange))


@BOTH
def test_demands_are_added_and_removed_while_it_runs(settings: Any, venue: Venue) -> None:
    async def demand(exchange: Exchange) -> None:
        first = {1: market_of(exchange, venue, KEYS[venue], 1)}
        async with streaming(exchange, venue, rows=Rows()) as stage:
            await stage.until(lambda: stage.rows.told)
            assert (stage.rows.told[-1].state, stage.rows.told[-1].markets) == ("streaming", 0)
            assert opened(stage) == []
            stage.rows.markets = first
            await stage.until(stage.streams)
            if venue is Venue.POLYMARKET:
                stage.rows.markets = {**first, 2: market_of(exchange, venue, "21", 2)}
                await stage.until(lambda: stage.streams() and 2 in stage.rows.books)
                stage.rows.markets = {2: stage.rows.markets[2]}
                await stage.until(lambda: 1 not in stage.stream.connections[0].session.markets)
                stage.change("11", [(1100, 3)], [(1200, 4)])
                stage.change("21", [(1110, 3)], [(1200, 4)])
                await stage.until(lambda: stage.best_bid(2) == Level(Decimal("0.111"), Decimal(3)))
                assert stage.rows.books[1].yes.best_bid == Level(Decimal("0.39"), Decimal(100))
                assert len(opened(stage)) == 1
            stage.rows.markets = {}
            await stage.until(lambda: stage.stream.connections == [])

    with sandbox(settings) as exchange:
        asyncio.run(demand(exchange))


def test_a_venue_that_answers_nowhere_is_down_and_comes_back(exchange: Exchange) -> None:
    async def fall() -> None:
        is_down = True

        def fetch(markets: Any) -> Any:
            if is_down:
                raise VenueUnavailable("no answer")
            return rest_books(Venue.POLYMARKET)(markets)

        await asyncio.to_thread(exchange.fault, "/ws/market", "stream_refused", method="WS", nth=0)
        async with streaming(exchange, Venue.POLYMARKET, fetch_books=fetch) as stage:
            await stage.until(lambda: stage.rows.states[-1:] == ["down"])
            await stage.until(lambda: "(503)" in stage.rows.told[-1].reason)
            assert stage.rows.told[-1].reason.endswith("Nor does polling work: no answer")
            is_down = False
            await stage.until(lambda: stage.rows.states[-1] == "polling")
            await stage.fault()
            await stage.until(lambda: stage.rows.states[-1] == "streaming")

    asyncio.run(fall())


def test_kalshi_without_a_key_is_polled_and_says_why(exchange: Exchange, settings: Any) -> None:
    settings.KALSHI_KEY_ID = ""
    wire, why = wire_of(Venue.KALSHI)
    assert (wire, why) == (None, NO_KALSHI_KEY)

    async def poll() -> None:
        async with streaming(exchange, Venue.KALSHI, wire=None, why_polled=why) as stage:
            await stage.until(lambda: 1 in stage.rows.books)
            assert stage.rows.states == ["polling"]
            assert "KALSHI_KEY_ID or KALSHI_PRIVATE_KEY is not set" in stage.rows.told[-1].reason
            stage.change(TICKER, [(2100, 7)], [(2300, 9)])
            await stage.until(lambda: stage.best_bid(1) == Level(Decimal("0.21"), Decimal(7)))

    asyncio.run(poll())


def test_a_kalshi_key_that_is_refused_is_named(exchange: Exchange, settings: Any) -> None:
    account = exchange.control("/accounts", {"name": "other"})["kalshi"]
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY = "no-such-key", account["private_key_pem"]
    wire, _ = wire_of(Venue.KALSHI)

    async def refuse() -> None:
        async with streaming(exchange, Venue.KALSHI, wire=wire) as stage:
            # Its books are asked for with the same key.
            await stage.until(lambda: stage.rows.states[-1:] == ["down"])
            assert "refused the connection (401)" in stage.rows.told[-1].reason
            assert "401 authentication_error" in stage.rows.told[-1].reason

    asyncio.run(refuse())


def test_quotes_that_could_not_be_stored_are_stored_when_it_works_again(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("markets.streams.running.connection.close", lambda: None)

    class Stuck(Rows):
        fails = True

        def store(self, books: Any, source: Quote.Source) -> None:
            if self.fails:
                raise OperationalError("database is locked")
            super().store(books, source)

    async def recover() -> None:
        rows = Stuck({1: market_of(exchange, Venue.POLYMARKET, "11", 1)})
        async with streaming(exchange, Venue.POLYMARKET, rows=rows) as stage:
            await stage.until(stage.streams)
            rows.fails = False
            await stage.until(lambda: rows.sources.get(1) == Quote.Source.STREAMED)

    asyncio.run(recover())


def test_one_without_the_lease_opens_nothing_and_takes_over_when_it_has_it(exchange: Exchange) -> None:
    async def wait() -> None:
        rows = Rows({1: market_of(exchange, Venue.POLYMARKET, "11", 1)}, held=False)
        async with streaming(exchange, Venue.POLYMARKET, rows=rows, hold=0.05) as stage:
            await stage.until(lambda: stage.stream.is_held is False)
            assert (opened(stage), rows.books, rows.told) == ([], {}, [])
            rows.held = True
            await stage.until(stage.streams)
            rows.held = False
            await stage.until(lambda: stage.stream.connections == [])
        assert not rows.has_left

    asyncio.run(wait())
