"""API keys: `bkt_<environment>_<8-character id>.<43-character secret><6-character checksum>`.

djangorestframework-api-key splits a key at its dot into prefix and secret; the id is the part that
is stored and shown. Only a SHA-256 of the whole key is kept: a secret of 256 random bits needs no
slow hash. The checksum lets a scanner tell a real key from a look-alike without asking us.
"""

import hashlib
import hmac
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX_LENGTH = 8
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6
ENVIRONMENTS = ("test", "live")


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def checksum(text: str) -> str:
    """Return the six-character checksum of a key without its checksum."""
    return _base62(zlib.crc32(text.encode()), CHECKSUM_LENGTH)


class KeyGenerator:
    """What djangorestframework-api-key asks of a key generator."""

    prefix_length = PREFIX_LENGTH
    secret_key_length = SECRET_LENGTH

    def generate(self, environment: str = "test") -> tuple[str, str, str]:
        """Mint a key; returns (key, prefix, hash). The key is not kept anywhere."""
        prefix = "".join(secrets.choice(ALPHABET) for _ in range(PREFIX_LENGTH))
        secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
        body = f"bkt_{environment}_{prefix}.{secret}"
        key = body + checksum(body)
        return key, prefix, hash_key(key)

    def verify(self, key: str, hashed_key: str) -> bool:
        return hmac.compare_digest(hash_key(key), hashed_key)


def hash_key(key: str) -> str:
    """Return what is stored of a key."""
    return "sha256$" + hashlib.sha256(key.encode()).hexdigest()


def prefix_of(key: str) -> str | None:
    """Return the id inside a well-formed key, or None; checks shape and checksum, not existence."""
    head, dot, tail = key.partition(".")
    parts = head.split("_")
    if not dot or len(parts) != 3 or parts[0] != "bkt" or parts[1] not in ENVIRONMENTS:
        return None
    if len(parts[2]) != PREFIX_LENGTH or len(tail) != SECRET_LENGTH + CHECKSUM_LENGTH:
        return None
    if not hmac.compare_digest(checksum(key[:-CHECKSUM_LENGTH]).encode(), key[-CHECKSUM_LENGTH:].encode()):
        return None
    return parts[2]
