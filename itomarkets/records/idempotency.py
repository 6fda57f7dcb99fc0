"""Requests that carry an `Idempotency-Key`: carried out once, and answered alike however often they are sent.

A row is taken by a unique insert that commits before anything is done, so that of two requests at once one finds the
other in flight, on either database. A process that dies leaves its row in flight; once that is stale, the next
request takes the row over by a conditional update and carries the work out again. What it does must therefore find
what the dead one did: a trade is found by its key and its quote.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
from django.db import IntegrityError, transaction

from itomarkets.lib import clock
from itomarkets.lib.api_renderers import plain
from itomarkets.records.models import IdempotentRequest

Status = IdempotentRequest.Status
KEPT = timedelta(hours=24)
# Longer than any request lives; until then a repeated one is told to wait.
STALE = timedelta(seconds=60)
RETRY_SECONDS = 1


class InFlight(Exception):
    """The same request is being carried out at this moment."""


class KeyReused(Exception):
    """The key stands for another request."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first of these requests was answered."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry a request out, and to say how it ended."""

    pk: int
    holder: str


def digest_of(body: Any) -> str:
    """Return a digest of a parsed body: the order of its fields does not make it another one."""
    written = orjson.dumps(body, default=plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(written).hexdigest()


def begin(*, user: Any, operation: str, key: str, digest: str) -> Claim | StoredAnswer:
    """Take the right to carry out a request, or return the answer that it was given before.

    Call it outside a transaction: others must see the row at once. Raises InFlight, and KeyReused for another body.
    """
    now, holder = clock.machine_now(), uuid4().hex
    IdempotentRequest.objects.filter(user=user, expires_at__lte=now).delete()
    values = {
        "body_digest": digest,
        "holder": holder,
        "started_at": now,
        "expires_at": now + KEPT,
    }
    try:
        with transaction.atomic():
            row = IdempotentRequest.objects.create(user=user, operation=operation, key=key, **values)
        return Claim(row.pk, holder)
    except IntegrityError:
        standing = IdempotentRequest.objects.filter(user=user, operation=operation, key=key).first()
    if standing is None:
        # It was given up between the two statements: whoever asks again will have it.
        raise InFlight
    if standing.body_digest != digest:
        raise KeyReused
    if standing.status == Status.DONE and standing.response_status is not None:
        return StoredAnswer(standing.response_status, standing.response_body)
    if standing.started_at > now - STALE:
        raise InFlight
    taken = IdempotentRequest.objects.filter(pk=standing.pk, status=Status.IN_FLIGHT, holder=standing.holder).update(
        holder=holder, started_at=now, expires_at=now + KEPT
    )
    if not taken:
        raise InFlight
    return Claim(standing.pk, holder)


def finish(claim: Claim, *, status: int, body: Any) -> None:
    """Store the answer; whoever lost the claim stores nothing."""
    IdempotentRequest.objects.filter(pk=claim.pk, holder=claim.holder, status=Status.IN_FLIGHT).update(
        status=Status.DONE,
        response_status=status,
        response_body=orjson.loads(orjson.dumps(body, default=plain, option=orjson.OPT_UTC_Z)),
    )


def give_up(claim: Claim) -> None:
    """Free the key: nothing was done, and the same request may be tried again."""
    IdempotentRequest.objects.filter(pk=claim.pk, holder=claim.holder, status=Status.IN_FLIGHT).delete()
