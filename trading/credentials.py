"""Secrets at rest: each is sealed under its own random key, and that key under one of CREDENTIAL_KEYS.

AES-256-GCM twice. Both seals are bound to the row (user, venue, mode, account, key version), so a
ciphertext copied to another row opens nothing. CREDENTIAL_KEYS lists "version:base64 of 32 bytes";
the first seals, all open. The embedded default keeps one made key in a file that only its owner reads.
"""

import base64
import binascii
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from itomarkets.lib.secret_files import kept_secret
from itomarkets.records import audit
from trading.models import VenueAccount

FORMAT = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + 16
EMBEDDED_VERSION = "local1"
FEWEST_DIFFERENT_BYTES = 16


class CredentialUnreadable(Exception):
    """The stored secret does not open with the keys that are set: nothing is sent, nothing is deleted."""


class Secrets(dict[str, str]):
    """Opened credentials. They print as nothing, wherever a log or an error page shows them."""

    def __repr__(self) -> str:
        return "<Secrets>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that seal, by version; the first seals what is new."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        return next(iter(self.keys))


def key_ring() -> KeyRing:
    """Return the keys of the settings; the embedded default makes its one key on first use.

    Raises ImproperlyConfigured when none is set on a server, or one is malformed.
    """
    entries = tuple(settings.CREDENTIAL_KEYS)
    if not entries:
        if not settings.EMBEDDED:
            raise ImproperlyConfigured(
                "CREDENTIAL_KEYS is not set. Venue keys are sealed with it; expected 'version:base64 of 32 random "
                "bytes', for example from: "
                "python -c \"import base64, os; print('v1:' + base64.b64encode(os.urandom(32)).decode())\""
            )
        secret = kept_secret(Path(settings.VAR_DIR) / "credential.key")
        # The file holds 48 random bytes in base64; the first 32 are the key.
        return KeyRing({EMBEDDED_VERSION: base64.urlsafe_b64decode(secret)[:KEY_BYTES]})
    return KeyRing(dict(_parse_keys(entries)))


def require_fit_keys() -> None:
    """Refuse to start on a server whose keys are missing, malformed, guessable, or the SECRET_KEY.

    Raises ImproperlyConfigured. With DEBUG anything goes; the embedded default makes its own key.
    """
    if settings.DEBUG or (settings.EMBEDDED and not settings.CREDENTIAL_KEYS):
        return
    for version, key in key_ring().keys.items():
        # A random key of 32 bytes has 30 different ones or so; an example out of a text has few.
        if len(set(key)) < FEWEST_DIFFERENT_BYTES or key in settings.SECRET_KEY.encode():
            raise ImproperlyConfigured(
                f"Version {version!r} of CREDENTIAL_KEYS can be guessed, or is the SECRET_KEY. Make a random one of "
                "its own and put it first; keep this one behind it until rotate_credential_keys has run."
            )


