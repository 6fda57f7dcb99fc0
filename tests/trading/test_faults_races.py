"""F12 and F32 against the running exchanges: one run whoever asks how often, and nothing new after a stop."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from itomarkets.records.models import AuditEntry
from itomarkets.simulation.invariants import assert_invariants
from markets.sync import sync_markets
from tests.factories import make_user
from tests.trading.many_legs import FIVE, KALSHI_CREATE, created, five_legged, many_legged_exchange, run
from tests.trading.sandbox_world import Exchange, point_settings_at
from tests.trading.test_races import at_once
from tests.trading.test_sandbox_trading import held_basket, look
from trading import tasks
from trading.accounts import connect_sandbox_accounts
from trading.models import Fill, Order, Trade, TradingSwitch
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import quote_basket
from trading.switch import set_switch

At = Callable[[datetime], datetime]
real_threads = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no confirmation start a run by itself."""
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


@pytest.fixture
def wide(settings: Any, now: datetime, quiet: None) -> Iterator[Exchange]:
    with many_legged_exchange() as running:
        point_settings_at(settings, running.url)
        yield running


def holder(now: datetime) -> User:
    """A person with accounts at both exchanges."""
    user = make_user()
    sync_markets(venue=None, full=True, now=now)
    connect_sandbox_accounts(user, now=now)
    return user


@pytest.mark.django_db
def test_f12_a_redelivered_task_sends_nothing_again(wide: Exchange, now: datetime) -> None:
    user = holder(now)
    trade = five_legged(user, now, "best_effort")
    for _ in range(3):
        tasks.run_trade(str(trade.pk))
    sent = created(wide)
    assert len(sent) == len({each.id for each in sent}) == len(FIVE)
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    assert look(now).differences == []
    assert_invariants(wide.world, f"user-{user.pk}")


@pytest.mark.django_db
def test_f12_a_key_answers_its_own_quote_again_and_no_other(wide: Exchange, now: datetime, at: At) -> None:
    user = holder(now)
    first = five_legged(user, now, "best_effort", key="the key")
    again = confirm_trade(
        user=user, quote_id=str(first.quote_id), idempotency_key="the key", policy="best_effort", now=now
    )
    assert again.pk == first.pk
    later = at(now + timedelta(minutes=2))
    quote = quote_basket(user=user, basket=held_basket(), side="yes", amount=Decimal(60), mode="sandbox", now=later)
    with pytest.raises(TradeRefused) as refused:
        confirm_trade(user=user, quote_id=quote.pk, idempotency_key="the key", policy="best_effort", now=later)
    assert refused.value.code == "key_reused"
    assert (Trade.objects.count(), Order.objects.count()) == (1, len(FIVE))
    assert AuditEntry.objects.filter(action="trade.confirmed").count() == 1


class TestWithRealThreads:
    """On PostgreSQL: SQLite has one writer and hides lost updates."""

    pytestmark = real_threads

    def test_f12_clicks_and_workers_at_once_make_one_run(self, wide: Exchange, now: datetime, settings: Any) -> None:
        """The same key twice and another key on the same quote, in parallel; then three workers with threads each."""
        settings.SEND_THREADS = 4
        user = holder(now)
        basket_trade = five_legged(user, now, "best_effort", key="a")

        def click(key: str) -> Callable[[], Trade]:
            return lambda: confirm_trade(
                user=user,
                quote_id=str(basket_trade.quote_id),
                idempotency_key=key,
                policy="best_effort",
                now=now,
            )

        results = at_once([click("a"), click("a"), click("b")])
        assert {result.pk for result in results} == {basket_trade.pk}
        runs = at_once([lambda: run(Trade.objects.get(pk=basket_trade.pk), now)] * 3)
        assert not [result for result in runs if isinstance(result, Exception)]
        sent = created(wide)
        assert len(sent) == len({each.id for each in sent}) == len(FIVE)
        look(now)
        basket_trade.refresh_from_db()
        assert basket_trade.status == Trade.Status.COMPLETE
        booked = Fill.objects.count()
        assert look(now).differences == []
        assert Fill.objects.count() == booked
        assert_invariants(wide.world, f"user-{user.pk}")


def halt(now: datetime) -> None:
    set_switch(user=None, state=TradingSwitch.State.HALTED, reason="enough", changed_by=None, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "said"),
    # A promise of all or nothing ends with the probe, before the others come to the switch.
    [("best_effort", "halted"), ("all_or_unwind", "an order before this one was not filled whole")],
)
def test_f32_a_stop_in_the_middle_of_a_run_lets_nothing_new_reach_a_venue(
    wide: Exchange, now: datetime, policy: str, said: str, settings: Any
) -> None:
    """I10: once the flip is stored no create arrives, not even a way back; what rests is still canceled."""
    settings.UNWIND_LIMITS = {"loss_dollars": Decimal(25), "loss_share": Decimal("0.5")}
    user = holder(now)
    trade = five_legged(user, now, policy)
    # What the first order could not fill at once rests, so that there is something to cancel after the stop.
    wide.feed.books = {FIVE[0]: ([(3900, 7), (3800, 99)], [(4100, 7)])}
    wide.plan(("POST", KALSHI_CREATE, 1, "rests", 0))
    at_flip: list[int] = []

    def now_fn() -> datetime:
        if not at_flip and created(wide):
            halt(now)
            at_flip.append(len(created(wide)))
        return now

    tasks.execution.run_trade(trade.pk, now_fn=now_fn, sleep=lambda seconds: None)
    trade.refresh_from_db()
    assert at_flip == [1]
    for _ in range(2):
        run(trade, now)
        look(now)
    assert len(created(wide)) == 1
    statuses = [order.status for order in trade.orders.filter(action="buy").order_by("leg_no")]
    assert statuses[1:] == [Order.Status.DENIED] * 4
    assert statuses[0] == Order.Status.CANCELED
    assert wide.requests("DELETE", f"{KALSHI_CREATE}/{trade.orders.get(leg_no=1).venue_order_id}")
    denied = trade.orders.filter(action="buy", status=Order.Status.DENIED)
    assert all(said in order.reason for order in denied), [order.reason for order in denied]
    # The way back that one of them promised is refused by the same switch, and its owner is told.
    back = list(trade.orders.filter(action="sell"))
    assert len(back) == (policy == "all_or_unwind")
    assert all(order.status == Order.Status.DENIED and "halted" in order.reason for order in back)
    trade.refresh_from_db()
    assert trade.status == (Trade.Status.NEEDS_ATTENTION if back else Trade.Status.PARTIAL)
    assert AuditEntry.objects.filter(action="trading.switch").count() == 1
    assert look(now).differences == []
    assert_invariants(wide.world, f"user-{user.pk}")
