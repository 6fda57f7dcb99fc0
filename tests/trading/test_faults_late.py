"""F3, F8, F14 and F16 once more: replies, orders, fills and answers that come later than anybody waited for."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.sandbox_world import Exchange
from tests.trading.test_execution import make_trade
from tests.trading.test_faults_fills import THIN
from tests.trading.test_faults_writes import GRACE_OVER, assert_adopted, leg, posts
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look
from tests.trading.venue import Books, FakeVenue
from trading.execution import apply_sighting, run_trade
from trading.models import CashEntry, Fill, Order, Trade, VenueAccount
from trading.reconciliation import reconcile
from trading.venues.base import Sighting, SignedOrder, SubmitResult, VenueOrder
from trading.venues.clients import order_client
from trading.venues.polymarket import STATED_LIFE_SECONDS

At = Callable[[datetime], datetime]


def test_f03_a_reply_of_polymarket_later_than_the_timeout_changes_nothing(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["polymarket"], "delay", seconds=1)

    def impatient(account: VenueAccount) -> Any:
        client = order_client(account, now=lambda: now)
        if account.kind == "polymarket":
            # The SDK waits ten seconds; this test does not.
            client._client._ctx.secure_clob._client.timeout = 0.4  # type: ignore[union-attr]
        return client

    run_trade(trade.pk, now_fn=lambda: now, sleep=lambda seconds: None, connect=impatient)
    trade.refresh_from_db()
    assert_adopted(exchange, user, trade, "polymarket", now)


def test_f08_an_order_that_turns_up_late_and_rests_is_canceled_by_the_second_sweep(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS["polymarket"], "zombie", seconds=90)
    exchange.feed.books = {"11": THIN["11"]}
    run_trade(trade.pk, now_fn=lambda: now, sleep=lambda seconds: None)
    look(at(now + GRACE_OVER))
    order = leg(trade, "polymarket")
    assert order.status == Order.Status.NOT_PLACED
    # The first sweep found nothing to cancel, and nothing was sent in its place.
    assert exchange.requests("DELETE", "/clob/order") == []
    assert posts(exchange, "polymarket") == 1
    report = look(at(now + timedelta(seconds=120)))
    assert report.zombies == 1
    assert len(exchange.requests("DELETE", "/clob/order")) == 1
    (there,) = [each for each in exchange.orders_of(f"user-{user.pk}") if each.id == order.order_hash]
    assert (there.filled, there.status) == (Decimal(7), "canceled")
    assert order.filled_count() == Decimal(7)
    assert order.events.filter(reason__contains="after the order had ended").exists()
    assert posts(exchange, "polymarket") == 1
    assert look(at(now + timedelta(seconds=130))).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_a_purchase_that_nobody_lives_to_cancel_ends_by_itself(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    """The worker dies after the post, for good: no sweep comes, and the rest must not wait on the book for ever."""
    order = leg(buy(user, held_basket(), now), "polymarket")
    exchange.feed.books = {"11": THIN["11"]}
    with closing(order_client(order.account, now=lambda: now)) as client:
        order.order_hash = (signed := client.sign(order)).order_hash
        assert client.submit(order, signed).venue_order_id == order.order_hash
        (there,) = [each for each in exchange.orders_of(f"user-{user.pk}") if each.id == order.order_hash]
        assert (there.filled, there.status) == (Decimal(7), "resting")
        at(now + timedelta(seconds=STATED_LIFE_SECONDS))
        exchange.world.advance()
        found = client.look_up(order).order
    assert found is not None
    # The exchange lists what has expired among its canceled ones.
    assert (found.filled, found.ended) == (Decimal(7), "canceled")
    (there,) = [each for each in exchange.orders_of(f"user-{user.pk}") if each.id == order.order_hash]
    assert there.reason == "expired"


def test_f14_the_database_itself_refuses_the_same_fill_twice(user: User, books: Books, now: datetime) -> None:
    trade = make_trade(user, books)
    run_trade(trade.pk, now_fn=lambda: now, connect=FakeVenue(now=lambda: now), sleep=lambda seconds: None)
    fill = Fill.objects.earliest("pk")
    again = {"account": fill.account, "order": fill.order, "count": fill.count, "price": fill.price, "at": now}
    with pytest.raises(IntegrityError), transaction.atomic():
        Fill.objects.create(venue_trade_id=fill.venue_trade_id, **again)
    assert Fill.objects.create(venue_trade_id="another", **again).pk


class SlowerThanItsListing(FakeVenue):
    """Answers a submit only after a look-up has found the order and its fill."""

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        result = super().submit(order, signed)
        reconcile(now=self.now(), at_start=True, connect=self)
        return result


def test_f16_a_fill_that_is_read_before_the_acknowledgement_is_booked_once_and_stands(
    user: User, books: Books, now: datetime
) -> None:
    trade = make_trade(user, books)
    venue = SlowerThanItsListing(now=lambda: now)
    run_trade(trade.pk, now_fn=lambda: now, connect=venue, sleep=lambda seconds: None)
    for order in trade.orders.all():
        assert (order.status, order.filled_count()) == (Order.Status.FILLED, order.count)
        assert order.fills.count() == 1
        assert order.events.filter(reason="The answer came after the order had ended.").exists()
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    assert len(venue.posts) == len(set(venue.posts)) == 2


def test_f16_a_status_that_goes_back_moves_nothing(user: User, books: Books, now: datetime) -> None:
    trade = make_trade(user, books)
    venue = FakeVenue(now=lambda: now)
    run_trade(trade.pk, now_fn=lambda: now, connect=venue, sleep=lambda seconds: None)
    order = trade.orders.select_related("account", "trade", "market").earliest("leg_no")
    entries, events = CashEntry.objects.count(), order.events.count()
    told = venue.look_up(order)
    for stale in (
        Sighting(VenueOrder(order.venue_order_id, filled=Decimal(0)), (), complete=True),
        Sighting(VenueOrder(order.venue_order_id, filled=order.count, ended="canceled"), told.fills, complete=True),
        Sighting(VenueOrder(order.venue_order_id, filled=Decimal(1)), told.fills, complete=True),
    ):
        assert apply_sighting(order, stale, now=now)
    order.refresh_from_db()
    assert (order.status, order.filled_count()) == (Order.Status.FILLED, order.count)
    assert (CashEntry.objects.count(), order.events.count()) == (entries, events)
