"""Which markets may be held, why others may not, and on which side."""

from datetime import timedelta
from decimal import Decimal

import pytest

from baskets.choice import choose
from baskets.eligibility import Candidate, listed_reasons, quoted_reasons, side_of, state_reasons
from baskets.marks import LegMark, Reason
from baskets.method import DEFAULTS, Method, RuleError, method_of


def candidate(number: int = 1, **values) -> Candidate:
    defaults = {
        "market_id": number,
        "side": "yes",
        "factor": "factor",
        "factor_position": 1,
        "venue": "kalshi",
        "event_id": number,
        "question": f"Will thing {number} happen?",
        "series_key": f"kalshi:S{number}",
        "status": "open",
        "close_at": None,
        "vanished": False,
        "is_combo": False,
        "outcome_count": 2,
        "accepts_orders": True,
        "listed_price": Decimal("0.50"),
        "volume": Decimal(1000),
        "quarters": 0,
        "why": "",
    }
    return Candidate(**{**defaults, **values})


@pytest.mark.parametrize(
    ("direction", "sign", "has_axis", "side"),
    [
        (1, 1, True, "yes"),
        (-1, 1, True, "no"),
        (1, -1, True, "no"),
        (-1, -1, True, "yes"),
        (0, 1, True, None),
        (1, 0, True, None),
        (0, 0, False, "yes"),
        (0, 1, False, "yes"),
        (-1, 1, False, "no"),
    ],
)
def test_the_side_is_direction_times_sign(direction, sign, has_axis, side):
    assert side_of(direction=direction, sign=sign, has_axis=has_axis) == side


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"status": "closed"}, "is closed, not decided"),
        ({"status": "paused"}, "is paused"),
        ({"vanished": True}, "is no longer listed by its venue"),
        ({"is_combo": True}, "is a combination of markets"),
        ({"outcome_count": 3}, "is not a YES or NO question"),
        ({"accepts_orders": False}, "takes no orders"),
        ({"listed_price": Decimal("0.96")}, "price 0.96 is outside 0.05 to 0.95"),
        ({"listed_price": Decimal("0.049")}, "price 0.049 is outside 0.05 to 0.95"),
    ],
)
def test_a_market_that_may_not_be_held_says_why(values, words, now):
    assert listed_reasons(candidate(**values), now=now, method=DEFAULTS) == [words]


def test_a_good_market_has_no_reason_against_it(now):
    good = candidate(close_at=now + timedelta(days=14), listed_price=Decimal("0.95"))
    assert listed_reasons(good, now=now, method=DEFAULTS) == []


def test_a_market_that_closes_within_fourteen_days_is_not_bought_but_may_be_pinned(now):
    soon = candidate(close_at=now + timedelta(days=13, hours=23))
    assert listed_reasons(soon, now=now, method=DEFAULTS) == ["closes within 14 days"]
    assert state_reasons(soon, now=now) == []
    assert state_reasons(candidate(close_at=now), now=now) == ["is past its closing time"]


def test_a_book_must_be_usable_on_both_sides_and_inside_the_gate():
    def mark(price, reason=Reason.MID, bid=1, ask=1):
        return LegMark(price, reason, 0, bid, ask)

    assert quoted_reasons(mark(500_000), method=DEFAULTS) == []
    assert quoted_reasons(mark(500_000, Reason.ONE_SIDED, bid=None), method=DEFAULTS) == [
        "has no usable two-sided quote"
    ]
    assert quoted_reasons(mark(None, Reason.NONE), method=DEFAULTS) == ["has no usable two-sided quote"]
    assert quoted_reasons(mark(500_000, Reason.STALE), method=DEFAULTS) != []
    assert quoted_reasons(mark(500_000, Reason.STALE), method=DEFAULTS, is_held=True) == []
    assert quoted_reasons(mark(960_000), method=DEFAULTS) == ["price 0.96 is outside 0.05 to 0.95"]


