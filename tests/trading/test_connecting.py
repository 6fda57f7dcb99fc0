"""Connecting real accounts: what is refused, what is stored sealed, and that no secret is ever shown."""

import json
import logging
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.sessions.models import Session
from django.core import serializers
from django.test import Client

from accounts.models import User
from itomarkets.records.models import AuditEntry
from tests.factories import make_user
from trading.accounts import AccountRefused
from trading.connecting import connect_venue, disconnect_account, modes_to_connect, switch_live
from trading.credentials import open_sealed
from trading.models import Order, VenueAccount
from trading.venues.polymarket import Hosts, PolymarketLine, PolymarketOrders

PASSWORD = "correct horse battery staple"
CANARY = "c0ffee" * 10 + "beef"
WALLET = "0x" + "ab" * 20


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


def kalshi_secrets(key: Any = None, **changed: str) -> dict[str, str]:
    return {"key_id": "key-0000-wxyz", "private_key_pem": pem(key or Ed25519PrivateKey.generate()), **changed}


def polymarket_secrets(**changed: str) -> dict[str, str]:
    return {"private_key": CANARY, "wallet": WALLET, "signature_type": "2", **changed}


def confirm_who_i_am(client: Client, person: User) -> None:
    client.force_login(person)
    assert client.post("/account/reauthenticate", {"password": PASSWORD}).status_code == 302


@pytest.fixture(autouse=True)
def _nobody_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trading.account_views.examine_account.delay", lambda pk: None)


@pytest.fixture
def person(db: None) -> User:
    user = make_user()
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def fresh(client: Client, person: User) -> Client:
    """A browser whose person has just given the password."""
    confirm_who_i_am(client, person)
    return client


@pytest.mark.parametrize(
    ("venues", "kind", "modes"),
    [
        ("sandbox", "kalshi", ("sandbox",)),
        ("sandbox", "polymarket", ("sandbox",)),
        ("live", "kalshi", ("demo", "live")),
        ("live", "polymarket", ("live",)),
    ],
)
def test_the_server_decides_in_which_modes_one_connects(
    settings: Any, venues: str, kind: str, modes: tuple[str, ...]
) -> None:
    settings.VENUES = venues
    assert modes_to_connect(kind) == modes


@pytest.mark.parametrize("kind_of_key", ["ed25519", "rsa", "rsa pkcs1"])
def test_rsa_and_ed25519_keys_are_sealed_with_an_audit_row(
    settings: Any, user: User, now: datetime, kind_of_key: str
) -> None:
    settings.VENUES = "live"
    key = Ed25519PrivateKey.generate() if kind_of_key == "ed25519" else rsa.generate_private_key(65537, 2048)
    text = pem(key, PrivateFormat.TraditionalOpenSSL if kind_of_key == "rsa pkcs1" else PrivateFormat.PKCS8)
    secrets = kalshi_secrets(private_key_pem=text)
    account = connect_venue(user=user, kind="kalshi", mode="demo", credentials=secrets, now=now)
    assert open_sealed(account)["private_key_pem"] == text.strip()
    assert account.key_hint == "wxyz"
    assert not account.live_enabled
    entry = AuditEntry.objects.get(action="account.connected")
    assert entry.after == {"kind": "kalshi", "mode": "demo", "key_hint": "wxyz"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not a key", "PEM file"),
        ("", "PEM file"),
        (pem(Ed25519PrivateKey.generate(), PrivateFormat.OpenSSH), "OpenSSH"),
        (pem(rsa.generate_private_key(65537, 1024)), "2048 bits"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "Ed25519"),
    ],
)
def test_a_wrong_kalshi_key_is_refused_without_repeating_it(
    settings: Any, user: User, now: datetime, text: str, says: str
) -> None:
    settings.VENUES = "live"
    with pytest.raises(AccountRefused) as refused:
        connect_venue(user=user, kind="kalshi", mode="live", credentials=kalshi_secrets(private_key_pem=text), now=now)
    assert says in str(refused.value)
    assert not text or text.strip() not in str(refused.value)
    assert not VenueAccount.objects.exists()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"private_key": CANARY[:-1]}, "64 hexadecimal digits"),
        ({"private_key": "0x" + "g" * 64}, "64 hexadecimal digits"),
        ({"wallet": "0x12"}, "40 hexadecimal digits"),
        ({"signature_type": "4"}, "0, 1, 2 or 3"),
        ({"api_key": "only this"}, "together"),
    ],
)
def test_a_wrong_polymarket_key_is_refused_without_repeating_it(
    settings: Any, user: User, now: datetime, changed: dict[str, str], says: str
) -> None:
    settings.VENUES = "live"
    with pytest.raises(AccountRefused, match=says) as refused:
        connect_venue(user=user, kind="polymarket", mode="live", credentials=polymarket_secrets(**changed), now=now)
    assert CANARY[:-1] not in str(refused.value)
    assert not VenueAccount.objects.exists()


