"""What was published comes out of its inputs again, to the last digit; what was touched since is found."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from baskets.minutes import marks_of
from baskets.models import MinuteMark, OfficialFixing, PriceHistory
from baskets.official import fix_official
from baskets.replay import ReplayFailed, replay_basket, replay_sample
from baskets.snapshots import record_prices
from baskets.tasks import replay_sample_task
from itomarkets.records.models import JobRun
from markets.models import Market
from tests.baskets.helpers import compose, d, make_basket, make_quoted, settle
from tests.factories import make_quote
from tests.tampering import lift_hold

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 8, 2, tzinfo=UTC)
START = MIDNIGHT - timedelta(hours=1)
WEIGHTS = ("0.33333334", "0.33333333", "0.33333333")


def let_history_be_touched() -> None:
    """Lift the database's hold on compositions, as one who means harm would."""
    lift_hold("baskets_composition", "baskets_composition_final")


@pytest.fixture(params=["dollar", "share", "risk"])
def story(at, request):
    """An hour of minutes with moving books, a decided leg, a change of composition, and an official fixing."""
    now = at(START)
    markets = [
        make_quoted(now, "0.611", "0.632"),
        make_quoted(now, "0.3", "0.34"),
        make_quoted(now, "0.0501", "0.0612"),
    ]
    sides = ("yes", "no", "yes")
    basket = make_basket(mode=request.param)
    compose(basket, now, *zip(markets, sides, WEIGHTS, strict=True))
    for minute in range(0, 60, 2):
        moment = START + timedelta(minutes=minute)
        if minute == 30:
            settle(markets[1], "0.5", moment)
        for place, market in enumerate(markets):
            step = d(minute) / 1000 + d(place) / 10_000
            make_quote(market, str(d("0.2003") + step), str(d("0.2341") + step), moment)
        if minute == 50:
            compose(
                basket, moment, (markets[0], "yes", "0.61803398"), (markets[2], "no", "0.38196602"), reason="Change"
            )
        record_prices(now=moment)
    return basket


def replay(basket):
    return replay_basket(basket, start=START - timedelta(days=1), end=MIDNIGHT + timedelta(days=1))


def test_nothing_differs_in_an_hour_with_a_result_and_a_change(story):
    PriceHistory.objects.filter(at__gte=START + timedelta(minutes=50)).delete()
    report = replay(story)
    assert (report.compositions, report.fixings, report.differences) == (2, 25, [])


def test_an_official_fixing_is_replayed_too(at):
    now = at(START)
    market = make_quoted(now, "0.49", "0.51")
    basket = make_basket()
    compose(basket, now, (market, "yes", "1"))
    for minute in range(60):
        make_quote(market, "0.49", "0.51", START + timedelta(minutes=minute))
        record_prices(now=START + timedelta(minutes=minute))
    fix_official(now=MIDNIGHT)
    assert replay(basket).official == 1
    assert replay(basket).differences == []
    OfficialFixing.objects.update(gauge_sum=d("0.51"))
    assert replay(basket).differences == [
        f"{basket.slug} official on 2026-08-01: the gauge is {d('0.51'):.14f}; its marks give {d('0.5'):.14f}."
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": d("100.00000000000001")}, "the value is 100.00000000000001; its marks give"),
        ({"gauge_sum": d("0.5")}, "the gauge is 0.50000000000000; its marks give"),
        ({"divisor": d(2)}, "the divisors are not those of v1"),
        ({"marks": [[1, "no", 500_000, "mid"]]}, "the marks are not of the legs that were held"),
    ],
)
def test_a_touched_fixing_is_found(story, change, words):
    row = PriceHistory.objects.order_by("at").first()
    assert row is not None
    PriceHistory.objects.filter(pk=row.pk).update(**change)
    (found,) = replay(story).differences
    assert found.startswith(f"{story.slug} at 2026-08-01 23:00: {words}")


def test_a_touched_or_lost_mark_of_a_minute_is_found(story):
    mark = MinuteMark.objects.filter(at=START).first()
    MinuteMark.objects.filter(pk=mark.pk).update(price=d("0.123456"))
    assert f"{story.slug} at 2026-08-01 23:00: the value is" in replay(story).differences[0]
    MinuteMark.objects.filter(pk=mark.pk).delete()
    assert replay(story).differences == [
        f"{story.slug} at 2026-08-01 23:00: the marks are not of the legs that were held."
    ]


def test_a_minute_that_kept_its_own_marks_is_replayed_and_fixed_by_them(story):
    rows = list(PriceHistory.objects.all())
    for row in rows:
        PriceHistory.objects.filter(pk=row.pk).update(marks=[list(mark) for mark in marks_of([row])[row.pk]])
    MinuteMark.objects.all().delete()
    assert replay(story).differences == []


def test_a_touched_composition_is_found(story):
    let_history_be_touched()
    newest = story.compositions.order_by("-version").first()
    type(newest).objects.filter(pk=newest.pk).update(
        divisor=newest.divisor + d("0.000000000000001"), inputs={**newest.inputs, "value_before": "1"}, cash=d(1)
    )
    found = replay(story).differences
    assert f"{story.slug} v2: the inputs do not have the hash that was stored." in found
    assert any("v2: the gross divisor is" in line for line in found)
    assert any("v2: cash is 1.00000000000000" in line for line in found)


def test_the_nightly_sample_alerts_by_failing_and_is_the_same_when_run_again(story, at):
    at(MIDNIGHT)
    first = replay_sample(now=MIDNIGHT)
    assert (first.compositions, first.fixings) == (2, 1)
    assert replay_sample(now=MIDNIGHT) == first
    replay_sample_task()
    assert JobRun.objects.get(name="replay_sample").status == "done"
    PriceHistory.objects.update(value=d(1))
    with pytest.raises(ReplayFailed, match="1 differences"):
        replay_sample_task()
    run = JobRun.objects.filter(name="replay_sample").latest("pk")
    assert run.status == "failed"
    assert "its marks give" in run.error


def test_the_command_says_how_much_it_computed_and_fails_on_a_difference(story, capsys):
    call_command("replay_basket", story.slug, "--from", "2026-08-01", "--to", "2026-08-01")
    assert "2 compositions, 30 fixings and 0 official fixings computed again: 0 differences" in capsys.readouterr().out
    PriceHistory.objects.update(value=d(1))
    with pytest.raises(CommandError, match="not what its inputs give"):
        call_command("replay_basket", story.slug)
    with pytest.raises(CommandError, match="no basket 'nothing'"):
        call_command("replay_basket", "nothing")
    with pytest.raises(CommandError, match="expected a day like"):
        call_command("replay_basket", story.slug, "--from", "March")
    with pytest.raises(CommandError, match="before --from"):
        call_command("replay_basket", story.slug, "--from", "2026-08-03", "--to", "2026-08-01")
    assert Market.objects.count() == 3
