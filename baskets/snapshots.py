"""The minute's fixing of every basket: mark each held side once, and let the database add the baskets up of the marks.

Three statements at any number of baskets. The sums are whole numbers, as in baskets/fixing.py, and equal to its own to
the last digit.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from baskets.bulk import insert_rows
from baskets.fixing import UNIT, fix_baskets
from baskets.legs import PricedSide, held_legs, priced_sides
from baskets.marks import Reason
from baskets.method import CARRY_OFFICIAL_SECONDS, STALE_SHARE
from baskets.models import Basket, Composition, MinuteMark, PriceHistory

HISTORY_COLUMNS = (
    "basket",
    "composition",
    "interval",
    "at",
    "value",
    "value_bid",
    "value_ask",
    "gauge_sum",
    "gauge_bid_sum",
    "gauge_ask_sum",
    "divisor",
    "divisor_net",
    "legs",
    "legs_priced",
    "worst_age_seconds",
    "quality",
    "marks",
    "source",
)
MARK_COLUMNS = ("at", "market", "side", "price", "reason", "age_seconds", "bid", "ask", "good_price", "good_at")
STALE_LIMIT = int(STALE_SHARE * UNIT)
# Of baskets without a fixing so many are told why; at a venue's outage there may be very many.
MOST_EXPLAINED = 200
# A row is written only if nothing newer stands: a clock that stepped back makes no row out of order.
NO_LATER_MINUTE = "NOT EXISTS (SELECT 1 FROM baskets_minutemark n WHERE n.at > r.at)"
# How many legs of each kind a basket has, counted in one sum: each kind has a digit of its own to the base of 256.
KINDS = (Reason.STALE, Reason.WIDE, Reason.CLOSING, Reason.FROZEN)
BASE = 256
NO_BID, NO_ASK = BASE ** len(KINDS), BASE ** (len(KINDS) + 1)
# The sums are made of the marks that stand for the minute, not of those that this run read: of two runs at once, both
# add up the same.
RECORD = f"""
INSERT INTO baskets_pricehistory (
    basket_id, composition_id, "interval", at, value, value_bid, value_ask, gauge_sum, gauge_bid_sum, gauge_ask_sum,
    divisor, divisor_net, legs, legs_priced, worst_age_seconds, quality, marks, source
)
WITH marked AS (
    SELECT market_id, side, price, bid, ask, age_seconds,
           CASE reason WHEN 'stale' THEN 1 ELSE 0 END AS is_stale,
           CASE reason WHEN 'stale' THEN age_seconds ELSE 0 END AS carried_seconds,
           CASE reason WHEN 'stale' THEN 1 WHEN 'wide' THEN {BASE} WHEN 'one_sided' THEN {BASE}
                       WHEN 'closing' THEN {BASE**2} WHEN 'frozen' THEN {BASE**3} ELSE 0 END
           + CASE WHEN bid IS NULL THEN {NO_BID} ELSE 0 END + CASE WHEN ask IS NULL THEN {NO_ASK} ELSE 0 END AS tally
    FROM baskets_minutemark WHERE at = %(at)s
), summed AS (
    SELECT co.id, COUNT(*) AS legs, COUNT(m.price) AS priced,
           CAST(SUM(c.units * m.price) AS bigint) AS value, CAST(SUM(c.units * m.bid) AS bigint) AS bid,
           CAST(SUM(c.units * m.ask) AS bigint) AS ask, CAST(SUM(c.weight * m.price) AS bigint) AS gauge,
           CAST(SUM(c.weight * m.bid) AS bigint) AS gauge_bid, CAST(SUM(c.weight * m.ask) AS bigint) AS gauge_ask,
           CAST(SUM(c.weight) AS bigint) AS weight, CAST(SUM(c.weight * m.is_stale) AS bigint) AS stale_weight,
           MAX(m.age_seconds) AS worst, MAX(m.carried_seconds) AS carried, CAST(SUM(m.tally) AS bigint) AS tally
    FROM baskets_composition co
    JOIN baskets_basket b ON b.id = co.basket_id AND b.is_active
    JOIN baskets_constituent c ON c.composition_id = co.id
    LEFT JOIN marked m ON m.market_id = c.market_id AND m.side = c.side
    WHERE NOT EXISTS (
        SELECT 1 FROM baskets_composition n WHERE n.basket_id = co.basket_id AND n.version > co.version
    )
    GROUP BY co.id
)
SELECT co.basket_id, co.id, {PriceHistory.Interval.MINUTE:d}, %(at)s, co.cash + s.value,
       CASE WHEN tally / {NO_BID} %% {BASE} = 0 THEN co.cash + s.bid END,
       CASE WHEN tally / {NO_ASK} = 0 THEN co.cash + s.ask END,
       s.gauge,
       CASE WHEN tally / {NO_BID} %% {BASE} = 0 THEN s.gauge_bid END,
       CASE WHEN tally / {NO_ASK} = 0 THEN s.gauge_ask END,
       co.divisor, co.divisor_net, s.legs, s.legs - tally %% {BASE}, s.worst,
       CASE WHEN tally %% {BASE} = 0 THEN 'complete'
            ELSE 'partial:' || (s.legs - tally %% {BASE}) || '/' || s.legs || ',carried' END
       || CASE WHEN tally / {BASE} %% {BASE} > 0 THEN ',wide' ELSE '' END
       || CASE WHEN tally / {BASE**2} %% {BASE} > 0 THEN ',closing' ELSE '' END
       || CASE WHEN tally / {BASE**3} %% {BASE} > 0 THEN ',frozen' ELSE '' END,
       '[]', '{PriceHistory.Source.LIVE.value}'
