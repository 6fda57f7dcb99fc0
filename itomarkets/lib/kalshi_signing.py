"""Kalshi's request signatures: RSA-PSS or Ed25519, by the kind of the user's key.

https://docs.kalshi.com/getting_started/api_keys: the signed text is `timestamp_ms + METHOD + path`,
the path from the host's root (`/trade-api/v2/...`), without the query string, without the body.
"""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from itomarkets.lib.venues import Venue, VenueAuthError

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
SMALLEST_RSA_BITS = 2048


def load_private_key(pem: str, *, was_checked: bool = False) -> PrivateKey:
    """Read a private key in PEM (PKCS#1 or PKCS#8), RSA or Ed25519.

    Line breaks may come escaped, as environment files hold them. Proving an RSA key's primes takes a
    thousand times as long as reading it: left out for one that `was_checked` when it was sealed. Raises
    VenueAuthError, whose text never repeats the key, when it is not such a key.
    """
    text = pem.replace("\\n", "\n").strip()
    try:
        key = load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=was_checked)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error) as error:
        raise VenueAuthError(
            "Expected Kalshi's private key as a PEM file without a password (it starts with "
            "'-----BEGIN PRIVATE KEY-----' or '-----BEGIN RSA PRIVATE KEY-----'); found something else. "
            "Paste the whole file that Kalshi let you download.",
            venue=Venue.KALSHI,
        ) from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= SMALLEST_RSA_BITS:
        return key
    raise VenueAuthError(
        f"Expected an RSA key of {SMALLEST_RSA_BITS} bits or more, or an Ed25519 key; found another kind. "
        "Make a new key in Kalshi's account settings.",
        venue=Venue.KALSHI,
    )


def signed_headers(key_id: str, private_key: PrivateKey, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
    """Return the three headers that sign one request.

    `path` is from the host's root; a query string on it is left out, as Kalshi does.
    """
    text = f"{timestamp_ms}{method.upper()}{path.partition('?')[0]}".encode()
    if isinstance(private_key, Ed25519PrivateKey):
        signature = private_key.sign(text)
    else:
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
        signature = private_key.sign(text, pss, hashes.SHA256())
    return {
        "KALSHI-ACCESS-KEY": key_id.strip(),
        "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
        "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
    }
