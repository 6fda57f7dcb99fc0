"""Real money asks who is there: on pages, in a browser's session at the API, and of a key when it is made."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.api_keys import revoke_key
from accounts.models import ApiKey, User
from tests.factories import make_user
from tests.trading.api_caller import Caller
from tests.trading.test_planning import D
from tests.trading.venue import Books, sandbox_account, two_leg_basket
from trading.accounts import connect_account
from trading.models import TicketQuote, Trade, VenueAccount
from trading.placing import confirm_trade
from trading.quoting import quote_basket

PASSWORD = "a-long-test-password"
SENDING = ("continue", "resend", "unwind")


@pytest.fixture(autouse=True)
def _live(settings: Any) -> None:
    settings.VENUES, settings.LIVE_TRADING = "live", True


@pytest.fixture
def person(db: None, now: datetime) -> User:
    """A person with accounts at both exchanges, switched to real money."""
    user = make_user(password=PASSWORD)
    for kind, secrets in (
        ("kalshi", {"key_id": "k-0001", "private_key_pem": "pem"}),
        ("polymarket", {"private_key": "0x1", "wallet": "0xabc4"}),
    ):
        connect_account(user=user, kind=kind, mode="live", credentials=secrets, cash=D(1000), now=now)
    VenueAccount.objects.update(live_enabled=True)
    return user


@pytest.fixture
def quote(person: User, books: Books) -> TicketQuote:
    basket, _, _ = two_leg_basket(books)
    return quote_basket(
        user=person, basket=basket, side="yes", amount=D(100), mode="live", now=books.now, read_books=books.read
    )


@pytest.fixture
def held(quote: TicketQuote) -> Trade:
    """A trade with real money that waits for its owner."""
    trade = confirm_trade(
        user=quote.user, quote_id=quote.pk, idempotency_key="k", policy="hold_and_ask", now=quote.created_at
    )
    Trade.objects.filter(pk=trade.pk).update(hold="ask")
    return trade


def signed_in(person: User) -> Client:
    """A browser that was signed in long ago."""
    client = Client()
    client.force_login(person)
    return client


def confirm_who_i_am(client: Client) -> None:
    assert client.post("/account/reauthenticate", {"password": PASSWORD}).status_code == 302


def press(client: Client, quote: TicketQuote, **values: str) -> Any:
    form = {"quote_id": str(quote.pk), "idempotency_key": "pressed", "policy": "best_effort", **values}
    return client.post(reverse("trade-confirm"), form)


def test_confirming_a_live_trade_asks_who_is_there_and_sends_nothing_before(quote: TicketQuote) -> None:
    client = signed_in(quote.user)
    for _ in range(2):
        answer = press(client, quote)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/account/reauthenticate?next=%2Fbaskets%2F")
    assert not Trade.objects.exists()
    assert "Nothing was bought or sold. This is real money" in client.get(answer["Location"]).content.decode()
    confirm_who_i_am(client)
    for _ in range(2):
        assert press(client, quote)["Location"] == reverse("trade-detail", args=[Trade.objects.get().pk])


def test_a_password_vouches_for_step_up_seconds_and_no_longer(quote: TicketQuote, settings: Any) -> None:
    client = signed_in(quote.user)
    confirm_who_i_am(client)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert press(client, quote)["Location"].startswith("/account/reauthenticate")
    assert not Trade.objects.exists()


def test_another_persons_fresh_password_confirms_nothing(quote: TicketQuote) -> None:
    client = signed_in(make_user(password=PASSWORD))
    confirm_who_i_am(client)
    assert press(client, quote).status_code == 404
    assert not Trade.objects.exists()


def test_play_money_asks_nobody(person: User, books: Books, settings: Any) -> None:
    settings.VENUES = "sandbox"
    sandbox_account(person, books.now, "kalshi")
    basket, _, _ = two_leg_basket(books)
    for mode in ("paper", "sandbox"):
        values: dict[str, Any] = {"side": "yes", "amount": D(50), "mode": mode, "now": books.now}
        made = quote_basket(user=person, basket=basket, read_books=books.read, **values)
        press(signed_in(person), made, idempotency_key=mode)
    assert sorted(Trade.objects.values_list("mode", flat=True)) == ["paper", "sandbox"]


def test_a_quote_of_real_money_shows_the_way_to_confirm_who_one_is(
    quote: TicketQuote, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.quoting.book_reader", lambda mode: books.read)
    client = signed_in(quote.user)
    session = client.session
    session["mode"] = "live"
    session.save()
    asked = {"side": "yes", "amount": "50", "policy": "best_effort"}
    path = reverse("ticket-quote", args=[quote.basket.slug])
    page = client.post(path, asked).content.decode()
    assert "/account/reauthenticate?next=" in page
    assert "data-confirm-button" not in page
    confirm_who_i_am(client)
    page = client.post(path, asked).content.decode()
    assert "/account/reauthenticate?next=" not in page
    assert "data-confirm-button" in page


@pytest.mark.parametrize("choice", SENDING)
def test_a_choice_that_sends_orders_asks_who_is_there(held: Trade, choice: str) -> None:
    client = signed_in(held.user)
    answer = client.post(reverse("trade-decide", args=[held.pk]), {"choice": choice})
    assert answer["Location"].startswith("/account/reauthenticate?next=%2Ftrades%2F")
    api = client.post(f"/api/v1/trades/{held.pk}/choices", {"choice": choice}, content_type="application/json")
    assert (api.status_code, api.json()["code"]) == (403, "step_up_needed")
    held.refresh_from_db()
    assert (held.hold, set(held.orders.values_list("status", flat=True))) == ("ask", {"planned"})


def test_who_confirmed_may_choose_and_stopping_asks_nobody(
    held: Trade, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.deciding.book_reader", lambda mode: books.read)
    client = signed_in(held.user)
    confirm_who_i_am(client)
    client.post(reverse("trade-decide", args=[held.pk]), {"choice": "continue"})
    held.refresh_from_db()
    assert held.hold == "decided"
    Trade.objects.filter(pk=held.pk).update(hold="ask")
    signed_in(held.user).post(reverse("trade-decide", args=[held.pk]), {"choice": "stop"})
    assert set(held.orders.values_list("status", flat=True)) == {"denied"}


def test_a_session_at_the_api_trades_real_money_after_the_password_only(quote: TicketQuote) -> None:
    client = signed_in(quote.user)
    path = f"/api/v1/baskets/{quote.basket.public_id}/trades"

    def ask() -> Any:
        body = {"quote_id": str(quote.pk)}
        return client.post(path, body, content_type="application/json", headers={"Idempotency-Key": "k-1"})

    assert (ask().status_code, ask().json()["code"]) == (403, "step_up_needed")
    assert not Trade.objects.exists()
    confirm_who_i_am(client)
    assert ask().status_code == 201
    assert Trade.objects.get().mode == "live"


@pytest.mark.parametrize("environment", ["test", "live"])
def test_a_key_trades_real_money_only_where_its_maker_was_asked(
    quote: TicketQuote, now: datetime, environment: str, django_capture_on_commit_callbacks: Any
) -> None:
    key = Caller(quote.user, now, environment=environment)
    path = f"/baskets/{quote.basket.public_id}/trades"
    answer = key.ask("POST", path, {"quote_id": str(quote.pk)}, **{"Idempotency-Key": "k-1"})
    assert answer.status_code == (201 if environment == "live" else 404)
    assert Trade.objects.count() == (1 if environment == "live" else 0)
    with django_capture_on_commit_callbacks(execute=True):
        revoke_key(user=quote.user, prefix=ApiKey.objects.get().prefix, now=now)
    assert key.ask("POST", path, {"quote_id": str(quote.pk)}, **{"Idempotency-Key": "k-2"}).status_code == 401


def test_a_live_key_that_may_trade_is_minted_after_the_password_only(person: User) -> None:
    client = signed_in(person)
    form = {"name": "bot", "scopes": ["trades:write"], "environment": "live"}
    assert client.post("/developer", form)["Location"].startswith("/account/reauthenticate")
    internal = client.post("/api/internal/api-keys", form, content_type="application/json")
    assert (internal.status_code, internal.json()["code"]) == (403, "step_up_needed")
    assert not ApiKey.objects.exists()
    confirm_who_i_am(client)
    assert client.post("/developer", form).status_code == 201
    assert ApiKey.objects.get().environment == "live"


def test_no_key_switches_an_account_to_real_money(person: User, now: datetime) -> None:
    VenueAccount.objects.update(live_enabled=False, examined_at=now)
    account = VenueAccount.objects.get(kind="kalshi")
    key = Caller(person, now, environment="live")
    path = reverse("account-live", args=[account.pk])
    answer = Client().post(path, {"live": "on"}, headers={"Authorization": f"Bearer {key.key}"})
    assert answer["Location"].startswith("/login")
    client = signed_in(person)
    assert client.post(path, {"live": "on"})["Location"].startswith("/account/reauthenticate")
    account.refresh_from_db()
    assert not account.live_enabled
    confirm_who_i_am(client)
    client.post(path, {"live": "on"})
    account.refresh_from_db()
    assert account.live_enabled
    # To stop asks nobody.
    signed_in(person).post(path, {"live": "off"})
    account.refresh_from_db()
    assert not account.live_enabled
