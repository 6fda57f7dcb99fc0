"""The minute's fixing of every basket: read legs and quotes, price, write, in three statements at any number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from baskets.bulk import insert_rows
from baskets.fixing import UNIT, Fixing, fix_baskets
from baskets.legs import held_legs
from baskets.method import STALE_SHARE
from baskets.models import Mark, PriceHistory

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
STALE_LIMIT = int(STALE_SHARE * UNIT)
# A row is written only if nothing newer stands: a clock that stepped back makes no row out of order.
NOTHING_NEWER = (
    "NOT EXISTS (SELECT 1 FROM baskets_pricehistory h "
    "WHERE h.basket_id = r.basket_id AND h.interval = r.interval AND h.at > r.at)"
)
KEEP_NEWEST_MARK = (
    "(market_id, side) DO UPDATE SET price = excluded.price, at = excluded.at WHERE excluded.at > baskets_mark.at"
)


@dataclass(frozen=True)
class SnapshotReport:
    """What one run recorded; `refused` says of each basket without a fixing why it has none."""

    at: datetime
    baskets: int = 0
    recorded: int = 0
    already_there: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def record_prices(*, now: datetime) -> SnapshotReport:
    """Fix every active basket in the minute of `now`.

    1. Read the held legs with their quotes and last good marks.  2. Remember the good marks of now.
    3. Insert the fixings; a row that is already there, or older than what is there, is left out.
    Quotes are refreshed by the caller.
    """
    at = now.replace(second=0, microsecond=0)
    fixings = list(fix_baskets(held_legs(), now))
    refused = {}
    rows = []
    for fixing in fixings:
        reason = fixing.refusal(STALE_LIMIT)
        if reason:
            refused[fixing.basket_id] = reason
        else:
            rows.append(_history_row(fixing, at))
    remember_marks(fixings, now)
    recorded = insert_rows(PriceHistory, HISTORY_COLUMNS, rows, only_where=NOTHING_NEWER)
    return SnapshotReport(
        at=at, baskets=len(fixings), recorded=recorded, already_there=len(rows) - recorded, refused=refused
    )


def remember_marks(fixings: Sequence[Fixing], now: datetime) -> int:
    """Keep the marks that came from a quote of now, to be carried when quotes stop coming."""
    good = {
        (leg.book.market_id, leg.side): [
            leg.book.market_id,
            leg.side,
            mark.price,
            now - timedelta(seconds=mark.age_seconds),
        ]
        for fixing in fixings
        for leg, mark in fixing.marks
        if mark.reason.is_good
    }
    return insert_rows(Mark, ("market", "side", "price", "at"), list(good.values()), on_conflict=KEEP_NEWEST_MARK)


def _history_row(fixing: Fixing, at: datetime) -> list[object]:
    marks = [[leg.book.market_id, leg.side, mark.price, mark.reason.value] for leg, mark in fixing.marks]
    return [
        fixing.basket_id,
        fixing.composition_id,
        PriceHistory.Interval.MINUTE.value,
        at,
        fixing.value,
        fixing.value_bid,
        fixing.value_ask,
        fixing.gauge,
        fixing.gauge_bid,
        fixing.gauge_ask,
        fixing.divisor,
        fixing.divisor_net,
        fixing.legs,
        fixing.legs_priced,
        fixing.worst_age_seconds,
        fixing.quality,
        marks,
        PriceHistory.Source.LIVE.value,
    ]
