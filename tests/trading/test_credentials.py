import base64
import logging
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from accounts.models import User
from itomarkets.records.models import AuditEntry
from tests.factories import make_user
from tests.trading.venue import KEYS
from trading.accounts import AccountRefused, allowed_modes, connect_account
from trading.checks import credential_keys_are_set
from trading.credentials import (
    CredentialUnreadable,
    Secrets,
    key_ring,
    open_sealed,
    require_fit_keys,
    rotate_all,
    seal,
)
from trading.models import VenueAccount

CANARY = "canary-7f3a-never-print-me"


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


@pytest.fixture
def account(user: User, now: datetime) -> VenueAccount:
    secrets = {"key_id": "abcd-1234", "private_key_pem": CANARY}
    return connect_account(user=user, kind="kalshi", mode="sandbox", credentials=secrets, now=now)


def test_what_is_sealed_opens_again_and_only_its_last_four_characters_show(account: VenueAccount) -> None:
    stored = VenueAccount.objects.get(pk=account.pk)
    assert open_sealed(stored) == {"key_id": "abcd-1234", "private_key_pem": CANARY}
    assert stored.key_hint == "1234"
    assert CANARY.encode() not in bytes(stored.sealed_credentials or b"")


def test_sealing_twice_gives_different_bytes(account: VenueAccount) -> None:
    first = bytes(account.sealed_credentials or b"")
    seal(account, dict(open_sealed(account)))
    assert bytes(account.sealed_credentials or b"") != first


@pytest.mark.parametrize("place", [0, 1, 14, 40, 62, 80, -1])
def test_a_changed_byte_opens_nothing(account: VenueAccount, place: int) -> None:
    blob = bytearray(account.sealed_credentials or b"")
    blob[place] ^= 1
    account.sealed_credentials = bytes(blob)
    with pytest.raises(CredentialUnreadable):
        open_sealed(account)


@pytest.mark.parametrize("length", [0, 1, 20, 70])
def test_a_truncated_seal_opens_nothing(account: VenueAccount, length: int) -> None:
    account.sealed_credentials = bytes(account.sealed_credentials or b"")[:length]
    with pytest.raises(CredentialUnreadable):
        open_sealed(account)


def test_a_seal_copied_to_another_row_opens_nothing(account: VenueAccount, now: datetime) -> None:
    other = connect_account(
        user=make_user(),
        kind="kalshi",
        mode="sandbox",
        credentials={"key_id": "z", "private_key_pem": "z"},
        now=now,
    )
    other.sealed_credentials = account.sealed_credentials
    with pytest.raises(CredentialUnreadable, match="another row"):
        open_sealed(other)


