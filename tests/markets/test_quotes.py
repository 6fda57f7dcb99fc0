"""Quotes: both venues' books, ages, and what an odd book is called."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from markets.models import Quote, QuoteDemand
from markets.quotes import Condition, condition, demand_quotes, freshness, refresh_quotes
from markets.tasks import refresh_quotes_task
from tests.factories import make_market, make_quote
from tests.markets.payloads import FakeVenues

pytestmark = pytest.mark.django_db


def clob_book(token: str, bid: str, ask: str, at: datetime, **values: object) -> dict[str, object]:
    return {
        "market": "0x1",
        "asset_id": token,
        "timestamp": str(int(at.timestamp() * 1000)),
        "bids": [{"price": "0.001", "size": "9"}, {"price": bid, "size": "25"}],
        "asks": [{"price": "0.999", "size": "9"}, {"price": ask, "size": "40.5"}],
        "last_trade_price": "0.300",
        **values,
    }


def test_both_venues_books_become_quotes(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    changed = now - timedelta(hours=3)
    venues.books = {
        kalshi.native_id: {"yes_dollars": [["0.4100", "10.00"]], "no_dollars": [["0.5700", "7.25"]]},
        polymarket.yes_token: clob_book(polymarket.yes_token, "0.301", "0.309", changed),
        polymarket.no_token: clob_book(polymarket.no_token, "0.690", "0.699", changed),
    }
    report = refresh_quotes(now=now, market_ids=[kalshi.pk, polymarket.pk], client=venues.client)
    assert (report.asked, report.refreshed, report.missing) == (2, 2, 0)
    quote = Quote.objects.get(market=kalshi)
    assert (quote.yes_bid, quote.yes_ask, quote.yes_ask_size) == (Decimal("0.41"), Decimal("0.43"), Decimal("7.25"))
    assert (quote.no_bid, quote.no_ask) == (Decimal("0.57"), Decimal("0.59"))
    quote = Quote.objects.get(market=polymarket)
    assert (quote.yes_bid, quote.yes_ask, quote.no_bid, quote.no_ask) == (
        Decimal("0.301"),
        Decimal("0.309"),
        Decimal("0.69"),
        Decimal("0.699"),
    )
    assert (quote.last_price, quote.observed_at, quote.received_at) == (Decimal("0.3"), changed, now)
    # A quiet book is still true: its age counts from when we saw it.
    assert freshness(quote, now) == "live"


def test_a_second_refresh_replaces_and_adds_nothing(venues: FakeVenues, now: datetime) -> None:
    market = make_market()
    venues.books = {market.native_id: {"yes_dollars": [["0.4100", "10.00"]], "no_dollars": None}}
    for _ in range(2):
        refresh_quotes(now=now, market_ids=[market.pk], client=venues.client)
    quote = Quote.objects.get()
    assert (quote.yes_bid, quote.yes_ask, quote.no_bid, quote.no_ask) == (
        Decimal("0.41"),
        None,
        None,
        Decimal("0.59"),
    )


def test_a_market_that_is_not_served_keeps_its_old_quote(venues: FakeVenues, now: datetime) -> None:
    market = make_market()
    make_quote(market, "0.40", "0.42", now - timedelta(minutes=20))
    report = refresh_quotes(now=now, market_ids=[market.pk], client=venues.client)
    assert (report.refreshed, report.missing) == (0, 1)
    assert freshness(Quote.objects.get(), now) == "dead"


def test_only_live_demands_are_refreshed(venues: FakeVenues, now: datetime) -> None:
    wanted, over, closed, unasked = make_market(), make_market(), make_market(status="closed"), make_market()
    for market in (wanted, over, closed, unasked):
        venues.books[market.native_id] = {"yes_dollars": [["0.4", "1"]], "no_dollars": []}
    demand_quotes(market_ids=[wanted.pk, closed.pk], source="basket:1", until=None)
    demand_quotes(market_ids=[over.pk], source="basket:1", until=now - timedelta(seconds=1))
    report = refresh_quotes(now=now, client=venues.client)
    assert report.asked == 1
    assert list(Quote.objects.values_list("market_id", flat=True)) == [wanted.pk]


def test_one_venue_down_leaves_the_other_quoted(venues: FakeVenues, now: datetime) -> None:
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    venues.books = {polymarket.yes_token: clob_book(polymarket.yes_token, "0.30", "0.32", now)}
    venues.down = {"/markets/orderbooks"}
    report = refresh_quotes(now=now, market_ids=[kalshi.pk, polymarket.pk], client=venues.client)
    assert report.refreshed == 1
    assert "503" in report.errors[0]
    # Only the YES book was served: NO is its mirror.
    assert Quote.objects.get().no_ask == Decimal("0.7")


def test_the_books_of_many_markets_are_asked_for_in_batches(venues: FakeVenues, now: datetime) -> None:
    markets = [make_market() for _ in range(130)]
    refresh_quotes(now=now, market_ids=[market.pk for market in markets], client=venues.client)
    asked = [len(request.url.params.get_list("tickers")) for request in venues.requests]
    assert asked == [100, 30]


def test_storing_quotes_costs_the_same_queries_for_any_number(
    venues: FakeVenues, now: datetime, django_assert_num_queries: object
) -> None:
    markets = [make_market() for _ in range(30)]
    for market in markets:
        venues.books[market.native_id] = {"yes_dollars": [["0.4", "1"]], "no_dollars": []}
    # PostgreSQL makes, takes from and clears a temporary table where SQLite writes at once.
    with django_assert_num_queries(9 if connection.vendor == "postgresql" else 6):  # type: ignore[operator]
        refresh_quotes(now=now, market_ids=[market.pk for market in markets], client=venues.client)


def test_a_demand_is_replaced_by_the_same_source_only(now: datetime) -> None:
    market = make_market()
    for until in (now, now + timedelta(hours=1)):
        assert demand_quotes(market_ids=[market.pk, 10**9], source="a", until=until) == 1
    demand_quotes(market_ids=[market.pk], source="b", until=None)
    assert dict(QuoteDemand.objects.values_list("source", "until")) == {"a": now + timedelta(hours=1), "b": None}


@pytest.mark.parametrize(
    ("age", "state"), [(0, "live"), (90, "live"), (91, "stale"), (900, "stale"), (901, "dead"), (10**6, "dead")]
)
def test_age_decides_freshness(now: datetime, age: int, state: str) -> None:
    assert freshness(Quote(received_at=now - timedelta(seconds=age)), now) == state


@pytest.mark.parametrize(
    ("bid", "ask", "name"),
    [
        (None, None, Condition.EMPTY),
        ("0.3", None, Condition.ONE_SIDED),
        (None, "0.3", Condition.ONE_SIDED),
        ("0.3", "0.3", Condition.CROSSED),
        ("0.4", "0.3", Condition.CROSSED),
        ("0.01", "0.99", Condition.GHOST),
        ("0.001", "0.999", Condition.GHOST),
        ("0.01", "0.02", Condition.TWO_SIDED),
    ],
)
def test_odd_books_have_names(bid: str | None, ask: str | None, name: Condition) -> None:
    assert condition(bid and Decimal(bid), ask and Decimal(ask)) is name  # type: ignore[arg-type]


@pytest.fixture
def _as_client(venues: FakeVenues, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = dict(refresh_quotes.__kwdefaults__ or {})
    monkeypatch.setattr(refresh_quotes, "__kwdefaults__", {**defaults, "client": venues.client})


@pytest.mark.usefixtures("_as_client")
def test_the_task_and_the_command_run_twice(
    venues: FakeVenues, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    market = make_market()
    venues.books = {market.native_id: {"yes_dollars": [["0.4", "1"]], "no_dollars": []}}
    demand_quotes(market_ids=[market.pk], source="x", until=None)
    assert refresh_quotes_task()["refreshed"] == 1
    assert refresh_quotes_task()["refreshed"] == 1
    call_command("refresh_quotes")
    assert "1 of 1 quotes refreshed" in capsys.readouterr().out
    venues.down = {"/markets/orderbooks"}
    with pytest.raises(CommandError, match="Not every venue answered"):
        call_command("refresh_quotes")
