"""Keys of programs: mint one, revoke one, and find whose key a request carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When

from accounts.counting import forget_after_commit
from accounts.keys import KeyGenerator, hash_key, prefix_of
from accounts.models import ApiKey, ApiKeyUsage, User
from itomarkets.lib.scopes import Scope
from itomarkets.records import audit

KEYS_PER_USER = 20
NAME_LENGTH = 50
MOST_NETWORKS = 20
DAYS_SHOWN = 90
HOUR = timedelta(hours=1)
# How long a rotated key goes on, where nobody says for how long, and at most.
OVERLAP, LONGEST_OVERLAP = timedelta(hours=24), timedelta(days=30)
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
    rate_limit_per_hour: int | None = None,
    allowed_networks: Sequence[str] = (),
    request_id: str = "",
) -> CreatedKey:
    """Mint a key for a person; the secret is returned once and not kept.

    Raises KeyRefused for a missing name, an unknown or empty scope list, an unknown environment, an end in the past, a
    limit above what everybody gets, a network that is none, or too many active keys.
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
    most = settings.API_KEY_RATE_PER_HOUR
    limit = most if rate_limit_per_hour is None else rate_limit_per_hour
    if not 1 <= limit <= most:
        raise KeyRefused(f"Expected a limit of 1 to {most:,} requests an hour, found {limit}; ask us for more.")
    with transaction.atomic():
        # The row of the person is the lock: two requests at once cannot both take the last place.
        User.objects.select_for_update().get(pk=user.pk)
        active = ApiKey.objects.filter(user=user, revoked=False, replaced_by=None).filter(
            Q(expiry_date__isnull=True) | Q(expiry_date__gt=now)
        )
        if active.count() >= KEYS_PER_USER:
            raise KeyRefused(f"You have {KEYS_PER_USER} active keys, the most there may be; revoke one first.")
        created = _mint(
            user=user,
            name=name,
            environment=environment,
            scopes=[scope for scope in Scope.values if scope in scopes],
            rate_limit_per_hour=limit,
            allowed_networks=read_networks(allowed_networks),
            expiry_date=expires_at,
        )
        audit.record(
            action="api_key.created",
            subject=f"api_key:{created.row.prefix}",
            actor=user,
            after={
                "name": name,
                "environment": environment,
                "scopes": created.row.scopes,
                "allowed_networks": created.row.allowed_networks,
            },
            request_id=request_id,
            at=now,
        )
    return created


def rotate_key(
    *, user: User, prefix: str, now: datetime, overlap: timedelta = OVERLAP, request_id: str = ""
) -> CreatedKey:
    """Make a key that may what this one may; the old one goes on for the overlap, so that programs can change over.

    The new one lives as long as the old one was meant to. Raises ApiKey.DoesNotExist when the person has no such key,
    and KeyRefused for one that works no more, that was rotated before, or for a longer overlap than there may be.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise KeyRefused(f"Expected an overlap of 0 to {LONGEST_OVERLAP // HOUR} hours, found {overlap // HOUR}.")
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().get(user=user, prefix=prefix)
        if old.revoked or (old.expiry_date is not None and old.expiry_date <= now):
            raise KeyRefused("This key is revoked or expired; make a new one.")
        if ApiKey.objects.filter(replaces=old).exists():
            raise KeyRefused("This key was rotated before; rotate the one that follows it.")
        life = None if old.expiry_date is None else old.expiry_date - old.created
        created = _mint(
            user=user,
            name=old.name,
            environment=old.environment,
            scopes=old.scopes,
            rate_limit_per_hour=old.rate_limit_per_hour,
            allowed_networks=old.allowed_networks,
            expiry_date=None if life is None else now + life,
            replaces=old,
        )
        ends = now + overlap
        old.expiry_date = ends if old.expiry_date is None else min(old.expiry_date, ends)
        old.save(update_fields=["expiry_date"])
        forget_after_commit(old.prefix)
        audit.record(
            action="api_key.rotated",
            subject=f"api_key:{prefix}",
            actor=user,
            after={"followed_by": created.row.prefix, "ends": old.expiry_date.isoformat()},
            request_id=request_id,
            at=now,
        )
    return created


def _mint(*, environment: str, **values: Any) -> CreatedKey:
    secret, prefix, hashed = _generator.generate(environment)
    row = ApiKey.objects.create(
        id=f"{prefix}.{hashed}", prefix=prefix, hashed_key=hashed, environment=environment, **values
    )
    return CreatedKey(row=row, secret=secret)


def read_networks(texts: Sequence[str]) -> list[str]:
    """Return networks as they are kept: each once, a single address as a network of one. Raises KeyRefused."""
    if len(texts) > MOST_NETWORKS:
        raise KeyRefused(f"Expected at most {MOST_NETWORKS} networks, found {len(texts)}.")
    kept: dict[str, None] = {}
    for text in texts:
        try:
            kept[str(ip_network(text.strip()))] = None
        except ValueError as error:
            raise KeyRefused(
                f"Expected an address or a network such as 203.0.113.7 or 203.0.113.0/24, found {text[:60]!r}."
            ) from error
    return list(kept)


def revoke_key(*, user: User, prefix: str, now: datetime, request_id: str = "") -> ApiKey:
    """Revoke a person's own key at once; revoking it again changes nothing.

    Raises ApiKey.DoesNotExist when the person has no such key.
    """
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(user=user, prefix=prefix)
        if not row.revoked:
            row.revoked = True
            row.save(update_fields=["revoked"])
            forget_after_commit(row.prefix)
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
            forget_after_commit(row.prefix)
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


def note_uses(prefix: str, *, day: date, count: int, now: datetime) -> None:
    """Add uses to a key's total and to those of a day; the time of the last one is kept to the minute."""
    changes: dict[str, Any] = {
        "use_count": F("use_count") + count,
        "last_used_at": Case(
            When(last_used_at__gt=now - USE_RESOLUTION, then=F("last_used_at")), default=Value(now, DateTimeField())
        ),
    }
    with transaction.atomic():
        if not ApiKey.objects.filter(prefix=prefix).update(**changes):
            return
        of_day = ApiKeyUsage.objects.filter(key__prefix=prefix, day=day)
        if not of_day.update(count=F("count") + count):
            ApiKeyUsage.objects.get_or_create(key=ApiKey.objects.get(prefix=prefix), day=day)
            of_day.update(count=F("count") + count)


def usage_of(row: ApiKey) -> list[tuple[date, int]]:
    """Return the newest days on which a key was used, and how often."""
    return list(row.usage.order_by("-day").values_list("day", "count")[:DAYS_SHOWN])
