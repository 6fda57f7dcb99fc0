"""The worked example of the methodology, section 9, to six places, through the database and by hand."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from baskets.arithmetic import divisor_after, gauge, level, market_value, units_of
from baskets.valuation import BasketValue, value_basket
from itomarkets.lib.rounding import quantize
from markets.fees import taker_fee
from tests.baskets.helpers import compose, d, make_basket, make_quoted, settle
from tests.factories import make_market, make_quote

pytestmark = pytest.mark.django_db
WEIGHTS = [d("0.40"), d("0.35"), d("0.25")]
MARKS = [d("0.62"), d("0.68"), d("0.25")]


def six(value: Decimal | None) -> str:
    assert value is not None
    return f"{quantize(value, 6):f}"


@pytest.fixture
def story(now):
    """A YES .62, B NO (YES .30/.34), C YES .25 at 40/35/25, dollar mode, worth 100."""
    a, b, c = make_quoted(now, "0.61", "0.63"), make_quoted(now, "0.30", "0.34"), make_quoted(now, "0.24", "0.26")
    basket = make_basket(mode="dollar")
    composition = compose(basket, now, (a, "yes", "0.40"), (b, "no", "0.35"), (c, "yes", "0.25"))
    return basket, composition, a, b, c


def valued(basket, now) -> BasketValue:
    value = value_basket(basket, now=now)
    assert value is not None
    return value


def test_dollar_weights_become_the_units_of_the_example(story):
    _, composition, *_ = story
    units = [six(row.units) for row in composition.constituents.order_by("id")]
    assert units == ["64.516129", "51.470588", "100.000000"]
    assert composition.divisor == 1
    assert composition.value_after == 100


def test_the_gauge_at_the_start_is_54_85_and_the_level_100(story, now):
    value = valued(story[0], now)
    assert six(value.gauge * 100) == "54.850000"
    assert six(value.level) == "100.000000"
    assert [six(leg.price) for leg in value.legs] == ["0.620000", "0.680000", "0.250000"]
    assert (value.legs[1].bid, value.legs[1].ask) == (d("0.66"), d("0.70"))


def move_to_t1(story, now) -> datetime:
    _, _, a, b, c = story
    later = now + timedelta(minutes=10)
    make_quote(a, "0.69", "0.71", later)
    make_quote(b, "0.39", "0.41", later)
    make_quote(c, "0.29", "0.31", later)
    return later


def test_t1_moves_the_level_to_106_043643_and_the_gauge_to_56_50(story, now):
    later = move_to_t1(story, now)
    value = valued(story[0], later)
    assert six(value.level) == "106.043643"
    assert six(value.gauge * 100) == "56.500000"


def test_t2_settles_a_leg_into_the_level_and_leaves_the_divisor_alone(story, now):
    basket, composition, _, _, c = story
    later = move_to_t1(story, now)
    settle(c, "1", later)
    value = valued(basket, later)
    composition.refresh_from_db()
    assert composition.divisor == 1
    assert six(value.level) == "176.043643"
    assert six(value.gauge * 100) == "74.000000"
    assert f"{quantize(value.cash_share * 100, 2)}" == "56.80"
    assert [f"{quantize((leg.share or 0) * 100, 2)}" for leg in value.legs[:2]] == ["25.65", "17.54"]


def test_dropping_a_settled_leg_would_fake_a_gain_of_15_6_percent_instead_of_66_01():
    before = gauge(WEIGHTS, [d("0.70"), d("0.60"), d("0.30")])
    naive = gauge(WEIGHTS[:2], [d("0.70"), d("0.60")])
    assert six(before) == "0.565000"
    assert six(naive) == "0.653333"
    assert f"{(naive / before - 1) * 100:.1f}" == "15.6"
    assert f"{(d('176.043643') / d('106.043643') - 1) * 100:.2f}" == "66.01"


def test_a_gross_rebalance_resets_value_to_100_with_divisor_0_568041(story, now):
    basket, _, a, _, c = story
    later = move_to_t1(story, now)
    settle(c, "1", later)
    new = make_quoted(later, "0.39", "0.41")
    second = compose(basket, later, (a, "yes", "0.5"), (new, "yes", "0.5"), reason="Rebalance")
    assert six(second.divisor) == "0.568041"
    assert six(valued(basket, later).level) == "176.043643"
    make_quote(a, "0.74", "0.76", later)
    make_quote(new, "0.37", "0.39", later)
    value = valued(basket, later)
    assert six(value.value) == "101.071429"
    assert six(value.level) == "177.929825"


def test_the_same_story_by_hand_gives_the_same_digits():
    units = units_of(mode="dollar", weights=WEIGHTS, prices=MARKS, value=d(100))
    at_t1 = market_value(units, [d("0.70"), d("0.60"), d("0.30")], d(100) - market_value(units, MARKS))
    assert six(level(at_t1, d(1))) == "106.043643"
    at_t2 = at_t1 + units[2] * (d(1) - d("0.30"))
    divisor = divisor_after(divisor=d(1), value_before=at_t2, value_after=d(100))
    assert six(divisor) == "0.568041"


def test_the_fees_of_the_example_before_rounding():
    politics = make_market(venue="polymarket", fee_schedule={"type": "quadratic", "rate": "0.04", "exponent": "1"})
    fee = taker_fee(politics, price=d("0.62"), count=d("64.516"))
    assert f"{quantize(fee, 4)}" == "0.6080"
    kalshi = make_market(fee_schedule={"type": "quadratic", "rate": "0.07"})
    assert taker_fee(kalshi, price=d("0.70"), count=d(51)) == d("0.7497")
