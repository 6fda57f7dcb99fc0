"""The minute's fixing: once a minute, never back-dated, three statements at any number, exact to the last digit."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from baskets import tasks
from baskets.arithmetic import market_value
from baskets.compositions import CompositionRefused
from baskets.fixing import fix
from baskets.legs import BookRow, HeldLeg, good_marks, held_legs
from baskets.marks import LegMark, Reason
from baskets.minutes import marks_of
from baskets.models import Basket, Mark, MinuteMark, PriceHistory
from baskets.snapshots import SnapshotReport, record_prices, report_of
from baskets.valuation import value_basket
from itomarkets.records.models import JobRun
from markets.models import Market
from tests.baskets.helpers import compose, d, make_basket, make_held_basket, make_quoted, settle
from tests.factories import make_quote

pytestmark = pytest.mark.django_db


def test_a_second_run_in_the_minute_writes_nothing(now):
    make_held_basket(now)
    first = record_prices(now=now + timedelta(seconds=5))
    again = record_prices(now=now + timedelta(seconds=50))
    assert (first.fixings, first.sides) == (1, 2)
    assert (again.fixings, again.sides) == (0, 0)
    said = report_of(again, now=now)
    assert (said.baskets, said.recorded, said.already_there, said.without) == (1, 0, 1, 0)
    assert PriceHistory.objects.get().at == now


def test_a_clock_that_steps_back_writes_nothing_out_of_order(now):
    basket = make_held_basket(now)
    record_prices(now=now + timedelta(minutes=1))
    late = record_prices(now=now)
    assert (late.fixings, late.sides) == (0, 0)
    assert [row.at for row in basket.history.all()] == [now + timedelta(minutes=1)]
    assert set(MinuteMark.objects.values_list("at", flat=True)) == {now + timedelta(minutes=1)}


def test_a_late_run_writes_the_minute_that_it_is_and_leaves_the_gap(now):
    basket = make_held_basket(now)
    record_prices(now=now)
    later = now + timedelta(minutes=30, seconds=40)
    for market in Market.objects.all():
        make_quote(market, "0.49", "0.51", later)
    record_prices(now=later)
    assert [row.at for row in basket.history.order_by("at")] == [now, now + timedelta(minutes=30)]


def test_what_is_stored_is_what_value_basket_says_to_the_last_digit(now):
    basket = make_basket()
    legs = [
        make_quoted(now, "0.611", "0.632"),
        make_quoted(now, "0.3", "0.34"),
        make_quoted(now, "0.0501", "0.0612", venue="polymarket"),
    ]
    compose(
        basket,
        now,
        *[
            (m, side, w)
            for m, side, w in zip(legs, ("yes", "no", "yes"), ("0.33333334", "0.33333333", "0.33333333"), strict=True)
        ],
    )
    later = now + timedelta(minutes=1)
    for market, bid, ask in zip(legs, ("0.6234", "0.3111", "0.0555"), ("0.6301", "0.3201", "0.0611"), strict=True):
        make_quote(market, bid, ask, later)
    record_prices(now=later)
    row, value = PriceHistory.objects.get(), value_basket(basket, now=later)
    assert value is not None
    assert (row.value, row.gauge_sum) == (value.value, value.gauge)
    assert (row.gauge_bid_sum, row.gauge_ask_sum) == (value.bid, value.ask)
    by_hand = market_value(
        [leg.units for leg in value.legs], [leg.price for leg in value.legs], basket.compositions.get().cash
    )
    assert row.value == by_hand
    assert row.value / row.divisor == value.level
    assert marks_of([row])[row.pk] == [
        (leg.market_id, leg.side, int(leg.price * 1_000_000), leg.reason) for leg in value.legs
    ]
    assert (row.quality, row.legs, row.legs_priced, row.source) == ("complete", 3, 3, "live")


@given(
    st.lists(st.tuples(st.integers(1, 10**8), st.integers(0, 10**12), st.integers(0, 10**6)), min_size=1, max_size=30),
    st.integers(0, 10**12),
)
def test_whole_numbers_and_decimals_price_alike_to_the_last_digit(rows, cash):
    book = BookRow(1, "open", None, None, None, None, None, None, None, None, None, None)
    legs = [
        HeldLeg(1, 1, 1, cash, 10**15, 10**15, i, "yes", w, n, None, None, book) for i, (w, n, _) in enumerate(rows)
    ]
    marks = [LegMark(price, Reason.MID, 0, price, price) for _, _, price in rows]
    fixing = fix(legs, marks)
    units = [Decimal(n).scaleb(-8) for _, n, _ in rows]
    weights = [Decimal(w).scaleb(-8) for w, _, _ in rows]
    prices = [Decimal(price).scaleb(-6) for _, _, price in rows]
    assert fixing.value is not None
    assert Decimal(fixing.value).scaleb(-14) == market_value(units, prices, Decimal(cash).scaleb(-14))
    assert Decimal(fixing.gauge).scaleb(-14) == market_value(weights, prices)


def record_and_say(now) -> SnapshotReport:
    return report_of(record_prices(now=now), now=now)


def statements(now) -> int:
    with CaptureQueriesContext(connection) as queries:
        record_prices(now=now)
    return len(queries)


def test_a_run_takes_three_statements_and_no_more_with_many_baskets(now):
    make_held_basket(now)
    assert statements(now) == 3
    for _ in range(60):
        make_held_basket(now, legs=5, owner=Basket.objects.get(pk=Basket.objects.first().pk).owner)
    assert statements(now + timedelta(minutes=1)) == 3
    assert PriceHistory.objects.filter(at=now + timedelta(minutes=1)).count() == 61


def test_stale_weight_above_a_fifth_makes_no_fixing_and_is_reported(now):
    basket = make_held_basket(now, legs=4)
    record_prices(now=now)
    later = now + timedelta(minutes=20)
    for market in list(Market.objects.all())[1:]:
        make_quote(market, "0.49", "0.51", later)
    report = record_and_say(later)
    assert report.recorded == 0
    assert report.refused == {basket.pk: "25% of the weight is stale"}


def test_stale_weight_below_a_fifth_is_carried_and_flagged_but_not_past_an_hour(now):
    basket = make_held_basket(now, legs=10)
    record_prices(now=now)
    fresh = list(Market.objects.all())[1:]

    def record_at(minutes: int):
        later = now + timedelta(minutes=minutes)
        for market in fresh:
            make_quote(market, "0.49", "0.51", later)
        return record_and_say(later)

    assert record_at(20).recorded == 1
    assert basket.history.latest("at").quality == "partial:9/10,carried"
    assert record_at(61).refused == {basket.pk: "a price has been carried for more than an hour"}


def test_a_leg_without_any_price_makes_no_fixing(now):
    basket = make_held_basket(now, legs=2)
    Mark.objects.update(price=None, at=None)
    report = record_and_say(now + timedelta(hours=2))
    assert report.refused == {basket.pk: "2 of 2 legs have no price"}


def test_a_settled_leg_counts_at_its_payout_and_is_never_stale(now):
    basket = make_held_basket(now, legs=2)
    winner, loser = Market.objects.order_by("pk")
    settle(winner, "1", now)
    settle(loser, "0", now)
    record_prices(now=now + timedelta(days=3))
    row = basket.history.get()
    assert row.value == 100
    assert (row.value_bid, row.value_ask) == (row.value, row.value)


def test_all_settled_stays_constant_for_ever(now):
    basket = make_held_basket(now, legs=3)
    for market in Market.objects.all():
        settle(market, "0.5", now)
    for days in (1, 2, 30):
        record_prices(now=now + timedelta(days=days))
    assert basket.history.values("value").distinct().count() == 1
    assert basket.history.count() == 3


def test_a_basket_that_could_pay_more_than_a_value_holds_is_refused_and_the_dearest_allowed_is_fixed(now):
    cheap = make_quoted(now, "0.0010", "0.0012")
    with pytest.raises(CompositionRefused, match="so cheap"):
        compose(make_basket(), now, (make_quoted(now, "0.0010", "0.0011"), "yes", "1"))
    basket = make_basket()
    compose(basket, now, (cheap, "yes", "0.9"), (make_quoted(now, "0.49", "0.51"), "yes", "0.1"))
    settle(cheap, "1", now)
    record_prices(now=now)
    assert basket.history.get().value > 81_000


def test_inactive_baskets_and_older_compositions_are_not_fixed(now):
    active, inactive = make_held_basket(now), make_held_basket(now)
    Basket.objects.filter(pk=inactive.pk).update(is_active=False)
    other = make_quoted(now, "0.30", "0.32")
    newest = compose(active, now, (other, "yes", "1"), reason="Change")
    record_prices(now=now)
    row = PriceHistory.objects.get()
    assert (row.basket_id, row.composition_id) == (active.pk, newest.pk)


def test_flipping_every_side_gives_the_complement_of_mid_bid_and_ask(now):
    markets = [make_quoted(now, bid, ask) for bid, ask in (("0.30", "0.33"), ("0.612", "0.633"), ("0.08", "0.09"))]
    weights = ("0.2", "0.3", "0.5")
    basket, flipped = make_basket(), make_basket()
    compose(basket, now, *[(m, side, w) for m, side, w in zip(markets, ("yes", "no", "yes"), weights, strict=True)])
    compose(flipped, now, *[(m, side, w) for m, side, w in zip(markets, ("no", "yes", "no"), weights, strict=True)])
    one, other = value_basket(basket, now=now), value_basket(flipped, now=now)
    assert one is not None
    assert other is not None
    assert one.bid is not None
    assert one.ask is not None
    assert other.gauge == 1 - one.gauge
    assert (other.bid, other.ask) == (1 - one.ask, 1 - one.bid)


def test_the_last_good_mark_is_kept_and_never_goes_back_in_time(now):
    make_held_basket(now, legs=1)
    market = Market.objects.get()
    later = now + timedelta(minutes=1)
    make_quote(market, "0.59", "0.61", later)
    record_prices(now=later)
    assert good_marks([market.pk]) == {(market.pk, "yes"): (600_000, later)}
    record_prices(now=later)
    make_quote(market, "0.10", "0.12", now - timedelta(seconds=30))
    record_prices(now=now)
    assert good_marks([market.pk]) == {(market.pk, "yes"): (600_000, later)}
    make_quote(market, None, None, later)
    record_prices(now=later + timedelta(minutes=1))
    assert good_marks([market.pk]) == {(market.pk, "yes"): (600_000, later)}
    newest = MinuteMark.objects.latest("at")
    assert (newest.price, newest.reason, newest.age_seconds) == (d("0.60"), "stale", 60)


def test_the_task_refreshes_quotes_first_and_keeps_a_job_row(now, monkeypatch):
    make_held_basket(now)
    called = []
    monkeypatch.setattr(tasks, "refresh_quotes", lambda *, now: called.append(now))
    tasks.record_prices_task()
    tasks.record_prices_task()
    assert len(called) == 2
    assert PriceHistory.objects.count() == 1
    assert JobRun.objects.filter(name="record_prices", status="done").count() == 2


def test_the_command_says_what_it_recorded_and_what_it_could_not(now, monkeypatch, capsys):
    make_held_basket(now)
    broken = make_held_basket(now)
    settled = broken.compositions.get().constituents.first()
    Mark.objects.filter(market=settled.market).update(price=None, at=None)
    make_quote(settled.market, None, None, now)
    monkeypatch.setattr(tasks, "refresh_quotes", lambda *, now: None)
    call_command("record_prices")
    printed = capsys.readouterr().out
    assert f"{broken.slug}: no fixing" in printed
    assert "1 of 2 baskets recorded" in printed


def test_legs_are_read_with_the_mark_of_their_own_side(now):
    market = make_quoted(now, "0.49", "0.51")
    basket = make_basket()
    compose(basket, now, (market, "no", "1"))
    Mark.objects.create(market=market, side="yes", price=d("0.11"), at=now)
    leg = next(iter(held_legs()))
    assert leg.carried_price == 500_000


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_make_one_row(now):
    make_held_basket(now)
    barrier, reports = threading.Barrier(2), []

    def run() -> None:
        try:
            barrier.wait()
            reports.append(record_prices(now=now))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PriceHistory.objects.count() == 1
    assert sorted(report.fixings for report in reports) == [0, 1]
