"""Kalshi's signatures, verified by what Kalshi has: the public key alone, and the request as it arrived."""

import base64
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tests.trading.test_kalshi_orders import client, make_order

KEYS = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": Ed25519PrivateKey.generate(),
}
CREATE = "/trade-api/v2/portfolio/events/orders"
ANSWER = {"order_id": "o1", "fill_count": "0.00", "remaining_count": "0.00", "ts_ms": 1}


def verify(public_pem: bytes, signature: bytes, text: bytes, *, salt_length: int = 32) -> None:
    """Raise InvalidSignature where the text was not signed by the key's other half."""
    public = load_pem_public_key(public_pem)
    if isinstance(public, Ed25519PublicKey):
        public.verify(signature, text)
        return
    assert isinstance(public, RSAPublicKey)
    # The salt is as long as the digest: 32 bytes for SHA-256.
    public.verify(
        signature, text, padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length), hashes.SHA256()
    )


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_a_create_is_signed_over_time_method_and_path_and_nothing_else(kind: str) -> None:
    key: Any = KEYS[kind]
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=ANSWER)

    own, order = client(handler, key=key), make_order()
    assert own.submit(order, own.sign(order)).venue_order_id == "o1"
    (request,) = seen
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    stamp = request.headers["KALSHI-ACCESS-TIMESTAMP"]
    verify(public, signature, f"{stamp}POST{CREATE}".encode())
    for other in (f"{stamp}GET{CREATE}", f"{stamp}POST{CREATE}/", f"{int(stamp) + 1}POST{CREATE}", f"POST{CREATE}"):
        with pytest.raises(InvalidSignature):
            verify(public, signature, other.encode())
    if kind == "rsa":
        with pytest.raises(InvalidSignature):
            verify(public, signature, f"{stamp}POST{CREATE}".encode(), salt_length=20)


def test_a_known_key_gives_a_known_signature() -> None:
    """Ed25519 is deterministic. The key and the text's signature are those of RFC 8032, 7.1, test 3's key."""
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    )
    assert key.public_key().public_bytes_raw().hex() == (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    )
    assert key.sign(bytes.fromhex("af82")).hex() == (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
