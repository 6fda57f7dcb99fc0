"""The kill switch of everybody, an exchange, a person: what it stops, who flips it, and that it leaves a line."""

from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from itomarkets.records.models import AuditEntry
from tests.factories import make_user
from tests.trading.sandbox_world import Exchange
from tests.trading.test_faults_fills import THIN
from tests.trading.test_faults_modes import CANCELS
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from tests.trading.venue import Books, FakeVenue, sandbox_account, two_leg_basket
from trading.execution import run_trade
from trading.models import Order, Trade, TradingSwitch
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import QuoteRefused, legs_of, quote_basket
from trading.switch import SwitchRefused, blocked_reason, set_own_switch, set_switch

D = Decimal


def flip(now: datetime, **values: Any) -> TradingSwitch:
    asked: dict[str, Any] = {"user": None, "state": "halted", "reason": "drill", "changed_by": None, "now": now}
    return set_switch(**{**asked, **values})


def ask(user: User, basket: Any, books: Books) -> Any:
    return quote_basket(
        user=user, basket=basket, side="yes", amount=D(100), mode="sandbox", now=books.now, read_books=books.read
    )


def test_one_exchanges_switch_leaves_its_legs_out_of_a_quote_and_stops_confirmation_and_sending(
    user: User, books: Books
) -> None:
    for kind in ("kalshi", "polymarket"):
        sandbox_account(user, books.now, kind)
    basket, kalshi, polymarket = two_leg_basket(books)
    standing = ask(user, basket, books)
    sent_late = ask(user, basket, books)
    asked = {"user": user, "policy": "best_effort", "now": books.now}
    trade = confirm_trade(quote_id=sent_late.pk, idempotency_key="first", **asked)
    flip(books.now, venue="kalshi")
    found = ask(user, basket, books)
    assert [leg.market_id for leg in legs_of(found)] == [polymarket.pk]
    assert any("the legs on Kalshi. Trading on Kalshi is halted: drill." in said for said in found.warnings)
    with pytest.raises(TradeRefused) as caught:
        confirm_trade(quote_id=standing.pk, idempotency_key="second", **asked)
    assert caught.value.code == "switch"
    venue = FakeVenue(now=lambda: books.now)
    run_trade(trade.pk, now_fn=lambda: books.now, connect=venue)
    orders = {order.market_id: order for order in trade.orders.all()}
    assert (orders[kalshi.pk].status, orders[polymarket.pk].status) == ("denied", "filled")
    assert orders[kalshi.pk].reason == "Trading on Kalshi is halted: drill."
    assert venue.posts == [str(orders[polymarket.pk].client_id)]
    flip(books.now, venue="polymarket")
    with pytest.raises(QuoteRefused, match="Trading on Polymarket is halted"):
        ask(user, basket, books)


