"""System baskets: made from labels, kept by the method, bent by overrides, left alone otherwise."""

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from baskets.compositions import hash_of
from baskets.expansion import expand_baskets
from baskets.method import Method
from baskets.models import Basket, Composition, Mark, Override, PriceHistory
from baskets.rebuild import build_system_baskets
from baskets.valuation import value_basket
from categorization.models import Classification
from itomarkets.records.models import JobRun
from markets.models import Market, QuoteDemand
from tests.baskets.helpers import d, make_labelled, make_theme, no_refresh, settle
from tests.factories import make_event, make_quote, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def theme(db):
    return make_theme(factors=[("fed-policy-rate", 1), ("ecb-policy-rate", 1), ("us-recession", -1)])


def build(now, **kwargs):
    return build_system_baskets(now=now, refresh=no_refresh, **kwargs)


def fill(theme, now, count=9):
    factors = list(theme.factors.all())
    return [
        make_labelled(
            factors[n % len(factors)],
            now,
            venue=("kalshi", "polymarket")[n % 2],
            volume_24h=Decimal(1000 * (n + 1)),
            bid=f"0.{30 + n}",
            ask=f"0.{32 + n}",
        )
        for n in range(count)
    ]


def held(basket) -> dict[int, str]:
    newest = basket.compositions.order_by("-version").first()
    return dict(newest.constituents.values_list("market_id", "side")) if newest else {}


def let_through(*baskets):
    """Have no limit on what a rebuild may change by itself: of few legs, one is much."""
    for basket in baskets or Basket.objects.all():
        Basket.objects.filter(pk=basket.pk).update(rules={"auto_turnover": "1", "auto_cost": "1"})


def requote(now):
    for market in Market.objects.filter(status="open", quote__isnull=False).select_related("quote"):
        make_quote(market, str(market.quote.yes_bid), str(market.quote.yes_ask), now)


def test_each_theme_gets_one_public_basket_with_a_first_composition(theme, now):
    fill(theme, now)
    empty = make_theme("crypto")
    report = build(now)
    assert (report.baskets_added, report.compositions_added) == (2, 1)
    basket = Basket.objects.get(theme=theme)
    assert (basket.kind, basket.visibility, basket.owner, basket.slug) == ("system", "public", None, "monetary-policy")
    composition = basket.compositions.get()
    assert composition.reason == "First composition"
    weights = [leg.weight for leg in composition.constituents.all()]
    assert sum(weights) == 1
    assert max(weights) <= d("0.20")
    lines = {line.slug: line for line in report.lines}
    assert lines[empty.slug].reason == "nothing eligible is left to hold; what is held stays"


def test_a_second_build_writes_nothing(theme, now):
    fill(theme, now)
    build(now)
    marks = list(Mark.objects.values_list("pk", "at"))
    report = build(now + timedelta(seconds=30))
    assert (report.baskets_added, report.compositions_added, report.importance_written) == (0, 0, 0)
    assert Composition.objects.count() == 1
    assert list(Mark.objects.values_list("pk", "at")) == marks
    assert PriceHistory.objects.count() == 0


def test_sides_follow_direction_times_sign_and_what_points_nowhere_is_left_out(theme, now):
    fed, _, recession = theme.factors.order_by("position")
    more = make_labelled(fed, now, direction=1)
    less = make_labelled(fed, now, direction=-1)
    inverse = make_labelled(recession, now, direction=1)
    neither = make_labelled(fed, now, direction=0)
    build(now)
    sides = held(Basket.objects.get())
    assert sides == {more.pk: "yes", less.pk: "no", inverse.pk: "no"}
    assert neither.pk not in sides


def test_a_theme_without_an_axis_holds_yes(now):
    theme = make_theme("sports-culture", up="", factors=[("soccer", 0)])
    market = make_labelled(theme.factors.get(), now, direction=0)
    build(now)
    assert held(Basket.objects.get()) == {market.pk: "yes"}


