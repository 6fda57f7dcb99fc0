"""Known answers, and what our client signs, derived a second time from the rules of EIP-712 and ERC-7739 alone.

The numbers of the known orders are public facts: two clients of the venue give the same ones for the public
development key. The derivation here shares no code with the client, the SDK or the sandbox.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_keys.datatypes import PrivateKey, Signature
from eth_utils.crypto import keccak
from polymarket._internal.hmac import build_hmac_signature
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket.models.clob.orders import SignedOrder as SdkOrder

from itomarkets.sandbox.polymarket_keys import wallets_of
from markets.models import Market
from tests.trading.sandbox_world import Exchange
from tests.trading.test_polymarket_orders import KNOWN, NEG_RISK, STANDARD, WALLET
from trading.models import Order, VenueAccount
from trading.venues.polymarket import Hosts, PolymarketLine, PolymarketOrders, order_hash
from trading.venues.polymarket_signing import Signer

D = Decimal
# The public development key of venue clients' own test suites.
DEVELOPMENT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
CHAIN = 137
ORDER = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
DOMAIN = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
WRAPPED = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)
EXCHANGES = {"11": STANDARD, "21": NEG_RISK}


def domain_of(exchange: str) -> bytes:
    values = [keccak(DOMAIN), keccak(b"Polymarket CTF Exchange"), keccak(b"2"), CHAIN, exchange]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], values))


def struct_of(order: dict[str, Any]) -> bytes:
    kinds = [
        "bytes32",
        "uint256",
        "address",
        "address",
        *["uint256"] * 3,
        "uint8",
        "uint8",
        "uint256",
        *["bytes32"] * 2,
    ]
    values = [
        keccak(ORDER), order["salt"], order["maker"], order["signer"], int(order["token_id"]),
        order["maker_amount"], order["taker_amount"], {"BUY": 0, "SELL": 1}[order["side"]],
        order["signature_type"], order["timestamp"],
        bytes.fromhex(order["metadata"][2:]), bytes.fromhex(order["builder"][2:]),
    ]  # fmt: skip
    return keccak(encode(kinds, values))


def digest_of(order: dict[str, Any], exchange: str) -> bytes:
    return keccak(b"\x19\x01" + domain_of(exchange) + struct_of(order))


def wrapped_digest_of(order: dict[str, Any], exchange: str) -> bytes:
    """Return what the owner of a deposit wallet signs: the order, named to be for that wallet (ERC-7739)."""
    kinds = ["bytes32", "bytes32", "bytes32", "bytes32", "uint256", "address", "bytes32"]
    values = [
        keccak(WRAPPED + ORDER), struct_of(order), keccak(b"DepositWallet"), keccak(b"1"),
        CHAIN, order["signer"], bytes(32),
    ]  # fmt: skip
    return keccak(b"\x19\x01" + domain_of(exchange) + keccak(encode(kinds, values)))


def signed_by(digest: bytes, signature: bytes) -> str:
    """Return the address whose key gave a signature of 65 bytes (r, s, v)."""
    assert len(signature) == 65
    parts = Signature(signature[:64] + bytes([signature[64] - 27]))
    return parts.recover_public_key_from_msg_hash(digest).to_checksum_address()


@pytest.mark.parametrize(
    ("exchange", "signature", "known_hash"),
    [
        (
            STANDARD,
            "9e2df7920d54227e535090904ec230648352fd264e442e195da6f482bd2e98e3222a005c63b832fb4b567390587c02967ddf43c7"
            "cc651d044246bef0b9336e501c",
            "0x6569c7f56e83a478fad8fb3ba97919f5457e30cc52bc98f8329a9ac545b23faf",
        ),
        (
            NEG_RISK,
            "6cd9c61a144acbe2c69432ae86b8c2c8cd6fcd3f2e138cbedc35e28430e9f2e23774ef3cce8c2f6de3ed9f9a42b00b526851813c"
            "5bc3fd6dd06093ede03df3111c",
            "0x0f9275e359bde77a9c308cb2694e13e760b344dd287bce7fce67532211b1cb7d",
        ),
    ],
)
def test_an_order_has_its_known_hash_and_signature(exchange: str, signature: str, known_hash: str) -> None:
    digest = digest_of(KNOWN, exchange)
    assert "0x" + digest.hex() == order_hash(SdkOrder(**KNOWN), exchange=exchange) == known_hash
    # Deterministic (RFC 6979), so that the same key gives the very same bytes.
    own = PrivateKey(bytes.fromhex(DEVELOPMENT_KEY[2:])).sign_msg_hash(digest).to_bytes()
    assert (own[:64] + bytes([own[64] + 27])).hex() == signature
    assert signed_by(digest, bytes.fromhex(signature)) == WALLET
    other = NEG_RISK if exchange == STANDARD else STANDARD
    assert signed_by(digest_of(KNOWN, other), bytes.fromhex(signature)) != WALLET


def test_asking_for_a_key_has_a_known_signature() -> None:
    signed = sign_api_key_auth(cast(Any, Signer(DEVELOPMENT_KEY)), chain_id=80002, timestamp=10_000_000, nonce=23)
    assert signed.address == WALLET
    assert signed.signature == (
        "0xf62319a987514da40e57e2f4d7529f7bac38f0355bd88bb5adbb3768d80de6c1"
        "682518e0af677d5260366425f4361e7b70c25ae232aff0ab2331e2b164a1aedc1b"
    )


def test_a_request_has_a_known_signature() -> None:
    known: dict[str, Any] = {"secret": "A" * 43 + "=", "timestamp": 1_000_000, "method": "test-sign", "path": "/orders"}
    signature = build_hmac_signature(**known, body='{"hash": "0x123"}')
    assert signature == "ZwAdJKvoYRlEKDkNMwd5BuwNNtg93kNaR_oU2HrfVvc="
    assert build_hmac_signature(**known, body='{"hash":"0x123"}') != signature


@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
def test_what_is_signed_is_the_order_and_its_cap(exchange: Exchange, now: datetime, signature_type: int) -> None:
    """For each kind of wallet and both exchanges: the maker, the amounts at the cap, the hash and who signed."""
    key = exchange.world.accounts.create("signer", kalshi_key="ed25519").polymarket_private_key
    owner = Account.from_key(key).address
    wallet = wallets_of(owner)[signature_type]
    account = VenueAccount(kind="polymarket", mode="sandbox")
    hosts = Hosts(clob=f"{exchange.url}/clob", gamma=f"{exchange.url}/gamma", data=f"{exchange.url}/data")
    client = PolymarketOrders(secrets={"private_key": key, "wallet": wallet}, line=PolymarketLine(hosts))
    try:
        assert client.signature_type() == signature_type
        for native_id, contract in EXCHANGES.items():
            for side, action, price in (("yes", "buy", "0.42"), ("no", "buy", "0.61"), ("yes", "sell", "0.38")):
                market = Market.objects.get(native_id=native_id)
                order = Order(
                    market=market, account=account, side=side, action=action, count=D("12"),
                    limit_price=D(price), client_id=uuid4(), created_at=now,
                )  # fmt: skip
                signed = client.sign(order)
                wire = json.loads(signed.payload)
                assert wire["signature_type"] == signature_type
                assert wire["maker"] == wallet
                assert wire["order_type"] == ("GTD" if action == "buy" else "FAK")
                assert wire["signer"] == (wallet if signature_type == 3 else owner)
                assert wire["token_id"] == (market.yes_token if side == "yes" else market.no_token)
                money, shares = int(D(price) * 12 * 10**6), 12 * 10**6
                amounts = (money, shares) if action == "buy" else (shares, money)
                assert (wire["maker_amount"], wire["taker_amount"]) == amounts
                assert signed.order_hash == "0x" + digest_of(wire, contract).hex()
                assert_signed(wire, contract, owner)
                assert key.removeprefix("0x") not in signed.payload
    finally:
        client.close()


def assert_signed(wire: dict[str, Any], contract: str, owner: str) -> None:
    """The owner's key signed this order for this exchange; a deposit wallet's carries what verifies it."""
    signature = bytes.fromhex(wire["signature"][2:])
    if wire["signature_type"] != 3:
        assert signed_by(digest_of(wire, contract), signature) == owner
        return
    assert signed_by(wrapped_digest_of(wire, contract), signature[:65]) == owner
    assert signature[65:97] == domain_of(contract)
    assert signature[97:129] == struct_of(wire)
    assert signature[129:] == ORDER + len(ORDER).to_bytes(2, "big")
