"""What would join the same system basket as one market, and why: its event, its series, its question, its factor."""

from dataclasses import asdict, dataclass
from typing import Any

from categorization.filters import DECIDED
from categorization.knowledge.words import words_of
from categorization.models import Classification
from categorization.stages.normalize import mask
from markets.models import Market

# Nearest first.
SAME_EVENT, SAME_SERIES, SAME_QUESTION, SAME_FACTOR, SAME_THEME = (
    "same event",
    "same series",
    "same question elsewhere",
    "same factor",
    "same theme",
)
RELATIONS = (SAME_EVENT, SAME_SERIES, SAME_QUESTION, SAME_FACTOR, SAME_THEME)


class ExpandError(ValueError):
    """The market cannot be expanded; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Kin:
    """One market that would join the same basket: how it is related, and the side that its label gives it."""

    market: str
    question: str
    relation: str
    factor: str
    side: str
    status: str
    confidence: str
    why: str


@dataclass(frozen=True, slots=True)
class Expansion:
    """A market, the theme whose basket it would join, and every market that would join it too, nearest first."""

    market: str
    question: str
    theme: str
    factor: str
    side: str
    kin: tuple[Kin, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def expand_market(*, market: Market) -> Expansion:
    """Find every open market whose decided label puts it into the same theme, and say what ties it to this one.

    Raises ExpandError where this market has no decided label.
    """
    rows = Classification.objects.select_related("factor__theme", "market__event")
    own = rows.filter(market=market, status__in=DECIDED).first()
    if own is None or own.factor is None:
        raise ExpandError("This market has no decided factor; categorize it or review it, then try again.")
    theme = own.factor.theme
    key = _question_key(market)
    others = rows.defer("trail").filter(
        factor__theme=theme, status__in=DECIDED, market__status=Market.Status.OPEN, market__vanished_at__isnull=True
    )
    found = [_kin(own, row, key) for row in others.exclude(pk=own.pk).order_by("id").iterator(chunk_size=2_000)]
    # Sorting is stable: within a relation the surest come first, then in the order of the rows.
    found.sort(key=lambda kin: (RELATIONS.index(kin.relation), -float(kin.confidence)))
    return Expansion(
        str(market), market.question, theme.slug, own.factor.slug, side_of(own, has_axis=bool(theme.up)), tuple(found)
    )


def _kin(own: Classification, row: Classification, key: tuple[str, ...]) -> Kin:
    relation, why = _relation(own, row, key)
    factor = row.factor
    assert factor is not None, "only rows with a factor of the theme were asked for"
    return Kin(
        market=str(row.market),
        question=row.market.question,
        relation=relation,
        factor=factor.slug,
        side=side_of(row, has_axis=bool(factor.theme.up)),
        status=row.status,
        confidence=f"{row.confidence:.4f}",
        why=why,
    )


def _relation(own: Classification, row: Classification, key: tuple[str, ...]) -> tuple[str, str]:
    mine, other = own.market, row.market
    if mine.event_id and mine.event_id == other.event_id:
        return SAME_EVENT, f"of event {mine.event.native_id}: decided once, inherited by its siblings"  # type: ignore[union-attr]
    series = mine.event.series_key if mine.event else ""
    if series and other.event and other.venue == mine.venue and other.event.series_key == series:
        return SAME_SERIES, f"of series {series}: it teaches its next event"
    if own.factor_id == row.factor_id and key and _question_key(other) == key:
        return SAME_QUESTION, "its question reads the same, numbers and dates aside"
    if own.factor_id == row.factor_id:
        return SAME_FACTOR, f"it bears on {own.factor.slug} too"  # type: ignore[union-attr]
    return SAME_THEME, f"it bears on {row.factor.slug}, of the same theme"  # type: ignore[union-attr]


def _question_key(market: Market) -> tuple[str, ...]:
    """Return the words of a question with numbers masked, without venue or series."""
    return tuple(mask(words_of(market.question)))


def side_of(row: Classification, *, has_axis: bool) -> str:
    """Return the side that a system basket would hold: yes, no, or none where the label says neither."""
    product = row.direction * (row.factor.sign if row.factor else 0)
    if product:
        return "yes" if product > 0 else "no"
    return "none" if has_axis else "yes"
