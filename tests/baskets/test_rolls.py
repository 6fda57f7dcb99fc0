"""What becomes of decided legs: cash, the other legs, the next question, or the end; and results that are corrected."""

from datetime import timedelta
from decimal import Decimal

import pytest

from baskets.models import Basket, MarketResult, PriceHistory
from baskets.rebuild import build_system_baskets
from baskets.results import corrections_of
from baskets.rolls import roll_baskets
from baskets.snapshots import record_prices
from baskets.successors import stem_of
from baskets.valuation import value_basket
from itomarkets.lib.rounding import quantize
from markets.models import Market
from tests.baskets.helpers import compose, d, make_basket, make_labelled, make_quoted, make_theme, no_refresh, settle
from tests.factories import make_event, make_quote

pytestmark = pytest.mark.django_db


def roll(now):
    return roll_baskets(now=now, refresh=no_refresh)


def level(basket, now) -> Decimal:
    value = value_basket(basket, now=now)
    assert value is not None
    return value.level


def make_story(now, *, policy: str, mode: str = "dollar", **values):
    """Three legs at 40/35/25, the third decided YES an hour later."""
    markets = [make_quoted(now, *book) for book in (("0.61", "0.63"), ("0.30", "0.34"), ("0.24", "0.26"))]
    basket = make_basket(mode=mode, rules={"roll_policy": policy}, **values)
    compose(basket, now, (markets[0], "yes", "0.40"), (markets[1], "no", "0.35"), (markets[2], "yes", "0.25"))
    return basket, markets


def newest(basket):
    found = basket.compositions.order_by("-version").first()
    assert found is not None
    return found


def test_hold_cash_leaves_what_was_paid_as_cash(now):
    basket, markets = make_story(now, policy="hold_cash")
    settle(markets[2], "1", now)
    report = roll(now)
    assert (report.results, report.rolled, report.ended) == (1, 0, 0)
    assert newest(basket).version == 1
    value = value_basket(basket, now=now)
    assert value is not None
    assert quantize(value.cash_share, 4) == d("0.5714")


@pytest.mark.parametrize("mode", ["dollar", "share", "risk"])
def test_redistribute_grows_the_other_legs_alike_and_moves_no_level(now, mode):
    basket, markets = make_story(now, policy="redistribute", mode=mode)
    first = newest(basket)
    settle(markets[2], "1", now)
    before = level(basket, now)
    assert roll(now).rolled == 1
    second = newest(basket)
    assert second.version == 2
    assert second.reason == "1 leg was decided; what was paid went to the legs that go on"
    assert abs(level(basket, now) / before - 1) <= d("1e-9")
    units = [dict(c.constituents.values_list("market_id", "units")) for c in (first, second)]
    growth = [units[1][m.pk] / units[0][m.pk] for m in markets[:2]]
    assert abs(growth[0] / growth[1] - 1) <= d("1e-6")
    assert second.cash < d("0.001")
    assert roll(now).rolled == 0
    assert newest(basket) == second


def test_a_leg_that_paid_nothing_moves_the_level_and_never_the_divisor(now):
    basket, markets = make_story(now, policy="hold_cash")
    settle(markets[2], "0", now)
    roll(now)
    assert newest(basket).divisor == 1
    assert quantize(level(basket, now), 6) == d("75")


@pytest.mark.parametrize(("payout", "expected"), [("0.5", "125"), ("0.25", "100"), ("0.1234", "87.34")])
def test_a_fraction_and_a_void_pay_what_the_venue_pays(now, payout, expected):
    basket, markets = make_story(now, policy="hold_cash")
    Market.objects.filter(pk=markets[2].pk).update(status="void", payout=d(payout), resolved_at=now)
    roll(now)
    assert quantize(level(basket, now), 6) == d(expected)