def test_a_basket_may_override_the_method_and_a_wrong_rule_is_named():
    changed = method_of({"leg_cap": "0.10", "max_legs": "7", "scheme": "equal"})
    assert (changed.leg_cap, changed.max_legs, changed.scheme) == (Decimal("0.10"), 7, "equal")
    with pytest.raises(RuleError, match="lag_cap"):
        method_of({"lag_cap": "0.10"})
    with pytest.raises(RuleError, match="max_legs is 'many'"):
        method_of({"max_legs": "many"})


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"scheme": "fame"}, "scheme is 'fame'; expected one of equal, liquidity, confidence, volume"),
        ({"roll_policy": "hope"}, "expected one of hold_cash, redistribute, roll_to_successor, terminate"),
        ({"leg_cap": "1.01"}, "leg_cap is 1.01; expected 0.01 to 1"),
        ({"event_cap": "NaN"}, "event_cap is NaN"),
        ({"price_low": "0"}, "price_low is 0"),
        ({"max_legs": "51"}, "max_legs is 51; expected 1 to 50"),
        ({"price_low": "0.6", "price_high": "0.6"}, "price_low is 0.6, not below price_high"),
        ({"min_legs": "9", "max_legs": "8"}, "min_legs is 9, above max_legs"),
    ],
)
def test_a_rule_out_of_its_bounds_is_refused_with_its_name(rules, words):
    with pytest.raises(RuleError, match=words):
        method_of(rules)


def test_the_choice_spreads_over_factors_before_it_doubles_one():
    many = [candidate(n, factor="a", factor_position=1, volume=Decimal(10_000 - n)) for n in range(1, 20)]
    few = [candidate(100 + n, factor="b", factor_position=2, volume=Decimal(n)) for n in range(1, 4)]
    chosen = choose([*many, *few], count=6, method=DEFAULTS)
    assert sorted(c.factor for c in chosen) == ["a", "a", "a", "b", "b", "b"]
    assert chosen[0].market_id == 1


def test_the_choice_takes_both_venues_and_the_busiest_of_each():
    kalshi = [candidate(n, volume=Decimal(100_000 + n)) for n in range(1, 10)]
    other = [candidate(50 + n, venue="polymarket", volume=Decimal(n)) for n in range(1, 10)]
    chosen = choose([*kalshi, *other], count=4, method=DEFAULTS)
    assert [c.market_id for c in chosen] == [9, 59, 8, 58]


def test_one_event_gives_one_leg_and_one_series_three():
    same_event = [candidate(n, event_id=7, series_key=f"kalshi:{n}") for n in range(1, 5)]
    same_series = [candidate(10 + n, event_id=10 + n, series_key="kalshi:WEEKLY") for n in range(1, 9)]
    others = [candidate(30 + n) for n in range(1, 3)]
    chosen = choose([*same_event, *same_series, *others], count=20, method=DEFAULTS)
    assert sum(c.event_id == 7 for c in chosen) == 1
    assert sum(c.series_key == "kalshi:WEEKLY" for c in chosen) == 3


def test_the_series_limit_gives_way_below_the_least_number_of_legs():
    same_series = [candidate(n, series_key="kalshi:WEEKLY") for n in range(1, 9)]
    assert len(choose(same_series, count=12, method=DEFAULTS)) == DEFAULTS.min_legs


def test_what_is_kept_comes_first_and_a_successor_before_a_busier_stranger():
    kept = candidate(1, volume=Decimal(1))
    successor = candidate(2, series_key="kalshi:NEXT", volume=Decimal(2))
    busy = [candidate(n, volume=Decimal(10_000)) for n in range(3, 8)]
    chosen = choose([successor, *busy], count=2, method=Method(), keep=[kept], successors_of=frozenset({"kalshi:NEXT"}))
    assert [c.market_id for c in chosen] == [1, 2]


def test_the_same_question_on_both_venues_or_twice_on_one_is_one_exposure():
    pool = [
        candidate(1, question="Will a circuit breaker be hit this year?"),
        candidate(2, venue="polymarket", question="Will a circuit-breaker be hit this year?: Before 2027"),
        candidate(3, question="will a circuit breaker be hit THIS year?"),
        candidate(4, question="Will it rain?"),
    ]
    assert [c.market_id for c in choose(pool, count=4, method=DEFAULTS)] == [1, 4]


def test_a_known_past_goes_before_volume():
    pool = [candidate(n, volume=Decimal(1000 * n), quarters=n % 3) for n in range(1, 7)]
    assert [c.market_id for c in choose(pool, count=6, method=DEFAULTS)] == [5, 2, 4, 1, 6, 3]


def test_beyond_a_year_the_past_counts_no_more():
    pool = [candidate(n, volume=Decimal(n), quarters=12 - n) for n in range(1, 11)]
    assert [c.market_id for c in choose(pool, count=10, method=DEFAULTS)] == [8, 7, 6, 5, 4, 3, 2, 1, 9, 10]


def test_the_order_of_candidates_changes_nothing():
    pool = [
        candidate(n, factor=f"f{n % 3}", factor_position=n % 3, venue=("kalshi", "polymarket")[n % 2])
        for n in range(40)
    ]
    assert choose(pool, count=12, method=DEFAULTS) == choose(pool[::-1], count=12, method=DEFAULTS)
