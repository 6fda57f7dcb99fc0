"""The audit trail: append one entry, and verify the chain."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from itomarkets.lib import clock
from itomarkets.records.models import AuditEntry, Lease

CHAIN_START = "0" * 64


@dataclass(frozen=True)
class ChainReport:
    """What a walk along the chain found; `broken_at` is the first entry that does not fit, or None."""

    entries: int
    broken_at: int | None


def record(
    *,
    action: str,
    subject: str,
    actor: Any = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request_id: str = "",
    at: datetime | None = None,
) -> AuditEntry:
    """Append one entry to the audit trail; call it inside the transaction of what it describes.

    `before` and `after` hold JSON values and never a secret. The chain's head is one locked row, so
    two writers cannot fork it.
    """
    # What it describes fails with it, so a savepoint of its own would save nothing.
    with transaction.atomic(savepoint=False):
        moment = at or clock.now()
        head = Lease.objects.select_for_update().filter(name="audit-chain")
        if not head:
            Lease.objects.get_or_create(name="audit-chain", defaults={"until": moment})
            head.get()
        # Read after the lock, in a statement of its own: one that waited for it would see the chain as it was before.
        last = AuditEntry.objects.order_by("-seq").values_list("seq", "hash").first()
        seq, prev_hash = (last[0] + 1, last[1]) if last else (1, CHAIN_START)
        entry = AuditEntry(
            seq=seq,
            at=moment,
            actor=actor if getattr(actor, "pk", None) else None,
            action=action,
            subject=subject,
            before=before or {},
            after=after or {},
            request_id=request_id,
            prev_hash=prev_hash,
        )
        entry.hash = entry_hash(entry)
        entry.save()
        return entry


def entry_hash(entry: AuditEntry) -> str:
    """Compute what an entry's hash must be, from the entry before it and its own content."""
    body = json.dumps(
        {
            "seq": entry.seq,
            "at": entry.at.isoformat(timespec="microseconds"),
            "actor": entry.actor_id,
            "action": entry.action,
            "subject": entry.subject,
            "before": entry.before,
            "after": entry.after,
            "request_id": entry.request_id,
        },
        sort_keys=True,
        separators=(",", ":"),
        default=str,
    )
    return hmac.new(settings.SECRET_KEY.encode(), entry.prev_hash.encode() + body.encode(), hashlib.sha256).hexdigest()


def verify_chain() -> ChainReport:
    """Walk the whole chain and name the first entry that was changed, removed or moved."""
    expected, count = CHAIN_START, 0
    for entry in AuditEntry.objects.order_by("seq").iterator(chunk_size=1000):
        count += 1
        if entry.seq != count or entry.prev_hash != expected or entry.hash != entry_hash(entry):
            return ChainReport(entries=count, broken_at=entry.seq)
        expected = entry.hash
    return ChainReport(entries=count, broken_at=None)