@pytest.mark.parametrize("field", ["kind", "mode", "user_id", "key_version"])
def test_a_seal_is_bound_to_its_rows_columns(account: VenueAccount, field: str, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = [*KEYS, "t2:" + KEYS[0].partition(":")[2]]
    setattr(account, field, {"kind": "polymarket", "mode": "live", "user_id": 999_999, "key_version": "t2"}[field])
    with pytest.raises(CredentialUnreadable):
        open_sealed(account)


def test_a_missing_key_version_is_said_and_nothing_is_deleted(account: VenueAccount, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["other:" + key("b")]
    with pytest.raises(CredentialUnreadable, match="'t1'"):
        open_sealed(account)
    assert VenueAccount.objects.get(pk=account.pk).sealed_credentials


def test_rotation_reseals_under_the_first_key_and_may_run_twice(
    account: VenueAccount, settings: Any, now: datetime
) -> None:
    settings.CREDENTIAL_KEYS = ["new:" + key("n"), *KEYS]
    first, second = rotate_all(now=now), rotate_all(now=now)
    assert (first.rotated, first.current) == (1, 0)
    assert (second.rotated, second.current) == (0, 1)
    settings.CREDENTIAL_KEYS = ["new:" + key("n")]
    assert open_sealed(VenueAccount.objects.get())["private_key_pem"] == CANARY


def test_rotation_steps_over_what_does_not_open_and_says_so(account: VenueAccount, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["new:" + key("n")]
    with pytest.raises(CommandError, match="1 accounts do not open"):
        call_command("rotate_credential_keys")
    assert VenueAccount.objects.get().key_version == "t1"


@pytest.mark.parametrize("entry", ["", "v1", "v1:", "v1:short", f":{key('a')}", f"a-version-too-long:{key('a')}"])
def test_a_malformed_key_is_refused_without_being_repeated(entry: str, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["t1:" + key("a"), entry]
    with pytest.raises(ImproperlyConfigured, match="Entry 2") as caught:
        key_ring()
    assert not entry or key("a") not in str(caught.value)


def test_a_server_without_keys_refuses_to_seal(settings: Any) -> None:
    settings.CREDENTIAL_KEYS, settings.EMBEDDED = [], False
    with pytest.raises(ImproperlyConfigured, match="CREDENTIAL_KEYS is not set"):
        key_ring()


def test_the_embedded_default_makes_one_key_for_its_owner_alone(settings: Any, tmp_path: Path) -> None:
    settings.CREDENTIAL_KEYS, settings.EMBEDDED, settings.VAR_DIR = [], True, tmp_path
    assert key_ring().keys == key_ring().keys
    assert all(len(value) == 32 for value in key_ring().keys.values())
    (kept,) = tmp_path.iterdir()
    assert os.name == "nt" or stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_canary_secret_is_printed_nowhere(account: VenueAccount, caplog: pytest.LogCaptureFixture) -> None:
    opened = open_sealed(account)
    ring = key_ring()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("trading").error("%s %r %s %r %s", opened, opened, account, ring, {"secrets": opened})
    assert isinstance(opened, Secrets)
    assert CANARY not in caplog.text
    assert KEYS[0].partition(":")[2] not in repr(ring)
    assert "AAAA" not in repr(ring)
    dumped = str({field.name: str(getattr(account, field.name)) for field in VenueAccount._meta.concrete_fields})
    assert CANARY not in dumped


@pytest.mark.parametrize(
    ("kind", "mode", "credentials", "said"),
    [
        ("paper", "paper", {}, "Expected an account at"),
        ("kalshi", "paper", {"key_id": "a", "private_key_pem": "b"}, "sandbox, demo or live"),
        ("kalshi", "demo", {"key_id": "a"}, "needs private_key_pem"),
        ("polymarket", "demo", {"private_key": "a", "wallet": "b"}, "no demo exchange"),
        ("polymarket", "live", {"private_key": " ", "wallet": ""}, "private_key and wallet"),
    ],
)
def test_what_cannot_be_connected_is_refused(
    user: User, now: datetime, kind: str, mode: str, credentials: dict[str, str], said: str
) -> None:
    with pytest.raises(AccountRefused, match=said):
        connect_account(user=user, kind=kind, mode=mode, credentials=credentials, now=now)
    assert not VenueAccount.objects.exists()


def test_connecting_again_replaces_the_secrets_and_switches_live_off(account: VenueAccount, now: datetime) -> None:
    VenueAccount.objects.update(live_enabled=True)
    again = connect_account(
        user=account.user,
        kind="kalshi",
        mode="sandbox",
        credentials={"key_id": "efgh-5678", "private_key_pem": "new"},
        now=now,
    )
    assert again.pk == account.pk
    assert open_sealed(again)["key_id"] == "efgh-5678"
    assert again.live_enabled is False


def test_a_test_key_reaches_paper_and_sandbox_only() -> None:
    assert allowed_modes("test") == {"paper", "sandbox"}
    assert allowed_modes("anything else") == {"paper", "sandbox"}
    assert allowed_modes("live") == {"paper", "sandbox", "demo", "live"}


def test_a_server_does_not_start_without_keys_nor_with_ones_that_can_be_guessed(settings: Any) -> None:
    def refused(said: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=said) as caught:
            require_fit_keys()
        assert KEYS[0].partition(":")[2] not in str(caught.value)
        assert [error.id for error in credential_keys_are_set()] == ["trading.E001"]

    settings.EMBEDDED = False
    settings.CREDENTIAL_KEYS = ["v1:" + base64.b64encode(os.urandom(32)).decode()]
    require_fit_keys()
    assert credential_keys_are_set() == []
    settings.CREDENTIAL_KEYS = [*settings.CREDENTIAL_KEYS, *KEYS]
    refused("'t1' of CREDENTIAL_KEYS can be guessed")
    settings.CREDENTIAL_KEYS = ["v1:" + base64.b64encode(b"abcdefghijklmnopqrstuvwxyz012345").decode()]
    settings.SECRET_KEY = "abcdefghijklmnopqrstuvwxyz0123456789"
    refused("is the SECRET_KEY")
    settings.CREDENTIAL_KEYS = []
    refused("CREDENTIAL_KEYS is not set")
    settings.DEBUG = True
    require_fit_keys()


def test_each_row_that_is_sealed_anew_has_an_audit_line_without_a_secret(
    account: VenueAccount, settings: Any, now: datetime
) -> None:
    settings.CREDENTIAL_KEYS = ["new:" + key("n"), *KEYS]
    for _ in range(2):
        rotate_all(now=now)
    entry = AuditEntry.objects.get(action="account.resealed")
    assert (entry.before, entry.after) == ({"key_version": "t1"}, {"key_version": "new"})