@pytest.mark.parametrize("status", ["waiting", "unclassified", "skipped"])
def test_labels_that_nobody_stands_for_are_not_held(theme, now, status):
    make_labelled(theme.factors.first(), now, label_status=status)
    build(now)
    assert not held(Basket.objects.get())


@pytest.mark.parametrize("status", ["assigned", "confirmed", "corrected"])
def test_labels_that_somebody_stands_for_are_held(theme, now, status):
    market = make_labelled(theme.factors.first(), now, label_status=status)
    build(now)
    assert held(Basket.objects.get()) == {market.pk: "yes"}


def test_markets_outside_the_gate_near_their_close_or_without_a_book_are_not_held(theme, now):
    factor = theme.factors.first()
    make_labelled(factor, now, bid="0.96", ask="0.98")
    make_labelled(factor, now, close_at=now + timedelta(days=10))
    make_labelled(factor, now, bid=None, ask=None)
    make_labelled(factor, now, status="closed")
    good = make_labelled(factor, now)
    report = build(now)
    assert held(Basket.objects.get()) == {good.pk: "yes"}
    assert report.lines[-1].ineligible["closes within 14 days"] == 1


def test_one_exposure_an_event(theme, now):
    event = make_event()
    for n in range(4):
        make_labelled(theme.factors.all()[n % 3], now, event=event)
    build(now)
    assert len(held(Basket.objects.get())) == 1


def test_quotes_are_fetched_for_the_shortlist_before_legs_are_chosen(theme, now):
    market = make_labelled(theme.factors.first(), now, bid=None, ask=None)
    asked = []

    def refresh(market_ids, at):
        asked.extend(market_ids)
        make_quote(market, "0.40", "0.42", at)
        return "1 quote"

    report = build_system_baskets(now=now, refresh=refresh)
    assert asked == [market.pk]
    assert report.quotes == "1 quote"
    assert held(Basket.objects.get()) == {market.pk: "yes"}


def test_what_is_held_is_kept_quoted_and_nothing_else(theme, now):
    markets = fill(theme, now, 6)
    QuoteDemand.objects.create(
        market=make_labelled(theme.factors.first(), now, label_status="waiting"), source="baskets"
    )
    build(now)
    assert set(QuoteDemand.objects.values_list("market_id", flat=True)) == {m.pk for m in markets}


def test_importance_puts_doubt_before_certainty_held_before_others_and_busy_before_quiet(theme, now):
    fill(theme, now, 5)
    quiet = make_labelled(theme.factors.first(), now, label_status="waiting", volume=Decimal(10))
    busy = make_labelled(theme.factors.first(), now, label_status="waiting", volume=Decimal(10**9))
    doubted = make_labelled(theme.factors.first(), now, label_status="waiting", volume=Decimal(10))
    Classification.objects.filter(market=doubted).update(confidence=0.3)
    build(now)
    importance = dict(Classification.objects.values_list("market_id", "importance"))
    legs = held(Basket.objects.get())
    assert 0 < importance[quiet.pk] < importance[busy.pk] < importance[doubted.pk] <= 1
    volume = Market.objects.get(pk=min(legs)).volume
    like_a_leg = make_labelled(theme.factors.first(), now, label_status="waiting", volume=volume)
    assert build(now).importance_written == 1
    assert Classification.objects.get(market=like_a_leg).importance < min(importance[pk] for pk in legs)


def test_an_exclusion_takes_a_market_out_and_survives_rebuilds(theme, now):
    markets = fill(theme, now)
    build(now)
    basket = Basket.objects.get()
    override(markets[0], basket, "exclude", now)
    assert build(now).compositions_added == 1
    assert markets[0].pk not in held(basket)
    later = now + timedelta(days=40)
    Market.objects.update(close_at=later + timedelta(days=90))
    requote(later)
    assert build(later).compositions_added == 1
    assert markets[0].pk not in held(basket)
    assert Classification.objects.get(market=markets[0]).status == "assigned"


