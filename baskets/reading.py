"""What pages and the API read of baskets, each in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet

from baskets.chart import ChartPoint, ChartSeries, chart_series
from baskets.factors import FactorLine, factors_of
from baskets.legs import current_compositions
from baskets.models import Basket, Composition, Constituent, OfficialFixing, Override, Proposal
from baskets.results import Correction, corrections_of
from baskets.valuation import BasketValue, HistoryPoint, LegValue, held_legs, recent_points, value_legs
from itomarkets.lib.venues import Venue
from markets.models import Market

__all__ = [
    "BasketDetail",
    "BasketRow",
    "ChartPoint",
    "ChartSeries",
    "basket_detail",
    "basket_rows",
    "chart_series",
    "visible_to",
]
# The list page shows at most this many; the API pages through all.
MOST_ROWS = 200
COMPOSITIONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class BasketRow:
    """One basket in a list. Prices are dollars of one dollar, changes shares of one; None where there is no value.

    `sparkline` holds the level at the end of each day, oldest first, None for a day without a fixing, then now's.
    """

    id: int
    slug: str
    name: str
    description: str
    kind: str
    visibility: str
    position: int
    is_own: bool
    legs: int
    venues: tuple[str, ...]
    next_close_at: datetime | None
    gauge: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    level: Decimal | None
    level_net: Decimal | None
    change_day: Decimal | None
    change_month: Decimal | None
    worst_age_seconds: int | None
    quality: str
    sparkline: list[Decimal | None]
    value: BasketValue | None


@dataclass(frozen=True, slots=True)
class DetailLeg:
    """One held leg with its market; prices of the held side."""

    market: Market
    market_id: int
    question: str
    venue: str
    venue_name: str
    side: str
    weight: Decimal
    units: Decimal
    share: Decimal | None
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    age_seconds: int | None
    reason: str
    is_settled: bool
    why: str
    factor: FactorLine | None


@dataclass(frozen=True, slots=True)
class CompositionLine:
    """One version in a basket's history, newest first: what came, what went, and what it cost."""

    version: int
    effective_at: datetime
    reason: str
    legs: int
    added: int
    removed: int
    turnover: Decimal | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class BasketDetail:
    """A basket's page: value now (None without one), legs by weight, versions, overrides."""

    basket: Basket
    value: BasketValue | None
    composition: Composition | None
    legs: list[DetailLeg]
    compositions: list[CompositionLine]
    overrides: list[Override]
    next_close_at: datetime | None
    venue_count: int
    # The newest official fixing, and results of what was ever held that a venue corrected.
    official: OfficialFixing | None
    corrections: list[Correction]

    @property
    def official_level(self) -> Decimal | None:
        return self.official.value / self.official.divisor if self.official else None


def visible_to(user: Any) -> QuerySet[Basket]:
    """Active baskets that a person may find: public ones and their own."""
    return _active(user, Basket.Visibility.PUBLIC)


def reachable_by(user: Any) -> QuerySet[Basket]:
    """Active baskets that a person may open when they name one: also those that are shared by their link."""
    return _active(user, Basket.Visibility.PUBLIC, Basket.Visibility.LINK)


def _active(user: Any, *shown: str) -> QuerySet[Basket]:
    mine = Q(owner=user) if getattr(user, "is_authenticated", False) else Q(pk__in=[])
    return Basket.objects.filter(Q(visibility__in=shown) | mine, is_active=True)


def filter_baskets(baskets: QuerySet[Basket], *, kind: str | None = None, search: str = "") -> QuerySet[Basket]:
    """Narrow a list by kind and by words of the name, description or theme."""
    if kind:
        baskets = baskets.filter(kind=kind)
    # PostgreSQL takes no zero byte in a text; no name holds one either.
    for word in search.replace("\0", " ").split()[:8]:
        baskets = baskets.filter(
            Q(name__icontains=word) | Q(description__icontains=word) | Q(theme__factors__name__icontains=word)
        ).distinct()
    return baskets


