"""Where requests are counted: in Redis for all processes, or in this one; and which generation of a key is the newest.

A key's generation changes when the key does. What counts a request tells it in the same round trip, so that a process
may keep keys in memory and still refuse a revoked one at once.
"""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from itomarkets.lib.buckets import Limit, LocalBuckets, RedisBuckets, RedisGone, Taken

log = logging.getLogger(__name__)
local_buckets = LocalBuckets()


def redis_buckets() -> RedisBuckets | None:
    """Return the buckets of all processes; None where there is no Redis."""
    if not settings.REDIS_URL:
        return None
    return _buckets_at(settings.REDIS_URL, settings.CACHES["default"].get("KEY_PREFIX", ""))


@cache
def _buckets_at(url: str, prefix: str) -> RedisBuckets:
    return RedisBuckets(url, prefix=prefix)


def take(limits: Sequence[Limit], *, use: str = "", generation_of: str = "") -> Taken:
    """Take a token of each bucket, or of none; from this process' own ones where Redis is not there or gone."""
    shared = redis_buckets()
    if shared is not None:
        try:
            return shared.take(limits, use=use, generation_of=generation_of)
        except RedisGone as error:
            log.error("API use cannot be counted by all processes together: %s", error)
    return local_buckets.take(limits)


def generation_of(prefix: str) -> str | None:
    """Return a key's generation; None where Redis is not there or gone, and nothing may be kept in memory."""
    shared = redis_buckets()
    if shared is None:
        return None
    try:
        told = shared.ask(lambda: shared.client.hget(shared.generations_key, prefix))
    except RedisGone:
        return None
    return told.decode() if told else ""


def forget_after_commit(prefix: str) -> None:
    """Have every process read a key again once this transaction is committed."""
    transaction.on_commit(lambda: _forget(prefix))


def _forget(prefix: str) -> None:
    shared = redis_buckets()
    if shared is None:
        return
    try:
        shared.ask(lambda: shared.client.hset(shared.generations_key, prefix, uuid4().hex))
    except RedisGone as error:
        # Without Redis nobody uses what they keep; what was kept before ends by its age.
        log.error("Key %s changed while Redis was gone: %s", prefix, error)


def take_uses() -> dict[str, int]:
    """Return the uses that were counted in Redis since they were last taken, by field; `uses_taken` ends it.

    Should the work between the two fail, they are returned again.
    """
    shared = redis_buckets()
    if shared is None:
        return {}
    aside = f"{shared.uses_key}:taken"

    def work() -> dict[Any, Any]:
        client = shared.client
        if not client.exists(aside) and client.exists(shared.uses_key):
            client.rename(shared.uses_key, aside)
        return client.hgetall(aside)

    try:
        return {field.decode(): int(count) for field, count in shared.ask(work).items()}
    except RedisGone as error:
        log.error("Uses of keys wait in Redis: %s", error)
        return {}


def uses_taken() -> None:
    """Let go of what `take_uses` returned."""
    shared = redis_buckets()
    if shared is not None:
        shared.ask(lambda: shared.client.delete(f"{shared.uses_key}:taken"))