def override(market, basket, action, now, **values):
    return Override.objects.create(
        market=market,
        basket=basket,
        action=action,
        reason="A reviewer's reason",
        created_by=make_user(),
        created_at=now,
        **values,
    )


def test_a_pin_holds_a_market_that_the_label_and_the_gates_would_not(theme, now):
    fill(theme, now)
    stranger = make_labelled(
        make_theme("crypto").factors.get(), now, close_at=now + timedelta(days=3), bid="0.96", ask="0.98"
    )
    build(now)
    basket = Basket.objects.get(theme=theme)
    override(stranger, basket, "pin", now, side="no", weight=d("0.15"))
    build(now)
    leg = basket.compositions.order_by("-version").first().constituents.get(market=stranger)
    assert (leg.side, leg.weight) == ("no", d("0.15"))
    assert leg.why == "Held by a reviewer: A reviewer's reason"
    assert build(now).compositions_added == 0


def test_a_move_takes_a_market_from_one_basket_to_another(theme, now):
    markets = fill(theme, now)
    other = make_theme("crypto")
    make_labelled(other.factors.get(), now)
    build(now)
    here, there = Basket.objects.get(theme=theme), Basket.objects.get(theme=other)
    let_through(there)
    override(markets[0], here, "move", now, target=there)
    report = build(now)
    assert report.compositions_added == 2
    assert markets[0].pk not in held(here)
    assert held(there)[markets[0].pk] == "yes"


def test_an_override_that_ran_out_says_nothing(theme, now):
    markets = fill(theme, now)
    build(now)
    override(markets[0], Basket.objects.get(), "exclude", now, until=now)
    assert build(now).compositions_added == 0


def test_a_corrected_label_turns_the_side(theme, now):
    markets = fill(theme, now, 6)
    build(now)
    basket = Basket.objects.get()
    before = held(basket)[markets[0].pk]
    Classification.objects.filter(market=markets[0]).update(direction=-1, status="corrected")
    assert build(now).compositions_added == 1
    assert held(basket)[markets[0].pk] != before


def test_settled_legs_stay_in_cash_until_a_trigger_and_the_level_does_not_jump_at_the_change(theme, now):
    markets = fill(theme, now, 9)
    build(now)
    basket = Basket.objects.get()
    settle(markets[0], "1", now)
    assert build(now).compositions_added == 0
    for market in markets[1:5]:
        settle(market, "0", now)
    before = value_basket(basket, now=now)
    assert build(now).compositions_added == 1
    after = value_basket(basket, now=now)
    assert before is not None
    assert after is not None
    assert abs(after.level / before.level - 1) < d("1e-9")
    assert after.level_net < after.level
    newest = basket.compositions.order_by("-version").first()
    assert newest.cost > 0
    assert 0 < newest.turnover <= 1
    assert "live legs, fewer than 5" in newest.reason
    assert held(basket).keys() == {m.pk for m in markets[5:]}


def test_expansion_brings_in_the_next_question_of_a_series_that_ended(theme, now):
    factor = theme.factors.first()
    markets = fill(theme, now, 5)
    ending = make_labelled(factor, now, event=make_event(series_key="KXFEDMEETING"), volume_24h=Decimal(1))
    build(now)
    let_through()
    successor = make_labelled(factor, now, event=make_event(series_key="KXFEDMEETING"), volume_24h=Decimal(1))
    for market in [ending, *markets[:2]]:
        settle(market, "0", now)
    for n in range(20):
        make_labelled(factor, now, volume_24h=Decimal(10**6 + n))
    JobRun.objects.create(name="sync_pipeline", status="done", started_at=now - timedelta(days=400))
    report = expand_baskets(now=now, refresh=no_refresh)
    assert report.compositions_added == 1
    assert successor.pk in held(Basket.objects.get())
    assert report.mapped == {"monetary-policy": 24}