def basket_rows(*, user: Any, now: datetime, kind: str | None = None, search: str = "") -> list[BasketRow]:
    """List the baskets that a person may see, system baskets in the taxonomy's order first; four statements."""
    baskets = filter_baskets(visible_to(user), kind=kind, search=search).select_related("theme")
    return rows_of(list(baskets.order_by("-kind", "theme__position", "id")[:MOST_ROWS]), user=user, now=now)


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What a list says of one basket beside its own row."""

    legs: int
    venues: tuple[str, ...]
    next_close_at: datetime | None
    value: BasketValue | None
    history: Sequence[HistoryPoint]


NO_FACTS = ListFacts(0, (), None, None, ())


def facts_of(ids: Sequence[int], *, now: datetime) -> dict[int, ListFacts]:
    """Read legs, venues, closing times and values of baskets in three statements, whatever their number."""
    legs = list(held_legs(basket_ids=ids))
    history = recent_points(ids, now=now)
    values = value_legs(legs, history=history, now=now)
    venues: dict[int, set[str]] = {}
    closes: dict[int, datetime] = {}
    counts: dict[int, int] = {}
    venue_of = dict(Market.objects.filter(pk__in={leg.book.market_id for leg in legs}).values_list("pk", "venue"))
    for leg in legs:
        counts[leg.basket_id] = counts.get(leg.basket_id, 0) + 1
        venues.setdefault(leg.basket_id, set()).add(venue_of[leg.book.market_id])
        close = leg.book.close_at
        if close is not None and close > now:
            closes[leg.basket_id] = min(close, closes.get(leg.basket_id, close))
    return {
        pk: ListFacts(
            legs=counts.get(pk, 0),
            venues=tuple(sorted(venues.get(pk, ()))),
            next_close_at=closes.get(pk),
            value=values.get(pk),
            history=history.get(pk, ()),
        )
        for pk in ids
    }


def rows_of(baskets: Sequence[Basket], *, user: Any, now: datetime) -> list[BasketRow]:
    """Make list rows of baskets in three statements, whatever their number."""
    facts = facts_of([basket.pk for basket in baskets], now=now)
    user_id = getattr(user, "pk", None)
    rows = []
    for place, basket in enumerate(baskets):
        known = facts[basket.pk]
        value = known.value
        rows.append(
            BasketRow(
                id=basket.pk,
                slug=basket.slug,
                name=basket.name,
                description=basket.description,
                kind=basket.kind,
                visibility=basket.visibility,
                position=basket.theme.position if basket.theme is not None else 1_000 + place,
                is_own=basket.owner_id is not None and basket.owner_id == user_id,
                legs=known.legs,
                venues=known.venues,
                next_close_at=known.next_close_at,
                gauge=value.gauge if value else None,
                bid=value.bid if value else None,
                ask=value.ask if value else None,
                level=value.level if value else None,
                level_net=value.level_net if value else None,
                change_day=value.change_day if value else None,
                change_month=value.change_month if value else None,
                worst_age_seconds=value.worst_age_seconds if value else None,
                quality=value.quality if value else "",
                sparkline=sparkline(known.history, value),
                value=value,
            )
        )
    return rows


def sparkline(history: Sequence[HistoryPoint], value: BasketValue | None) -> list[Decimal | None]:
    """Return a level a day, gaps as None, ending with the level of now."""
    points: list[Decimal | None] = []
    last: datetime | None = None
    for point in history:
        if point.at.time() != point.at.min.time():
            continue
        if last is not None:
            points += [None] * max(0, (point.at - last).days - 1)
        points.append(point.level)
        last = point.at
    return [*points, value.level] if value else points


def basket_detail(basket: Basket, *, now: datetime) -> BasketDetail:
    """Read all that a basket's page shows, in a fixed number of statements."""
    held = list(held_legs(basket_ids=[basket.pk]))
    value = value_legs(held, history=recent_points([basket.pk], now=now), now=now).get(basket.pk)
    composition = current_compositions().filter(basket=basket).first()
    rows = list(
        Constituent.objects.filter(composition=composition)
        .select_related("market__event", "market__quote")
        .order_by("-weight", "id")
    )
    values: dict[int, LegValue] = {leg.constituent_id: leg for leg in value.legs} if value else {}
    factors = factors_of([row.market_id for row in rows])
    legs = [_detail_leg(row, values.get(row.pk), factors.get(row.market_id)) for row in rows]
    closes = [leg.market.close_at for leg in legs if leg.market.close_at is not None and leg.market.close_at > now]
    return BasketDetail(
        basket=basket,
        value=value,
        composition=composition,
        legs=legs,
        compositions=_composition_lines(basket),
        overrides=list(
            Override.objects.filter(Q(basket=basket) | Q(target=basket))
            .filter(Q(until__isnull=True) | Q(until__gt=now))
            .select_related("market__event", "basket", "target", "created_by")
        ),
        next_close_at=min(closes, default=None),
        venue_count=len({leg.venue for leg in legs}),
        official=OfficialFixing.objects.filter(basket=basket).order_by("-day").first(),
        corrections=corrections_of(basket),
    )


