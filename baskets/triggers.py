"""Why a system basket must be looked at again (methodology, section 7)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from baskets.candidates import Word
from baskets.fixing import Fixing
from baskets.legs import HeldLeg
from baskets.marks import LegMark, Reason
from baskets.method import Method
from itomarkets.lib.rounding import ONE, ZERO

FIRST = "first composition"
NOT_LIVE = (Reason.SETTLED, Reason.CLOSING, Reason.FROZEN)


def override_triggers(words: Mapping[int, Word], held: Mapping[int, HeldLeg]) -> list[str]:
    """Tell whether a reviewer's word and what is held differ."""
    for market_id, word in words.items():
        leg = held.get(market_id)
        if word.excluded:
            if leg is not None:
                return ["a market was taken out by a reviewer"]
        elif leg is None:
            return ["a market was put in by a reviewer"]
        elif (word.side and word.side != leg.side) or (word.weight and int(word.weight.scaleb(8)) != leg.weight):
            return ["a reviewer changed a side or a weight"]
    return []


def label_triggers(words: Mapping[int, Word], held: Mapping[int, HeldLeg], labelled: Mapping[int, str]) -> list[str]:
    """Tell whether a held market's label no longer puts it here on this side."""
    moved = sum(1 for market_id, leg in held.items() if market_id not in words and labelled.get(market_id) != leg.side)
    return [f"{moved} held market{'s' if moved > 1 else ''} got another label"] if moved else []


def value_triggers(fixing: Fixing, *, method: Method) -> list[str]:
    """Tell whether too few legs live, too much is cash, or a weight drifted out of its band."""
    found = []
    live = [(leg, mark) for leg, mark in fixing.marks if mark.reason not in NOT_LIVE]
    if len(live) < method.min_legs:
        found.append(f"{len(live)} live legs, fewer than {method.min_legs}")
    if fixing.value:
        cash = ONE - sum(
            (_share(leg, mark, fixing.value) for leg, mark in fixing.marks if mark.reason is not Reason.SETTLED), ZERO
        )
        if cash > method.cash_limit:
            found.append(f"{cash:.0%} of the value is cash")
        drift = max(
            (abs(_share(leg, mark, fixing.value) - Decimal(leg.weight).scaleb(-8)) for leg, mark in live), default=ZERO
        )
        if drift > method.drift_band:
            found.append(f"a weight drifted by {drift:.0%}")
    return found


def schedule_triggers(effective_at: datetime, *, method: Method, now: datetime) -> list[str]:
    if effective_at + timedelta(days=method.rebalance_days) <= now:
        return [f"{method.rebalance_days} days since the last change"]
    return []


def _share(leg: HeldLeg, mark: LegMark, total: int) -> Decimal:
    return Decimal(leg.units * (mark.price or 0)) / total
