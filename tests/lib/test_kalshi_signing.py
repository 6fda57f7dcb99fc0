"""Signatures that Kalshi's rules verify, whatever the kind of key."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from itomarkets.lib.kalshi_signing import load_private_key, signed_headers
from itomarkets.lib.venues import VenueAuthError

RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
FORMATS = [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


def pem(key: object, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> str:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", FORMATS)
def test_an_rsa_key_signs_with_pss(form: serialization.PrivateFormat) -> None:
    headers = signed_headers(
        " key-id ", load_private_key(pem(RSA, form)), "get", "/trade-api/v2/x?limit=5", 1703123456789
    )
    assert headers["KALSHI-ACCESS-KEY"] == "key-id"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1703123456789"
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
    RSA.public_key().verify(signature, b"1703123456789GET/trade-api/v2/x", PSS, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        RSA.public_key().verify(signature, b"1703123456789GET/trade-api/v2/x?limit=5", PSS, hashes.SHA256())


def test_an_ed25519_key_signs_plainly() -> None:
    headers = signed_headers("key", load_private_key(pem(ED)), "POST", "/trade-api/v2/portfolio/events/orders", 17)
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"])
    ED.public_key().verify(signature, b"17POST/trade-api/v2/portfolio/events/orders")


def test_escaped_line_breaks_are_read() -> None:
    assert load_private_key(pem(ED).replace("\n", "\\n")).private_bytes_raw() == ED.private_bytes_raw()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        pem(ED)[:60],
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 1024)),
        ED.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode(),
        RSA.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        ).decode(),
    ],
    ids=["empty", "a word", "cut off", "another curve", "too short", "OpenSSH", "with a password"],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(VenueAuthError) as caught:
        load_private_key(text)
    assert not text or text not in str(caught.value)
    assert "expected" in str(caught.value).lower()
