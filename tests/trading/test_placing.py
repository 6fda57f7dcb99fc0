from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command

from accounts.models import User
from itomarkets.records.models import AuditEntry
from markets.models import Market
from tests.factories import make_user
from tests.trading.venue import Books, FakeVenue, sandbox_account, two_leg_basket
from trading import placing
from trading.execution import run_trade
from trading.models import Order, TicketQuote, Trade, TradingSwitch, VenueAccount
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import QuoteRefused, quote_basket
from trading.switch import set_switch

D = Decimal


@pytest.fixture
def quote(user: User, books: Books) -> TicketQuote:
    basket, _, _ = two_leg_basket(books)
    return quote_basket(
        user=user, basket=basket, side="yes", amount=D("100"), mode="paper", now=books.now, read_books=books.read
    )


def confirm(quote: TicketQuote, **values: Any) -> Trade:
    asked = {"idempotency_key": "key-1", "policy": "best_effort", "now": quote.created_at, **values}
    return confirm_trade(
        user=values.pop("user", quote.user),
        quote_id=asked.pop("quote_id", quote.pk),
        **{name: value for name, value in asked.items() if name != "user"},
    )


def test_a_confirmation_stores_trade_orders_reserve_and_audit_line(quote: TicketQuote) -> None:
    trade = confirm(quote, request_id="req-1")
    orders = list(trade.orders.all())
    assert [order.status for order in orders] == ["planned", "planned"]
    assert sum(order.reserved for order in orders) == quote.worst_cost
    account = VenueAccount.objects.get()
    assert account.cash_available() == account.cash - quote.worst_cost
    entry = AuditEntry.objects.get(action="trade.confirmed")
    assert (entry.subject, entry.request_id) == (f"trade:{trade.pk}", "req-1")
    assert set(entry.after["orders"]) == {str(order.client_id) for order in orders}
    call_command("verify_audit")


def test_confirming_twice_with_one_key_gives_the_same_trade(quote: TicketQuote) -> None:
    assert confirm(quote).pk == confirm(quote).pk
    assert (Trade.objects.count(), Order.objects.count()) == (1, 2)


def test_two_keys_on_one_quote_give_the_same_trade(quote: TicketQuote) -> None:
    assert confirm(quote).pk == confirm(quote, idempotency_key="key-2").pk
    assert (Trade.objects.count(), Order.objects.count()) == (1, 2)


def test_a_confirmation_is_answered_with_its_trade_even_after_the_quote_ran_out(quote: TicketQuote) -> None:
    trade = confirm(quote)
    assert confirm(quote, now=quote.expires_at + timedelta(hours=1)).pk == trade.pk


def test_a_worker_is_nudged_once_and_only_after_the_commit(
    quote: TicketQuote, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(placing.run_trade, "delay", told.append)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        trade = confirm(quote)
        confirm(quote)
        assert told == []
    assert len(callbacks) == 1
    assert told == [str(trade.pk)]


def test_a_broker_that_is_down_loses_nothing(
    quote: TicketQuote, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(trade_id: str) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(placing.run_trade, "delay", down)
    with django_capture_on_commit_callbacks(execute=True):
        trade = confirm(quote)
    assert trade.orders.filter(status="planned").count() == 2


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"quote_id": uuid4()}, "quote_unknown"),
        ({"quote_id": "no uuid"}, "quote_unknown"),
        ({"idempotency_key": ""}, "key"),
        ({"idempotency_key": "k" * 65}, "key"),
        ({"policy": "nonsense"}, "policy"),
    ],
)
def test_a_confirmation_that_makes_no_sense_is_refused(quote: TicketQuote, values: dict[str, Any], code: str) -> None:
    with pytest.raises(TradeRefused) as caught:
        confirm(quote, **values)
    assert caught.value.code == code
    assert not Trade.objects.exists()


def test_an_expired_quote_is_refused(quote: TicketQuote) -> None:
    with pytest.raises(TradeRefused, match="run out") as caught:
        confirm(quote, now=quote.expires_at)
    assert caught.value.code == "quote_expired"
    assert not Order.objects.exists()


def test_another_persons_quote_does_not_exist(quote: TicketQuote) -> None:
    with pytest.raises(TradeRefused) as caught:
        confirm(quote, user=make_user())
    assert caught.value.code == "quote_unknown"


def test_a_key_that_confirmed_another_quote_is_refused(quote: TicketQuote, books: Books) -> None:
    confirm(quote)
    other = quote_basket(
        user=quote.user, basket=quote.basket, side="no", amount=D("50"), mode="paper", now=books.now,
        read_books=books.read,
    )  # fmt: skip
    with pytest.raises(TradeRefused) as caught:
        confirm(other)
    assert caught.value.code == "key_reused"


