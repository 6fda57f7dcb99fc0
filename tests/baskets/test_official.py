"""The official fixing: the last hour's median, once, from what was stored, and never back-dated."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from baskets.models import OfficialFixing, PriceHistory
from baskets.official import fix_official, weighted_median
from baskets.snapshots import record_prices
from baskets.tasks import fix_official_task
from itomarkets.records.models import JobRun
from markets.models import Market
from tests.baskets.helpers import compose, d, make_basket, make_held_basket, make_quoted, settle
from tests.factories import make_quote

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 8, 2, tzinfo=UTC)
START = MIDNIGHT - timedelta(hours=1)


def play(minutes, quotes, *, start=START):
    """Record these minutes of the hour; `quotes(minute)` gives (market, bid, ask) each."""
    for minute in minutes:
        moment = start + timedelta(minutes=minute)
        for market, bid, ask in quotes(minute):
            make_quote(market, bid, ask, moment)
        record_prices(now=moment)


def test_each_leg_counts_at_the_median_of_its_mids(at):
    now = at(START)
    markets = [make_quoted(now, "0.39", "0.41"), make_quoted(now, "0.59", "0.61")]
    basket = make_basket()
    compose(basket, now, (markets[0], "yes", "0.5"), (markets[1], "no", "0.5"))
    # A spike in the last minutes of the hour moves the last price, and not the median.
    play(
        range(60),
        lambda n: [
            (markets[0], "0.89", "0.91") if n > 50 else (markets[0], "0.43", "0.45"),
            (markets[1], "0.55", "0.57"),
        ],
    )
    report = fix_official(now=MIDNIGHT + timedelta(minutes=1))
    assert (report.published, report.refused) == (1, {})
    row = OfficialFixing.objects.get()
    assert (row.day, row.minutes, row.stale_weight) == (date(2026, 8, 1), 60, 0)
    assert [mark[:4] for mark in row.marks] == [
        [markets[0].pk, "yes", 440_000, "mid"],
        [markets[1].pk, "no", 440_000, "mid"],
    ]
    assert row.gauge_sum == d("0.44")
    units = dict(basket.compositions.get().constituents.values_list("market_id", "units"))
    assert row.value == sum(units.values()) * d("0.44") + basket.compositions.get().cash
    assert row.made_at == MIDNIGHT + timedelta(minutes=1)


def test_a_second_run_publishes_nothing_and_a_late_one_back_dates_nothing(at):
    make_held_basket(at(START))
    market_ids = list(Market.objects.all())
    play(range(20, 60), lambda n: [(market, "0.49", "0.51") for market in market_ids])
    late = fix_official(now=MIDNIGHT + timedelta(hours=1, seconds=1))
    assert late.too_late
    assert not OfficialFixing.objects.exists()
    assert fix_official(now=MIDNIGHT).published == 1
    again = fix_official(now=MIDNIGHT + timedelta(minutes=15))
    assert (again.published, again.already_there) == (0, 1)


def test_too_few_minutes_or_too_much_stale_weight_make_no_fixing(at):
    short = make_held_basket(at(START), legs=2)
    two = list(Market.objects.all())
    stale = make_held_basket(START, legs=4)
    four = list(Market.objects.exclude(pk__in=[m.pk for m in two]))

    def quotes(minute):
        live = [(market, "0.49", "0.51") for market in (four if minute < 35 else four[1:])]
        return live + ([(market, "0.49", "0.51") for market in two] if minute >= 40 else [])

    PriceHistory.objects.all().delete()
    play(range(1, 60), quotes)
    # Fixings with a quarter of the weight stale were refused minute by minute; of the others enough are left.
    report = fix_official(now=MIDNIGHT)
    assert report.published == 1
    row = OfficialFixing.objects.get()
    assert row.basket_id == stale.pk or row.basket_id == short.pk
    OfficialFixing.objects.all().delete()
    PriceHistory.objects.filter(basket=short, at__lt=MIDNIGHT - timedelta(minutes=29)).delete()
    report = fix_official(now=MIDNIGHT)
    assert "minutes of its last hour were fixed, fewer than 30" in report.refused[short.pk]


def test_a_settled_leg_counts_at_what_it_paid(at):
    now = at(START)
    basket = make_held_basket(now, legs=2)
    winner, other = Market.objects.order_by("pk")
    play(range(40), lambda n: [(winner, "0.49", "0.51"), (other, "0.49", "0.51")])
    settle(winner, "1", START + timedelta(minutes=40))
    play(range(40, 60), lambda n: [(other, "0.49", "0.51")])
    fix_official(now=MIDNIGHT)
    row = OfficialFixing.objects.get(basket=basket)
    assert {mark[0]: (mark[2], mark[3]) for mark in row.marks} == {
        winner.pk: (1_000_000, "settled"),
        other.pk: (500_000, "mid"),
    }
    assert row.value == 150


def test_a_change_within_the_hour_counts_its_own_minutes_alone(at):
    now = at(START)
    first, second = make_quoted(now, "0.19", "0.21"), make_quoted(now, "0.69", "0.71")
    basket = make_basket()
    compose(basket, now, (first, "yes", "1"))
    both = [(first, "0.19", "0.21"), (second, "0.69", "0.71")]
    play(range(25), lambda n: both)
    compose(basket, START + timedelta(minutes=25), (second, "yes", "1"), reason="Change")
    play(range(25, 60), lambda n: both)
    fix_official(now=MIDNIGHT)
    row = OfficialFixing.objects.get()
    assert (row.composition.version, row.minutes, row.gauge_sum) == (2, 35, d("0.70"))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 300)), min_size=1, max_size=40), st.randoms())
def test_half_of_the_time_lies_on_each_side_of_the_median_in_any_order(points, random):
    median = weighted_median(points)
    total = sum(seconds for _, seconds in points)
    assert 2 * sum(seconds for price, seconds in points if price < median) <= total
    assert 2 * sum(seconds for price, seconds in points if price > median) <= total
    mixed = list(points)
    random.shuffle(mixed)
    assert weighted_median(mixed) == median


def test_the_task_keeps_a_row_and_the_command_says_what_it_did(at, capsys):
    make_held_basket(at(START))
    markets = list(Market.objects.all())
    play(range(60), lambda n: [(market, "0.49", "0.51") for market in markets])
    at(MIDNIGHT + timedelta(minutes=1))
    fix_official_task()
    assert JobRun.objects.get(name="fix_official").report["published"] == 1
    call_command("fix_official")
    assert "2026-08-01: 0 official fixings published, 1 already there" in capsys.readouterr().out
    at(MIDNIGHT + timedelta(hours=2))
    with pytest.raises(CommandError, match="never back-dated"):
        call_command("fix_official")
    assert Decimal(OfficialFixing.objects.get().gauge_sum) == d("0.50")