def _parse_keys(entries: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    seen: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        version, colon, encoded = entry.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not colon or not 0 < len(version) <= 16 or len(key) != KEY_BYTES or version in seen:
            # The entry itself stays out of the message: it is a key.
            raise ImproperlyConfigured(
                f"Entry {number} of CREDENTIAL_KEYS is not 'version:base64 of 32 bytes' with a version of its own "
                "(1 to 16 characters). Correct it; the other entries are as they were."
            )
        seen.add(version)
        yield version, key


def seal(account: VenueAccount, secrets: dict[str, str]) -> None:
    """Seal secrets into an account's row, in memory; the caller saves it. The row must have its id already."""
    ring = key_ring()
    version = ring.current
    bound = _bound_to(account, version)
    plain = json.dumps(secrets, sort_keys=True, separators=(",", ":")).encode()
    data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
    wrap_nonce, nonce = os.urandom(NONCE_BYTES), os.urandom(NONCE_BYTES)
    wrapped = AESGCM(ring.keys[version]).encrypt(wrap_nonce, data_key, bound)
    sealed = AESGCM(data_key).encrypt(nonce, plain, bound)
    account.sealed_credentials = FORMAT + wrap_nonce + wrapped + nonce + sealed
    account.key_version = version


def open_sealed(account: VenueAccount) -> Secrets:
    """Open an account's secrets. Called by workers, just before a request is signed.

    Raises CredentialUnreadable for a missing key version, a moved row and any changed byte alike.
    """
    blob = bytes(account.sealed_credentials or b"")
    ring = key_ring()
    key = ring.keys.get(account.key_version)
    if key is None or blob[:1] != FORMAT:
        raise CredentialUnreadable(
            f"The credentials of {account} were sealed with key version {account.key_version or 'none'!r}, which is "
            "not among CREDENTIAL_KEYS. Put that key back, or connect the account again."
        )
    bound = _bound_to(account, account.key_version)
    at = 1
    wrap_nonce, at = blob[at : at + NONCE_BYTES], at + NONCE_BYTES
    wrapped, at = blob[at : at + WRAPPED_BYTES], at + WRAPPED_BYTES
    nonce, sealed = blob[at : at + NONCE_BYTES], blob[at + NONCE_BYTES :]
    try:
        data_key = AESGCM(key).decrypt(wrap_nonce, wrapped, bound)
        plain = AESGCM(data_key).decrypt(nonce, sealed, bound)
    except (InvalidTag, ValueError) as error:
        raise CredentialUnreadable(
            f"The credentials of {account} do not open: they were changed, or belong to another row. "
            "Connect the account again."
        ) from error
    return Secrets(json.loads(plain))


def seal_more(account: VenueAccount, more: dict[str, str], *, now: datetime) -> None:
    """Add to an account's sealed secrets what a worker has found out with them; nothing where they were replaced."""
    with transaction.atomic():
        row = VenueAccount.objects.select_for_update().get(pk=account.pk)
        if bytes(row.sealed_credentials or b"") != bytes(account.sealed_credentials or b""):
            return
        seal(row, {**open_sealed(row), **more})
        row.save(update_fields=["sealed_credentials", "key_version"])
        audit.record(action="account.secrets_added", subject=f"account:{row.pk}", after={"names": sorted(more)}, at=now)
    account.sealed_credentials, account.key_version = row.sealed_credentials, row.key_version


def rotate(account: VenueAccount) -> bool:
    """Seal again under the newest key, in memory; returns False where that is the case already."""
    if account.key_version == key_ring().current:
        return False
    seal(account, open_sealed(account))
    return True


def _bound_to(account: VenueAccount, version: str) -> bytes:
    if account.pk is None:
        raise ValueError("expected a stored account: the seal is bound to its id")
    return f"{account.user_id}|{account.kind}|{account.mode}|{account.pk}|{version}".encode()


@dataclass(frozen=True, slots=True)
class RotationReport:
    """What a rotation did; `unreadable` rows were left as they are."""

    rotated: int
    current: int
    unreadable: int


def rotate_all(*, now: datetime) -> RotationReport:
    """Seal every account's secrets under the newest key, row by row: it can be stopped, and run again.

    Each row is locked while it is sealed anew, with its audit line, so workers go on meanwhile.
    """
    rotated = current = unreadable = 0
    for pk in list(VenueAccount.objects.exclude(sealed_credentials=None).values_list("pk", flat=True)):
        with transaction.atomic():
            account = VenueAccount.objects.select_for_update().get(pk=pk)
            old = account.key_version
            try:
                done = rotate(account)
            except CredentialUnreadable:
                unreadable += 1
                continue
            if done:
                account.save(update_fields=["sealed_credentials", "key_version"])
                audit.record(
                    action="account.resealed",
                    subject=f"account:{account.pk}",
                    before={"key_version": old},
                    after={"key_version": account.key_version},
                    at=now,
                )
        rotated += done
        current += not done
    return RotationReport(rotated=rotated, current=current, unreadable=unreadable)
