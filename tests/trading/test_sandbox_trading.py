"""Real clients against the real sandbox: signed, sent over HTTP, filled, reconciled to zero differences."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from baskets.models import Basket
from itomarkets.simulation.invariants import assert_invariants
from markets.models import Market
from tests.trading.sandbox_world import TICKER, Exchange
from tests.trading.venue import make_basket
from trading.accounts import connect_sandbox_accounts
from trading.execution import run_trade
from trading.ledger import ledger_cash
from trading.ledger_checks import verify_account
from trading.models import Fill, Order, Position, Trade, VenueAccount
from trading.placing import confirm_trade
from trading.progress import trade_progress
from trading.quoting import legs_of, quote_basket
from trading.reconciliation import ReconcileReport, reconcile
from trading.settlement import claims_of, settle_positions
from trading.venues.clients import order_client

D = Decimal


def held_basket(*, neg_risk: bool = False) -> Basket:
    kalshi = Market.objects.get(native_id=TICKER)
    polymarket = Market.objects.get(native_id="21" if neg_risk else "11")
    return make_basket([(kalshi, "yes", "0.5", "10"), (polymarket, "no", "0.5", "10")])


def buy(user: User, basket: Basket, now: datetime, **values: Any) -> Trade:
    asked = {"side": "yes", "amount": D("60"), "mode": "sandbox", "now": now, **values}
    quote = quote_basket(user=user, basket=basket, **asked)
    assert len(legs_of(quote)) == 2, quote.warnings
    return confirm_trade(user=user, quote_id=quote.pk, idempotency_key=str(quote.pk), policy="best_effort", now=now)


def run(trade: Trade, now: datetime) -> Trade:
    run_trade(trade.pk, now_fn=lambda: now, sleep=lambda seconds: None)
    trade.refresh_from_db()
    return trade


def look(now: datetime, **values: Any) -> ReconcileReport:
    return reconcile(now=now, **values)


def assert_equal_to_the_venues(now: datetime) -> None:
    report = look(now)
    assert report.differences == []
    assert report.accounts_checked == 2
    assert report.still_unknown == 0


@pytest.mark.parametrize("side", ["yes", "no"])
@pytest.mark.parametrize("neg_risk", [False, True])
def test_a_basket_on_both_venues_is_bought_and_sold_and_every_cent_agrees(
    exchange: Exchange, user: User, now: datetime, at: Callable[[datetime], datetime], side: str, neg_risk: bool
) -> None:
    basket = held_basket(neg_risk=neg_risk)
    trade = run(buy(user, basket, now, side=side), now)
    progress = trade_progress(trade)
    assert trade.status == Trade.Status.COMPLETE, [(leg.status, leg.reason) for leg in progress.legs]
    assert progress.total <= trade.worst_cost <= D("60")
    assert {fill.account.kind for fill in Fill.objects.select_related("account")} == {"kalshi", "polymarket"}
    assert_equal_to_the_venues(now)

    later = at(now + timedelta(minutes=2))
    # By now it has settled on chain: before that is booked, nothing of it is offered.
    look(later)
    quote = quote_basket(user=user, basket=basket, side=side, amount=None, mode="sandbox", action="sell", now=later)
    sale = run(
        confirm_trade(user=user, quote_id=quote.pk, idempotency_key="sell", policy="best_effort", now=later), later
    )
    assert sale.status == Trade.Status.COMPLETE, [(o.status, o.reason) for o in sale.orders.all()]
    assert not Position.objects.filter(count__gt=0).exists()
    assert_equal_to_the_venues(later)


def test_accounts_are_sealed_and_connecting_twice_changes_nothing(
    exchange: Exchange, user: User, now: datetime
) -> None:
    before = {account.kind: account.pk for account in VenueAccount.objects.all()}
    connect_sandbox_accounts(user, now=now)
    assert {account.kind: account.pk for account in VenueAccount.objects.all()} == before
    for account in VenueAccount.objects.all():
        assert b"PRIVATE KEY" not in bytes(account.sealed_credentials or b"")
        assert account.cash == ledger_cash(account) == D(10_000)


PATHS = {"kalshi": "/trade-api/v2/portfolio/events/orders", "polymarket": "/clob/order"}


@pytest.mark.parametrize("venue", sorted(PATHS))
@pytest.mark.parametrize("fault", ["drop_before_reply", "500_after_accept"])
def test_an_order_that_was_taken_without_a_reply_is_adopted_and_not_sent_again(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    sent_before = len(exchange.orders_of(f"user-{user.pk}"))
    exchange.fault(PATHS[venue], fault)
    run(trade, now)
    order = trade.orders.get(account__kind=venue)
    assert order.status == Order.Status.UNKNOWN, order.reason
    assert trade_progress(trade).needs_attention
    run(trade, now)
    report = look(now + timedelta(seconds=20))
    order.refresh_from_db()
    assert order.status == Order.Status.FILLED, order.reason
    assert report.differences == []
    assert len(exchange.orders_of(f"user-{user.pk}")) - sent_before == 2
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE


@pytest.mark.parametrize("venue", sorted(PATHS))
@pytest.mark.parametrize("fault", ["drop_before_accept", "500_before_accept", "503"])
def test_an_order_that_never_arrived_is_unknown_until_its_absence_is_proven(
    exchange: Exchange, user: User, now: datetime, venue: str, fault: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], fault)
    run(trade, now)
    order = trade.orders.get(account__kind=venue)
    assert order.status == Order.Status.UNKNOWN, order.reason
    look(now + timedelta(seconds=30))
    order.refresh_from_db()
    assert order.status == Order.Status.UNKNOWN
    report = look(now + timedelta(seconds=61))
    order.refresh_from_db()
    assert order.status == Order.Status.NOT_PLACED
    assert (report.not_placed, report.differences) == (1, [])
    trade.refresh_from_db()
    assert trade.status == Trade.Status.PARTIAL


@pytest.mark.parametrize("venue", sorted(PATHS))
def test_too_many_requests_is_a_refusal_with_proof(exchange: Exchange, user: User, now: datetime, venue: str) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "429")
    run(trade, now)
    assert trade.orders.get(account__kind=venue).status == Order.Status.REJECTED
    assert_equal_to_the_venues(now)


def test_books_that_moved_past_the_cap_fill_nothing_and_nothing_rests(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    far = ([(8000, 100)], [(8200, 300)])
    exchange.feed.books = {TICKER: far, "11": ([(800, 100)], [(1000, 300)])}
    try:
        run(trade, now)
    finally:
        exchange.feed.books = {}
    assert trade.status == Trade.Status.ABORTED, [(o.status, o.reason) for o in trade.orders.all()]
    assert_equal_to_the_venues(now)


def test_cash_that_is_gone_at_the_venue_is_a_rejection(exchange: Exchange, user: User, now: datetime) -> None:
    trade = buy(user, held_basket(), now)
    account = exchange.world.accounts.by_name(f"user-{user.pk}")
    assert account is not None
    for shard in range(4):
        exchange.world.ledger.credit(account.id, "kalshi", shard, D(-2400))
    exchange.world.ledger.credit(account.id, "kalshi", 2, D(-100))
    run(trade, now)
    order = trade.orders.get(account__kind="kalshi")
    assert order.status == Order.Status.REJECTED, order.reason
    # The venue and the ledger now differ, and it is said.
    assert any("cash" in difference for difference in look(now).differences)


def test_a_key_that_the_venue_does_not_know_is_refused_and_nothing_is_sent(
    exchange: Exchange, user: User, now: datetime
) -> None:
    account = VenueAccount.objects.get(kind="kalshi")
    client = order_client(account, now=lambda: now)
    try:
        assert client.cash() == D(10_000)
        assert "PRIVATE" not in repr(client)
    finally:
        client.close()
    trade = buy(user, held_basket(), now)
    VenueAccount.objects.filter(kind="kalshi").update(sealed_credentials=b"\x01broken")
    run(trade, now)
    assert trade.orders.get(account__kind="kalshi").status == Order.Status.DENIED
    assert trade.orders.get(account__kind="polymarket").status == Order.Status.FILLED


def test_an_order_that_is_sent_again_by_hand_is_known_as_a_duplicate(
    exchange: Exchange, user: User, now: datetime
) -> None:
    trade = buy(user, held_basket(), now)
    run(trade, now)
    connect = partial(order_client, now=lambda: now)
    for order in trade.orders.select_related("market", "account"):
        client = connect(order.account)
        try:
            signed = client.sign(order)
            stored = type(signed)(payload=order.signed_payload, order_hash=order.order_hash)
            result = client.submit(order, stored)
            assert result.placement == "unknown", result
            assert client.look_up(order).order is not None
        finally:
            client.close()
    assert_equal_to_the_venues(now)


def test_a_settled_market_pays_the_same_here_and_there(exchange: Exchange, user: User, now: datetime) -> None:
    run(buy(user, held_basket(), now), now)
    account = exchange.world.accounts.by_name(f"user-{user.pk}")
    assert account is not None
    kalshi = Position.objects.get(market__native_id=TICKER)
    before = ledger_cash(kalshi.account)
    Market.objects.filter(pk=kalshi.market_id).update(status="resolved", payout=D(1))
    settle_positions(now=now)
    assert ledger_cash(kalshi.account) - before == kalshi.count


def test_no_bought_over_yes_nets_at_kalshi_and_not_at_polymarket_here_as_there(
    exchange: Exchange, user: User, now: datetime, at: Callable[[datetime], datetime]
) -> None:
    run(buy(user, held_basket(), now), now)
    later = at(now + timedelta(minutes=2))
    run(buy(user, held_basket(), later, side="no", amount=D("20")), later)
    sides = {
        (row.market.venue, row.side): row.count for row in Position.objects.filter(count__gt=0).select_related("market")
    }
    assert set(sides) == {("kalshi", "yes"), ("polymarket", "yes"), ("polymarket", "no")}
    assert_equal_to_the_venues(later)
    assert_invariants(exchange.world, f"user-{user.pk}")
    for account in VenueAccount.objects.all():
        assert verify_account(account) == []


def test_what_is_won_at_polymarket_becomes_cash_when_the_venue_shows_it(
    exchange: Exchange, user: User, now: datetime
) -> None:
    run(buy(user, held_basket(), now), now)
    position = Position.objects.get(market__native_id="11")
    before, won = ledger_cash(position.account), position.count
    exchange.control("/settle", {"venue": "polymarket", "key": "11", "outcome": "0"})
    Market.objects.filter(pk=position.market_id).update(status="resolved", payout=D(0))
    settle_positions(now=now)
    assert ledger_cash(position.account) == before
    assert_equal_to_the_venues(now)
    assert ledger_cash(position.account) == before + won
    assert claims_of([position.account]) == {}
