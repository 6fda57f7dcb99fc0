"""A basket's past: by the composition of its day, simulated before the first, gaps left open, nothing written twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from baskets import backfill as backfill_module
from baskets import tasks
from baskets.backfill import backfill_history
from baskets.backfill_runs import ask_for_backfill
from baskets.models import BackfillRun, Basket, PriceHistory
from baskets.snapshots import record_prices
from markets.models import PricePoint
from tests.baskets.helpers import compose, d, day_price, make_basket, make_held_basket, make_quoted, settle
from tests.factories import make_quote

pytestmark = pytest.mark.django_db
TODAY = datetime(2026, 8, 1, tzinfo=UTC)


def day(back: int) -> datetime:
    return TODAY - timedelta(days=back)


def run(now, days=10, baskets=None):
    return backfill_history(baskets=baskets, days=days, now=now, fetch=lambda **_: None)


def days_of(basket, **filters):
    return {row.at: row for row in basket.history.filter(interval=PriceHistory.Interval.DAY, **filters)}


@pytest.fixture
def pair(now):
    a, b = make_quoted(now, "0.59", "0.61"), make_quoted(now, "0.39", "0.41")
    basket = make_basket()
    compose(basket, now, (a, "yes", "0.6"), (b, "no", "0.4"))
    return basket, a, b


def test_days_before_the_first_composition_are_simulated_and_join_at_100(pair, now):
    basket, a, b = pair
    for back in (1, 2, 3):
        day_price(a, day(back), "0.60")
        day_price(b, day(back), "0.40")
    day_price(a, day(4), "0.30")
    day_price(b, day(4), "0.40")
    report = run(now)
    rows = days_of(basket)
    assert report.written == 4
    assert {row.source for row in rows.values()} == {"simulated"}
    assert rows[day(1)].value / rows[day(1)].divisor == 100
    assert rows[day(4)].gauge_sum == d("0.6") * d("0.30") + d("0.4") * d("0.60")
    assert abs(rows[day(4)].value - 70) < d("1e-6")


def test_a_day_on_which_a_leg_has_no_price_stays_a_gap(pair, now):
    basket, a, b = pair
    day_price(a, day(1), "0.60")
    day_price(a, day(2), "0.60")
    day_price(b, day(2), "0.40")
    report = run(now)
    assert list(days_of(basket)) == [day(2)]
    assert (report.written, report.gaps) == (1, 9)


def test_a_second_run_writes_nothing_and_changes_nothing(pair, now):
    basket, a, b = pair
    day_price(a, day(1), "0.60")
    day_price(b, day(1), "0.40")
    run(now)
    before = list(basket.history.values())
    PricePoint.objects.update(price=d("0.99"))
    report = run(now)
    assert (report.written, report.standing) == (0, 1)
    assert list(basket.history.values()) == before


def test_a_gap_is_filled_when_the_missing_price_comes(pair, now):
    basket, a, b = pair
    day_price(a, day(1), "0.60")
    assert run(now).written == 0
    day_price(b, day(1), "0.40")
    assert run(now).written == 1
    assert basket.history.count() == 1


def test_a_past_composition_prices_its_own_past(now):
    a, b = make_quoted(now, "0.49", "0.51"), make_quoted(now, "0.19", "0.21")
    basket = make_basket()
    first_at, second_at = day(6) + timedelta(hours=12), day(3) + timedelta(hours=12)
    for moment in (first_at, second_at):
        make_quote(a, "0.49", "0.51", moment)
        make_quote(b, "0.19", "0.21", moment)
        compose(basket, moment, (a if moment == first_at else b, "yes", "1"))
    for back in range(1, 9):
        day_price(a, day(back), "0.50")
        day_price(b, day(back), "0.30")
    run(now)
    rows = days_of(basket)
    by_version = {at: row.composition.version for at, row in rows.items()}
    assert by_version == {day(n): (1 if n > 3 else 2) for n in range(1, 9)}
    assert [rows[day(n)].source for n in (8, 7, 6, 5)] == ["simulated", "simulated", "backfill", "backfill"]
    assert rows[day(5)].gauge_sum == d("0.50")
    assert abs(rows[day(2)].value / rows[day(2)].divisor - 150) < d("1e-6")


def test_a_decided_leg_counts_at_its_payout_from_the_day_it_was_decided(pair, now):
    basket, a, b = pair
    settle(b, "0", day(2) + timedelta(hours=3))
    for back in (1, 2, 3):
        day_price(a, day(back), "0.60")
    day_price(b, day(3), "0.20")
    run(now)
    rows = days_of(basket)
    assert rows[day(3)].gauge_sum == d("0.36") + d("0.4") * d("0.8")
    assert rows[day(2)].gauge_sum == rows[day(1)].gauge_sum == d("0.36") + d("0.4")
    assert rows[day(1)].marks[1] == [b.pk, "no", 1_000_000, "settled"]


def test_a_tight_book_at_the_days_end_is_priced_at_its_middle(pair, now):
    basket, a, b = pair
    day_price(a, day(1), "0.70", bid=d("0.60"), ask=d("0.62"))
    day_price(b, day(1), "0.40", bid=d("0.10"), ask=d("0.80"))
    run(now)
    assert basket.history.get().marks == [[a.pk, "yes", 610_000, "mid"], [b.pk, "no", 600_000, "last"]]


def test_a_day_recorded_live_ends_with_its_last_fixing_and_wins(now):
    basket = make_held_basket(now, legs=1)
    market = basket.compositions.get().constituents.get().market
    for minutes, bid, ask in ((0, "0.49", "0.51"), (600, "0.59", "0.61")):
        moment = now + timedelta(minutes=minutes)
        make_quote(market, bid, ask, moment)
        record_prices(now=moment)
    day_price(market, TODAY, "0.90")
    tomorrow = now + timedelta(days=1)
    assert run(tomorrow, days=2).written == 1
    row = days_of(basket)[TODAY]
    assert (row.source, row.gauge_sum) == ("live", d("0.60"))
    minute = basket.history.get(interval=60, at=now + timedelta(minutes=600))
    assert (row.value, row.value_bid, row.marks, row.divisor) == (
        minute.value,
        minute.value_bid,
        [[market.pk, "yes", 600_000, "mid"]],
        minute.divisor,
    )


def test_today_is_not_written_before_it_has_ended(pair, now):
    basket, a, b = pair
    day_price(a, TODAY, "0.60")
    day_price(b, TODAY, "0.40")
    assert run(now).written == 0
    assert not basket.history.exists()


def test_a_basket_that_holds_nothing_has_no_past(now):
    make_basket()
    report = run(now)
    assert (report.baskets, report.written, report.gaps) == (1, 0, 0)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_number_of_days_that_cannot_be_is_refused(now, days):
    with pytest.raises(ValueError, match="1 to 3,650 days"):
        run(now, days=days)


def test_prices_are_fetched_for_the_legs_first(pair, now):
    basket, a, b = pair
    asked = {}

    def fetch(*, markets, days, now, progress):
        asked.update(ids=set(markets.values_list("pk", flat=True)), days=days)
        day_price(a, day(1), "0.60")
        day_price(b, day(1), "0.40")

    report = backfill_history(baskets=Basket.objects.filter(pk=basket.pk), days=5, now=now, fetch=fetch)
    assert asked == {"ids": {a.pk, b.pk}, "days": 5}
    assert report.written == 1


def test_the_task_may_run_twice(pair, now, monkeypatch):
    basket, a, b = pair
    day_price(a, day(1), "0.60")
    day_price(b, day(1), "0.40")
    monkeypatch.setitem(tasks.carry_out.__kwdefaults__, "fetch", lambda **_: None)
    for _ in range(2):
        asked, _ = ask_for_backfill(user=basket.owner, basket=basket, days=30, now=now)
        tasks.run_backfill(str(asked.pk))
        # A message that comes twice finds the run taken.
        tasks.run_backfill(str(asked.pk))
    assert list(BackfillRun.objects.order_by("created_at", "alive_at").values_list("written", "status")) == [
        (1, "done"),
        (0, "done"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--basket ID for one basket, or --all"),
        (["--all", "--basket", "x"], "--basket ID for one basket, or --all"),
        (["--basket", "nothing-like-it"], "There is no basket 'nothing-like-it'"),
        (["--basket", "99999"], "There is no basket '99999'"),
        (["--all", "--days", "0"], "--days is 0"),
        (["--all", "--days", "many"], "--days is many"),
    ],
)
def test_the_command_refuses_bad_arguments_with_a_sentence(arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("backfill_history", *arguments)


def test_the_command_fills_in_one_basket_by_id_or_slug(pair, now, monkeypatch, capsys):
    basket, a, b = pair
    day_price(a, day(1), "0.60")
    day_price(b, day(1), "0.40")
    monkeypatch.setitem(backfill_module.backfill_history.__kwdefaults__, "fetch", lambda **_: None)
    call_command("backfill_history", "--basket", str(basket.pk), "--days", "5")
    call_command("backfill_history", "--basket", basket.slug)
    printed = capsys.readouterr().out
    assert "1 baskets: 1 days written, 0 already there, 4 gaps." in printed
    assert "1 baskets: 0 days written, 1 already there, 364 gaps." in printed
    assert Decimal(basket.history.count()) == 1