@pytest.mark.parametrize(
    ("venues", "kind", "mode"),
    [("sandbox", "kalshi", "live"), ("live", "kalshi", "sandbox"), ("live", "polymarket", "demo")],
)
def test_an_account_of_another_environment_is_refused(
    settings: Any, user: User, now: datetime, venues: str, kind: str, mode: str
) -> None:
    settings.VENUES = venues
    with pytest.raises(AccountRefused, match="VENUES"):
        connect_venue(user=user, kind=kind, mode=mode, credentials=kalshi_secrets(), now=now)


def test_the_form_is_shown_only_after_a_fresh_sign_in(client: Client, person: User) -> None:
    client.force_login(person)
    answer = client.get("/profile/connect/kalshi")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/reauthenticate")


def test_a_key_that_arrives_late_is_kept_nowhere(client: Client, person: User) -> None:
    client.force_login(person)
    answer = client.post("/profile/connect/polymarket", {"mode": "sandbox", **polymarket_secrets()})
    assert answer["Location"] == "/profile/connect/polymarket"
    assert not VenueAccount.objects.exists()
    assert all(CANARY not in json.dumps(session.get_decoded()) for session in Session.objects.all())


def test_a_refused_form_repeats_no_secret(fresh: Client, settings: Any) -> None:
    text = pem(Ed25519PrivateKey.generate(), PrivateFormat.OpenSSH)
    answer = fresh.post("/profile/connect/kalshi", {"mode": "sandbox", "key_id": "k", "private_key_pem": text})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "OpenSSH" in page
    assert text.splitlines()[1] not in page
    assert "VENUES=live" in page
    settings.VENUES = "live"
    page = fresh.get("/profile/connect/kalshi").content.decode()
    assert 'value="demo"' in page
    assert 'value="live"' in page


def test_a_connected_secret_is_found_nowhere(
    fresh: Client, settings: Any, caplog: pytest.LogCaptureFixture, django_user_model: Any
) -> None:
    settings.VENUES = "live"
    with caplog.at_level(logging.DEBUG):
        answer = fresh.post("/profile/connect/polymarket", {"mode": "live", **polymarket_secrets()}, follow=True)
        pages = [answer.content.decode(), fresh.get("/profile").content.decode()]
        account = VenueAccount.objects.get()
        fresh.force_login(make_user(is_staff=True, is_superuser=True))
        pages.append(fresh.get(f"/admin/trading/venueaccount/{account.pk}/change/", follow=True).content.decode())
    assert "Polymarket (Live) is connected" in pages[0]
    dump = serializers.serialize("json", [account, *AuditEntry.objects.all(), *Session.objects.all()])
    for text in (*pages, dump, caplog.text, repr(account), str(account), repr(open_sealed(account))):
        assert CANARY not in text
        assert WALLET not in text
    assert bytes.fromhex(CANARY) not in bytes(account.sealed_credentials or b"")
    assert account.key_hint in pages[1]