FROM summed s JOIN baskets_composition co ON co.id = s.id
WHERE s.priced = s.legs AND s.stale_weight * {UNIT} <= {STALE_LIMIT} * s.weight
  AND s.carried <= {CARRY_OFFICIAL_SECONDS}
  AND NOT EXISTS (
        SELECT 1 FROM baskets_pricehistory h
        WHERE h.basket_id = co.basket_id AND h."interval" = {PriceHistory.Interval.MINUTE:d} AND h.at > %(at)s
  )
ON CONFLICT DO NOTHING
"""  # noqa: S608


@dataclass(frozen=True)
class Recorded:
    """What one run wrote: the minute, how many sides it marked and how many baskets it fixed."""

    at: datetime
    sides: int
    fixings: int


@dataclass(frozen=True)
class SnapshotReport:
    """One run among all baskets. `refused` says of baskets without a fixing why, for the first of them."""

    at: datetime
    baskets: int = 0
    recorded: int = 0
    already_there: int = 0
    without: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def record_prices(*, now: datetime) -> Recorded:
    """Fix every active basket in the minute of `now`.

    1. Read each held side with its quote and its last good mark.  2. Insert the minute's marks.  3. Insert the
    fixings that they make. What is already there, or older than what is there, is left out.
    Quotes are refreshed by the caller.
    """
    at = now.replace(second=0, microsecond=0)
    rows = [_mark_row(side, at, now) for side in priced_sides()]
    sides = insert_rows(MinuteMark, MARK_COLUMNS, rows, only_where=NO_LATER_MINUTE)
    with connection.cursor() as cursor:
        cursor.execute(RECORD, {"at": connection.ops.adapt_datetimefield_value(at)})
        return Recorded(at, sides, max(0, cursor.rowcount))


def report_of(recorded: Recorded, *, now: datetime) -> SnapshotReport:
    """Count the baskets of a run, and say why those that have no fixing have none."""
    held = Basket.objects.filter(Exists(Composition.objects.filter(basket=OuterRef("pk"))), is_active=True)
    fixed = PriceHistory.objects.filter(basket=OuterRef("pk"), interval=PriceHistory.Interval.MINUTE, at=recorded.at)
    baskets = held.count()
    bare = held.filter(~Exists(fixed)).order_by("pk")
    without = bare.count()
    ids = list(bare.values_list("pk", flat=True)[:MOST_EXPLAINED])
    return SnapshotReport(
        at=recorded.at,
        baskets=baskets,
        recorded=recorded.fixings,
        already_there=baskets - without - recorded.fixings,
        without=without,
        refused={
            fixing.basket_id: fixing.refusal(STALE_LIMIT) or "the minute, or a later one, was priced without it"
            for fixing in fix_baskets(held_legs(basket_ids=ids), now)
        },
    )


def _mark_row(side: PricedSide, at: datetime, now: datetime) -> list[Any]:
    mark = side.mark(now)
    good_price, good_at = side.carried_price, side.carried_at
    if mark.reason.is_good:
        seen_at = now - timedelta(seconds=mark.age_seconds)
        if good_at is None or seen_at > good_at:
            good_price, good_at = mark.price, seen_at
    return [
        at,
        side.book.market_id,
        side.side,
        mark.price,
        mark.reason.value,
        mark.age_seconds,
        mark.bid,
        mark.ask,
        good_price,
        good_at,
    ]
