"""Kalshi's demo exchange has books of its own: a demo account is quoted on them, and on nothing else."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from markets.models import Market
from markets.sync import sync_markets
from tests.factories import make_quote
from tests.trading.sandbox_world import BOOK, TICKER, Exchange, TwoVenues, point_settings_at, running_exchange
from tests.trading.test_sandbox_trading import held_basket
from trading.accounts import connect_account
from trading.models import TicketQuote
from trading.placing import confirm_trade
from trading.quoting import QuoteRefused, legs_of, quote_basket

D = Decimal


@pytest.fixture(scope="module")
def exchanges() -> Iterator[tuple[Exchange, Exchange]]:
    """The exchanges that the server reads, and a demo where the same market stands ten cents dearer."""
    demo = TwoVenues()
    demo.books[TICKER] = ([(4900, 100)], [(5100, 50), (5200, 300)])
    with running_exchange() as real, running_exchange(demo) as other:
        yield real, other


@pytest.fixture
def basket(exchanges: tuple[Exchange, Exchange], settings: Any, user: User, now: datetime) -> Any:
    real, demo = exchanges
    point_settings_at(settings, real.url)
    sync_markets(venue=None, full=True, now=now)
    settings.VENUES, settings.KALSHI_DEMO_URL = "live", f"{demo.url}/trade-api/v2"
    secrets = {"key_id": "demo-0001", "private_key_pem": "a pem"}
    connect_account(user=user, kind="kalshi", mode="demo", credentials=secrets, cash=D(1000), now=now)
    return held_basket()


def ask(user: User, basket: Any, mode: str, now: datetime) -> TicketQuote:
    return quote_basket(user=user, basket=basket, side="yes", amount=D(40), mode=mode, now=now)


def test_a_demo_account_is_quoted_on_the_demos_books_and_paper_on_the_real_ones(
    user: User, basket: Any, now: datetime
) -> None:
    market = Market.objects.get(native_id=TICKER)
    (leg,) = legs_of(ask(user, basket, "demo", now))
    assert (leg.market_id, leg.best) == (market.pk, D("0.51"))
    best = {leg.market_id: leg.best for leg in legs_of(ask(user, basket, "paper", now))}
    assert best[market.pk] == D(BOOK[1][0][0]) / 10_000


def test_a_price_of_the_real_exchange_does_not_refuse_a_demo_trade(user: User, basket: Any, now: datetime) -> None:
    quote = ask(user, basket, "demo", now)
    # Kept prices are the real exchange's; a dollar dearer there says nothing about the demo.
    make_quote(Market.objects.get(native_id=TICKER), "0.90", "0.92", now)
    trade = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k", policy="best_effort", now=now)
    assert (trade.mode, trade.orders.count()) == ("demo", 1)


def test_legs_that_the_demo_does_not_list_are_left_out_and_named(
    user: User, basket: Any, now: datetime, exchanges: tuple[Exchange, Exchange]
) -> None:
    quote = ask(user, basket, "demo", now)
    assert any("on Polymarket, where you have no account" in said for said in quote.warnings)
    Market.objects.filter(native_id=TICKER).update(native_id="KXREAL-ONLY")
    with pytest.raises(QuoteRefused, match=r"no order book now|nobody offers|cannot be read"):
        ask(user, basket, "demo", now)


def test_a_server_that_reads_the_sandbox_refuses_demo_accounts(
    user: User, basket: Any, now: datetime, settings: Any
) -> None:
    settings.VENUES = "sandbox"
    with pytest.raises(QuoteRefused, match="real and demo accounts cannot trade here"):
        ask(user, basket, "demo", now)
    assert not TicketQuote.objects.exists()
