"""F19 and F20: a leg in the middle is rejected, and the way back fails itself. The exchanges' own log counts orders."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from itomarkets.simulation.invariants import assert_invariants
from markets.sync import sync_markets
from tests.trading.many_legs import (
    FIVE,
    KALSHI_CREATE,
    LONE_TICKER,
    THINNER,
    buys,
    by_market,
    empty_the_lone_shard,
    five_legged,
    many_legged_exchange,
    run,
    sales,
)
from tests.trading.sandbox_world import TICKER, Exchange, point_settings_at
from tests.trading.test_sandbox_trading import look
from trading import tasks
from trading.accounts import connect_sandbox_accounts
from trading.models import Order, Position, Trade
from trading.progress import trade_progress
from trading.venues.clients import fetch_books

At = Callable[[datetime], datetime]
ENDED_SHORT = (Order.Status.REJECTED, Order.Status.DENIED)


@pytest.fixture
def exchange(settings: Any, now: datetime, user: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """Seven legs at Kalshi and two at Polymarket; what a way back loses here may be lost without asking."""
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)
    settings.UNWIND_LIMITS = {"loss_dollars": Decimal(25), "loss_share": Decimal("0.5")}
    with many_legged_exchange() as running:
        point_settings_at(settings, running.url)
        sync_markets(venue=None, full=True, now=now)
        connect_sandbox_accounts(user, now=now)
        yield running


def lacks_balance(exchange: Exchange, user: User, now: datetime, policy: str) -> Trade:
    """Confirm five legs, of which the second will be rejected by its exchange for want of balance, and run it."""
    trade = five_legged(user, now, policy)
    empty_the_lone_shard(exchange, user)
    return run(trade, now)


def assert_one_post_a_leg(exchange: Exchange, trade: Trade) -> None:
    """Never a sixth opening order, however often the trade is taken up again."""
    sent = buys(exchange)
    assert len(sent) == len({each.id for each in sent}) <= len(FIVE)
    for later in (5, 30):
        run(trade, trade.created_at + timedelta(seconds=later))
        look(trade.created_at + timedelta(seconds=later))
    assert buys(exchange) == sent


def test_f19_best_effort_goes_on_past_a_leg_that_was_rejected(exchange: Exchange, user: User, now: datetime) -> None:
    trade = lacks_balance(exchange, user, now, "best_effort")
    legs = by_market(trade)
    assert legs.pop(LONE_TICKER).status == Order.Status.REJECTED
    assert {order.status for order in legs.values()} == {Order.Status.FILLED}
    assert trade.status == Trade.Status.PARTIAL
    assert "4 of 5 legs" in trade_progress(trade).sentence
    assert len(buys(exchange)) == 5
    assert_one_post_a_leg(exchange, trade)
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f19_hold_and_ask_stops_behind_a_leg_that_was_rejected(exchange: Exchange, user: User, now: datetime) -> None:
    trade = lacks_balance(exchange, user, now, "hold_and_ask")
    legs = by_market(trade)
    assert legs[TICKER].status == Order.Status.FILLED
    assert legs[LONE_TICKER].status == Order.Status.REJECTED
    unsent = [legs[key] for key in FIVE[2:]]
    assert {order.status for order in unsent} == {Order.Status.PLANNED}
    assert sum(order.reserved for order in unsent) > 0
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    assert trade_progress(trade).choice == "ask"
    assert len(buys(exchange)) == 2
    assert_one_post_a_leg(exchange, trade)
    assert sales(exchange) == []
    assert_invariants(exchange.world, f"user-{user.pk}", at_rest=False)


def test_f19_all_or_unwind_sells_again_what_filled_before_the_rejection(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = lacks_balance(exchange, user, now, "all_or_unwind")
    legs = by_market(trade)
    assert legs[LONE_TICKER].status == Order.Status.REJECTED
    assert {legs[key].status for key in FIVE[2:]} == {Order.Status.DENIED}
    (sold,) = sales(exchange)
    back = by_market(trade, action="sell")
    assert set(back) == {TICKER}
    assert (back[TICKER].status, back[TICKER].filled_count()) == (Order.Status.FILLED, legs[TICKER].filled_count())
    assert sold.price >= Decimal("0.29")
    assert Decimal(trade.way_back["loss"]) <= Decimal(trade.way_back["cap"])
    assert trade.status == Trade.Status.UNWOUND
    assert not Position.objects.filter(count__gt=0).exists()
    assert len(buys(exchange)) == 2
    assert_one_post_a_leg(exchange, trade)
    assert len(sales(exchange)) == 1
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def unwinding(exchange: Exchange, user: User, now: datetime, *faults: tuple[str, str, int, str, float]) -> Trade:
    """Confirm five legs whose second is rejected, with the way back of the first meeting faults; and run it."""
    trade = five_legged(user, now, "all_or_unwind")
    empty_the_lone_shard(exchange, user)
    exchange.plan(*faults)
    return run(trade, now)


# Kalshi's creates in the order of arrival: the probe, the leg that is rejected, the sale of the probe.
SALE = 3


@pytest.mark.parametrize("fault", ["drop_before_reply", "500_after_accept", "truncated"])
def test_f20_a_way_back_without_a_reply_is_an_unknown_leg_of_its_own_and_sold_once(
    exchange: Exchange, user: User, now: datetime, at: At, fault: str
) -> None:
    trade = unwinding(exchange, user, now, ("POST", KALSHI_CREATE, SALE, fault, 0))
    assert by_market(trade, action="sell")[TICKER].status == Order.Status.UNKNOWN
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    assert trade_progress(trade).needs_attention
    for _ in range(2):
        run(trade, now)
    assert len(sales(exchange)) == 1
    assert_invariants(exchange.world, f"user-{user.pk}", at_rest=False)
    assert look(at(now + timedelta(seconds=6))).differences == []
    trade.refresh_from_db()
    assert trade.status == Trade.Status.UNWOUND
    assert_one_post_a_leg(exchange, trade)
    assert len(sales(exchange)) == 1
    assert not Position.objects.filter(count__gt=0).exists()
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f20_a_way_back_that_never_arrived_is_shown_and_never_sold_twice(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    trade = unwinding(exchange, user, now, ("POST", KALSHI_CREATE, SALE, "drop_before_accept", 0))
    bought = by_market(trade)[TICKER].filled_count()
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    look(at(now + timedelta(seconds=30)))
    assert by_market(trade, action="sell")[TICKER].status == Order.Status.UNKNOWN
    report = look(at(now + timedelta(seconds=61)))
    assert (report.not_placed, report.differences) == (1, [])
    run(trade, now + timedelta(seconds=62))
    assert_one_post_a_leg(exchange, trade)
    # Proven absent, it is sold at most once more; what is left is on the page.
    filled = sum(order.filled_count() for order in trade.orders.filter(action="sell"))
    there = sum(order.filled for order in exchange.orders_of(f"user-{user.pk}") if order.side == "sell")
    assert filled == there <= bought
    trade.refresh_from_db()
    assert trade.status == (Trade.Status.UNWOUND if filled == bought else Trade.Status.NEEDS_ATTENTION)
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f20_a_way_back_that_fills_in_part_is_left_to_its_owner_and_has_none_of_its_own(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = five_legged(user, now, "all_or_unwind")
    empty_the_lone_shard(exchange, user)
    priced: list[int] = []

    def bids_go_away(markets: Any) -> Any:
        """Price the way back with the book as it stands; most of its bids are gone before the sale arrives."""
        books = fetch_books(markets)
        priced.append(len(books))
        exchange.feed.books = {**THINNER, TICKER: ([(3900, 7), (2000, 300)], [(4100, 50)])}
        return books

    run(trade, now, read_books=bids_go_away)
    back = by_market(trade, action="sell")[TICKER]
    assert priced == [1]
    assert (back.status, back.filled_count()) == (Order.Status.CANCELED, Decimal(7))
    assert trade.status == Trade.Status.NEEDS_ATTENTION
    held = Position.objects.get(market__native_id=TICKER).count
    assert held == by_market(trade)[TICKER].filled_count() - 7
    assert f"{held.normalize():f} contracts are still yours" in trade_progress(trade).sentence
    assert_one_post_a_leg(exchange, trade)
    assert len(sales(exchange)) == 1
    assert priced == [1]
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")
