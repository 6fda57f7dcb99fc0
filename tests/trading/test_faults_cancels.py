"""F26 and F27: a cancel that races a fill, and what waits while a cancel is unknown."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from itomarkets.lib.rounding import ZERO
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.many_legs import KALSHI_CREATE, by_market, created, run
from tests.trading.sandbox_world import TICKER, Exchange
from tests.trading.test_faults_fills import THIN
from tests.trading.test_faults_modes import CANCELS
from tests.trading.test_faults_writes import both_venues, leg, posts
from tests.trading.test_sandbox_trading import buy, held_basket, look
from trading.models import Order, Trade
from trading.placing import confirm_trade
from trading.quoting import quote_basket

At = Callable[[datetime], datetime]
STANDING = (Order.Status.OPEN, Order.Status.PENDING_CANCEL)


def somebody_fills(exchange: Exchange, venue: str, count: Decimal) -> None:
    """Let a stranger fill what rests of our order: our YES at Kalshi, our NO at Polymarket."""
    stranger = exchange.world.accounts.create("a stranger", kalshi_key="ed25519")
    market = exchange.feed.market(venue, {"kalshi": TICKER, "polymarket": "11"}[venue])
    assert market is not None
    if venue == "kalshi":
        exchange.world.place(stranger.id, market, side="sell", price=Decimal("0.30"), size=count, tif="ioc")
        return
    # Who buys YES from a bid for NO makes a pair with it. As posted on the wire, which its listing of trades quotes.
    posted = {"owner": "a stranger", "type": "FAK", "wire": {"maker": f"0x{7:040x}", "side": "BUY"}, "side": "BUY"}
    exchange.world.place(
        stranger.id, market, side="buy", price=Decimal("0.70"), size=count, tif="ioc", token="yes", meta=posted
    )


@both_venues
def test_f26_an_order_that_fills_while_its_cancel_is_under_way_is_booked_whole(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = dict(THIN)
    exchange.plan(("POST", KALSHI_CREATE, 1, "rests", 0), ("DELETE", CANCELS[venue], 0, "drop_before_accept", 0))
    run(trade, now)
    order = leg(trade, venue)
    assert order.status in STANDING
    assert (order.filled_count(), order.reserved > ZERO) == (Decimal(7), True)
    somebody_fills(exchange, venue, order.count - 7)
    exchange.plan()
    look(now)
    order = leg(trade, venue)
    assert (order.status, order.filled_count(), order.reserved) == (Order.Status.FILLED, order.count, ZERO)
    booked = order.fills.count()
    assert booked >= 2
    assert look(now).differences == []
    assert order.fills.count() == booked
    assert posts(exchange, venue) == 1
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f26_a_cancel_that_finds_no_order_waits_for_the_fills_that_the_listing_still_lacks(
    exchange: Exchange, user: User, now: datetime
) -> None:
    """404 is no proof of a cancel: the order is gone because it filled, and its last fill is told late."""
    trade = buy(user, held_basket(), now)
    exchange.feed.books = dict(THIN)
    exchange.plan(("POST", KALSHI_CREATE, 1, "rests", 0), ("DELETE", CANCELS["kalshi"], 0, "drop_before_accept", 0))
    run(trade, now)
    somebody_fills(exchange, "kalshi", leg(trade, "kalshi").count - 7)
    exchange.plan(
        ("DELETE", CANCELS["kalshi"], 0, "404", 0), ("GET", "/trade-api/v2/portfolio/fills", 0, "empty_listing", 0)
    )
    look(now)
    order = leg(trade, "kalshi")
    assert order.status in STANDING
    assert order.reserved > ZERO
    exchange.plan()
    look(now)
    assert leg(trade, "kalshi").status == Order.Status.FILLED
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def promised(user: User, now: datetime, settings: Any) -> Trade:
    """Confirm a purchase on both venues that promises its way back."""
    settings.UNWIND_LIMITS = {"loss_dollars": Decimal(25), "loss_share": Decimal("0.5")}
    quote = quote_basket(user=user, basket=held_basket(), side="yes", amount=Decimal(60), mode="sandbox", now=now)
    return confirm_trade(user=user, quote_id=quote.pk, idempotency_key="back", policy="all_or_unwind", now=now)


@pytest.mark.parametrize("fault", ["drop_before_accept", "404"])
def test_f27_nothing_is_sold_again_while_a_cancel_is_unknown(
    exchange: Exchange, user: User, now: datetime, at: At, settings: Any, fault: str
) -> None:
    """Nothing here replaces an order; what would follow a cancel is the way back, and it waits for the proof."""
    trade = promised(user, now, settings)
    exchange.feed.books = {TICKER: THIN[TICKER]}
    exchange.plan(("POST", KALSHI_CREATE, 1, "rests", 0), ("DELETE", CANCELS["kalshi"], 0, fault, 0))
    for seconds in (0, 20):
        run(trade, at(now + timedelta(seconds=seconds)))
        look(now + timedelta(seconds=seconds))
        assert by_market(trade)[TICKER].status in STANDING
        assert not trade.orders.filter(action="sell").exists()
    # The other leg was denied or filled before; nothing else has reached an exchange.
    before = created(exchange)
    assert len(before) <= 2
    exchange.plan()
    later = at(now + timedelta(seconds=30))
    look(later)
    run(trade, later)
    assert by_market(trade)[TICKER].status == Order.Status.CANCELED
    back = trade.orders.filter(action="sell")
    assert {order.status for order in back} == {Order.Status.FILLED}
    assert trade.status == Trade.Status.UNWOUND
    assert len(created(exchange)) == len(before) + back.count()
    assert look(later).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f27_no_second_attempt_goes_out_while_the_first_may_still_stand(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = dict(THIN)
    exchange.plan(("POST", KALSHI_CREATE, 1, "rests", 0), ("DELETE", CANCELS["kalshi"], 0, "drop_before_accept", 0))
    for seconds in (0, 61, 130):
        run(trade, at(now + timedelta(seconds=seconds)))
        look(now + timedelta(seconds=seconds))
    assert leg(trade, "kalshi").status in STANDING
    assert posts(exchange, "kalshi") == 1
