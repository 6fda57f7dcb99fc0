"""F21 to F26 and F31: limits, modes, old signatures, cancels that fail, orders from elsewhere."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import User
from itomarkets.lib.rounding import ZERO
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.sandbox_world import TICKER, Exchange
from tests.trading.test_faults_fills import ORDERS, THIN
from tests.trading.test_faults_writes import GRACE_OVER, both_venues, leg, posts
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from trading.models import Order, Position, Trade, VenueAccount
from trading.venues.clients import order_client

At = Callable[[datetime], datetime]
CANCELS = {"kalshi": "/trade-api/v2/portfolio/events/orders/*", "polymarket": "/clob/order"}


@both_venues
@pytest.mark.parametrize("fault", ["429", "429_seconds", "429_date"])
def test_f21_a_limited_order_is_refused_with_proof_and_not_sent_again(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], fault, seconds=1)
    run(trade, now)
    assert leg(trade, venue).status == Order.Status.REJECTED
    assert posts(exchange, venue) == 1
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
@pytest.mark.parametrize("fault", ["429_seconds", "429_date"])
def test_f21_a_limited_listing_proves_no_absence_and_ends(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "drop_before_accept")
    run(trade, now)
    exchange.fault(ORDERS[venue], fault, method="GET", nth=0, seconds=40)
    report = look(at(now + GRACE_OVER))
    assert (report.accounts_unreachable, report.not_placed) == (1, 0)
    assert leg(trade, venue).status == Order.Status.UNKNOWN


def test_f22_kalshis_paused_trading_refuses_and_nothing_is_sent_again(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["kalshi"], "trading_paused", nth=0)
    run(trade, now)
    assert leg(trade, "kalshi").status == Order.Status.REJECTED
    assert trade.status == Trade.Status.PARTIAL
    assert posts(exchange, "kalshi") == 1
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f23_an_old_signature_is_a_refusal_and_the_key_goes_on_working(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "401_expired")
    run(trade, now)
    assert leg(trade, venue).status == Order.Status.REJECTED
    account = VenueAccount.objects.get(kind=venue)
    client = order_client(account, now=lambda: now)
    try:
        assert client.cash() == Decimal(10_000)
    finally:
        client.close()
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f25_a_market_that_stops_between_quote_and_send_takes_no_order(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.control("/pause", {"venue": venue, "key": {"kalshi": TICKER, "polymarket": "11"}[venue]})
    run(trade, now)
    assert leg(trade, venue).status == Order.Status.REJECTED
    assert trade.status == Trade.Status.PARTIAL
    assert_invariants(exchange.world, f"user-{user.pk}")


@pytest.mark.parametrize(
    ("venue", "fault"),
    [
        ("kalshi", "404"),
        ("kalshi", "drop_before_accept"),
        ("kalshi", "drop_before_reply"),
        ("polymarket", "not_canceled"),
        ("polymarket", "drop_before_accept"),
        ("polymarket", "drop_before_reply"),
    ],
)
def test_f26_a_cancel_without_proof_cancels_nothing_until_the_venue_says_so(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = dict(THIN)
    exchange.plan(
        ("POST", PATHS["kalshi"], 1, "rests", 0),
        ("DELETE", CANCELS[venue], 0, fault, 0),
    )
    run(trade, now)
    order = leg(trade, venue)
    assert order.filled_count() == Decimal(7)
    if fault != "drop_before_reply":
        assert order.status in (Order.Status.PENDING_CANCEL, Order.Status.OPEN)
        assert order.reserved > ZERO
    exchange.plan()
    look(now)
    order = leg(trade, venue)
    assert (order.status, order.filled_count(), order.reserved) == (Order.Status.CANCELED, Decimal(7), ZERO)
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f31_an_order_placed_at_the_venue_is_never_taken_for_ours(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    run(trade, now)
    held = Position.objects.get(market__native_id=TICKER).count
    account = exchange.world.accounts.by_name(f"user-{user.pk}")
    market = exchange.feed.market("kalshi", TICKER)
    assert account is not None
    assert market is not None
    exchange.world.place(account.id, market, side="buy", price=Decimal("0.42"), size=Decimal(3), tif="ioc")
    report = look(now + timedelta(seconds=5))
    assert Position.objects.get(market__native_id=TICKER).count == held
    assert Order.objects.count() == 2
    assert any("the venue holds" in difference for difference in report.differences)


def test_f24_books_that_ran_away_fill_nothing_past_the_cap_and_leave_nothing_behind(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = {TICKER: ([(8000, 100)], [(8200, 300)]), "11": ([(800, 100)], [(1000, 300)])}
    run(trade, now)
    assert trade.status == Trade.Status.ABORTED
    assert {order.filled_count() for order in trade.orders.all()} == {ZERO}
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f32_an_order_whose_key_was_revoked_is_not_sent_and_the_other_leg_stands(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    VenueAccount.objects.filter(kind="kalshi").update(sealed_credentials=b"\x01broken")
    run(trade, now)
    assert leg(trade, "kalshi").status == Order.Status.DENIED
    assert leg(trade, "polymarket").status == Order.Status.FILLED
    assert posts(exchange, "kalshi") == 0
    assert_invariants(exchange.world, f"user-{user.pk}")
