"""The markets that a theme offers its basket, and the reviewers' words about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Q

from baskets.eligibility import HELD_STATUSES, Candidate, listed_reasons, side_of
from baskets.method import Method
from baskets.models import Basket, Override
from categorization.models import Classification, Theme
from itomarkets.lib.rounding import ONE, ZERO, quantize
from itomarkets.lib.venues import Side
from markets.models import Market

DIRECTIONS = {1: "YES means more", -1: "YES means less", 0: "YES is neither more nor less"}
# Where a venue gives no volume of the day, a month's even share of all volume stands in.
DAYS_OF_VOLUME = Decimal(30)
QUARTER = timedelta(days=91)


@dataclass(frozen=True, slots=True)
class Word:
    """One reviewer's override as a basket sees it: `excluded`, or to be held on `side` (blank: by its label)."""

    market_id: int
    excluded: bool
    side: str = ""
    weight: Decimal | None = None
    reason: str = ""


def words_for(basket: Basket, *, now: datetime) -> dict[int, Word]:
    """Return what reviewers said for one basket, by market: what moved here is held, what moved away is not."""
    words = {}
    for row in Override.objects.filter(Q(until__isnull=True) | Q(until__gt=now), Q(basket=basket) | Q(target=basket)):
        holds = row.target_id == basket.pk or row.action == Override.Action.PIN
        # A word for this basket itself outranks a move from elsewhere.
        if row.market_id in words and row.basket_id != basket.pk:
            continue
        words[row.market_id] = Word(row.market_id, not holds, row.side, row.weight, row.reason)
    return words


COLUMNS = (
    "id",
    "venue",
    "event_id",
    "event__series_key",
    "status",
    "close_at",
    "vanished_at",
    "is_combo",
    "outcome_count",
    "accepts_orders",
    "yes_bid",
    "yes_ask",
    "last_price",
    "volume_24h",
    "volume",
    "classification__factor__slug",
    "classification__factor__position",
    "classification__factor__name",
    "classification__factor__sign",
    "classification__direction",
    "classification__factor__theme__up",
    "open_at",
    "title",
    "classification__confidence",
    "classification__status",
)
BY_A_PERSON = ("confirmed", "corrected")


def theme_candidates(theme: Theme, *, now: datetime, method: Method) -> tuple[list[Candidate], dict[int, list[str]]]:
    """Return the theme's markets that may be quoted, and of the other open ones why not, by market id."""
    rows = Market.objects.open(now).filter(
        classification__factor__theme=theme, classification__status__in=HELD_STATUSES
    )
    found, refused = [], {}
    for row in rows.values_list(*COLUMNS).iterator(chunk_size=5_000):
        candidate = _candidate(row, now)
        if candidate is None:
            refused[row[0]] = ["does not point along the theme's axis"]
            continue
        reasons = listed_reasons(candidate, now=now, method=method)
        if reasons:
            refused[candidate.market_id] = reasons
        else:
            found.append(candidate)
    return found, refused


def named_candidates(market_ids: Iterable[int], *, words: dict[int, Word], now: datetime) -> list[Candidate]:
    """Return markets that reviewers named, whatever their label; a side said outranks the label's, else YES."""
    named = []
    for row in Market.objects.filter(pk__in=list(market_ids)).order_by("pk").values_list(*COLUMNS):
        word = words[row[0]]
        by_label = _candidate(row, now)
        side = word.side or (by_label.side if by_label else Side.YES.value)
        named.append(_build(row, side, f"Held by a reviewer: {word.reason}", now))
    return named


def series_of(market_ids: Iterable[int]) -> frozenset[str]:
    """Return the series of markets, named as candidates name them."""
    rows = Market.objects.filter(pk__in=list(market_ids)).values_list("venue", "event__series_key")
    return frozenset(_series_key(venue, key) for venue, key in rows if key)


def _series_key(venue: str, key: str | None) -> str:
    return f"{venue}:{key}" if key else ""


def labelled_sides(market_ids: Iterable[int], theme: Theme) -> dict[int, str]:
    """Return the side that the label gives each market in this theme; a market that left the theme is missing."""
    rows = (
        Classification.objects.filter(market__in=list(market_ids), factor__theme=theme, status__in=HELD_STATUSES)
        .annotate(sign=F("factor__sign"))
        .values_list("market_id", "direction", "sign")
    )
    sides = {
        market_id: side_of(direction=direction, sign=sign, has_axis=bool(theme.up))
        for market_id, direction, sign in rows
    }
    return {market_id: side for market_id, side in sides.items() if side}


def _candidate(row: tuple, now: datetime) -> Candidate | None:
    sign, direction, up = row[18], row[19], row[20]
    if sign is None:
        return None
    side = side_of(direction=direction or 0, sign=sign, has_axis=bool(up))
    if side is None:
        return None
    towards = f", held as {Side(side).label} towards “{up}”" if up else ""
    return _build(row, side, f"{row[17]}: {DIRECTIONS[direction or 0]}{towards}", now)


def _build(row: tuple, side: str, why: str, now: datetime) -> Candidate:
    bid, ask, last = row[10:13]
    price = (bid + ask) / 2 if bid is not None and ask is not None and bid < ask else last
    day, total = row[13], row[14]
    return Candidate(
        market_id=row[0],
        side=side,
        factor=row[15] or "",
        factor_position=row[16] if row[16] is not None else 999,
        venue=row[1],
        event_id=row[2],
        question=row[22],
        series_key=_series_key(row[1], row[3]),
        status=row[4],
        close_at=row[5],
        vanished=row[6] is not None,
        is_combo=row[7],
        outcome_count=row[8],
        accepts_orders=row[9],
        listed_price=price if price is None or side == Side.YES else 1 - price,
        volume=day if day else (total or ZERO) / DAYS_OF_VOLUME,
        quarters=0 if row[21] is None else max(0, (now - row[21]) // QUARTER),
        why=why,
        confidence=_confidence(row[23], row[24]),
    )


def _confidence(score: Any, status: str | None) -> Decimal:
    """Return a label's confidence in hundredths, so that a digit of noise moves no weight; a person's word counts 1."""
    if score is None or status in BY_A_PERSON:
        return ONE
    return quantize(Decimal(str(score)), 2)
