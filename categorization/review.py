"""Reviewers' decisions: confirm a label or correct it. They win for good over the stages."""

from datetime import datetime
from typing import Any

from django.db import transaction

from categorization.models import Classification, Review, RiskFactor
from itomarkets.records import audit


class ReviewError(ValueError):
    """A review that cannot stand; the text says why and what to do."""


def confirm(*, classification: Classification, reviewer: Any, now: datetime, note: str = "") -> Review | None:
    """Accept a label as it stands.

    Returns None where it is confirmed or corrected already. Raises ReviewError where there is no factor
    to confirm.
    """
    with transaction.atomic():
        row = Classification.objects.select_for_update().get(pk=classification.pk)
        if row.status in (Classification.Status.CONFIRMED, Classification.Status.CORRECTED):
            return None
        if row.factor_id is None:
            raise ReviewError("There is no factor to confirm; correct it to the factor that fits, or to none.")
        return _decide(row, Classification.Status.CONFIRMED, row.factor, row.direction, reviewer, now, note)


def correct(
    *,
    classification: Classification,
    reviewer: Any,
    factor: RiskFactor | None,
    direction: int,
    now: datetime,
    note: str = "",
) -> Review | None:
    """Set a label's factor (None: no factor fits) and direction.

    Returns None where it is corrected to just that already. Raises ReviewError on a direction other than
    +1, 0 and -1, or one without a factor.
    """
    if direction not in Classification.Direction.values:
        raise ReviewError(f"The direction is {direction!r}; expected +1, 0 or -1.")
    if factor is None and direction:
        raise ReviewError("A market without a factor has no direction; expected 0.")
    with transaction.atomic():
        row = Classification.objects.select_for_update().get(pk=classification.pk)
        same = (row.factor_id, row.direction) == (factor.pk if factor else None, direction)
        if same and row.status in (Classification.Status.CONFIRMED, Classification.Status.CORRECTED):
            return None
        status = Classification.Status.CONFIRMED if same and factor else Classification.Status.CORRECTED
        return _decide(row, status, factor, direction, reviewer, now, note)


def _decide(
    row: Classification,
    status: Classification.Status,
    factor: RiskFactor | None,
    direction: int,
    reviewer: Any,
    now: datetime,
    note: str,
) -> Review:
    before = _state(row)
    review = Review.objects.create(
        classification=row,
        reviewer=reviewer,
        at=now,
        old_factor=row.factor,
        old_direction=row.direction,
        new_factor=factor,
        new_direction=direction,
        note=note,
    )
    row.factor, row.direction, row.status = factor, direction, status
    row.skip_reason = ""
    row.changed_at = now
    row.save(update_fields=["factor", "direction", "status", "skip_reason", "changed_at"])
    audit.record(
        action=f"label.{status.value}",
        subject=f"market:{row.market_id}",
        actor=reviewer,
        before=before,
        after=_state(row),
        at=now,
    )
    return review


def _state(row: Classification) -> dict[str, Any]:
    return {"factor": row.factor.slug if row.factor else None, "direction": row.direction, "status": str(row.status)}