def test_a_second_trade_within_the_minute_needs_a_quote_that_has_said_so(
    quote: TicketQuote, books: Books, user: User
) -> None:
    def another(now: datetime) -> TicketQuote:
        return quote_basket(
            user=user, basket=quote.basket, side="yes", amount=D("50"), mode="paper", now=now, read_books=books.read
        )

    before = another(books.now)
    confirm(quote)
    with pytest.raises(TradeRefused) as caught:
        confirm(before, idempotency_key="key-2")
    assert caught.value.code == "duplicate"
    after = another(books.now + timedelta(seconds=5))
    assert any("less than a minute ago" in warning for warning in after.warnings)
    assert confirm(after, idempotency_key="key-2").pk != confirm(quote).pk


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda quote: Market.objects.update(status="paused"), "market_open"),
        (lambda quote: Market.objects.update(accepts_orders=False), "market_accepts_orders"),
        (lambda quote: Market.objects.update(close_at=quote.created_at + timedelta(seconds=60)), "close_buffer"),
        (lambda quote: Market.objects.update(vanished_at=quote.created_at), "market_open"),
        (lambda quote: VenueAccount.objects.update(is_enabled=False), "account_enabled"),
        (lambda quote: VenueAccount.objects.update(cash=D("10")), "cash"),
        (lambda quote: VenueAccount.objects.update(user=make_user()), "account"),
        (
            lambda quote: set_switch(
                user=None, state=TradingSwitch.State.HALTED, reason="", changed_by=None, now=quote.created_at
            ),
            "switch",
        ),
        (
            lambda quote: set_switch(
                user=quote.user, state=TradingSwitch.State.REDUCING, reason="", changed_by=None, now=quote.created_at
            ),
            "switch",
        ),
    ],
)
def test_what_changed_since_the_quote_stops_the_confirmation(quote: TicketQuote, change: Any, code: str) -> None:
    change(quote)
    with pytest.raises(TradeRefused) as caught:
        confirm(quote)
    assert caught.value.code == code
    assert not Trade.objects.exists()
    assert not AuditEntry.objects.filter(action="trade.confirmed").exists()


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [
        ("order_notional", D("20"), "order_notional"),
        ("trade_notional", D("50"), "trade_notional"),
        ("day_notional", D("99"), "day_notional"),
    ],
)
def test_each_limit_has_a_name_and_stops_what_is_above_it(
    quote: TicketQuote, settings: Any, limit: str, value: Decimal, code: str
) -> None:
    settings.TRADE_LIMITS = {**settings.TRADE_LIMITS, limit: value}
    with pytest.raises(TradeRefused) as caught:
        confirm(quote)
    assert caught.value.code == code


def test_the_day_counts_what_earlier_trades_may_have_taken(quote: TicketQuote, books: Books, settings: Any) -> None:
    confirm(quote)
    settings.TRADE_LIMITS = {**settings.TRADE_LIMITS, "day_notional": D("150")}
    later = books.now + timedelta(minutes=2)
    books.move_to(later)
    with pytest.raises(QuoteRefused, match=r"today's trades took up to"):
        quote_basket(
            user=quote.user, basket=quote.basket, side="yes", amount=D("100"), mode="paper", now=later,
            read_books=books.read,
        )  # fmt: skip


def test_two_trades_cannot_reserve_the_same_cash(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    sandbox_account(user, books.now, "kalshi", cash="70")
    sandbox_account(user, books.now, "polymarket", cash="70")

    def another(now: datetime) -> TicketQuote:
        return quote_basket(
            user=user, basket=basket, side="yes", amount=D("100"), mode="sandbox", now=now, read_books=books.read
        )

    first, second = another(books.now), another(books.now + timedelta(seconds=1))
    confirm(first)
    with pytest.raises(TradeRefused) as caught:
        confirm(second, idempotency_key="key-2")
    assert caught.value.code in ("cash", "duplicate")
    TicketQuote.objects.filter(pk=second.pk).update(created_at=books.now + timedelta(seconds=2))
    with pytest.raises(TradeRefused) as caught:
        confirm(second, idempotency_key="key-2", now=books.now + timedelta(seconds=2))
    assert caught.value.code == "cash"


def test_live_needs_the_server_and_the_account_switched_on(user: User, books: Books, settings: Any) -> None:
    settings.VENUES, settings.LIVE_TRADING = "live", True
    basket, _, _ = two_leg_basket(books)
    for kind in ("kalshi", "polymarket"):
        sandbox_account(user, books.now, kind)
    VenueAccount.objects.update(mode="live", live_enabled=True)
    live = quote_basket(
        user=user, basket=basket, side="yes", amount=D("100"), mode="live", now=books.now, read_books=books.read
    )
    VenueAccount.objects.update(live_enabled=False)
    with pytest.raises(TradeRefused) as caught:
        confirm(live)
    assert caught.value.code == "live_enabled"
    VenueAccount.objects.update(live_enabled=True)
    trade = confirm(live)
    # Switched off between the confirmation and the sending: nothing goes out.
    settings.LIVE_TRADING = False
    venue = FakeVenue(now=lambda: books.now)
    assert run_trade(trade.pk, now_fn=lambda: books.now, connect=venue).denied == 2
    assert venue.posts == []
