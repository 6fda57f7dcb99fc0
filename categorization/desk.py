"""The review desk's cases: one market each, with what a reviewer compares and what each key would decide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from categorization.models import Classification, RiskFactor
from categorization.review import (
    ReviewError,
    Stroke,
    confirm,
    correct,
    decide_event,
    direction_under,
    queue,
)
from categorization.trail import REVIEWED, StageCard, stage_cards, would_change

# Cases sent at once: enough to read on while the next ones come.
BATCH = 20
# Cases that a page may name as already shown.
MOST_SHOWN = 200
DIRECTIONS = {1: "YES means more", 0: "neither", -1: "YES means less"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate: the factor, the direction that the market has under it, and the stages that named it."""

    factor: RiskFactor
    direction: int
    voices: str

    @property
    def reads(self) -> str:
        return DIRECTIONS[self.direction]


@dataclass(frozen=True, slots=True)
class Case:
    """One market on the desk."""

    row: Classification
    first: Choice | None
    second: Choice | None
    cards: Sequence[StageCard]
    changes: Sequence[str]
    siblings: int


def cases(*, status: str, theme: str = "", without: Collection[int] = ()) -> list[Case]:
    """Return the queue's next cases, those that the page holds already left out."""
    rows = queue(status=status).exclude(pk__in=list(without)[:MOST_SHOWN])
    if theme:
        rows = rows.filter(factor__theme__slug=theme)
    found = list(rows.select_related("market__event", "factor__theme", "runner_up__theme")[:BATCH])
    events = {row.market.event_id for row in found if row.market.event_id}
    undecided = ~Q(status__in=REVIEWED)
    members = dict(
        Classification.objects.filter(undecided, market__event__in=events)
        .values_list("market__event")
        .annotate(n=Count("pk"))
        .values_list("market__event", "n")
    )
    return [case_of(row, siblings=members.get(row.market.event_id or 0, 1) - 1) for row in found]


def case_of(row: Classification, *, siblings: int) -> Case:
    """Lay out one market: its answer and its runner-up side by side."""
    cards = stage_cards(row)
    second = row.runner_up if row.runner_up_id != row.factor_id else None
    return Case(
        row,
        Choice(row.factor, row.direction, _voices(cards, row.factor)) if row.factor else None,
        Choice(second, direction_under(row, second), _voices(cards, second)) if second else None,
        cards,
        would_change(row),
        siblings,
    )


def _voices(cards: Sequence[StageCard], factor: RiskFactor) -> str:
    named = [card for card in cards if card.label == factor.slug and card.confidence is not None]
    return ", ".join(f"{card.name} {card.confidence:.2f}" for card in named) or "no stage names it first"


def decide(*, given: Mapping[str, str], row: Classification, reviewer: Any, now: datetime) -> Stroke:
    """Carry out one keystroke on one market: `choice` is confirm, second, none, or correct with factor and direction.

    `event` decides the event's other markets with it. Raises ReviewError where the choice cannot stand.
    """
    choice = given.get("choice", "")
    whole = given.get("event") == "1"
    if choice == "confirm" and not whole:
        return _stroke(confirm(classification=row, reviewer=reviewer, now=now))
    factor, value = _chosen(choice, given, row)
    if whole:
        return decide_event(classification=row, reviewer=reviewer, factor=factor, direction=value, now=now)
    return _stroke(correct(classification=row, reviewer=reviewer, factor=factor, direction=value, now=now))


def _chosen(choice: str, given: Mapping[str, str], row: Classification) -> tuple[RiskFactor | None, int]:
    if choice == "none":
        return None, 0
    if choice in ("confirm", "second"):
        factor = row.factor if choice == "confirm" else row.runner_up
        if factor is None:
            raise ReviewError("There is no such candidate; choose a factor, or none.")
        return factor, row.direction if choice == "confirm" else direction_under(row, factor)
    if choice != "correct":
        raise ReviewError(f"The choice is {choice[:20]!r}; expected confirm, second, none or correct.")
    slug = given.get("factor", "").strip() or (row.factor.slug if row.factor else "")
    factor = RiskFactor.objects.filter(slug=slug).first()
    if factor is None:
        raise ReviewError(f"There is no factor {slug[:60]!r}; choose one of the list.")
    direction = given.get("direction", "")
    if not direction:
        return factor, direction_under(row, factor)
    if direction not in ("1", "0", "-1"):
        raise ReviewError(f"The direction is {direction[:10]!r}; expected 1, 0 or -1.")
    return factor, int(direction)


def _stroke(review: Any) -> Stroke:
    return Stroke((review,)) if review else Stroke((), 1)


def said_of(stroke: Stroke) -> str:
    """Say in one line what a stroke decided."""
    if not stroke.reviews:
        return "That label stood already; nothing was changed."
    last = stroke.reviews[0]
    factor = last.new_factor.slug if last.new_factor else "no factor"
    verb = "Undone: stands again as" if last.undoes_id else Classification.Status(last.new_status).value.capitalize()
    more = f", and {len(stroke.reviews) - 1} more of its event" if len(stroke.reviews) > 1 else ""
    if last.undoes_id and len(stroke.reviews) > 1:
        more = f", and {len(stroke.reviews) - 1} more"
    left = f"; {stroke.left} left as they were" if stroke.left else ""
    return f"{verb} {factor}, direction {last.new_direction:+d}{more}{left}."
