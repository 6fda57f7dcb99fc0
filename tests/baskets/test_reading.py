"""What pages read: rows, details and charts, each in a fixed number of statements."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from baskets.factors import factors_of
from baskets.models import Basket, PriceHistory
from baskets.reading import basket_detail, basket_rows, chart_series, visible_to
from baskets.snapshots import record_prices
from baskets.valuation import value_basket
from markets.models import Market
from tests.baskets.helpers import compose, d, make_basket, make_held_basket, make_labelled, make_quoted, make_theme
from tests.factories import make_quote, make_user

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 8, 1, tzinfo=UTC)


def day_fixing(basket, back: int, value: str, source: str = "simulated") -> PriceHistory:
    composition = basket.compositions.first()
    return PriceHistory.objects.create(
        basket=basket,
        composition=composition,
        interval=PriceHistory.Interval.DAY,
        at=MIDNIGHT - timedelta(days=back),
        value=d(value),
        gauge_sum=d("0.5"),
        divisor=1,
        divisor_net=1,
        legs=1,
        legs_priced=1,
        quality="complete",
        source=source,
    )


def test_people_see_public_baskets_and_their_own_private_ones(now):
    owner = make_user()
    public = make_basket()
    private = make_basket(visibility="private", owner=owner)
    Basket.objects.filter(pk=make_basket().pk).update(is_active=False)
    assert list(visible_to(AnonymousUser())) == [public]
    assert list(visible_to(make_user())) == [public]
    assert set(visible_to(owner)) == {public, private}


def test_rows_put_system_baskets_first_in_the_order_of_the_taxonomy(now):
    make_held_basket(now, name="Aardvark")
    second = make_theme("b-theme")
    first = make_theme("a-theme")
    second.position, first.position = 900, 800
    second.save()
    first.save()
    for theme in (second, first):
        make_basket(kind="system", theme=theme, slug=theme.slug, name=theme.name)
    rows = basket_rows(user=AnonymousUser(), now=now)
    assert [row.name for row in rows] == ["A Theme", "B Theme", "Aardvark"]
    assert [row.name for row in basket_rows(user=AnonymousUser(), now=now, kind="custom")] == ["Aardvark"]
    assert [row.slug for row in basket_rows(user=AnonymousUser(), now=now, search="theme b")] == ["b-theme"]
    assert rows[0].gauge is None


def count_rows(now) -> int:
    with CaptureQueriesContext(connection) as queries:
        basket_rows(user=AnonymousUser(), now=now)
    return len(queries)


def test_a_list_takes_four_statements_at_any_length(now):
    make_held_basket(now)
    assert count_rows(now) == 4
    for _ in range(10):
        make_held_basket(now, legs=4)
    assert count_rows(now) == 4


def count_detail(basket, now) -> int:
    with CaptureQueriesContext(connection) as queries:
        detail = basket_detail(basket, now=now)
        assert [leg.market.question for leg in detail.legs]
    return len(queries)


def test_a_detail_takes_the_same_statements_for_one_leg_and_for_twenty(now):
    small, large = make_held_basket(now, legs=1), make_held_basket(now, legs=20)
    assert count_detail(small, now) == count_detail(large, now) <= 10


def test_changes_are_measured_against_the_fixing_of_a_day_and_a_month_ago(now):
    basket = make_held_basket(now)
    day_fixing(basket, 1, "80")
    day_fixing(basket, 2, "50")
    day_fixing(basket, 31, "200")
    value = value_basket(basket, now=now)
    assert value is not None
    assert value.level == 100
    # A day ago at noon lies as far from the end of the day before as from the end of yesterday.
    assert value.change_day in (d("0.25"), d("1"))
    assert value.change_month == d("-0.5")
    assert value.changes_are_simulated
    assert basket_rows(user=AnonymousUser(), now=now)[0].sparkline[-3:] == [50, 80, 100]


def test_a_minute_of_a_day_ago_outranks_the_days_end(now):
    basket = make_held_basket(now)
    record_prices(now=now)
    tomorrow = now + timedelta(days=1)
    for market in Market.objects.all():
        make_quote(market, "0.59", "0.61", tomorrow)
    value = value_basket(basket, now=tomorrow)
    assert value is not None
    assert value.change_day == d("0.2")
    assert not value.changes_are_simulated


def test_without_history_there_is_no_change_and_without_a_price_no_value(now):
    basket = make_held_basket(now)
    value = value_basket(basket, now=now)
    assert value is not None
    assert (value.change_day, value.change_month) == (None, None)
    assert value_basket(make_basket(), now=now) is None
    assert value_basket(basket, now=now + timedelta(days=2)) is None


def test_a_stale_value_is_shown_with_its_age_and_called_not_official(now):
    basket = make_held_basket(now)
    value = value_basket(basket, now=now + timedelta(minutes=10))
    assert value is not None
    assert value.worst_age_seconds == 600
    assert value.is_stale
    assert value.not_official == "100% of the weight is stale"
    assert value.bid == d("0.49")


def test_the_detail_names_versions_with_what_came_and_went(now):
    basket = make_held_basket(now, legs=2)
    kept = basket.compositions.get().constituents.first().market
    compose(basket, now, (kept, "yes", "0.5"), (make_quoted(now, "0.3", "0.32"), "no", "0.5"), reason="Swap")
    detail = basket_detail(basket, now=now)
    assert [(line.version, line.legs, line.added, line.removed) for line in detail.compositions] == [
        (2, 2, 1, 1),
        (1, 2, 2, 0),
    ]
    assert {leg.side for leg in detail.legs} == {"yes", "no"}
    assert detail.venue_count == 1


def test_factors_are_told_to_apps_above(now):
    theme = make_theme(factors=[("fed-policy-rate", 1)])
    market = make_labelled(theme.factors.get(), now)
    line = factors_of([market.pk, 0])[market.pk]
    assert (line.factor_slug, line.theme_slug, line.direction) == ("fed-policy-rate", "monetary-policy", 1)


def test_a_chart_leaves_gaps_open_and_marks_changes(now):
    basket = make_held_basket(now)
    for back in (2, 3, 6, 7):
        day_fixing(basket, back, str(100 - back))
    record_prices(now=now)
    series = chart_series(basket, span="1m", now=now)
    assert [point.level for point in series.points] == [93, 94, None, 97, 98, None, 100]
    assert series.gaps[0] == (MIDNIGHT - timedelta(days=5), MIDNIGHT - timedelta(days=2))
    assert [(mark.version, mark.reason) for mark in series.changes] == [(1, "First composition")]
    assert series.simulated_until == MIDNIGHT - timedelta(days=1)


def test_a_days_chart_reads_every_fifth_minute_and_ends_with_the_newest(now):
    basket = make_held_basket(now)
    for minute in range(13):
        moment = now + timedelta(minutes=minute)
        for market in Market.objects.all():
            make_quote(market, "0.49", "0.51", moment)
        record_prices(now=moment)
    series = chart_series(basket, span="1d", now=now + timedelta(minutes=13))
    assert [point.at.minute for point in series.points] == [0, 5, 10, 12]


@pytest.mark.parametrize("span", ["1d", "1w", "1m", "6m", "1y", "all"])
def test_each_span_is_drawn_in_three_statements(now, span):
    basket = make_held_basket(now)
    record_prices(now=now)
    day_fixing(basket, 1, "90")
    with CaptureQueriesContext(connection) as queries:
        series = chart_series(basket, span=span, now=now)
    assert len(queries) == 3
    assert series.points[-1].level == 100


def test_a_span_that_does_not_exist_is_refused(now):
    with pytest.raises(ValueError, match="expected a span of 1d, 1w"):
        chart_series(make_basket(), span="2y", now=now)
