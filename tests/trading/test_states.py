from datetime import datetime
from decimal import Decimal

import pytest

from accounts.models import User
from tests.trading.venue import Books, two_leg_basket
from trading.models import Order, OrderEvent
from trading.placing import confirm_trade
from trading.quoting import quote_basket
from trading.states import ALLOWED, FINAL, LIVE, ForbiddenTransition

STATUSES = sorted(ALLOWED)


@pytest.fixture
def order(books: Books, user: User, now: datetime) -> Order:
    basket, _, _ = two_leg_basket(books)
    quote = quote_basket(
        user=user, basket=basket, side="yes", amount=Decimal("100"), mode="paper", now=now, read_books=books.read
    )
    confirm_trade(user=user, quote_id=quote.pk, idempotency_key="k", policy="best_effort", now=now)
    return Order.objects.earliest("leg_no")


def test_the_table_knows_every_status_of_the_model() -> None:
    assert set(ALLOWED) == set(Order.Status.values)
    assert set.union(*(set(following) for following in ALLOWED.values())) <= set(ALLOWED)
    assert {"denied", "filled", "rejected", "canceled", "expired", "not_placed"} == FINAL
    assert not FINAL & LIVE


def test_nothing_leads_back_to_planned_and_a_send_never_proves_absence() -> None:
    assert all("planned" not in following for following in ALLOWED.values())
    assert all("not_placed" not in following for old, following in ALLOWED.items() if old != "unknown")


@pytest.mark.parametrize("old", STATUSES)
@pytest.mark.parametrize("new", STATUSES)
def test_each_step_is_allowed_refused_or_quiet(old: str, new: str, order: Order, now: datetime) -> None:
    Order.objects.filter(pk=order.pk).update(status=old)
    if old == new:
        assert order.transition_to(new, reason="again", at=now) is False
        assert not OrderEvent.objects.filter(order=order).exists()
    elif new in ALLOWED[old]:
        assert order.transition_to(new, reason="because", at=now, evidence={"id": 1}) is True
        event = OrderEvent.objects.get(order=order)
        assert (event.old_status, event.new_status, event.reason) == (old, new, "because")
        stored = Order.objects.get(pk=order.pk)
        assert stored.status == order.status == new
        assert (stored.finished_at is not None) == (new in FINAL)
        assert (stored.reserved == 0) == (new in FINAL)
    else:
        with pytest.raises(ForbiddenTransition, match=f"{old} cannot become {new}"):
            order.transition_to(new, reason="no", at=now)
        assert Order.objects.get(pk=order.pk).status == old
        assert not OrderEvent.objects.filter(order=order).exists()
