"""F21: a venue that says "too many" is heeded by the account's later sends, and nothing goes out late."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from tests.trading.test_execution import make_trade
from tests.trading.venue import Books, sandbox_account
from trading.models import Order, VenueAccount
from trading.schedule import put_off, send_times
from trading.sending import claim_all, heed
from trading.venues.base import Placement, SignedOrder, SubmitResult

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders(user: User, books: Books, now: datetime, settings: Any) -> list[Order]:
    """Return two planned orders of an account that may send two at once and one a second."""
    settings.WRITE_BUDGETS = {"kalshi": (1, 2)}
    account = sandbox_account(user, now)
    trade = make_trade(user, books)
    trade.orders.update(account=account)
    return list(trade.orders.select_related("trade", "market", "account").order_by("leg_no"))


def told_too_many(order: Order, seconds: float) -> list[tuple[Order, SubmitResult]]:
    return [(order, SubmitResult(Placement.REJECTED, reason="429", retry_after=seconds))]


@pytest.mark.parametrize(("asked", "least", "most"), [(7.0, 7.0, 8.0), (0.0, 1.0, 2.0)])
def test_f21_the_next_order_waits_as_long_as_was_asked_and_goes_alone(
    orders: list[Order], now: datetime, asked: float, least: float, most: float
) -> None:
    heed(told_too_many(orders[0], asked), now=now)
    again = list(Order.objects.select_related("account").filter(pk__in=[order.pk for order in orders]))
    first, second = sorted(send_times(again, now=now).values())
    assert least <= (first - now).total_seconds() < most
    assert second - first == timedelta(seconds=1)


def test_f21_a_claim_after_it_sends_nothing_and_says_when(orders: list[Order], now: datetime) -> None:
    heed(told_too_many(orders[0], 7.0), now=now)
    claims = claim_all([(order, SignedOrder(payload="{}")) for order in orders], now=now)
    assert (claims.ours, set(claims.later)) == ((), {order.pk for order in orders})
    assert set(Order.objects.values_list("status", flat=True)) == {"planned"}


def test_an_answer_of_another_kind_puts_nothing_off(orders: list[Order], now: datetime) -> None:
    heed([(orders[0], SubmitResult(Placement.REJECTED, reason="no"))], now=now)
    assert VenueAccount.objects.get(pk=orders[0].account_id).budget_whole_at is None


def test_a_shorter_pause_does_not_shorten_a_longer_one(orders: list[Order], now: datetime) -> None:
    account_id = orders[0].account_id
    put_off(account_id=account_id, seconds=30, now=now)
    put_off(account_id=account_id, seconds=5, now=now)
    assert VenueAccount.objects.get(pk=account_id).budget_whole_at == now + timedelta(seconds=31)


def test_where_no_budget_is_set_nothing_is_put_off(orders: list[Order], now: datetime, settings: Any) -> None:
    settings.WRITE_BUDGETS = {}
    put_off(account_id=orders[0].account_id, seconds=30, now=now)
    assert VenueAccount.objects.get(pk=orders[0].account_id).budget_whole_at is None
