"""What the doctor finds, through the real clients at the sandbox and through scripted answers."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from itomarkets.lib import clock
from itomarkets.lib.venues import VenueAuthError, VenueUnavailable
from itomarkets.records.models import AuditEntry
from tests.trading.sandbox_world import Exchange, point_settings_at, running_exchange
from trading.accounts import connect_account, connect_sandbox_accounts
from trading.credentials import open_sealed
from trading.doctor import Diagnosis, examine_account
from trading.models import CashEntry, VenueAccount
from trading.tasks import examine_account as examine_task
from trading.venues.clients import order_client
from trading.venues.kalshi import KalshiOrders, KeyRights
from trading.venues.polymarket import PolymarketOrders

D = Decimal
RIGHTS = KeyRights(scopes=frozenset({"read", "write::trade"}), subaccount=None, region_until=None)


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    with running_exchange() as exchange:
        yield exchange


@pytest.fixture
def accounts(running: Exchange, settings: Any, now: datetime, user: User) -> dict[str, VenueAccount]:
    point_settings_at(settings, running.url)
    return {account.kind: account for account in connect_sandbox_accounts(user, now=now).accounts}


def found(diagnosis: Diagnosis) -> dict[str, str]:
    return {finding.check: finding.status for finding in diagnosis.findings}


def said(diagnosis: Diagnosis, check: str) -> str:
    return next(finding.says for finding in diagnosis.findings if finding.check == check)


def examine(account: VenueAccount, now: datetime, **values: Any) -> Diagnosis:
    return examine_account(account=account, now=now, now_fn=lambda: now, **values)


def test_a_kalshi_account_of_the_sandbox_is_in_order(accounts: dict[str, VenueAccount], now: datetime) -> None:
    account = accounts["kalshi"]
    for _ in range(2):
        diagnosis = examine(account, now)
    assert set(found(diagnosis).values()) == {"ok"}
    assert set(found(diagnosis)) == {"key", "scopes", "region", "clock", "exchange", "balance"}
    assert "shard 2: 2,500.00" in said(diagnosis, "balance")
    account.refresh_from_db()
    assert account.examined_at == now
    assert account.health == "ok"
    assert {shard: D(cash) for shard, cash in account.cash_by_shard.items()} == dict.fromkeys("0123", D(2500))
    assert AuditEntry.objects.filter(action="account.examined").count() == 2
    assert CashEntry.objects.filter(account=account, reference="opening").count() == 1


def test_a_polymarket_account_of_the_sandbox_works_with_the_remark_that_its_key_moves_money(
    accounts: dict[str, VenueAccount], now: datetime
) -> None:
    account = accounts["polymarket"]
    diagnosis = examine_account(account=account, now=now, now_fn=clock.now)
    statuses = found(diagnosis)
    assert statuses.pop("scopes") == "warn"
    assert set(statuses) == {"key", "wallet", "clock", "region", "balance", "allowance"}
    assert set(statuses.values()) == {"ok"}
    assert "can also move" in said(diagnosis, "scopes")
    assert "signature type 0" in said(diagnosis, "wallet")


def test_a_real_account_opens_its_ledger_with_what_the_venue_says(
    accounts: dict[str, VenueAccount], settings: Any, user: User, running: Exchange, now: datetime
) -> None:
    secrets = dict(open_sealed(accounts["kalshi"]))
    settings.VENUES, settings.KALSHI_DEMO_URL = "live", f"{running.url}/trade-api/v2"
    account = connect_account(user=user, kind="kalshi", mode="demo", credentials=secrets, now=now)
    diagnosis = examine_account(account=account, now=now, now_fn=clock.machine_now)
    assert found(diagnosis)["clock"] == "ok"
    account.refresh_from_db()
    assert account.cash == D(10000)
    assert CashEntry.objects.get(account=account).amount == D(10000)
    # A server whose clock is off by an hour is told so before its signatures are refused.
    late = examine_account(account=account, now=now, now_fn=lambda: clock.machine_now() - timedelta(hours=1))
    assert found(late)["clock"] == "fail"
    assert "behind" in said(late, "clock")


@pytest.mark.parametrize("kind", ["kalshi", "polymarket"])
def test_a_wrong_key_is_named_without_repeating_it(
    accounts: dict[str, VenueAccount], user: User, now: datetime, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = dict(open_sealed(accounts[kind]))
    wrong = {
        "kalshi": {**secrets, "key_id": "canary-key-id"},
        "polymarket": {**secrets, "private_key": "0x" + "c0ffee" * 10 + "beef", "api_secret": "canary-secret"},
    }[kind]
    account = connect_account(user=user, kind=kind, mode="sandbox", credentials=wrong, now=now)
    with caplog.at_level(logging.DEBUG):
        diagnosis = examine(account, now)
    assert found(diagnosis) == {"key" if kind == "kalshi" else "wallet": "fail"}
    account.refresh_from_db()
    assert account.health == "fail"
    stored = json.dumps(account.findings) + repr(diagnosis) + caplog.text
    assert "canary" not in stored
    assert "c0ffee" not in stored


def test_an_account_of_another_wallet_or_type_is_told_which(
    accounts: dict[str, VenueAccount], user: User, now: datetime
) -> None:
    secrets = dict(open_sealed(accounts["polymarket"]))
    account = connect_account(
        user=user, kind="polymarket", mode="sandbox", credentials={**secrets, "signature_type": "2"}, now=now
    )
    diagnosis = examine(account, now)
    assert found(diagnosis)["wallet"] == "fail"
    assert "Connect again with type 0" in said(diagnosis, "wallet")
    other = {**secrets, "wallet": "0x" + "ab" * 20}
    account = connect_account(user=user, kind="polymarket", mode="sandbox", credentials=other, now=now)
    diagnosis = examine(account, now)
    assert "none of this key's wallets" in said(diagnosis, "wallet")


def test_an_exchange_that_does_not_answer_is_not_a_wrong_key(accounts: dict[str, VenueAccount], now: datetime) -> None:
    def down(account: VenueAccount, **_: Any) -> Any:
        raise VenueUnavailable("no answer", venue="kalshi")

    diagnosis = examine(accounts["kalshi"], now, open_client=down)
    assert "did not answer" in said(diagnosis, "key")


def test_what_was_found_about_a_replaced_key_is_not_stored(
    accounts: dict[str, VenueAccount], user: User, now: datetime
) -> None:
    account = accounts["kalshi"]
    connect_account(user=user, kind="kalshi", mode="sandbox", credentials=dict(open_sealed(account)), now=now)
    examine(account, now)
    account.refresh_from_db()
    assert account.examined_at is None


def scripted(**answers: Any) -> Callable[..., KalshiOrders]:
    """Open the real client with some of its reads replaced."""

    def open_client(account: VenueAccount, **values: Any) -> Any:
        client = order_client(account, **values)
        for name, answer in answers.items():
            setattr(client, name, lambda *_, answer=answer: answer)
        return client

    return open_client


@pytest.mark.parametrize(
    ("scopes", "status", "says"),
    [
        ({"read", "write"}, "warn", "transfer money"),
        ({"read", "write::trade", "write::transfer"}, "warn", "transfer money"),
        ({"read"}, "fail", "needs read and write::trade"),
        ({"write::trade"}, "fail", "needs read and write::trade"),
        ({"read", "write::trade"}, "ok", "cannot transfer"),
    ],
)
def test_a_key_that_can_do_too_much_or_too_little_is_named(
    accounts: dict[str, VenueAccount], now: datetime, scopes: set[str], status: str, says: str
) -> None:
    rights = replace(RIGHTS, scopes=frozenset(scopes))
    diagnosis = examine(accounts["kalshi"], now, open_client=scripted(key_rights=rights))
    assert found(diagnosis)["scopes"] == status
    assert says in said(diagnosis, "scopes")


@pytest.mark.parametrize(("days", "status"), [(-1, "fail"), (3, "warn"), (30, "ok")])
def test_the_end_of_a_location_is_foretold(
    accounts: dict[str, VenueAccount], now: datetime, days: int, status: str
) -> None:
    rights = replace(RIGHTS, region_until=now + timedelta(days=days), subaccount=4)
    diagnosis = examine(accounts["kalshi"], now, open_client=scripted(key_rights=rights))
    assert found(diagnosis)["region"] == status
    assert found(diagnosis)["subaccount"] == "warn"


def test_empty_shards_and_closed_ones_are_named(accounts: dict[str, VenueAccount], now: datetime) -> None:
    client = scripted(cash_by_shard={0: D(100), 2: D(0)}, trading_by_shard={0: True, 2: False})
    diagnosis = examine(accounts["kalshi"], now, open_client=client)
    assert "shard 2 cannot be bought until you transfer" in said(diagnosis, "balance")
    assert "no orders now on shard 2" in said(diagnosis, "exchange")
    assert diagnosis.cash_by_shard == {"0": "100", "2": "0"}


def test_close_only_and_missing_allowances_are_named(accounts: dict[str, VenueAccount], now: datetime) -> None:
    client = scripted(is_close_only=True, allowances={"0x" + "1" * 40: D(0)}, cash=D(0))
    diagnosis = examine(accounts["polymarket"], now, open_client=client)
    statuses = found(diagnosis)
    assert (statuses["region"], statuses["allowance"], statuses["balance"]) == ("fail", "fail", "warn")


def test_reads_that_fail_are_said_to_be_untold(accounts: dict[str, VenueAccount], now: datetime) -> None:
    def failing(account: VenueAccount, **values: Any) -> Any:
        client = order_client(account, **values)

        def refuse(*_: Any) -> Any:
            raise VenueAuthError("403 canary", venue="kalshi")

        for name in ("key_rights", "trading_by_shard", "cash_by_shard", "is_close_only", "allowances", "clock_offset"):
            if hasattr(client, name):
                setattr(client, name, refuse)
        assert isinstance(client, KalshiOrders | PolymarketOrders)
        return client

    for kind, checks in (("kalshi", ("scopes", "exchange", "balance")), ("polymarket", ("region", "allowance"))):
        diagnosis = examine(accounts[kind], now, open_client=failing)
        assert all(found(diagnosis)[check] == "warn" for check in checks)
        assert "canary" not in repr(diagnosis)


# The words by which a finding says what to do.
REMEDIES = (
    "Make a key", "Make one", "connect again", "Connect again", "Check again", "Look at it", "set the clock",
    "Set the clock", "Sign in at Kalshi", "Deposit some", "transfer cash there", "Trade there later", "Keep no more",
    "selling works", "Approve trading", "connect a key of",
)  # fmt: skip


def test_whatever_is_not_in_order_says_what_to_do(accounts: dict[str, VenueAccount], now: datetime) -> None:
    broken = {
        "kalshi": [
            scripted(
                key_rights=KeyRights(frozenset(scopes), subaccount=1, region_until=now + timedelta(days=days)),
                cash_by_shard={0: D(cash), 2: D(0)}, trading_by_shard={0: False}, cash=D(cash),
            )
            for scopes, days, cash in (({"read"}, -1, 0), ({"read", "write"}, 3, 5))
        ],
        "polymarket": [
            scripted(is_close_only=True, allowances={}, cash=D(0), clock_offset=timedelta(seconds=seconds))
            for seconds in (8, 40, -40)
        ] + [scripted(allowances={"0x" + "1" * 40: D(0)}, clock_offset=None)],
    }  # fmt: skip
    seen = set()
    for kind, clients in broken.items():
        for client in clients:
            for finding in examine(accounts[kind], now, open_client=client).findings:
                if finding.status != "ok":
                    seen.add((kind, finding.check))
                    assert any(words in finding.says for words in REMEDIES), finding
    assert seen == {
        ("kalshi", "scopes"), ("kalshi", "region"), ("kalshi", "exchange"), ("kalshi", "balance"),
        ("kalshi", "subaccount"),
        ("polymarket", "scopes"), ("polymarket", "clock"), ("polymarket", "region"), ("polymarket", "balance"),
        ("polymarket", "allowance"),
    }  # fmt: skip


def test_the_task_examines_connected_accounts_only(accounts: dict[str, VenueAccount]) -> None:
    account = accounts["kalshi"]
    examine_task(account.pk)
    account.refresh_from_db()
    assert account.examined_at is not None
    assert account.examined_at.tzinfo == UTC
    VenueAccount.objects.filter(pk=account.pk).update(is_enabled=False, examined_at=None)
    examine_task(account.pk)
    account.refresh_from_db()
    assert account.examined_at is None
