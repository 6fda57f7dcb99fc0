"""People's decisions about pairs: approve, reject, take back. A decision stands until its texts change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from django.db import transaction
from django.db.models import QuerySet

from categorization.models import MarketPair
from itomarkets.lib.venues import Venue
from itomarkets.records import audit
from markets.models import Market

Status = MarketPair.Status
Relation = MarketPair.Relation


class PairError(ValueError):
    """A decision that cannot stand; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class PairStroke:
    """What one keystroke or bulk action decided, and why it left others alone."""

    decided: tuple[int, ...] = ()
    refused: tuple[str, ...] = ()


def pair_queue(*, status: str = Status.PENDING) -> QuerySet[MarketPair]:
    """Return pairs for the desk, the most sure and liquid first; what trades no more is left out."""
    rows = MarketPair.objects.filter(status=status)
    if status == Status.PENDING:
        rows = rows.filter(
            kalshi__status=Market.Status.OPEN,
            polymarket__status=Market.Status.OPEN,
            kalshi__vanished_at__isnull=True,
            polymarket__vanished_at__isnull=True,
        )
    return rows.order_by("-importance", "id")


def texts_of(market: Market) -> dict[str, str]:
    """Return what a reviewer reads of a market: its question and its rules."""
    return {"question": market.question, "rules": market.rules}


def texts_digest(kalshi: dict[str, str], polymarket: dict[str, str]) -> str:
    return blake2b(orjson.dumps([kalshi, polymarket], option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def approve(
    *,
    pair: MarketPair,
    reviewer: Any,
    now: datetime,
    seen: str = "",
    relation: str = "",
    narrower: str = "",
    notes: str = "",
) -> None:
    """Let a pair be used, as what it was found to be or as the given relation.

    `seen` is the digest of the texts that the reviewer saw. Raises PairError where somebody decided it already,
    where the texts changed since, or where the relation cannot be.
    """
    chosen = relation or pair.relation
    if chosen not in Relation.values:
        raise PairError(f"The relation is {chosen[:20]!r}; expected one of {', '.join(Relation.values)}.")
    side = narrower or (pair.narrower if chosen == pair.relation else "")
    if (chosen == Relation.SUBSET) != (side in Venue.values):
        raise PairError("A subset needs the venue whose YES means YES at the other; no other relation has one.")
    _decide(
        pair, Status.APPROVED, reviewer, now, seen, notes, also={"relation": chosen, "narrower": side, "reopened": ""}
    )


def reject(*, pair: MarketPair, reviewer: Any, now: datetime, seen: str = "", notes: str = "") -> None:
    """Say that a pair is none; it is not offered again. Raises PairError as `approve` does."""
    _decide(pair, Status.REJECTED, reviewer, now, seen, notes, also={})


def decide_each(*, pairs: Iterable[MarketPair], decide: Callable[[MarketPair], None]) -> PairStroke:
    """Decide many pairs one by one; a refused one is named and stepped over."""
    decided, refused = [], []
    for pair in pairs:
        try:
            decide(pair)
        except PairError as error:
            refused.append(str(error))
        else:
            decided.append(pair.pk)
    return PairStroke(tuple(decided), tuple(refused))


def take_back(*, pair: MarketPair, reviewer: Any, now: datetime) -> None:
    """Let a decided pair wait again. Raises PairError where it waits already."""
    with transaction.atomic():
        row = MarketPair.objects.select_for_update().get(pk=pair.pk)
        if row.status == Status.PENDING:
            raise PairError("It waits for review already; nothing was changed.")
        _reopen(row, f"Taken back by {reviewer}.", actor=reviewer, now=now)


def undo_last(*, reviewer: Any, now: datetime) -> PairStroke:
    """Take back the reviewer's latest decision that still stands, all of it where it was a bulk action."""
    mine = MarketPair.objects.filter(reviewer=reviewer).exclude(status=Status.PENDING)
    last = mine.order_by("-reviewed_at", "-id").first()
    if last is None:
        raise PairError("There is no decision of yours to take back.")
    rows = list(mine.filter(reviewed_at=last.reviewed_at))
    with transaction.atomic():
        return decide_each(pairs=rows, decide=lambda row: take_back(pair=row, reviewer=reviewer, now=now))


def reopen_changed(*, pair: MarketPair, reason: str, now: datetime) -> bool:
    """Let an approved pair wait again because its texts changed; says whether it was still approved."""
    with transaction.atomic():
        row = MarketPair.objects.select_for_update().get(pk=pair.pk)
        if row.status != Status.APPROVED:
            return False
        _reopen(row, reason, actor=None, now=now)
        return True


def _decide(
    pair: MarketPair, status: Status, reviewer: Any, now: datetime, seen: str, notes: str, *, also: dict[str, Any]
) -> None:
    with transaction.atomic():
        # Locked, so that of two reviewers the second finds what the first decided.
        row = MarketPair.objects.select_for_update().get(pk=pair.pk)
        if row.status != Status.PENDING:
            who = f" by {row.reviewer}" if row.reviewer else ""
            raise PairError(f"It is {row.status} already{who}; take that back first.")
        kalshi, polymarket = texts_of(row.kalshi), texts_of(row.polymarket)
        digest = texts_digest(kalshi, polymarket)
        if seen and seen != digest:
            raise PairError("Its rules changed since you saw them; reload the page and read them again.")
        before = _state(row)
        row.status, row.reviewer, row.reviewed_at = status, reviewer, now
        row.notes = notes or row.notes
        row.texts_digest = digest
        row.approved_texts = (
            {Venue.KALSHI.value: kalshi, Venue.POLYMARKET.value: polymarket} if status == Status.APPROVED else {}
        )
        for name, value in also.items():
            setattr(row, name, value)
        row.changed_at = now
        row.save()
        _record(f"pair.{status.value}", row, reviewer, before, now)


def _reopen(row: MarketPair, reason: str, *, actor: Any, now: datetime) -> None:
    before = _state(row)
    row.status, row.reviewer, row.reviewed_at, row.reopened, row.changed_at = Status.PENDING, None, None, reason, now
    row.save(update_fields=["status", "reviewer", "reviewed_at", "reopened", "changed_at"])
    _record("pair.reopened", row, actor, before, now)


def _record(action: str, row: MarketPair, actor: Any, before: dict[str, Any], now: datetime) -> None:
    audit.record(action=action, subject=f"pair:{row.pk}", actor=actor, before=before, after=_state(row), at=now)


def _state(row: MarketPair) -> dict[str, Any]:
    return {
        "status": str(row.status),
        "relation": str(row.relation),
        "narrower": row.narrower,
        "kalshi": row.kalshi_id,
        "polymarket": row.polymarket_id,
        "notes": row.notes,
        "reason": row.reopened,
    }