def test_the_sdks_words_about_a_malformed_key_are_not_passed_on() -> None:
    hosts = Hosts(clob="http://127.0.0.1:9", gamma="http://127.0.0.1:9", data="http://127.0.0.1:9")
    for wrong in (f"0x{CANARY}zz", "f" * 64):
        with pytest.raises(Exception, match="malformed") as refused:
            PolymarketOrders(secrets={"private_key": wrong, "wallet": WALLET}, line=PolymarketLine(hosts))
        assert CANARY not in str(refused.getrepr(style="long", showlocals=False, chain=True).reprcrash)
        assert refused.value.__suppress_context__


def test_disconnecting_forgets_the_key_and_keeps_the_record(fresh: Client, settings: Any, person: User) -> None:
    fresh.post("/profile/connect/kalshi", {"mode": "sandbox", **kalshi_secrets()})
    account = VenueAccount.objects.get()
    for expected in (302, 404):
        assert fresh.post(f"/profile/accounts/{account.pk}/disconnect").status_code == expected
    account.refresh_from_db()
    assert account.sealed_credentials is None
    assert (account.is_enabled, account.key_hint) == (False, "")
    assert AuditEntry.objects.filter(action="account.disconnected", actor=person).count() == 1


def test_an_account_with_an_unknown_order_cannot_be_disconnected(
    user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = connect_venue(user=user, kind="kalshi", mode="sandbox", credentials=kalshi_secrets(), now=now)

    class Standing:
        def exists(self) -> bool:
            return True

    monkeypatch.setattr(Order.objects.__class__, "filter", lambda *args, **kwargs: Standing())
    with pytest.raises(AccountRefused, match="not ended"):
        disconnect_account(account=account, now=now)


def test_other_peoples_accounts_are_not_found(fresh: Client, now: datetime) -> None:
    other = connect_venue(user=make_user(), kind="kalshi", mode="sandbox", credentials=kalshi_secrets(), now=now)
    for verb in ("check", "disconnect", "live"):
        assert fresh.post(f"/profile/accounts/{other.pk}/{verb}").status_code == 404
    assert fresh.get("/profile/connect/paper").status_code == 404


def test_real_money_asks_for_the_switch_a_check_and_a_fresh_sign_in(
    client: Client, settings: Any, person: User, now: datetime
) -> None:
    settings.VENUES = "live"
    account = connect_venue(user=person, kind="kalshi", mode="live", credentials=kalshi_secrets(), now=now)
    settings.LIVE_TRADING = False
    with pytest.raises(AccountRefused, match="switched off"):
        switch_live(account=account, is_on=True, now=now)
    settings.LIVE_TRADING = True
    with pytest.raises(AccountRefused, match="not checked"):
        switch_live(account=account, is_on=True, now=now)
    found = [{"check": "key", "status": "fail", "says": "No."}]
    VenueAccount.objects.filter(pk=account.pk).update(examined_at=now, findings=found)
    with pytest.raises(AccountRefused, match="failed"):
        switch_live(account=account, is_on=True, now=now)
    VenueAccount.objects.filter(pk=account.pk).update(findings=[{**found[0], "status": "ok"}])
    client.force_login(person)
    answer = client.post(f"/profile/accounts/{account.pk}/live", {"live": "on"})
    assert answer["Location"].startswith("/account/reauthenticate")
    confirm_who_i_am(client, person)
    client.post(f"/profile/accounts/{account.pk}/live", {"live": "on"})
    for _ in range(2):
        switch_live(account=account, is_on=True, now=now)
    assert AuditEntry.objects.filter(action="account.live_on").count() == 1
    account.refresh_from_db()
    assert account.live_enabled
    client.post(f"/profile/accounts/{account.pk}/live", {"live": "off"})
    account.refresh_from_db()
    assert not account.live_enabled
