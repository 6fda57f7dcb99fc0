"""Changes of system baskets larger than staff lets through by itself: queued, and decided once by a reviewer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction

from baskets.compositions import (
    REASON_LENGTH,
    CompositionRefused,
    Reckoning,
    TargetLeg,
    create_composition,
    current_composition,
)
from baskets.demand import demand_held, refresh_markets
from baskets.method import Method
from baskets.models import Basket, Proposal
from itomarkets.lib.rounding import ZERO, quantize
from itomarkets.lib.templatetags.figures import percent
from itomarkets.records.audit import record

# What a reviewer rejected is not proposed again for so long, while the same is held.
REJECTION_STANDS = timedelta(days=7)
PENDING = Proposal.Status.PENDING


class ProposalRefused(ValueError):
    """A proposal cannot be decided like this; the text says why."""


def beyond_limits(reckoned: Reckoning, method: Method) -> str:
    """Say which of staff's limits a change passes; empty where it may be applied by itself."""
    found = []
    turnover, cost = cost_of(reckoned)
    if turnover > method.auto_turnover:
        found.append(f"{percent(turnover)} would be turned over, more than {percent(method.auto_turnover)}")
    if cost > method.auto_cost:
        found.append(f"it would cost {percent(cost)} of the value, more than {percent(method.auto_cost)}")
    return "; ".join(found)


def cost_of(reckoned: Reckoning) -> tuple[Decimal, Decimal]:
    """Return a change's turnover and what it costs at bids and asks, as shares of the value."""
    value, cost = reckoned.fields.get("value_before"), reckoned.fields.get("cost")
    share = quantize(cost / value, 8) if cost is not None and value else ZERO
    return reckoned.fields.get("turnover") or ZERO, share


def propose(
    *, basket: Basket, legs: Sequence[TargetLeg], reckoned: Reckoning, reason: str, limit: str, now: datetime
) -> str:
    """Queue a change and say so. The same legs are queued once, and not again soon after a reviewer rejected them."""
    assert reckoned.before is not None, "a first composition is applied, there is nothing to compare it with"
    wanted = {(leg.market_id, leg.side) for leg in legs}
    with transaction.atomic():
        Basket.objects.select_for_update().get(pk=basket.pk)
        mine = Proposal.objects.filter(basket=basket, base=reckoned.before)
        said = mine.filter(status=Proposal.Status.REJECTED, reviewed_at__gt=now - REJECTION_STANDS)
        for row in said:
            if {(leg.market_id, leg.side) for leg in legs_of(row)} == wanted:
                return f"not changed: a reviewer rejected this change on {row.reviewed_at:%Y-%m-%d}"
        waiting = mine.filter(status=PENDING).first()
        if waiting is None or {(leg.market_id, leg.side) for leg in legs_of(waiting)} != wanted:
            supersede(basket=basket, now=now)
            turnover, cost = cost_of(reckoned)
            Proposal.objects.create(
                basket=basket,
                base=reckoned.before,
                legs=[
                    {"market": leg.market_id, "side": leg.side, "weight": str(leg.weight), "why": leg.why}
                    for leg in legs
                ],
                reason=reason[:REASON_LENGTH],
                limit=limit[:REASON_LENGTH],
                turnover=turnover,
                cost=cost,
                created_at=now,
            )
    return f"waits for a reviewer ({reason}): {limit}"


def supersede(*, basket: Basket, now: datetime) -> int:
    """Close what waits for a basket, because something else took its place."""
    waiting = Proposal.objects.filter(basket=basket, status=PENDING)
    return waiting.update(status=Proposal.Status.SUPERSEDED, reviewed_at=now)


def approve(
    *, proposal: Proposal, reviewer: Any, now: datetime, notes: str = "", refresh: Any = refresh_markets
) -> Proposal:
    """Make the proposed composition at the prices of now, in one transaction. Raises ProposalRefused."""
    legs = legs_of(proposal)
    held = proposal.base.constituents.values_list("market_id", flat=True)
    refresh(sorted({leg.market_id for leg in legs} | set(held)), now)
    with transaction.atomic():
        row = _locked(proposal)
        if current_composition(row.basket) != row.base:
            raise ProposalRefused("What is held has changed since this was proposed; reject it, or wait for the next.")
        try:
            row.result = create_composition(basket=row.basket, legs=legs, reason=row.reason, now=now, actor=reviewer)
        except CompositionRefused as error:
            raise ProposalRefused(f"Not approved: {error}") from error
        demand_held(now=now)
        return _decide(row, Proposal.Status.APPROVED, actor=reviewer, notes=notes, now=now)


def reject(*, proposal: Proposal, reviewer: Any, now: datetime, notes: str = "") -> Proposal:
    """Leave the basket as it is; the same change is not proposed again soon."""
    with transaction.atomic():
        return _decide(_locked(proposal), Proposal.Status.REJECTED, actor=reviewer, notes=notes, now=now)


def legs_of(proposal: Proposal) -> list[TargetLeg]:
    """Read the stored legs. Raises ProposalRefused when they are not what `propose` writes."""
    try:
        return [
            TargetLeg(int(leg["market"]), str(leg["side"]), Decimal(leg["weight"]), str(leg["why"]))
            for leg in proposal.legs
        ]
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise ProposalRefused("The proposal's legs cannot be read; reject it.") from error


def _locked(proposal: Proposal) -> Proposal:
    # The basket first, as every change of it does: a rebuild and a decision cannot wait for each other.
    Basket.objects.select_for_update().get(pk=proposal.basket_id)
    row = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if row.status != PENDING:
        raise ProposalRefused(f"The proposal is already {row.get_status_display().lower()}; nothing was changed.")
    return row


def _decide(row: Proposal, status: str, *, actor: Any, notes: str, now: datetime) -> Proposal:
    row.status, row.reviewer, row.reviewed_at, row.notes = status, actor, now, notes.strip()
    row.save(update_fields=["status", "reviewer", "reviewed_at", "notes", "result"])
    record(
        action=f"proposal.{status}",
        subject=f"proposal:{row.pk}",
        actor=actor,
        before={"status": str(PENDING)},
        after={"status": str(status), "notes": row.notes, "version": row.result.version if row.result else None},
        at=now,
    )
    return row