def test_a_disputed_leg_is_frozen_and_no_roll_buys_more_of_it(now):
    basket, markets = make_story(now, policy="redistribute")
    record_prices(now=now)
    worth = newest(basket).constituents.get(market=markets[0]).units * d("0.62")
    Market.objects.filter(pk=markets[0].pk).update(status="disputed")
    make_quote(markets[0], "0.90", "0.92", now)
    settle(markets[2], "1", now)
    total = level(basket, now)
    assert roll(now).rolled == 1
    value = value_basket(basket, now=now)
    assert value is not None
    leg = next(leg for leg in value.legs if leg.market_id == markets[0].pk)
    assert (leg.reason, leg.price) == ("frozen", d("0.62"))
    assert leg.share is not None
    assert abs(leg.share - worth / total) <= d("1e-7")


def test_nothing_is_redistributed_where_every_other_leg_is_disputed(now):
    basket, markets = make_story(now, policy="redistribute")
    Market.objects.filter(pk__in=[m.pk for m in markets[:2]]).update(status="disputed")
    settle(markets[2], "1", now)
    assert roll(now).rolled == 0
    assert newest(basket).version == 1


def make_meeting(now, month: str, days: int, *, series: str = "KXFED", rate: str = "4.25%", **values):
    event = make_event(series_key=series, title=f"Fed decision in {month}")
    return make_quoted(
        now,
        "0.39",
        "0.41",
        event=event,
        title=f"Will the Fed funds rate be above {rate} after the {month} 2026 meeting?",
        close_at=now + timedelta(days=days),
        **values,
    )


def test_the_next_question_of_a_series_takes_the_place_of_the_decided_one(now):
    other = make_quoted(now, "0.49", "0.51")
    august, later = make_meeting(now, "August", 20), now + timedelta(days=21)
    october = make_meeting(now, "October", 80)
    make_meeting(now, "December", 140)
    make_meeting(now, "September", 50, rate="4.50%")
    basket = make_basket(rules={"roll_policy": "roll_to_successor"})
    compose(basket, now, (august, "no", "0.30"), (other, "yes", "0.70"))
    settle(august, "0", later)
    for market in (october, other):
        make_quote(market, "0.39", "0.41", later)
    before = level(basket, later)
    assert roll(later).rolled == 1
    second = newest(basket)
    assert set(second.constituents.values_list("market_id", "side", "weight")) == {
        (october.pk, "no", d("0.30")),
        (other.pk, "yes", d("0.70")),
    }
    assert "the next question of its series took the place of 1" in second.reason
    assert abs(level(basket, later) / before - 1) <= d("1e-9")
    assert roll(later).rolled == 0


def test_without_a_successor_that_can_be_bought_the_cash_waits(now):
    august, later = make_meeting(now, "August", 20), now + timedelta(days=21)
    soon = make_meeting(now, "September", 25)
    other = make_quoted(now, "0.49", "0.51")
    basket = make_basket(rules={"roll_policy": "roll_to_successor"})
    compose(basket, now, (august, "yes", "0.5"), (other, "yes", "0.5"))
    settle(august, "1", later)
    for market in (soon, other):
        make_quote(market, "0.39", "0.41", later)
    assert roll(later).rolled == 0
    october = make_meeting(later, "October", 80)
    Market.objects.filter(pk=other.pk).update(status="disputed")
    assert roll(later).lines == [
        f"{basket.slug}: not rolled: a leg is disputed or closed and not yet decided; the roll waits for it."
    ]
    Market.objects.filter(pk=other.pk).update(status="open")
    assert roll(later).rolled == 1
    assert newest(basket).constituents.filter(market=october).exists()


