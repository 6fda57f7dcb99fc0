"""Keys that a wallet asks for, wallets that act for it, and what no sequence of orders may break."""

import dataclasses
from decimal import Decimal
from typing import Any

import httpx
import pytest
from eth_account import Account as Wallet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import UnsignedOrder
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket.types import EvmAddress, HexString

from itomarkets.sandbox.polymarket_auth import STANDARD_EXCHANGE
from itomarkets.sandbox.polymarket_keys import wallets_of
from tests.sandbox.polymarket_world import Bench, Member

ZERO_BYTES = HexString("0x" + "00" * 32)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def ada(bench: Bench) -> Member:
    return bench.member("Ada")


def ask(bench: Bench, key: str, method: str, path: str, *, nonce: int = 0, **changes: str) -> httpx.Response:
    signed = sign_api_key_auth(Wallet.from_key(key), chain_id=137, timestamp=1785585600, nonce=nonce)
    headers = {
        "POLY_ADDRESS": signed.address,
        "POLY_NONCE": str(signed.nonce),
        "POLY_SIGNATURE": signed.signature,
        "POLY_TIMESTAMP": str(signed.timestamp),
    }
    return bench.send(method, f"/clob{path}", headers=headers | changes)


def test_wallet_gets_one_key_a_nonce_and_can_always_derive_it(bench: Bench, ada: Member) -> None:
    wallet = ada.account.polymarket_private_key
    assert ask(bench, wallet, "GET", "/auth/derive-api-key").json() == ada.key
    refused = ask(bench, wallet, "POST", "/auth/api-key")
    assert (refused.status_code, refused.json()["error"]) == (400, "Could not create api key")
    absent = ask(bench, wallet, "GET", "/auth/derive-api-key", nonce=3)
    assert (absent.status_code, absent.json()["error"]) == (400, "Could not derive api key!")
    made = ask(bench, wallet, "POST", "/auth/api-key", nonce=3).json()
    assert set(made) == {"apiKey", "secret", "passphrase"}
    assert made != ada.key
    assert ask(bench, wallet, "GET", "/auth/derive-api-key", nonce=3).json() == made


def test_same_name_has_the_same_key_in_a_new_sandbox(ada: Member) -> None:
    assert Bench().member("Ada").key == ada.key


@pytest.mark.parametrize(
    "changes",
    [
        {"POLY_SIGNATURE": "0x00"},
        {"POLY_TIMESTAMP": "1785585601"},
        {"POLY_NONCE": "1"},
        {"POLY_NONCE": "-1"},
        {"POLY_ADDRESS": "0x1111111111111111111111111111111111111111"},
        {"POLY_ADDRESS": "me"},
    ],
)
def test_request_that_the_wallet_did_not_sign_is_refused(bench: Bench, ada: Member, changes: dict[str, str]) -> None:
    response = ask(bench, ada.account.polymarket_private_key, "POST", "/auth/api-key", **changes)
    assert response.status_code == 401
    assert response.json()["error"].startswith("Invalid L1 Request headers")


def test_wallet_without_an_account_gets_no_key(bench: Bench) -> None:
    response = ask(bench, "0x" + "42" * 32, "POST", "/auth/api-key")
    assert response.status_code == 401
    assert "no account of this sandbox" in response.json()["error"]


def deposit_wallet_order(ada: Member, owner_key: str) -> dict[str, Any]:
    """Return an order of Ada's deposit wallet, wrapped by the official client and signed with `owner_key`."""
    wallet = wallets_of(ada.address)[3]
    unsigned = UnsignedOrder(
        chain_id=137,
        builder=ZERO_BYTES,
        exchange_address=EvmAddress(STANDARD_EXCHANGE),
        expiration=0,
        maker=EvmAddress(wallet),
        maker_amount=3_000_000,
        metadata=ZERO_BYTES,
        order_type="GTC",
        salt=7,
        side="BUY",
        signature_type=3,
        signer=EvmAddress(wallet),
        taker_amount=10_000_000,
        timestamp=1785585600000,
        token_id=ada.bench.market("11").yes_token,  # type: ignore[arg-type]
    )
    inner = Wallet.from_key(owner_key).sign_typed_data(full_message=build_order_typed_data(unsigned))
    signature = build_order_signature(unsigned, HexString("0x" + inner.signature.hex()))
    body = ada.order("11", "BUY", "0.30", "10")
    body["order"] |= {
        "salt": 7,
        "maker": wallet,
        "signer": wallet,
        "signatureType": 3,
        "signature": signature,
    }
    return body


def test_deposit_wallet_trades_by_its_owners_wrapped_signature(ada: Member, bench: Bench) -> None:
    body = deposit_wallet_order(ada, ada.account.polymarket_private_key)
    assert ada.post(body)["status"] == "live"
    stranger = deposit_wallet_order(ada, "0x" + "42" * 32)
    assert ada.refused(stranger) == "invalid signature"
    assert bench.get("/data/positions", user=wallets_of(ada.address)[3]) == []


def test_deposit_wallet_of_someone_else_is_not_allowed(ada: Member, bench: Bench) -> None:
    ben = bench.member("Ben")
    body = deposit_wallet_order(ada, ada.account.polymarket_private_key)
    theirs = dataclasses.replace(ben, salt=99)
    assert theirs.refused(body | {"owner": ben.key["apiKey"]}) == (
        "maker address not allowed, please use the deposit wallet flow"
    )


moves = st.tuples(
    st.sampled_from(["Ada", "Ben"]),
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["yes", "no"]),
    st.integers(35, 65),
    st.sampled_from(["5", "12", "60", "400"]),
    st.sampled_from(["GTC", "FAK", "FOK"]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(moves, max_size=12))
def test_no_sequence_of_orders_makes_or_loses_money(sequence: list[tuple[str, str, str, int, str, str]]) -> None:
    bench = Bench()
    members = {name: bench.member(name) for name in ("Ada", "Ben")}
    for name, side, outcome, cents, size, order_type in sequence:
        member = members[name]
        body = member.order("11", side, str(Decimal(cents) / 100), size, outcome=outcome, order_type=order_type)
        assert member.send("POST", "/order", body).status_code in (200, 400)
    for member in members.values():
        spent = Decimal(0)
        for fill in bench.world.fills(member.account.id, "polymarket"):
            price = fill.price if fill.token == "yes" else 1 - fill.price
            buys = (fill.side == "buy") == (fill.token == "yes")
            spent += fill.fee + (fill.size * price if buys else -fill.size * price)
        assert member.cash() >= 0
        assert abs(10_000 - spent - member.cash()) < Decimal("0.0001")
        for outcome in ("yes", "no"):
            assert member.shares("11", outcome) >= 0
