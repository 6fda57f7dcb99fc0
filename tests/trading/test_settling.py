"""F28: what is only matched is pending: it is shown so, not offered for sale, and a refused sale says why."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import User
from itomarkets.simulation.invariants import assert_invariants
from markets.models import Market
from tests.trading.sandbox_world import Exchange
from tests.trading.test_execution import make_trade
from tests.trading.test_execution import run as run_fake
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from tests.trading.venue import Books, FakeVenue, make_basket
from trading import tasks
from trading.execution import run_trade
from trading.models import Fill, Order, Position, Trade
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import QuoteRefused, quote_basket
from trading.sides import free_to_sell
from trading.unwinding import unwind_if_short

D = Decimal
At = Callable[[datetime], datetime]


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)


def test_f28_what_is_matched_and_not_settled_is_not_offered_for_sale(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    basket = make_basket([(Market.objects.get(native_id="11"), "no", "1", "10")])
    quote = quote_basket(user=user, basket=basket, side="yes", amount=D(30), mode="sandbox", now=now)
    trade = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="b", policy="best_effort", now=now)
    exchange.fault(PATHS["polymarket"], "confirms_late", seconds=50)
    run(trade, now)
    position = Position.objects.get()
    assert (position.count > 0, free_to_sell(position)) == (True, D(0))
    early = at(now + timedelta(seconds=20))
    look(early)
    with pytest.raises(QuoteRefused, match="not settled on chain yet"):
        quote_basket(user=user, basket=basket, side="yes", amount=None, mode="sandbox", action="sell", now=early)
    later = at(now + timedelta(seconds=70))
    for _ in range(2):
        look(later)
    assert free_to_sell(position) == position.count
    quote = quote_basket(user=user, basket=basket, side="yes", amount=None, mode="sandbox", action="sell", now=later)
    sale = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="s", policy="best_effort", now=later)
    run(sale, later)
    assert sale.status == Trade.Status.COMPLETE
    assert len(exchange.requests("POST", PATHS["polymarket"])) == 2
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f28_a_confirmed_sale_is_refused_when_its_contracts_turn_out_unsettled(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    basket = held_basket()
    run(buy(user, basket, now), now)
    later = at(now + timedelta(minutes=2))
    look(later)
    quote = quote_basket(user=user, basket=basket, side="yes", amount=None, mode="sandbox", action="sell", now=later)
    Fill.objects.filter(account__kind="polymarket").update(settlement="matched")
    with pytest.raises(TradeRefused, match="are left to sell"):
        confirm_trade(user=user, quote_id=quote.pk, idempotency_key="s", policy="best_effort", now=later)


def test_f28_a_sale_that_the_venue_refuses_for_want_of_balance_says_that_it_is_not_settled(
    exchange: Exchange, user: User, now: datetime, at: At
) -> None:
    basket = held_basket()
    run(buy(user, basket, now), now)
    later = at(now + timedelta(minutes=2))
    look(later)
    sale = buy(user, basket, later, amount=None, action="sell")
    # Another purchase is on its way to the chain, and the venue counts nothing of either.
    Fill.objects.filter(account__kind="polymarket").update(settlement="matched")
    exchange.fault(PATHS["polymarket"], "unsettled")
    for _ in range(2):
        run(sale, later)
    order = sale.orders.get(account__kind="polymarket")
    assert order.status == Order.Status.REJECTED
    assert order.reason.startswith("What was bought is not settled on chain yet")
    assert Position.objects.filter(account__kind="polymarket").get().count > 0
    assert len(exchange.requests("POST", PATHS["polymarket"])) == 2


def test_f28_a_way_back_waits_for_the_chain_and_then_asks_its_owner(user: User, books: Books, now: datetime) -> None:
    trade = make_trade(user, books, policy="all_or_unwind")
    venue = FakeVenue(now=lambda: now)
    probe = trade.orders.order_by("-depth_share", "-reserved", "leg_no").first()
    assert probe is not None
    venue.faults = {trade.orders.exclude(pk=probe.pk).get().leg_no: "reject"}
    venue.during_submit = lambda order: Fill.objects.filter(order=probe).update(settlement="matched") and None
    for seconds in (0, 20, 299):
        moment = now + timedelta(seconds=seconds)
        run_fake(trade, venue, moment)
        trade.refresh_from_db()
        assert (trade.hold, trade.status, trade.orders.count()) == ("", Trade.Status.EXECUTING, 2)
    late = now + timedelta(seconds=301)
    books.move_to(late)
    assert not unwind_if_short(trade=trade, read_books=books.read, now=late)
    trade.refresh_from_db()
    assert trade.hold == Trade.Hold.UNWIND


def test_f28_a_way_back_goes_by_itself_once_the_purchase_has_settled(
    user: User, books: Books, now: datetime, settings: object
) -> None:
    settings.UNWIND_LIMITS = {"loss_dollars": D("25"), "loss_share": D("0.5")}  # type: ignore[attr-defined]
    trade = make_trade(user, books, policy="all_or_unwind")
    venue = FakeVenue(now=lambda: now, fee="0.00")
    probe = trade.orders.order_by("-depth_share", "-reserved", "leg_no").first()
    assert probe is not None
    venue.faults = {trade.orders.exclude(pk=probe.pk).get().leg_no: "reject"}
    venue.during_submit = lambda order: Fill.objects.filter(order=probe).update(settlement="matched") and None
    run_fake(trade, venue, now)
    assert trade.orders.count() == 2
    venue.during_submit = None
    Fill.objects.update(settlement="confirmed")
    soon = now + timedelta(seconds=15)
    books.move_to(soon)
    for _ in range(2):
        run_trade(trade.pk, now_fn=lambda: soon, connect=venue, sleep=lambda seconds: None, read_books=books.read)
    trade.refresh_from_db()
    assert (trade.status, trade.orders.count()) == (Trade.Status.UNWOUND, 3)
