from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from markets.models import Market
from tests.trading.venue import Books, make_basket, sandbox_account, two_leg_basket
from trading.models import VenueAccount
from trading.placing import confirm_trade
from trading.quoting import QuoteRefused, legs_of, quote_basket
from trading.shards import free_by_shard

D = Decimal


@pytest.fixture
def kalshi(user: User, now: datetime, settings: Any) -> VenueAccount:
    settings.VENUES = "sandbox"
    sandbox_account(user, now, kind="polymarket")
    return sandbox_account(user, now)


def shards(account: VenueAccount, **cash: str) -> None:
    account.cash_by_shard = {name.removeprefix("s"): amount for name, amount in cash.items()}
    account.save()


def quote(user: User, books: Books, basket: Any, now: datetime) -> Any:
    return quote_basket(
        user=user, basket=basket, side="yes", amount=D("60"), mode="sandbox", now=now, read_books=books.read
    )


def test_a_shard_without_cash_refuses_the_quote_and_says_from_where_to_transfer(
    user: User, books: Books, kalshi: VenueAccount, now: datetime
) -> None:
    basket, market, _ = two_leg_basket(books)
    Market.objects.filter(pk=market.pk).update(exchange_index=2)
    shards(kalshi, s0="990", s2="10")
    with pytest.raises(QuoteRefused) as refused:
        quote(user, books, basket, now)
    assert "shard 2 (crypto and commodities) from that shard's own cash: 10.00 is there" in str(refused.value)
    assert "from the default shard at Kalshi" in str(refused.value)
    shards(kalshi, s0="10", s2="990")
    assert len(legs_of(quote(user, books, basket, now))) == 2


def test_an_account_that_tells_no_shards_is_held_to_its_total(
    user: User, books: Books, kalshi: VenueAccount, now: datetime
) -> None:
    assert free_by_shard(kalshi) == {}
    legs = legs_of(quote(user, books, two_leg_basket(books)[0], now))
    assert {leg.account for leg in legs} == {"Kalshi (Sandbox)", "Polymarket (Sandbox)"}


def test_each_leg_of_a_basket_is_held_to_the_shard_of_its_market(
    user: User, books: Books, kalshi: VenueAccount, now: datetime
) -> None:
    _, first, _ = two_leg_basket(books)
    _, second, _ = two_leg_basket(books)
    Market.objects.filter(pk=second.pk).update(exchange_index=3)
    basket = make_basket([(first, "yes", "0.5", "10"), (second, "yes", "0.5", "10")])
    shards(kalshi, s0="500", s3="500")
    assert len(legs_of(quote(user, books, basket, now))) == 2
    shards(kalshi, s0="1", s3="999")
    with pytest.raises(QuoteRefused, match="default shard from that shard's own cash"):
        quote(user, books, basket, now)


def test_orders_on_their_way_hold_their_shards_cash(
    user: User, books: Books, kalshi: VenueAccount, now: datetime
) -> None:
    basket, market, _ = two_leg_basket(books)
    shards(kalshi, s0="100")
    found = quote(user, books, basket, now)
    trade = confirm_trade(
        user=user, quote_id=found.pk, idempotency_key="k", policy="best_effort", now=now + timedelta(seconds=1)
    )
    reserved = trade.orders.get(market=market).reserved
    assert reserved > 0
    assert free_by_shard(kalshi) == {0: D(100) - reserved}
