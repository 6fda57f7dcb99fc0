"""Signatures against known answers: a public development key, the venue's own test vectors, the SDK's own code."""

import dataclasses

import pytest
from eth_account import Account
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import UnsignedOrder
from polymarket.types import EvmAddress, HexString

from itomarkets.sandbox import polymarket_auth as auth

DEV_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
DEV_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"

STANDARD_SIGNATURE = (
    "0x9e2df7920d54227e535090904ec230648352fd264e442e195da6f482bd2e98e3"
    "222a005c63b832fb4b567390587c02967ddf43c7cc651d044246bef0b9336e501c"
)
NEG_RISK_SIGNATURE = (
    "0x6cd9c61a144acbe2c69432ae86b8c2c8cd6fcd3f2e138cbedc35e28430e9f2e2"
    "3774ef3cce8c2f6de3ed9f9a42b00b526851813c5bc3fd6dd06093ede03df3111c"
)


def wire(**changes: object) -> dict[str, object]:
    return {
        "salt": 479249096354,
        "maker": DEV_ADDRESS,
        "signer": DEV_ADDRESS,
        "tokenId": TOKEN,
        "makerAmount": "5200000",
        "takerAmount": "10000000",
        "side": "BUY",
        "expiration": "0",
        "signatureType": 0,
        "timestamp": "1700000000000",
        "metadata": "0x" + "00" * 32,
        "builder": "0x" + "00" * 32,
        "signature": STANDARD_SIGNATURE,
    } | changes


def test_wallet_signature_of_the_published_vector_recovers() -> None:
    signer = auth.clob_auth_signer(
        address=DEV_ADDRESS,
        timestamp="10000000",
        nonce=23,
        chain_id=80002,
        signature="0xf62319a987514da40e57e2f4d7529f7bac38f0355bd88bb5adbb3768d80de6c1"
        "682518e0af677d5260366425f4361e7b70c25ae232aff0ab2331e2b164a1aedc1b",
    )
    assert signer == DEV_ADDRESS


def test_wallet_signature_of_another_nonce_recovers_to_someone_else() -> None:
    signer = auth.clob_auth_signer(
        address=DEV_ADDRESS,
        timestamp="10000000",
        nonce=24,
        chain_id=80002,
        signature="0xf62319a987514da40e57e2f4d7529f7bac38f0355bd88bb5adbb3768d80de6c1"
        "682518e0af677d5260366425f4361e7b70c25ae232aff0ab2331e2b164a1aedc1b",
    )
    assert signer != DEV_ADDRESS


def test_key_signature_gives_the_published_vector() -> None:
    signature = auth.key_signature(
        secret="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        timestamp="1000000",
        method="test-sign",
        path="/orders",
        body='{"hash": "0x123"}',
    )
    assert signature == "ZwAdJKvoYRlEKDkNMwd5BuwNNtg93kNaR_oU2HrfVvc="


@pytest.mark.parametrize(
    ("neg_risk", "signature", "expected_hash"),
    [
        (False, STANDARD_SIGNATURE, "0x6569c7f56e83a478fad8fb3ba97919f5457e30cc52bc98f8329a9ac545b23faf"),
        (True, NEG_RISK_SIGNATURE, "0x0f9275e359bde77a9c308cb2694e13e760b344dd287bce7fce67532211b1cb7d"),
    ],
)
def test_order_hash_and_signature_match_the_published_vectors(
    neg_risk: bool, signature: str, expected_hash: str
) -> None:
    order = auth.parse_order(wire(signature=signature))
    assert auth.order_hash(order, neg_risk=neg_risk) == expected_hash
    assert auth.order_signer(order, neg_risk=neg_risk) == DEV_ADDRESS


def test_order_signed_for_the_other_exchange_recovers_to_someone_else() -> None:
    order = auth.parse_order(wire(signature=STANDARD_SIGNATURE))
    assert auth.order_signer(order, neg_risk=True) != DEV_ADDRESS


def test_deposit_wallet_signature_made_by_the_sdk_recovers_to_its_owner() -> None:
    wallet = "0x1111111111111111111111111111111111111111"
    unsigned = UnsignedOrder(
        chain_id=137,
        builder=HexString("0x" + "00" * 32),
        exchange_address=EvmAddress(auth.STANDARD_EXCHANGE),
        expiration=0,
        maker=EvmAddress(wallet),
        maker_amount=100_000_000,
        metadata=HexString("0x" + "00" * 32),
        order_type="GTC",
        salt=479249096354,
        side="SELL",
        signature_type=3,
        signer=EvmAddress(wallet),
        taker_amount=50_000_000,
        timestamp=1710000000000,
        token_id="1234",
    )
    inner = Account.from_key(DEV_KEY).sign_typed_data(full_message=build_order_typed_data(unsigned))
    signature = build_order_signature(unsigned, HexString("0x" + inner.signature.hex()))
    order = auth.parse_order(
        wire(
            maker=wallet,
            signer=wallet,
            tokenId="1234",
            makerAmount="100000000",
            takerAmount="50000000",
            side="SELL",
            signatureType=3,
            timestamp="1710000000000",
            signature=signature,
        )
    )
    assert auth.order_signer(order, neg_risk=False) == DEV_ADDRESS
    with pytest.raises(auth.BadSignature, match="trailer"):
        auth.order_signer(dataclasses.replace(order, taker_amount=50_000_001), neg_risk=False)


@pytest.mark.parametrize("signature", ["", "0x12", "0x" + "zz" * 65, "0x" + "ff" * 65])
def test_bytes_that_are_no_signature_are_refused(signature: str) -> None:
    with pytest.raises(auth.BadSignature):
        auth.order_signer(auth.parse_order(wire(signature=signature)), neg_risk=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("salt", None),
        ("salt", True),
        ("maker", "0x12"),
        ("signer", 7),
        ("tokenId", "abc"),
        ("makerAmount", "0"),
        ("takerAmount", "-5"),
        ("takerAmount", "1.5"),
        ("side", "buy"),
        ("signatureType", 9),
        ("metadata", "0x00"),
        ("builder", "0xgg"),
    ],
)
def test_order_with_a_broken_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(auth.BadOrder):
        auth.parse_order(wire(**{field: value}))


def test_order_survives_the_way_to_the_wire_and_back() -> None:
    order = auth.parse_order(wire())
    assert auth.parse_order(order.to_wire()) == order
    assert order.price == auth.Fraction(52, 100)
