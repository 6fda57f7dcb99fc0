"""F14 to F18, F28 and F30: what listings and the chain can do to fills. The sandbox's ledger is the judge."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import User
from itomarkets.lib.rounding import ZERO
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.sandbox_world import TICKER, Exchange
from tests.trading.test_faults_writes import GRACE_OVER, both_venues, leg, posts
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from trading.ledger import ledger_cash
from trading.models import Fill, Order, Position, Trade
from trading.progress import trade_progress

At = Callable[[datetime], datetime]
FILLS = {"kalshi": "/trade-api/v2/portfolio/fills", "polymarket": "/clob/data/trades"}
ORDERS = {"kalshi": "/trade-api/v2/portfolio/orders", "polymarket": "/clob/data/trades"}
# The books after seven contracts were left inside the cap, on either side.
THIN = {TICKER: ([(3900, 7)], [(4100, 7), (8000, 300)]), "11": ([(3900, 7), (1000, 300)], [(4100, 7)])}


@both_venues
@pytest.mark.parametrize("fault", ["duplicate_rows", "reversed_rows"])
def test_f14_fills_told_twice_or_in_another_order_are_booked_once(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(FILLS[venue], fault, method="GET", nth=0)
    run(trade, now)
    assert trade.status == Trade.Status.COMPLETE
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f15_a_known_fill_told_with_another_price_is_kept_and_flagged(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["polymarket"], "confirms_late", seconds=50)
    run(trade, now)
    account = leg(trade, "polymarket").account
    cash = ledger_cash(account)
    exchange.fault(FILLS["polymarket"], "other_price", method="GET", nth=0)
    look(at(now + timedelta(seconds=20)))
    assert ledger_cash(account) == cash
    assert leg(trade, "polymarket").events.filter(reason__contains="the first report stands").exists()
    exchange.plan()
    assert look(at(now + GRACE_OVER)).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
def test_f16_an_order_told_as_done_before_its_fills_ends_only_with_them(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(FILLS[venue], "empty_listing", method="GET", nth=0)
    run(trade, now)
    assert leg(trade, venue).status == Order.Status.OPEN
    look(now)
    assert leg(trade, venue).status == Order.Status.OPEN
    exchange.plan()
    look(now)
    assert leg(trade, venue).status == Order.Status.FILLED
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f17_a_part_filled_and_the_rest_canceled_frees_what_was_reserved_for_the_rest(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = dict(THIN)
    run(trade, now)
    for venue in PATHS:
        order = leg(trade, venue)
        assert (order.status, order.filled_count(), order.reserved) == (Order.Status.CANCELED, Decimal(7), ZERO)
    assert trade.status == Trade.Status.PARTIAL
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f18_more_than_was_asked_for_is_held_and_flagged(exchange: Exchange, user: User, now: datetime) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["kalshi"], "overfill")
    run(trade, now)
    order = leg(trade, "kalshi")
    assert (order.status, order.filled_count()) == (Order.Status.FILLED, order.count + 1)
    assert order.events.filter(reason__contains="more than was asked for").exists()
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f28_a_match_that_settles_late_is_shown_as_settling_and_not_bought_again(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["polymarket"], "confirms_late", seconds=50)
    run(trade, now)
    assert [line.is_settling for line in trade_progress(trade).legs if line.venue == "polymarket"] == [True]
    run(trade, at(now + timedelta(seconds=20)))
    look(now + timedelta(seconds=20))
    look(at(now + GRACE_OVER))
    assert not Fill.objects.filter(settlement=Fill.Settlement.MATCHED).exists()
    assert posts(exchange, "polymarket") == 1
    assert look(now + GRACE_OVER).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f28_a_match_that_fails_on_chain_gives_its_cash_back(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    trade = buy(user, held_basket(), now)
    order = leg(trade, "polymarket")
    opening = ledger_cash(order.account)
    exchange.fault(PATHS["polymarket"], "fails_on_chain", seconds=20)
    run(trade, now)
    assert ledger_cash(order.account) < opening
    later = at(now + timedelta(seconds=25))
    look(later)
    assert ledger_cash(order.account) == opening
    assert set(order.fills.values_list("settlement", flat=True)) == {Fill.Settlement.FAILED}
    assert Position.objects.get(account=order.account).count == 0
    assert trade_progress(trade).filled_legs == 1
    assert look(later).differences == []
    assert posts(exchange, "polymarket") == 1
    assert_invariants(exchange.world, f"user-{user.pk}")


@both_venues
@pytest.mark.parametrize("fault", ["repeating_cursor", "truncated"])
def test_f30_a_listing_that_does_not_end_proves_no_absence(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "drop_before_accept")
    run(trade, now)
    exchange.fault(ORDERS[venue], fault, method="GET", nth=0)
    later = at(now + GRACE_OVER)
    report = look(later)
    assert report.not_placed == 0
    assert leg(trade, venue).status == Order.Status.UNKNOWN
    exchange.plan()
    look(later)
    assert leg(trade, venue).status == Order.Status.NOT_PLACED
    assert look(later).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")
