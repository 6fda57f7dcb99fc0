"""What people ask to change for everybody, and what reviewers decide: once, under the row's lock."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import reverse

from accounts.models import Notification
from accounts.notices import notify
from baskets.compositions import CompositionRefused
from baskets.demand import refresh_markets
from baskets.drafts import LegDraft
from baskets.editing import EditRefused, check_legs, make_custom_basket
from baskets.models import Basket, Override, Suggestion
from baskets.rebuild import Refresh, compose_with_overrides
from itomarkets.records.audit import record

MOST_PENDING = 20
REASON_LENGTH = 2_000
PENDING = Suggestion.Status.PENDING


class SuggestionRefused(ValueError):
    """A suggestion cannot be sent, decided or withdrawn like this; the text says why."""


def submit(
    *,
    user: Any,
    type: str,
    basket: Basket | None,
    name: str,
    description: str,
    legs: Sequence[LegDraft],
    reason: str,
    now: datetime,
) -> Suggestion:
    """Store a suggestion for the reviewers. Raises SuggestionRefused with what to change."""
    if type not in Suggestion.Type.values:
        raise SuggestionRefused(f"Expected one of {', '.join(Suggestion.Type.values)}, found {type!r}.")
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise SuggestionRefused(f"Say why, in at most {REASON_LENGTH:,} characters: reviewers decide by the reason.")
    if type == Suggestion.Type.NEW:
        basket = None
        if not name.strip() or len(name) > 120:
            raise SuggestionRefused("A new basket needs a name of at most 120 characters.")
    elif basket is None or basket.kind != Basket.Kind.SYSTEM or not basket.is_active:
        raise SuggestionRefused("Choose the system basket that should change.")
    try:
        check_legs(legs, now=now, must_trade=type != Suggestion.Type.REMOVE)
    except EditRefused as error:
        raise SuggestionRefused(str(error)) from error
    if basket is not None:
        _check_against(basket, type, legs)
    with transaction.atomic():
        # The person's own row is the lock: two tabs cannot both send the twentieth.
        get_user_model().objects.select_for_update().get(pk=user.pk)
        if Suggestion.objects.filter(user=user, status=PENDING).count() >= MOST_PENDING:
            raise SuggestionRefused(
                f"{MOST_PENDING} of your suggestions wait for a reviewer; withdraw one or wait for an answer."
            )
        return Suggestion.objects.create(
            user=user,
            type=type,
            basket=basket,
            name=" ".join(name.split())[:120],
            description=description.strip(),
            legs=[{"market": leg.market_id, "side": str(leg.side), "weight": str(leg.weight)} for leg in legs],
            reason=reason.strip(),
            created_at=now,
        )


def approve(
    *, suggestion: Suggestion, reviewer: Any, now: datetime, notes: str = "", refresh: Refresh = refresh_markets
) -> Suggestion:
    """Approve, and make what was suggested, in one transaction.

    A new basket becomes a public one of the reviewer's; markets to add or remove become overrides of the system basket,
    so that rebuilds keep them, and its next composition. Raises SuggestionRefused; then nothing has changed.
    """
    legs = legs_of(suggestion)
    refresh([leg.market_id for leg in legs], now)
    with transaction.atomic():
        row = _locked(suggestion)
        try:
            check_legs(legs, now=now, must_trade=row.type != Suggestion.Type.REMOVE)
            if row.type == Suggestion.Type.NEW:
                row.result = make_custom_basket(
                    owner=reviewer,
                    name=row.name,
                    description=row.description,
                    legs=legs,
                    visibility=Basket.Visibility.PUBLIC,
                    now=now,
                )
            else:
                row.result = _change(row, legs, reviewer=reviewer, now=now)
        except (EditRefused, CompositionRefused) as error:
            raise SuggestionRefused(f"Not approved: {error}") from error
        return _decide(row, Suggestion.Status.APPROVED, actor=reviewer, notes=notes, now=now)


def reject(*, suggestion: Suggestion, reviewer: Any, now: datetime, notes: str = "") -> Suggestion:
    """Reject, with the reviewer's words for the person who asked."""
    with transaction.atomic():
        return _decide(_locked(suggestion), Suggestion.Status.REJECTED, actor=reviewer, notes=notes, now=now)