def test_a_system_basket_rolls_only_where_the_label_says_the_same_side(now):
    theme = make_theme(factors=[("fed-policy-rate", 1)])
    factor = theme.factors.get()
    values = {"volume_24h": d(500), "bid": "0.39", "ask": "0.41"}
    question = "Will the Fed hike by {} 2026?"
    events = [make_event(series_key="KXHIKE") for _ in range(3)]
    august = make_labelled(
        factor, now, event=events[0], title=question.format("August"), close_at=now + timedelta(days=20), **values
    )
    wrong = make_labelled(
        factor, now, event=events[1], title=question.format("October"), close_at=now + timedelta(days=70),
        direction=-1, **values,
    )  # fmt: skip
    right = make_labelled(
        factor, now, event=events[2], title=question.format("December"), close_at=now + timedelta(days=130), **values
    )
    basket = make_basket(kind="system", theme=theme, rules={"roll_policy": "roll_to_successor"})
    compose(basket, now, (august, "yes", "1"))
    settle(august, "1", now)
    assert roll(now).rolled == 1
    assert newest(basket).constituents.get().market_id == right.pk != wrong.pk


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Will CPI rise above 0.3% in August 2026?", "Will CPI rise above 0.3% in September 2026?", True),
        ("Will CPI rise above 0.3% in August 2026?", "Will CPI rise above 0.4% in September 2026?", False),
        ("Rate above 4.25% on Sep 17, 2026?", "Rate above 4.25% on Oct 29, 2026?", True),
        ("GDP growth in Q2 2026 above 2%", "GDP growth in Q3 2026 above 2%", True),
        ("Will it happen by 31 December 2026?", "Will it happen by 30 June 2027?", True),
        ("Will A win in August?", "Will B win in August?", False),
    ],
)
def test_questions_of_one_stem_differ_in_their_dates_alone(one, other, same):
    assert (stem_of(one) == stem_of(other)) is same


def test_terminate_ends_with_the_last_leg_and_publishes_the_level_once(now):
    basket, markets = make_story(now, policy="terminate")
    settle(markets[0], "1", now)
    settle(markets[1], "1", now)
    assert roll(now).ended == 0
    settle(markets[2], "0", now)
    assert roll(now + timedelta(minutes=5)).ended == 1
    basket.refresh_from_db()
    assert basket.ended_at == now + timedelta(minutes=5)
    assert quantize(basket.ended_level or d(0), 6) == d("64.516129")
    assert roll(now + timedelta(minutes=9)).ended == 0
    basket.refresh_from_db()
    assert basket.ended_at == now + timedelta(minutes=5)
    assert newest(basket).version == 1


def test_a_terminating_system_basket_is_not_rebalanced(now):
    theme = make_theme(factors=[("fed-policy-rate", 1)])
    factor = theme.factors.get()
    for _ in range(6):
        make_labelled(factor, now, volume_24h=d(500))
    build_system_baskets(now=now, refresh=no_refresh)
    basket = Basket.objects.get()
    Basket.objects.update(rules={"roll_policy": "terminate"})
    later = now + timedelta(days=40)
    report = build_system_baskets(now=later, refresh=no_refresh)
    assert report.lines[0].reason == "nothing to do"
    assert newest(basket).version == 1


def test_a_corrected_result_is_the_next_version_and_edits_no_history(now):
    basket, markets = make_story(now, policy="hold_cash")
    settle(markets[2], "1", now)
    roll(now)
    record_prices(now=now)
    published = list(PriceHistory.objects.values_list("at", "value", "marks"))
    assert corrections_of(basket) == []
    later = now + timedelta(minutes=1)
    settle(markets[2], "0", later)
    for market in markets[:2]:
        make_quote(market, *(("0.61", "0.63") if market == markets[0] else ("0.30", "0.34")), later)
    assert roll(later).corrected == 1
    assert roll(later).corrected == 0
    record_prices(now=later)
    assert list(PriceHistory.objects.filter(at=now).values_list("at", "value", "marks")) == published
    assert quantize(level(basket, later), 6) == d("75")
    (line,) = corrections_of(basket)
    assert (line.before, line.after, line.version, line.seen_at, line.side) == (d(1), d(0), 2, later, "yes")
    assert list(MarketResult.objects.order_by("version").values_list("version", "payout")) == [(1, d(1)), (2, d(0))]


def test_a_basket_with_a_wrong_rule_stops_no_other(now):
    broken, (_, _, first) = make_story(now, policy="redistribute")
    fine, (_, _, second) = make_story(now, policy="redistribute")
    Basket.objects.filter(pk=broken.pk).update(rules={"roll_policy": "hope"})
    settle(first, "1", now)
    settle(second, "1", now)
    report = roll(now)
    assert report.rolled == 1
    assert report.lines[0].startswith(f"{broken.slug}: not rolled: The rule roll_policy is 'hope'")
    assert newest(fine).version == 2
