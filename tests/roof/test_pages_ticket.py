"""The ticket: a quote that explains itself, one trade however often the button is pressed, a list that ends."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.test import Client

from baskets.models import Basket
from itomarkets.lib.venues import VenueUnavailable
from markets.models import Market
from markets.venues.base import Level, OrderBook, SideBook
from tests.factories import make_user
from tests.roof.test_pages import make_basket, make_trade, sign_in
from trading import ticket_views
from trading.forms import Ticket, TicketError
from trading.models import Order, Trade, VenueAccount
from trading.quoting import quote_basket

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def books(markets: Sequence[Market], *, now: datetime) -> dict[int, OrderBook]:
    yes = SideBook(bids=(Level(Decimal("0.40"), Decimal(500)),), asks=(Level(Decimal("0.42"), Decimal(500)),))
    return {market.pk: OrderBook(yes=yes, no=yes.flipped(), observed_at=now, received_at=now) for market in markets}


@pytest.fixture
def basket(now: datetime, monkeypatch: pytest.MonkeyPatch) -> Basket:
    monkeypatch.setattr(ticket_views, "quote_basket", partial(quote_basket, read_books=partial(books, now=now)))
    return make_basket(now)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found.group(1)


def ask(client: Client, basket: Basket, **values: Any) -> Any:
    return client.post(f"/baskets/{basket.slug}/quote", {"side": "yes", "amount": "100", **values}, headers=HTMX)


def confirm(client: Client, page: str, **values: Any) -> Any:
    names = ("quote_id", "idempotency_key", "policy")
    return client.post("/trades/confirm", {name: hidden(page, name) for name in names} | values)


def test_a_quote_says_what_it_costs_what_it_can_lose_and_when_it_ends(client: Client, basket: Basket) -> None:
    sign_in(client)
    answer = ask(client, basket)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in page
    for words in ("Fees", "You pay, at worst", "Pays at best", "If every leg fails", "Leg by leg", "on paper"):
        assert words in page
    assert 0 < int(re.search(r'data-quote-seconds="(\d+)"', page).group(1)) <= 15  # type: ignore[union-attr]
    assert len(hidden(page, "idempotency_key")) == 32
    assert "no-store" in answer["Cache-Control"]


def test_without_script_the_quote_comes_with_the_page(client: Client, basket: Basket) -> None:
    sign_in(client)
    page = client.post(f"/baskets/{basket.slug}/quote", {"side": "no", "amount": "1,000.50"}).content.decode()
    assert "<html" in page
    assert "Buy NO for" in page
    assert 'value="1,000.50"' in page


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("", "Expected an amount"),
        ("ten", "Expected an amount"),
        ("-5", "above 0"),
        ("NaN", "above 0"),
        ("1.234", "cents"),
    ],
)
def test_an_amount_that_is_none_is_refused_in_a_sentence(
    client: Client, basket: Basket, amount: str, says: str
) -> None:
    sign_in(client)
    answer = ask(client, basket, amount=amount)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert "Nothing was bought" in answer.content.decode()


def test_a_venue_that_does_not_answer_is_named(client: Client, basket: Basket, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(**kwargs: Any) -> None:
        raise VenueUnavailable("Kalshi did not answer.")

    monkeypatch.setattr(ticket_views, "quote_basket", silent)
    sign_in(client)
    answer = ask(client, basket)
    assert answer.status_code == 422
    assert "Kalshi did not answer. Try again in a moment." in answer.content.decode()


def test_a_stranger_is_sent_to_sign_in(client: Client, basket: Basket) -> None:
    assert ask(client, basket).status_code == 302
    assert "Sign in to trade" in client.get(f"/baskets/{basket.slug}").content.decode()


def test_confirming_twice_is_one_trade(client: Client, basket: Basket) -> None:
    user = sign_in(client)
    page = ask(client, basket).content.decode()
    first, second = confirm(client, page), confirm(client, page, idempotency_key="another-key")
    trade = Trade.objects.get(user=user)
    assert first["Location"] == second["Location"] == f"/trades/{trade.pk}"
    assert trade.orders.count() == 3


def test_an_expired_or_foreign_quote_buys_nothing(client: Client, basket: Basket, now: datetime, at: Any) -> None:
    sign_in(client)
    page = ask(client, basket).content.decode()
    sign_in(client)
    assert confirm(client, page).status_code == 404
    assert client.post("/trades/confirm", {"quote_id": "x"}, follow=True).status_code == 200
    page = ask(client, basket).content.decode()
    at(now + timedelta(seconds=60))
    answer = client.post(
        "/trades/confirm",
        {name: hidden(page, name) for name in ("quote_id", "idempotency_key", "policy")},
        follow=True,
    )
    assert "Nothing was bought or sold." in answer.content.decode()
    assert not Trade.objects.exists()


def test_a_running_trade_asks_for_itself_and_an_ended_one_does_not(
    client: Client, basket: Basket, now: datetime
) -> None:
    user = sign_in(client)
    trade = make_trade(user, basket, now, reason="market closed")
    order = Order.objects.filter(trade=trade).first()
    assert order is not None
    Order.objects.filter(pk=order.pk).update(status=Order.Status.UNKNOWN)
    page = client.get(f"/trades/{trade.pk}").content.decode()
    assert f'hx-get="/trades/{trade.pk}/progress"' in page
    assert "<noscript><meta http-equiv" in page
    assert "Do not buy it again" in page
    Order.objects.filter(pk=order.pk).update(status=Order.Status.REJECTED)
    page = client.get(f"/trades/{trade.pk}/progress").content.decode()
    assert "hx-get" not in page
    assert "Nothing was filled, and nothing was paid." in page
    assert "market closed" in page


def test_closing_shows_what_it_brings_before_it_sells(client: Client, basket: Basket, now: datetime) -> None:
    user = sign_in(client)
    make_trade(user, basket, now)
    page = client.get("/portfolio").content.decode()
    assert basket.name in page
    answer = client.post(f"/baskets/{basket.slug}/close", {"side": "yes"})
    assert answer.status_code == 200
    assert "Sell for at least" in answer.content.decode()
    sign_in(client)
    assert client.post(f"/baskets/{basket.slug}/close", {"side": "yes"}).status_code == 404


def test_a_mode_needs_its_account_and_the_band_says_where_one_is(client: Client, now: datetime) -> None:
    user = sign_in(client)
    page = client.post("/profile/mode", {"mode": "sandbox"}, follow=True).content.decode()
    assert "Connect a sandbox account first" in page
    VenueAccount.objects.create(user=user, kind="kalshi", mode="sandbox", cash=Decimal(77), created_at=now)
    page = client.post("/profile/mode", {"mode": "sandbox"}, follow=True).content.decode()
    assert 'class="band sandbox"' in page
    assert "Cash 77.00" in page
    page = client.post("/profile/mode", {"mode": "live"}, follow=True).content.decode()
    assert "switched off" in page
    assert 'class="band sandbox"' in page


def test_a_sandbox_that_is_away_is_no_crash(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(user: Any, *, now: datetime) -> None:
        raise VenueUnavailable("The sandbox did not answer.")

    monkeypatch.setattr("trading.profile_views.connect_sandbox_accounts", away)
    sign_in(client)
    page = client.post("/profile/sandbox", follow=True).content.decode()
    assert "could not be connected: The sandbox did not answer." in page


def test_a_ticket_reads_money_as_people_write_it() -> None:
    for text, dollars in (("250", "250.00"), ("$1,234.5", "1234.50"), (" 99.99 ", "99.99"), ("1 000", "1000.00")):
        assert Ticket(amount=text).dollars() == Decimal(dollars)
    for text in ("", "abc", "0", "-1", "1e99", "Infinity", "0.001", "2000000"):
        with pytest.raises(TicketError):
            Ticket(amount=text).dollars()


def test_a_profile_is_saved(client: Client) -> None:
    user = sign_in(client)
    client.post("/profile", {"first_name": "Kiyosi", "last_name": "Itô"})
    user.refresh_from_db()
    assert user.get_full_name() == "Kiyosi Itô"
    assert make_user().get_full_name() == ""
