"""Let a program in by its key: find the key, count the request against its limits, note the use.

With Redis the whole of it is one round trip: keys that were used in the last second are kept in memory, and the call
that counts says whether they have changed since.
"""

import copy
import threading
import time
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from accounts import counting
from accounts.api_keys import find_key, note_uses
from accounts.keys import hash_key, prefix_of
from accounts.models import ApiKey
from itomarkets.lib.buckets import Limit, Taken

# Changes that nobody announces, such as a person who was switched off in the database, are seen this much later.
KEPT_SECONDS = 1.0
MOST_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class _Kept:
    row: ApiKey
    generation: str
    since: float


class KeptKeys:
    """Keys in this process' memory by the hash of their secret; none is older than a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def get(self, hashed: str) -> _Kept | None:
        kept = self._kept.get(hashed)
        return kept if kept is not None and time.monotonic() - kept.since < KEPT_SECONDS else None

    def put(self, hashed: str, row: ApiKey, generation: str) -> None:
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[hashed] = _Kept(row, generation, time.monotonic())

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


kept_keys = KeptKeys()


def limits_of(row: ApiKey) -> tuple[Limit, ...]:
    """Return a key's own bucket and its person's; one that staff gave more than a person has counts alone."""
    own = Limit(f"key:{row.prefix}", "key", row.rate_limit_per_hour)
    if row.rate_limit_per_hour > settings.API_USER_RATE_PER_HOUR:
        return (own,)
    return own, person_limit(row.user_id)


def person_limit(user_id: int) -> Limit:
    return Limit(f"user:{user_id}", "user", settings.API_USER_RATE_PER_HOUR)


def let_in(text: str, *, address: str, now: datetime) -> tuple[ApiKey, Taken] | None:
    """Return the working key that this text is and what became of its count; None for whoever must stay outside."""
    prefix = prefix_of(text)
    if prefix is None:
        # Compared all the same, so that it answers no quicker.
        find_key(text, now=now)
        return None
    hashed, day = hash_key(text), now.date()
    kept = kept_keys.get(hashed)
    # Asked before the row is read: a change between the two is then seen as one.
    generation = kept.generation if kept is not None else counting.generation_of(prefix)
    row = kept.row if kept is not None else find_key(text, now=now)
    if row is None or not _may_enter(row, address, now):
        return None
    taken = counting.take(limits_of(row), use=f"{prefix} {day.isoformat()}", generation_of=prefix)
    if kept is not None and taken.generation != kept.generation:
        row = find_key(text, now=now)
        if row is None or not _may_enter(row, address, now):
            return None
    elif kept is None and generation is not None and taken.generation == generation:
        kept_keys.put(hashed, row, generation)
    if taken.allowed and not taken.is_shared:
        note_uses(prefix, day=day, count=1, now=now)
    # A view may change what it is given; what is kept stays as it was read.
    mine = copy.copy(row)
    mine.user = copy.copy(row.user)
    return mine, taken


def _may_enter(row: ApiKey, address: str, now: datetime) -> bool:
    return (row.expiry_date is None or row.expiry_date > now) and row.works_from(address)


def store_uses(*, now: datetime) -> int:
    """Bring the uses that were counted in Redis into the database; returns how many. Run it under a lease.

    One that ends between the two halves counts its uses again: use is for people, not for bills.
    """
    uses = counting.take_uses()
    for field, count in uses.items():
        prefix, day = field.split(" ")
        note_uses(prefix, day=date.fromisoformat(day), count=count, now=now)
    if uses:
        counting.uses_taken()
    return sum(uses.values())
