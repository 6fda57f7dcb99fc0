"""Keys are open while a run signs, and nowhere in the worker's memory afterwards; what stays open are lines."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from itomarkets.lib.venues import VenueAuthError
from itomarkets.records.models import AuditEntry
from itomarkets.sandbox.polymarket import open_keys
from tests.trading.house import House, house_of
from tests.trading.sandbox_world import Exchange, running_exchange
from trading.accounts import connect_account
from trading.credentials import open_sealed
from trading.models import VenueAccount
from trading.venues import kept
from trading.venues.clients import open_line
from trading.venues.kept import KeptLines

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(migrated: str, tmp_path: Path, now: object) -> Iterator[House]:
    with running_exchange() as exchange, house_of(exchange, migrated, tmp_path) as found:
        yield found


def test_after_a_run_no_object_in_the_worker_holds_a_secret_or_an_opened_key(house: House) -> None:
    world = house.exchange.world
    # The child's only user has the first id.
    account = world.accounts.create("user-1", kalshi_key="rsa")
    api = open_keys(world, account)
    pem = [line for line in account.kalshi_private_key_pem.splitlines() if "-----" not in line]
    secrets = [pem[0][8:40], account.polymarket_private_key[-40:], api["secret"][:32], api["passphrase"][:32]]
    answer = house.child("tests.trading.memory_child", told="\n".join(secret[::-1] for secret in secrets))
    assert answer.returncode == 0, answer.stderr
    told: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    assert told["trade"] == "complete"
    # What looks for keys finds them while they are open; of Kalshi's, the text was dropped for the key read from it.
    assert told["during"]["secrets"] == [1, 2, 3]
    assert set(told["during"]["opened"]) == {"RSAPrivateKey", "Signer", "PrivateKey", "ApiKeyCreds"}
    assert told["lines"] == 2
    assert told["after"] == {"secrets": [], "opened": []}


def test_an_api_key_that_was_derived_is_sealed_with_the_rest_and_asked_for_once(
    exchange: Exchange, user: User, now: datetime, settings: Any
) -> None:
    settings.LINE_KEPT_SECONDS = 300
    given = dict(open_sealed(VenueAccount.objects.get(kind="polymarket")))
    typed = {name: given[name] for name in ("private_key", "wallet")}
    account = connect_account(user=user, kind="polymarket", mode="sandbox", credentials=typed, now=now)
    lines = KeptLines()
    for _ in range(3):
        with closing(lines.connect(account, now=lambda: now)) as client:
            assert client.cash() > 0
    lines.close()
    assert open_sealed(VenueAccount.objects.get(pk=account.pk)) == given
    assert len(exchange.requests("POST", "/clob/auth/api-key")) == 1
    added = AuditEntry.objects.get(action="account.secrets_added")
    assert added.after == {"names": ["api_key", "api_passphrase", "api_secret"]}


def test_a_line_is_lent_and_dropped_and_a_closed_client_signs_nothing(
    exchange: Exchange, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LINE_KEPT_SECONDS = 300
    account = VenueAccount.objects.get(kind="kalshi")
    lines, opened = KeptLines(), []
    monkeypatch.setattr(kept, "open_line", lambda account: opened.append(open_line(account)) or opened[-1])
    first, second = lines.connect(account, now=lambda: now), lines.connect(account, now=lambda: now)
    first.close()
    first.close()
    with pytest.raises(AttributeError):
        first.cash()
    assert second.cash() > 0
    lines.close()
    # Somebody still uses it.
    assert not opened[0]._client.is_closed
    second.close()
    settings.SANDBOX_URL = f"{exchange.url}/"
    with closing(lines.connect(account, now=lambda: now)):
        assert len(opened) == 2
        assert opened[0]._client.is_closed
    # A seal that does not open gives its line back.
    account.sealed_credentials = b"\x01broken"
    with pytest.raises(VenueAuthError):
        lines.connect(account, now=lambda: now)
    lines.close()
    assert all(line._client.is_closed for line in opened)
