"""Reviewers' decisions: confirm a label, correct it, decide a whole event, undo. They win for good over the stages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from categorization.models import Classification, Review, RiskFactor
from categorization.reading import reading_of_seen
from categorization.stages import direction as direction_stage
from categorization.stages import normalize, screen
from categorization.trail import REVIEWED, entries_of
from itomarkets.records import audit
from markets.models import Market

Status = Classification.Status


class ReviewError(ValueError):
    """A review that cannot stand; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """What one keystroke or bulk action decided, and how many labels it left alone."""

    reviews: tuple[Review, ...] = ()
    left: int = 0


def queue(*, status: str = Status.WAITING) -> QuerySet[Classification]:
    """Return the labels that wait for a person: where stages disagree first, then the most important, the least sure.

    Markets that are over are left out: nobody can hold them any more.
    """
    rows = Classification.objects.filter(
        status=status, market__status=Market.Status.OPEN, market__vanished_at__isnull=True
    )
    return rows.order_by("-is_disputed", "-importance", "confidence", "id")


def direction_under(classification: Classification, factor: RiskFactor | None) -> int:
    """Read a market's direction anew under another factor, by the grammar of what its trail says was read.

    A trail that kept no inputs, or no factor, gives 0: the market does not say which way.
    """
    seen = entries_of(classification.trail).get(normalize.NAME, {}).get("saw")
    if factor is None or not isinstance(seen, dict):
        return 0
    reading = reading_of_seen(seen)
    return direction_stage.direction(reading, normalize.normalize(reading), factor.slug).value


def confirm(*, classification: Classification, reviewer: Any, now: datetime, note: str = "") -> Review | None:
    """Accept a label as it stands.

    Returns None where it is confirmed or corrected already. Raises ReviewError where there is no factor
    to confirm.
    """
    with transaction.atomic():
        row = Classification.objects.select_for_update().get(pk=classification.pk)
        if row.status in REVIEWED:
            return None
        if row.factor_id is None:
            raise ReviewError("There is no factor to confirm; correct it to the factor that fits, or to none.")
        return _decide(row, Status.CONFIRMED, row.factor, row.direction, reviewer, now, note)


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
        if same and row.status in REVIEWED:
            return None
        status = Status.CONFIRMED if same and factor else Status.CORRECTED
        return _decide(row, status, factor, direction, reviewer, now, note)


def decide_event(
    *,
    classification: Classification,
    reviewer: Any,
    factor: RiskFactor | None,
    direction: int,
    now: datetime,
    note: str = "",
) -> Stroke:
    """Give every market of a market's event the same factor; each sibling's direction is read from its own question.

    What a reviewer decided before stays, save for the market itself, which gets the direction that is given.
    """
    event = classification.market.event
    siblings = Classification.objects.none() if event is None else Classification.objects.filter(market__event=event)
    made: list[Review] = []
    left = 0
    with transaction.atomic():
        first = correct(
            classification=classification, reviewer=reviewer, factor=factor, direction=direction, now=now, note=note
        )
        made += [first] if first else []
        for row in siblings.exclude(pk=classification.pk).order_by("id"):
            # A sibling that stands under this factor already was read under it; its direction holds.
            keeps = factor is not None and row.factor_id == factor.pk
            value = row.direction if keeps else direction_under(row, factor)
            review = None
            if row.status not in REVIEWED:
                review = correct(
                    classification=row, reviewer=reviewer, factor=factor, direction=value, now=now, note=note
                )
            made += [review] if review else []
            left += review is None
    return Stroke(tuple(made), left)


def decide_each(
    *, rows: QuerySet[Classification], decide: Callable[[Classification], Review | None]
) -> tuple[Stroke, list[str]]:
    """Decide many labels one by one; a refused one is named and stepped over."""
    made: list[Review] = []
    refused: list[str] = []
    left = 0
    for row in rows:
        try:
            review = decide(row)
        except ReviewError as error:
            refused.append(str(error))
            continue
        made += [review] if review else []
        left += review is None
    return Stroke(tuple(made), left), refused


def undo(*, review: Review, reviewer: Any, now: datetime) -> Review:
    """Take a review back: the label stands again as it stood before, and the undo is appended to the history.

    Raises ReviewError where the review was taken back already, or is not the label's latest.
    """
    with transaction.atomic():
        row = Classification.objects.select_for_update().get(pk=review.classification_id)
        if review.undoes_id is not None:
            raise ReviewError("This is an undo itself; decide the market again instead.")
        newest = row.reviews.filter(undoes__isnull=True, undone_by__isnull=True).first()
        if newest is None or newest.pk != review.pk:
            raise ReviewError("This was taken back already, or decided again since; look at the history.")
        # Rows from before statuses were kept do not say what stood; a person looks again.
        status = Status(review.old_status) if review.old_status else Status.WAITING
        return _decide(row, status, review.old_factor, review.old_direction, reviewer, now, "Undone.", undoes=review)


def undo_last(*, reviewer: Any, now: datetime) -> Stroke:
    """Take back the reviewer's latest stroke that still stands: all that one keystroke or bulk action decided.

    What somebody decided again since is left alone. Raises ReviewError where there is nothing to take back.
    """
    mine = Review.objects.filter(reviewer=reviewer, undoes__isnull=True, undone_by__isnull=True)
    last = mine.order_by("-id").first()
    if last is None:
        raise ReviewError("There is no decision of yours to take back.")
    made: list[Review] = []
    left = 0
    with transaction.atomic():
        for review in mine.filter(at=last.at).select_related("old_factor").order_by("-id"):
            try:
                made.append(undo(review=review, reviewer=reviewer, now=now))
            except ReviewError:
                left += 1
    if not made:
        raise ReviewError("Your last decision was decided again since by somebody else; nothing was taken back.")
    return Stroke(tuple(made), left)


def _decide(
    row: Classification,
    status: Classification.Status,
    factor: RiskFactor | None,
    direction: int,
    reviewer: Any,
    now: datetime,
    note: str,
    undoes: Review | None = None,
) -> Review:
    before = _state(row)
    review = Review.objects.create(
        classification=row,
        reviewer=reviewer,
        at=now,
        old_factor=row.factor,
        old_direction=row.direction,
        old_status=row.status,
        new_factor=factor,
        new_direction=direction,
        new_status=status,
        undoes=undoes,
        note=note,
    )
    row.factor, row.direction, row.status = factor, direction, status
    row.skip_reason = ""
    if status not in REVIEWED:
        row.skip_reason = str(entries_of(row.trail).get(screen.NAME, {}).get("reason") or "")
        # The stages look at it again: it may have changed while a reviewer's word stood.
        row.input_digest = ""
    row.changed_at = now
    row.save(update_fields=["factor", "direction", "status", "skip_reason", "input_digest", "changed_at"])
    audit.record(
        action="label.undone" if undoes else f"label.{status.value}",
        subject=f"market:{row.market_id}",
        actor=reviewer,
        before=before,
        after=_state(row),
        at=now,
    )
    return review


def _state(row: Classification) -> dict[str, Any]:
    return {"factor": row.factor.slug if row.factor else None, "direction": row.direction, "status": str(row.status)}
