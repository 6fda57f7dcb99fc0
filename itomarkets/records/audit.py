"""The audit trail: append one entry, and verify the chain.

The first of AUDIT_KEYS signs; an entry verifies under any of them, so that a key can be replaced. What the chain
itself cannot tell is that its end was cut off: for that its head is noted elsewhere, each day in the log.
"""

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from itomarkets.lib import clock
from itomarkets.lib.compiled import compiled, insert_all, read_ahead
from itomarkets.records.models import AuditEntry, Lease

logger = logging.getLogger(__name__)

CHAIN_START = "0" * 64
HASH_LENGTH = len(CHAIN_START)


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's last entry at some time: its number and its hash. Written as SEQ:HASH."""

    seq: int
    hash: str

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read SEQ:HASH; raises ValueError."""
        seq, _, digest = text.strip().partition(":")
        if not (seq.isascii() and seq.isdigit() and len(digest) == HASH_LENGTH):
            raise ValueError(f"expected a head as verify_audit prints it, SEQ:HASH; found {text[:80]!r}")
        return cls(int(seq), digest)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a walk along the chain found.

    `broken_at` is the first entry that does not fit, or None; `head` the last entry walked, None where there is
    none; `lacks` the head that was noted before and is not there any more.
    """

    entries: int
    broken_at: int | None
    head: Head | None = None
    lacks: Head | None = None


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
        # Read after the lock, in a statement of its own: one that waited for it would see the chain as it was before.
        with read_ahead(_locked_head.asked(), _last_entry.asked()):
            is_locked, last = bool(_locked_head()), _last_entry()
        if not is_locked:
            Lease.objects.get_or_create(name="audit-chain", defaults={"until": moment})
            _locked_head()
            last = _last_entry()
        seq, prev_hash = (last[0][0] + 1, last[0][1]) if last else (1, CHAIN_START)
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
        insert_all([entry])
        return entry


@compiled
def _locked_head() -> QuerySet[Lease]:
    return Lease.objects.select_for_update().filter(name="audit-chain")


@compiled
def _last_entry() -> QuerySet[AuditEntry, tuple[int, str]]:
    return AuditEntry.objects.order_by("-seq").values_list("seq", "hash")[:1]


def entry_hash(entry: AuditEntry, *, key: str = "") -> str:
    """Compute what an entry's hash must be, from the entry before it and its own content, under a key.

    Without one: under the key that signs now.
    """
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
    signed_under = key or settings.AUDIT_KEYS[0]
    return hmac.new(signed_under.encode(), entry.prev_hash.encode() + body.encode(), hashlib.sha256).hexdigest()


def verify_chain(*, noted: Head | None = None) -> ChainReport:
    """Walk the whole chain, name the first entry that was changed, removed or moved, and look for a noted head."""
    head, has_noted = Head(0, CHAIN_START), noted is None
    for entry in AuditEntry.objects.order_by("seq").iterator(chunk_size=1000):
        if entry.seq != head.seq + 1 or entry.prev_hash != head.hash or not _is_signed(entry):
            return ChainReport(entries=head.seq + 1, broken_at=entry.seq)
        head = Head(entry.seq, entry.hash)
        has_noted = has_noted or head == noted
    return ChainReport(
        entries=head.seq, broken_at=None, head=head if head.seq else None, lacks=None if has_noted else noted
    )


def note_head() -> dict[str, Any]:
    """Verify the chain and note its head in the log, which leaves the machine by other ways than the database.

    Raises RuntimeError where the chain is broken.
    """
    report = verify_chain()
    if report.broken_at is not None:
        raise RuntimeError(f"The audit trail is broken at entry {report.broken_at}.")
    logger.info("The audit trail has %d entries and ends at %s", report.entries, report.head or "its start")
    return {"entries": report.entries, "head": str(report.head or "")}


def _is_signed(entry: AuditEntry) -> bool:
    return any(hmac.compare_digest(entry.hash, entry_hash(entry, key=key)) for key in settings.AUDIT_KEYS)