@pytest.mark.parametrize("scope", ["everybody", "kalshi", "person"])
def test_i10_a_switch_in_the_middle_of_a_fan_out_lets_no_further_order_reach_the_exchange(
    exchange: Exchange, user: User, now: datetime, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade = buy(user, held_basket(), now)
    order = trade.orders.get(account__kind="polymarket")
    # Polymarket's goes first and the switch is flipped while its answer is still out.
    trade.orders.filter(pk=order.pk).update(leg_no=0)
    send = httpx.Client.send

    def flipped(self: httpx.Client, request: httpx.Request, **values: Any) -> httpx.Response:
        answer = send(self, request, **values)
        if request.method == "POST" and request.url.path == PATHS["polymarket"]:
            flip(now, user=user if scope == "person" else None, venue="kalshi" if scope == "kalshi" else "")
        return answer

    monkeypatch.setattr(httpx.Client, "send", flipped)
    run(trade, now)
    assert TradingSwitch.objects.get().state == "halted"
    denied = trade.orders.get(account__kind="kalshi")
    assert denied.status == Order.Status.DENIED
    assert "halted: drill" in denied.reason
    assert exchange.requests("POST", PATHS["kalshi"]) == []
    assert len(exchange.requests("POST", PATHS["polymarket"])) == 1
    assert trade.orders.get(account__kind="polymarket").status == Order.Status.FILLED
    assert look(now).differences == []


def test_cancels_pass_a_halted_switch(exchange: Exchange, user: User, now: datetime) -> None:
    trade = buy(user, held_basket(), now)
    exchange.feed.books = dict(THIN)
    exchange.plan(("POST", PATHS["kalshi"], 1, "rests", 0), ("DELETE", CANCELS["kalshi"], 0, "drop_before_accept", 0))
    run(trade, now)
    assert trade.orders.get(account__kind="kalshi").status in (Order.Status.OPEN, Order.Status.PENDING_CANCEL)
    exchange.plan()
    flip(now)
    look(now)
    assert trade.orders.get(account__kind="kalshi").status == Order.Status.CANCELED
    trade.refresh_from_db()
    assert trade.status != Trade.Status.EXECUTING


def test_the_switch_is_one_row_a_scope_and_each_flip_one_audit_line(user: User, now: datetime) -> None:
    for state in ("halted", "active"):
        for scope in ({}, {"venue": "kalshi"}, {"user": user}):
            flip(now, state=state, **scope)
    assert {(s.user_id, s.venue, s.state) for s in TradingSwitch.objects.all()} == {
        (None, "", "active"),
        (None, "kalshi", "active"),
        (user.pk, "", "active"),
    }
    lines = AuditEntry.objects.filter(action="trading.switch").order_by("seq")
    assert [line.subject for line in lines] == ["everybody", "venue:kalshi", f"user:{user.pk}"] * 2
    with pytest.raises(IntegrityError), transaction.atomic():
        TradingSwitch.objects.create(venue="kalshi", changed_at=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        TradingSwitch.objects.create(user=make_user(), venue="kalshi", changed_at=now)
    with pytest.raises(SwitchRefused, match="found both"):
        flip(now, user=user, venue="kalshi")
    with pytest.raises(SwitchRefused, match="found 'nowhere'"):
        flip(now, venue="nowhere")


def test_the_admin_says_in_a_sentence_that_a_scope_has_its_switch(client: Client, user: User, now: datetime) -> None:
    client.force_login(make_user(username="root", is_staff=True, is_superuser=True))
    add = reverse("admin:trading_tradingswitch_add")
    for scope, said in (
        ({"user": "", "venue": ""}, "There is a switch of this scope already"),
        ({"user": "", "venue": "kalshi"}, "There is a switch of this scope already"),
        ({"user": user.pk, "venue": ""}, "This person has a switch already"),
    ):
        posted = {**scope, "state": "halted", "reason": ""}
        assert client.post(add, posted).status_code == 302
        again = client.post(add, posted).content.decode()
        assert said in again
        assert "trading_switch_once" not in again
    both = client.post(add, {"user": make_user().pk, "venue": "kalshi", "state": "halted"}).content.decode()
    assert "choose a person or an exchange, not both" in both
    assert TradingSwitch.objects.filter(state="halted").count() == 3


def test_the_command_stops_one_exchange_and_survives_a_restart(db: None, now: datetime, user: User) -> None:
    out = StringIO()
    call_command("halt_trading", "on", "--venue", "kalshi", "--reason", "exchange is odd", stdout=out)
    assert out.getvalue() == "Kalshi: Halted.\n"
    asked = {"user_id": user.pk, "action": "buy"}
    assert blocked_reason(venues=["kalshi"], **asked) == "Trading on Kalshi is halted: exchange is odd."
    assert blocked_reason(venues=["polymarket"], **asked) == ""
    call_command("halt_trading", "reducing", "--venue", "kalshi", stdout=out)
    assert "reducing only" in blocked_reason(venues=["kalshi"], **asked)
    assert blocked_reason(user_id=user.pk, action="sell", venues=["kalshi"]) == ""
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("halt_trading", "on", "--venue", "kalshi", "--user", user.username)


def test_a_person_stops_and_frees_their_own_trading_but_not_what_staff_stopped(
    client: Client, user: User, now: datetime
) -> None:
    client.force_login(user)
    assert "Stop my trading" in client.get("/profile").content.decode()
    page = client.post("/profile/trading", {"state": "halted"}, follow=True).content.decode()
    assert "You stopped your trading" in page
    assert "you stopped it in your profile" in blocked_reason(user_id=user.pk, action="sell")
    assert blocked_reason(user_id=make_user().pk, action="sell") == ""
    client.post("/profile/trading", {"state": "active"})
    assert blocked_reason(user_id=user.pk, action="buy") == ""
    client.post("/profile/trading", {"state": "nonsense"})
    assert TradingSwitch.objects.get().state == "active"
    assert AuditEntry.objects.filter(action="trading.switch", actor=user).count() == 2
    flip(now, user=user, state="reducing", changed_by=make_user(is_staff=True))
    for state in ("active", "halted"):
        page = client.post("/profile/trading", {"state": state}, follow=True).content.decode()
        assert "Only they let it go on" in page
        with pytest.raises(SwitchRefused):
            set_own_switch(user=user, state=state, now=now)
    assert TradingSwitch.objects.get().state == "reducing"