def waiting_change(basket: Basket) -> Proposal | None:
    """Return the change that waits for a reviewer, if there is one; a person's own basket has none."""
    if basket.kind != Basket.Kind.SYSTEM:
        return None
    return Proposal.objects.filter(basket=basket, status=Proposal.Status.PENDING).first()


def _detail_leg(row: Constituent, value: LegValue | None, factor: FactorLine | None) -> DetailLeg:
    return DetailLeg(
        market=row.market,
        market_id=row.market_id,
        question=row.market.question,
        venue=row.market.venue,
        venue_name=str(Venue(row.market.venue).label),
        side=row.side,
        weight=row.weight,
        units=row.units,
        share=value.share if value else None,
        price=value.price if value else None,
        bid=value.bid if value else None,
        ask=value.ask if value else None,
        age_seconds=value.age_seconds if value else None,
        reason=value.reason if value else "",
        is_settled=value.is_settled if value else row.market.is_resolved,
        why=row.why,
        factor=factor,
    )


@dataclass(frozen=True, slots=True)
class HeldThen:
    """What a basket held at an instant: the version in force, until when it was, and its legs by weight."""

    composition: Composition
    until: datetime | None
    legs: list[Constituent]


def composition_at(basket: Basket, *, at: datetime) -> HeldThen | None:
    """Return what a basket held at an instant, or None before its first composition; three statements."""
    versions = Composition.objects.filter(basket=basket)
    composition = versions.filter(effective_at__lte=at).order_by("-version").first()
    if composition is None:
        return None
    following = versions.filter(version__gt=composition.version).order_by("version").first()
    legs = composition.constituents.select_related("market__event").order_by("-weight", "id")
    return HeldThen(composition, following.effective_at if following else None, list(legs))


def _composition_lines(basket: Basket) -> list[CompositionLine]:
    versions = list(
        Composition.objects.filter(basket=basket)
        .annotate(leg_count=Count("constituents"))
        .order_by("-version")[: COMPOSITIONS_SHOWN + 1]
    )
    held: dict[int, set[tuple[int, str]]] = {}
    for composition_id, market_id, side in Constituent.objects.filter(composition__in=versions).values_list(
        "composition_id", "market_id", "side"
    ):
        held.setdefault(composition_id, set()).add((market_id, side))
    lines = []
    for place, version in enumerate(versions[:COMPOSITIONS_SHOWN]):
        older = versions[place + 1] if place + 1 < len(versions) else None
        now_held = held.get(version.pk, set())
        was_held = held.get(older.pk, set()) if older else set()
        lines.append(
            CompositionLine(
                version=version.version,
                effective_at=version.effective_at,
                reason=version.reason,
                legs=len(now_held),
                added=len(now_held - was_held),
                removed=len(was_held - now_held),
                turnover=version.turnover,
                cost=version.cost,
            )
        )
    return lines
