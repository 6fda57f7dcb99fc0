"""Keys of programs: mint one, revoke one, and find whose key a request carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from accounts.keys import KeyGenerator, hash_key, prefix_of
from accounts.models import ApiKey, User
from itomarkets.lib.scopes import Scope
from itomarkets.records import audit

KEYS_PER_USER = 20
NAME_LENGTH = 50
# `last_used_at` is for people: it is written at most once in this time.
USE_RESOLUTION = timedelta(seconds=60)
_generator = KeyGenerator()
# Compared with when the id is unknown, so that a known id answers no slower than an unknown one.
_NO_SUCH_KEY = hash_key("bkt_test_00000000.no-such-key")


class KeyRefused(ValueError):
    """The key cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class CreatedKey:
    """A new key's row, and its secret: the only moment when it exists here."""

    row: ApiKey
    secret: str


def create_key(
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    environment: str,
    now: datetime,
    expires_at: datetime | None = None,
    request_id: str = "",
) -> CreatedKey:
    """Mint a key for a person; the secret is returned once and not kept.

    Raises KeyRefused for a missing name, an unknown or empty scope list, an unknown environment, an
    end in the past, or too many active keys.
    """
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH:
        raise KeyRefused(f"Expected a name of 1 to {NAME_LENGTH} characters, found {len(name)}; name the key.")
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown:
        raise KeyRefused(f"Unknown scope {unknown[0]!r}; choose from {', '.join(Scope.values)}.")
    if not scopes:
        raise KeyRefused("A key without a scope can do nothing; choose at least one.")
    if environment not in ApiKey.Environment.values:
        raise KeyRefused(f"Expected the environment test or live, found {environment!r}.")
    if expires_at is not None and expires_at <= now:
        raise KeyRefused("The key would have ended before it began; choose an end in the future.")
    with transaction.atomic():
        # The row of the person is the lock: two requests at once cannot both take the last place.
        User.objects.select_for_update().get(pk=user.pk)
        active = ApiKey.objects.filter(user=user, revoked=False).filter(
            Q(expiry_date__isnull=True) | Q(expiry_date__gt=now)
        )
        if active.count() >= KEYS_PER_USER:
            raise KeyRefused(f"You have {KEYS_PER_USER} active keys, the most there may be; revoke one first.")
        secret, prefix, hashed = _generator.generate(environment)
        row = ApiKey.objects.create(
            id=f"{prefix}.{hashed}",
            prefix=prefix,
            hashed_key=hashed,
            name=name,
            user=user,
            environment=environment,
            scopes=[scope for scope in Scope.values if scope in scopes],
            rate_limit_per_hour=settings.API_KEY_RATE_PER_HOUR,
            expiry_date=expires_at,
        )
        audit.record(
            action="api_key.created",
            subject=f"api_key:{prefix}",
            actor=user,
            after={"name": name, "environment": environment, "scopes": row.scopes},
            request_id=request_id,
            at=now,
        )
    return CreatedKey(row=row, secret=secret)


def revoke_key(*, user: User, prefix: str, now: datetime, request_id: str = "") -> ApiKey:
    """Revoke a person's own key at once; revoking it again changes nothing.

    Raises ApiKey.DoesNotExist when the person has no such key.
    """
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(user=user, prefix=prefix)
        if not row.revoked:
            row.revoked = True
            row.save(update_fields=["revoked"])
            audit.record(
                action="api_key.revoked",
                subject=f"api_key:{prefix}",
                actor=user,
                before={"name": row.name},
                request_id=request_id,
                at=now,
            )
    return row


def change_key(
    *, row: ApiKey, revoked: bool, rate_limit_per_hour: int, changed_by: User, now: datetime, request_id: str = ""
) -> ApiKey:
    """Revoke anybody's key, or give it another rate, as staff; what was revoked stays so."""
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(pk=row.pk)
        before = {"revoked": row.revoked, "rate_limit_per_hour": row.rate_limit_per_hour}
        row.revoked, row.rate_limit_per_hour = row.revoked or revoked, rate_limit_per_hour
        after = {"revoked": row.revoked, "rate_limit_per_hour": row.rate_limit_per_hour}
        if after != before:
            row.save(update_fields=["revoked", "rate_limit_per_hour"])
            audit.record(
                action="api_key.changed",
                subject=f"api_key:{row.prefix}",
                actor=changed_by,
                before=before,
                after=after,
                request_id=request_id,
                at=now,
            )
    return row


def find_key(text: str, *, now: datetime) -> ApiKey | None:
    """Return the working key that this text is, or None: malformed, unknown, wrong, revoked or expired."""
    prefix = prefix_of(text)
    row: Any = ApiKey.objects.select_related("user").filter(prefix=prefix).first() if prefix else None
    matches = _generator.verify(text, row.hashed_key if row else _NO_SUCH_KEY)
    if row is None or not matches or row.revoked or not row.user.is_active:
        return None
    if row.expiry_date is not None and row.expiry_date <= now:
        return None
    return row


def note_use(row: ApiKey, *, now: datetime) -> None:
    """Count one use; the time of it is kept to the minute."""
    changes: dict[str, Any] = {"use_count": F("use_count") + 1}
    if row.last_used_at is None or now - row.last_used_at >= USE_RESOLUTION:
        changes["last_used_at"] = now
    ApiKey.objects.filter(pk=row.pk).update(**changes)
