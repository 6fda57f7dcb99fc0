"""F24 and F25: books that run away, stand crossed, empty or old; ticks that change; markets that end between legs."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from baskets.valuation import value_basket
from itomarkets.lib.rounding import ZERO
from itomarkets.sandbox.model import uniform_ticks
from itomarkets.simulation.invariants import assert_invariants
from markets.models import Market
from markets.sync import sync_markets
from tests.trading.many_legs import FIVE, buys, by_market, created, five_legged, many_legged_exchange, run
from tests.trading.sandbox_world import TICKER, Exchange, point_settings_at
from tests.trading.test_sandbox_trading import buy, held_basket, look
from trading import tasks
from trading.accounts import connect_sandbox_accounts
from trading.models import Fill, Order, Position, Trade
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import QuoteRefused, legs_of, quote_basket
from trading.reconciliation import ledger_cash
from trading.settlement import settle_positions

At = Callable[[datetime], datetime]
BAND = Decimal("0.10")
MIDDLE = {"kalshi": Decimal("0.40"), "polymarket": Decimal("0.60")}


def assert_within_the_worst_case(trade: Trade) -> None:
    fills = Fill.objects.filter(order__trade=trade)
    assert sum((fill.count * fill.price + fill.fee for fill in fills), ZERO) <= trade.worst_cost


@pytest.mark.parametrize(
    "books",
    [
        pytest.param({TICKER: ([(5900, 99)], [(6100, 300)]), "11": ([(1900, 99)], [(2100, 300)])}, id="dearer"),
        pytest.param({TICKER: ([(1900, 99)], [(2100, 300)]), "11": ([(5900, 99)], [(6100, 300)])}, id="cheaper"),
        pytest.param({TICKER: ([], []), "11": ([], [(4100, 99)])}, id="empty"),
    ],
)
def test_f24_books_that_move_after_the_quote_let_no_price_out_of_its_band(
    exchange: Exchange, user: User, now: datetime, books: Any
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = books
    run(trade, now)
    for order in trade.orders.all():
        assert all(fill.price <= order.limit_price for fill in order.fills.all())
    for each in created(exchange):
        # On Kalshi's one book our YES bid, at Polymarket our NO token: neither past the band of the quote.
        assert each.price <= MIDDLE[each.venue] + BAND
    assert_within_the_worst_case(trade)
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@pytest.mark.parametrize(
    "book",
    [
        pytest.param(([], []), id="empty"),
        # A wide one: its best offer lies further from its middle than the band reaches.
        pytest.param(([(1000, 99)], [(9000, 300)]), id="wide"),
    ],
)
def test_f24_a_book_that_cannot_be_traded_on_gets_no_order_and_says_so(
    exchange: Exchange, user: User, now: datetime, book: Any
) -> None:
    exchange.feed.books = {TICKER: book}
    quote = quote_basket(user=user, basket=held_basket(), side="yes", amount=Decimal(60), mode="sandbox", now=now)
    assert [leg.venue for leg in legs_of(quote)] == ["polymarket"]
    assert any("Left out" in warning for warning in quote.warnings)
    exchange.feed.books = {TICKER: book, "11": ([], [])}
    with pytest.raises(QuoteRefused):
        quote_basket(user=user, basket=held_basket(), side="yes", amount=Decimal(60), mode="sandbox", now=now)
    assert created(exchange) == []


def test_f24_a_crossed_book_costs_no_more_than_was_quoted(exchange: Exchange, user: User, now: datetime) -> None:
    exchange.feed.books = {TICKER: ([(4500, 100)], [(4100, 50), (4200, 300)])}
    quote = quote_basket(user=user, basket=held_basket(), side="yes", amount=Decimal(60), mode="sandbox", now=now)
    trade = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k", policy="best_effort", now=now)
    exchange.feed.books = {}
    run(trade, now)
    assert_within_the_worst_case(trade)
    assert all(each.price <= Decimal("0.43") + BAND for each in created(exchange) if each.venue == "kalshi")
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f24_a_quote_past_its_life_is_not_confirmed_and_an_old_plan_is_not_sent(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    basket = held_basket()
    quote = quote_basket(user=user, basket=basket, side="yes", amount=Decimal(60), mode="sandbox", now=now)
    late = at(now + timedelta(seconds=16))
    with pytest.raises(TradeRefused, match="run out") as refused:
        confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k", policy="best_effort", now=late)
    assert refused.value.code == "quote_expired"
    trade = buy(user, basket, late)
    run(trade, at(late + timedelta(seconds=61)))
    assert {order.status for order in trade.orders.all()} == {Order.Status.DENIED}
    assert created(exchange) == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@pytest.mark.parametrize("ticks", ["0.001", "0.1"])
def test_f24_a_tick_that_changes_between_quote_and_send_breaks_no_bound(
    exchange: Exchange, user: User, now: datetime, ticks: str
) -> None:
    trade = buy(user, held_basket(), now)
    market = exchange.feed.market("polymarket", "11")
    assert market is not None
    market.ticks = uniform_ticks(ticks)
    run(trade, now)
    order = trade.orders.get(account__kind="polymarket")
    # A finer grid holds the old price as well; off a coarser one it is refused here or there, with proof.
    assert order.status in (
        {Order.Status.FILLED} if ticks == "0.001" else {Order.Status.DENIED, Order.Status.REJECTED}
    ), order.reason
    assert trade.orders.get(account__kind="kalshi").status == Order.Status.FILLED
    assert all(each.price <= MIDDLE[each.venue] + BAND for each in created(exchange))
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@pytest.fixture
def wide(settings: Any, now: datetime, user: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """The world of five legs."""
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)
    with many_legged_exchange() as running:
        point_settings_at(settings, running.url)
        sync_markets(venue=None, full=True, now=now)
        connect_sandbox_accounts(user, now=now)
        yield running


@pytest.mark.parametrize(
    ("outcome", "status", "payout"),
    [("yes", "resolved", "1"), ("no", "resolved", "0"), ("0.5", "", "0.5")],
)
def test_f25_markets_that_end_between_two_legs_deny_the_rest_and_settle_what_is_held(
    wide: Exchange, user: User, now: datetime, at: At, outcome: str, status: str, payout: str
) -> None:
    """The first leg fills; then every market ends, the one that is held and those that were still to be bought."""
    trade = five_legged(user, now, "hold_and_ask")
    wide.fault("/trade-api/v2/portfolio/events/orders", "trading_paused", nth=2)
    run(trade, now)
    assert by_market(trade)[TICKER].status == Order.Status.FILLED
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    reached = len(created(wide))
    for key in FIVE:
        wide.control("/settle", {"venue": "polymarket" if key.isdigit() else "kalshi", "key": key, "outcome": outcome})
    # Its owner says to go on, and the markets' own end is read before the next leg goes.
    later = at(now + timedelta(minutes=2))
    Trade.objects.filter(pk=trade.pk).update(hold=Trade.Hold.DECIDED, continued_at=later)
    sync_markets(venue=None, full=True, now=later)
    market = Market.objects.get(native_id=TICKER)
    assert market.payout == Decimal(payout), (market.status, market.payout)
    assert not status or market.status == status
    run(trade, later)
    legs = by_market(trade)
    assert {legs[key].status for key in FIVE[2:]} == {Order.Status.DENIED}, [o.reason for o in legs.values()]
    assert len(created(wide)) == reached
    held = Position.objects.get(market=market)
    before, count = ledger_cash(held.account), held.count
    for _ in range(2):
        settle_positions(now=later)
    assert ledger_cash(held.account) - before == count * Decimal(payout)
    valued = value_basket(trade.basket, now=later)
    assert {leg.price for leg in valued.legs if leg.market_id == market.pk} == {Decimal(payout)}
    assert all(leg.is_settled for leg in valued.legs)
    look(later)
    assert buys(wide) == created(wide)
