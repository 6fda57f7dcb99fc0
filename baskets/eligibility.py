"""Which markets a system basket may take in, and for each that it may not, why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from baskets.marks import LegMark, Reason
from baskets.method import Method
from itomarkets.lib.rounding import ONE
from itomarkets.lib.venues import Side
from markets.models import Market

HELD_STATUSES = ("assigned", "confirmed", "corrected")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What eligibility, choice and weights need to know of one market, and the side that the basket would hold."""

    market_id: int
    side: str
    factor: str
    factor_position: int
    venue: str
    event_id: int | None
    question: str
    series_key: str
    status: str
    close_at: datetime | None
    vanished: bool
    is_combo: bool
    outcome_count: int
    accepts_orders: bool
    listed_price: Decimal | None
    volume: Decimal
    # Whole quarters of a year since it opened.
    quarters: int
    why: str
    # How sure the label is; 1 where a person said it.
    confidence: Decimal = ONE

    @property
    def event_key(self) -> object:
        """One exposure an event: a market without an event stands for itself."""
        return self.event_id if self.event_id is not None else f"market {self.market_id}"

    @property
    def question_key(self) -> str:
        """The words of the question up to its mark: venues, and a venue twice, list the same question as two events."""
        return " ".join(re.findall(r"\w+", self.question.partition("?")[0].lower())) or f"market {self.market_id}"


def side_of(*, direction: int, sign: int, has_axis: bool) -> str | None:
    """Return the side that a system basket holds (methodology, section 3), or None: not held.

    direction × sign of +1 is YES and of −1 is NO; 0 is not held where the theme has an axis and YES where it has none.
    """
    product = direction * sign
    if product > 0:
        return Side.YES.value
    if product < 0:
        return Side.NO.value
    return None if has_axis else Side.YES.value


def listed_reasons(candidate: Candidate, *, now: datetime, method: Method) -> list[str]:
    """Say why the venue's list alone rules a market out; an empty list means that it may be quoted."""
    reasons = state_reasons(candidate, now=now)
    if candidate.close_at is not None and now < candidate.close_at < now + method.time_to_close:
        reasons.append(f"closes within {method.min_days_to_close} days")
    price = candidate.listed_price
    if price is not None and not method.price_low <= price <= method.price_high:
        reasons.append(f"price {price.normalize():f} is outside {method.price_low} to {method.price_high}")
    return reasons


def state_reasons(candidate: Candidate, *, now: datetime) -> list[str]:
    """Say why nobody could trade the market now; these hold for pinned markets too."""
    reasons = []
    if candidate.status != Market.Status.OPEN:
        reasons.append(f"is {Market.Status(candidate.status).label.lower()}")
    elif candidate.close_at is not None and candidate.close_at <= now:
        reasons.append("is past its closing time")
    if candidate.vanished:
        reasons.append("is no longer listed by its venue")
    if candidate.is_combo:
        reasons.append("is a combination of markets")
    if candidate.outcome_count != 2:
        reasons.append("is not a YES or NO question")
    if not candidate.accepts_orders:
        reasons.append("takes no orders")
    return reasons


def quoted_reasons(mark: LegMark, *, method: Method, is_held: bool = False) -> list[str]:
    """Say why the order book rules a market out; what is held already may live through a silence of its venue."""
    is_carried = is_held and mark.reason is Reason.STALE
    if mark.price is None or not (
        is_carried or (mark.reason.is_good and mark.bid is not None and mark.ask is not None)
    ):
        return ["has no usable two-sided quote"]
    price = Decimal(mark.price).scaleb(-6)
    if not method.price_low <= price <= method.price_high:
        return [f"price {price.normalize():f} is outside {method.price_low} to {method.price_high}"]
    return []


def count_reasons(tally: dict[str, int], reasons: Mapping[int, list[str]]) -> dict[str, int]:
    """Add up first reasons, prices left out, for a report."""
    for found in reasons.values():
        words = found[0]
        key = "price is outside the gate" if words.startswith("price ") else words
        tally[key] = tally.get(key, 0) + 1
    return tally