def withdraw(*, suggestion: Suggestion, user: Any, now: datetime) -> Suggestion:
    """Take back one's own suggestion while nobody has decided it."""
    if suggestion.user_id != user.pk:
        raise SuggestionRefused("Only the person who sent a suggestion may withdraw it.")
    with transaction.atomic():
        row = _locked(suggestion)
        row.status = Suggestion.Status.WITHDRAWN
        row.save(update_fields=["status"])
        return row


def legs_of(suggestion: Suggestion) -> list[LegDraft]:
    """Read the stored legs. Raises SuggestionRefused when they are not what `submit` writes."""
    try:
        return [LegDraft(int(leg["market"]), str(leg["side"]), Decimal(leg["weight"])) for leg in suggestion.legs]
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise SuggestionRefused("The suggestion's legs cannot be read; reject it.") from error


def _locked(suggestion: Suggestion) -> Suggestion:
    row = Suggestion.objects.select_for_update().get(pk=suggestion.pk)
    if row.status != PENDING:
        raise SuggestionRefused(f"The suggestion is already {row.get_status_display().lower()}; nothing was changed.")
    return row


def _decide(row: Suggestion, status: str, *, actor: Any, notes: str, now: datetime) -> Suggestion:
    row.status, row.reviewer, row.reviewed_at, row.notes = status, actor, now, notes.strip()
    row.save(update_fields=["status", "reviewer", "reviewed_at", "notes", "result"])
    record(
        action=f"suggestion.{status}",
        subject=f"suggestion:{row.pk}",
        actor=actor,
        before={"status": str(PENDING)},
        after={"status": str(status), "notes": row.notes},
        at=now,
    )
    notify(
        user=row.user,
        kind=Notification.Kind.SUGGESTION,
        key=f"suggestion:{row.pk}",
        text=_answer(row),
        url=reverse("basket-detail", args=[row.result.slug]) if row.result else reverse("suggestion-list"),
        now=now,
    )
    return row


def _answer(row: Suggestion) -> str:
    """Say to the person who asked what came of it, with the reviewer's words."""
    about = row.name if row.basket is None else row.basket.name
    notes = f" The reviewer says: {row.notes}" if row.notes else ""
    return f"Your suggestion for “{about}” was {row.get_status_display().lower()}.{notes}"


def _change(row: Suggestion, legs: Sequence[LegDraft], *, reviewer: Any, now: datetime) -> Basket:
    """Write the overrides that a suggestion asks for, and the composition that follows."""
    assert row.basket is not None
    adds = row.type == Suggestion.Type.ADD
    for leg in legs:
        Override.objects.update_or_create(
            market_id=leg.market_id,
            basket=row.basket,
            defaults={
                "action": Override.Action.PIN if adds else Override.Action.EXCLUDE,
                "side": leg.side if adds else "",
                "target": None,
                "weight": None,
                "until": None,
                "reason": f"Suggestion {row.pk}: {row.reason}",
                "created_by": reviewer,
                "created_at": now,
            },
        )
    many = "s" if len(legs) != 1 else ""
    verb = "added" if adds else "removed"
    compose_with_overrides(
        basket=row.basket, reason=f"{len(legs)} market{many} {verb} on a suggestion", now=now, actor=reviewer
    )
    return row.basket


def _check_against(basket: Basket, type: str, legs: Sequence[LegDraft]) -> None:
    newest = basket.compositions.order_by("-version").first()
    held = dict(newest.constituents.values_list("market_id", "side")) if newest else {}
    if type == Suggestion.Type.ADD and all(held.get(leg.market_id) == leg.side for leg in legs):
        raise SuggestionRefused(f"{basket.name} holds these already.")
    if type == Suggestion.Type.REMOVE and not any(leg.market_id in held for leg in legs):
        raise SuggestionRefused(f"{basket.name} holds none of these.")
