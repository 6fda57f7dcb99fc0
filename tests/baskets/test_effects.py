"""What a suggestion would do, reckoned before anybody decides: the same as what the approval then does."""

from decimal import Decimal

import pytest

from baskets.drafts import LegDraft
from baskets.effects import effect_of
from baskets.models import Basket, Composition, Override
from baskets.rebuild import build_system_baskets
from baskets.suggestions import approve, submit
from tests.baskets.helpers import d, make_labelled, make_quoted, make_theme, no_refresh, settle
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def system(now):
    theme = make_theme()
    for n in range(6):
        make_labelled(theme.factors.get(), now, volume_24h=Decimal(1000 + n))
    build_system_baskets(now=now, refresh=no_refresh)
    return Basket.objects.get(theme=theme)


@pytest.mark.parametrize("type", ["add", "remove"])
def test_the_effect_that_is_shown_is_the_one_that_an_approval_has(system, now, type):
    first = system.compositions.get().constituents.order_by("pk").first()
    market = make_quoted(now, "0.60", "0.64") if type == "add" else first.market
    legs = [LegDraft(market.pk, "no" if type == "add" else first.side, Decimal(1))]
    effect = effect_of(type=type, basket=system, legs=legs, now=now)
    assert Composition.objects.count() == 1
    assert not Override.objects.exists()
    row = submit(user=make_user(), type=type, basket=system, name="", description="", reason="Why.", legs=legs, now=now)
    approve(suggestion=row, reviewer=make_user(), now=now, refresh=no_refresh)
    newest = system.compositions.order_by("-version").first()
    weights = {(leg.market_id, leg.side): leg.weight for leg in newest.constituents.all()}
    assert {(line.market_id, line.side): line.after for line in effect.lines if line.after} == weights
    assert (effect.turnover, effect.cost) == (newest.turnover, newest.cost / newest.value_before)
    gauge = sum(leg.weight * leg.mark for leg in newest.constituents.all())
    assert abs(effect.gauge_after - gauge) < d("1e-12")
    assert effect.gauge_before == d("0.5")
    line = effect.lines[0]
    assert line.market_id == market.pk
    assert (line.before == 0, line.after == 0) == ((True, False) if type == "add" else (False, True))
    assert line.words.startswith("comes in at" if type == "add" else "goes out, held at")


def test_a_new_basket_shows_its_weights_its_gauge_and_what_its_asks_cost(now):
    legs = [LegDraft(make_quoted(now, "0.40", "0.42").pk, "yes", Decimal(3)), LegDraft(
        make_quoted(now, "0.20", "0.22").pk, "no", Decimal(1))]  # fmt: skip
    effect = effect_of(type="new", basket=None, legs=legs, now=now)
    assert [line.after for line in effect.lines] == [d("0.75"), d("0.25")]
    assert effect.gauge_after == d("0.75") * d("0.41") + d("0.25") * d("0.79")
    assert effect.cost == (d("0.75") * d("0.42") + d("0.25") * d("0.80")) / effect.gauge_after - 1
    assert effect.gauge_before is None
    assert effect.turnover is None


def test_what_cannot_be_done_says_why_and_shows_no_numbers(system, now):
    market = make_quoted(now, "0.40", "0.42")
    settle(market, "1", now)
    legs = [LegDraft(market.pk, "yes", Decimal(1))]
    effect = effect_of(type="add", basket=system, legs=legs, now=now)
    assert "already decided" in effect.refusal
    assert effect.lines == ()
    assert effect.sentences[0].startswith("It could not be done now")
    everything = [LegDraft(leg.market_id, leg.side, Decimal(1)) for leg in system.compositions.get().constituents.all()]
    assert "Nothing would be left" in effect_of(type="remove", basket=system, legs=everything, now=now).refusal