def test_a_schedule_rebalances_after_thirty_days(theme, now):
    fill(theme, now)
    build(now)
    later = now + timedelta(days=30)
    Market.objects.update(close_at=later + timedelta(days=60))
    requote(later)
    assert build(later).compositions_added == 1
    assert Composition.objects.order_by("-version").first().reason == "30 days since the last change"
    assert build(later).compositions_added == 0


def test_a_venue_that_does_not_answer_leaves_what_is_held(theme, now):
    fill(theme, now)
    build(now)
    later = now + timedelta(days=30)
    report = build(later)
    assert report.compositions_added == 0
    assert Composition.objects.count() == 1


def test_one_broken_basket_does_not_stop_the_others(theme, now):
    fill(theme, now)
    other = make_theme("crypto")
    make_labelled(other.factors.get(), now)
    build(now)
    let_through()
    Basket.objects.filter(theme=theme).update(rules={"leg_cap": "much"})
    for market in Market.objects.filter(classification__factor__theme=other):
        settle(market, "1", now)
    fresh = make_labelled(other.factors.get(), now)
    report = build(now)
    assert held(Basket.objects.get(theme=other)) == {fresh.pk: "yes"}
    assert any("leg_cap" in line.reason for line in report.lines)


def test_the_command_needs_themes_and_then_reports(now, monkeypatch, capsys):
    with pytest.raises(CommandError, match="no themes yet"):
        call_command("build_system_baskets")
    make_theme()
    call_command("build_system_baskets")
    assert "1 baskets added, 0 compositions written" in capsys.readouterr().out


def test_a_basket_s_own_rules_make_its_composition_and_are_kept_with_it(theme, now):
    fill(theme, now)
    build(now)
    basket = Basket.objects.get()
    Basket.objects.filter(pk=basket.pk).update(
        mode="share",
        rules={"scheme": "equal", "leg_cap": "0.5", "max_legs": "4", "min_legs": "2", "auto_turnover": "1"},
    )
    requote(now + timedelta(days=31))
    build(now + timedelta(days=31))
    first, second = basket.compositions.order_by("version")
    assert (first.inputs["mode"], first.inputs["rules"]["scheme"]) == ("dollar", "liquidity")
    assert (second.inputs["mode"], second.inputs["rules"]["leg_cap"]) == ("share", "0.5")
    assert {row.weight for row in second.constituents.all()} == {d("0.25")}
    assert len({row.units for row in second.constituents.all()}) == 1
    assert first.inputs["rules"].keys() == second.inputs["rules"].keys() == {f.name for f in fields(Method)}
    assert hash_of(second.inputs) == second.inputs_hash


def test_a_basket_weighed_by_confidence_trusts_a_person_most(theme, now):
    markets = fill(theme, now, count=6)
    build(now)
    basket = Basket.objects.get()
    Basket.objects.filter(pk=basket.pk).update(rules={"scheme": "confidence", "leg_cap": "1", "event_cap": "1"})
    Classification.objects.filter(market=markets[0]).update(confidence=0.5, status="confirmed")
    Classification.objects.filter(market=markets[1]).update(confidence=0.45)
    requote(now + timedelta(days=31))
    build(now + timedelta(days=31))
    newest = basket.compositions.order_by("-version").first()
    assert newest is not None
    weights = dict(newest.constituents.values_list("market_id", "weight"))
    assert weights[markets[1].pk] * 2 <= weights[markets[2].pk] < weights[markets[0].pk]


def test_a_composition_and_its_legs_cannot_be_changed_in_the_database_either(theme, now):
    fill(theme, now)
    build(now)
    composition = Composition.objects.get()
    with pytest.raises(TypeError, match="never changed"):
        composition.save()
    for change in (
        lambda: Composition.objects.update(divisor=d(2)),
        lambda: Composition.objects.update(inputs={}),
        lambda: composition.constituents.update(units=d(1)),
        lambda: composition.constituents.update(side="no"),
    ):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            change()
    maker = make_user()
    Composition.objects.update(created_by=maker)
    maker.delete()
    assert Composition.objects.get().created_by is None
