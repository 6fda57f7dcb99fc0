"""What is pruned: prices become coarser and stay true, fixings become fewer, runs and answers go; once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from baskets.models import Basket, MinuteMark, PriceHistory
from baskets.replay import replay_basket
from baskets.snapshots import record_prices
from itomarkets import housekeeping
from itomarkets.housekeeping import PruneReport, prune_history
from itomarkets.records.models import IdempotentRequest, JobRun
from itomarkets.tasks import prune_history_task
from markets.models import HistoryGap, HistoryWindow, Interval, Market, PricePoint, SyncRun
from tests.baskets.helpers import make_held_basket
from tests.factories import make_market, make_quote, make_user

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Noon of 1 August is now: minutes are kept from 25 July, five minutes from 3 May.
OLD = datetime(2026, 7, 24, 22, tzinfo=UTC)
ANCIENT = datetime(2026, 5, 2, 10, tzinfo=UTC)


def deleted(report: PruneReport) -> dict[str, tuple[int, int]]:
    return {kind.rows: (kind.deleted, kind.written) for kind in report.kinds if kind.deleted or kind.written}


def put(market: Market, at: datetime, price: str, *, interval: int = Interval.MINUTE, **values: Any) -> PricePoint:
    row = {"source": "live", **values}
    return PricePoint.objects.create(market=market, interval=interval, at=at, price=Decimal(price), **row)


def prices(market: Market, interval: int) -> list[tuple[Any, ...]]:
    rows = PricePoint.objects.filter(market=market, interval=interval).order_by("at")
    return list(rows.values_list("at", "price", "average", "volume", "source"))


def test_minutes_give_way_to_five_minutes_and_hours_that_say_the_last_and_the_mean(now: datetime) -> None:
    market, other = make_market(), make_market()
    for minute, price in ((0, "0.40"), (1, "0.42"), (4, "0.45"), (5, "0.50"), (61, "0.60")):
        put(market, OLD + minute * MINUTE, price, volume=Decimal(2), bid=Decimal(price) - Decimal("0.01"))
    put(other, OLD + 3 * MINUTE, "0.10", source="candles")
    kept = put(market, datetime(2026, 7, 25, tzinfo=UTC), "0.70")
    running = put(market, now, "0.80")
    assert deleted(prune_history(now=now, dry_run=True)) == {"prices of a minute": (6, 0)}
    assert deleted(prune_history(now=now)) == {"prices of a minute": (6, 4), "prices of an hour": (0, 1)}
    assert prices(market, Interval.FIVE_MINUTES) == [
        (OLD, Decimal("0.45"), Decimal("0.423333"), Decimal(6), "live"),
        (OLD + 5 * MINUTE, Decimal("0.5"), Decimal("0.5"), Decimal(2), "live"),
        (OLD + HOUR, Decimal("0.6"), Decimal("0.6"), Decimal(2), "live"),
    ]
    assert prices(market, Interval.HOUR) == [
        (OLD, Decimal("0.5"), Decimal("0.4425"), Decimal(8), "live"),
        (OLD + HOUR, Decimal("0.6"), Decimal("0.6"), Decimal(2), "live"),
        # Its minute is still there, but the hour has ended.
        (kept.at, Decimal("0.7"), Decimal("0.7"), None, "live"),
    ]
    assert prices(other, Interval.HOUR) == [(OLD, Decimal("0.1"), Decimal("0.1"), None, "candles")]
    assert set(PricePoint.objects.filter(interval=Interval.MINUTE)) == {kept, running}
    before = list(PricePoint.objects.order_by("pk").values())
    assert deleted(prune_history(now=now)) == {}
    assert list(PricePoint.objects.order_by("pk").values()) == before


def test_promise_6_an_hour_seen_live_replaces_a_fetched_one_and_is_replaced_by_none(now: datetime) -> None:
    market = make_market()
    put(market, OLD, "0.30", interval=Interval.HOUR, source="candles")
    put(market, OLD + HOUR, "0.31", interval=Interval.HOUR, source="candles")
    put(market, OLD + 2 * MINUTE, "0.40")
    put(market, OLD + HOUR + MINUTE, "0.50", source="candles")
    prune_history(now=now)
    assert [row[1::3] for row in prices(market, Interval.HOUR)] == [
        (Decimal("0.4"), "live"),
        (Decimal("0.31"), "candles"),
    ]


def test_five_minutes_go_after_their_time_and_leave_their_hours(now: datetime) -> None:
    market = make_market()
    for minute, price in ((0, "0.40"), (55, "0.46"), (60, "0.50")):
        put(market, ANCIENT + minute * MINUTE, price, interval=Interval.FIVE_MINUTES, average=Decimal(price))
    put(market, ANCIENT, "0.99", interval=Interval.DAY)
    assert deleted(prune_history(now=now)) == {"prices of five minutes": (3, 0), "prices of an hour": (0, 2)}
    assert [row[1:3] for row in prices(market, Interval.HOUR)] == [
        (Decimal("0.46"), Decimal("0.43")),
        (Decimal("0.5"), Decimal("0.5")),
    ]
    assert not prices(market, Interval.FIVE_MINUTES)
    assert len(prices(market, Interval.DAY)) == 1
    assert deleted(prune_history(now=now)) == {}


def test_a_run_that_is_cut_off_has_lost_nothing_and_the_next_one_goes_on(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = make_market()
    for hour in range(4):
        for minute in (0, 7):
            put(market, OLD - hour * HOUR + minute * MINUTE, f"0.{hour + 1}{minute}")

    def cut(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune_history(now=now, say=cut)
    assert PricePoint.objects.filter(interval=Interval.MINUTE).count() == 6
    prune_history(now=now)
    assert (len(prices(market, Interval.FIVE_MINUTES)), len(prices(market, Interval.HOUR))) == (8, 4)


def test_what_was_learned_of_old_minutes_goes_with_them(now: datetime) -> None:
    market = make_market()
    for start in (OLD - 9 * DAY, now - 2 * DAY):
        for interval in (Interval.MINUTE, Interval.DAY):
            span = {"market": market, "interval": interval, "start_at": start}
            HistoryWindow.objects.create(**span, covered_from=start, covered_to=start + DAY, checked_at=start)
            HistoryGap.objects.create(**span, end_at=start, missing=1, reason="empty", found_at=start)
    assert deleted(prune_history(now=now)) == {"checkpoints and gaps of minutes": (2, 0)}
    assert (HistoryWindow.objects.count(), HistoryGap.objects.count()) == (3, 3)


def fixing(basket: Any, at: datetime, value: int, interval: int = 60) -> PriceHistory:
    return PriceHistory.objects.create(
        basket=basket,
        composition=basket.compositions.first(),
        interval=interval,
        at=at,
        value=Decimal(value),
        gauge_sum=Decimal("0.41"),
        divisor=Decimal(1),
        divisor_net=Decimal(1),
        legs=1,
        legs_priced=1,
        quality="complete",
        marks=[[1, "yes", 410000, "mid"]],
        source="live",
    )


def test_fixings_become_fewer_and_those_that_stay_are_unchanged(now: datetime) -> None:
    basket = make_held_basket(now)
    PriceHistory.objects.all().delete()
    made = {minute: fixing(basket, OLD + minute * MINUTE, 100 + minute) for minute in (0, 1, 5, 59, 60, 64, 119)}
    ancient = [fixing(basket, ANCIENT + minute * MINUTE, 50 + minute) for minute in (0, 5, 55, 60)]
    recent = fixing(basket, datetime(2026, 7, 25, 0, 1, tzinfo=UTC), 7)
    assert sum(kind.deleted for kind in prune_history(now=now, dry_run=True).kinds) == 6
    report = deleted(prune_history(now=now))
    assert report == {"fixings of a minute": (4, 1), "fixings of five minutes": (2, 1)}
    minutes = PriceHistory.objects.filter(interval=60)
    assert set(minutes) == {made[0], made[5], made[60], ancient[0], ancient[3], recent}
    assert list(PriceHistory.objects.filter(interval=86400).order_by("at").values_list("at", "value", "marks")) == [
        (ANCIENT.replace(hour=0), Decimal(110), made[0].marks),
        (OLD.replace(hour=0), Decimal(219), made[0].marks),
    ]
    assert deleted(prune_history(now=now)) == {}


def test_the_marks_of_a_minute_go_with_it_and_its_day_keeps_its_own(now: datetime) -> None:
    basket = make_held_basket(OLD)
    other = make_held_basket(OLD)
    markets = list(Market.objects.all())
    for minute in (0, 5, 7):
        for market in markets:
            make_quote(market, "0.39", f"0.4{minute}", OLD + minute * MINUTE)
        record_prices(now=OLD + minute * MINUTE)
    Basket.objects.filter(pk=other.pk).update(is_active=False)
    last = basket.history.latest("at")
    assert deleted(prune_history(now=now)) == {
        "fixings of a minute": (2, 2),
        "marks of fixings of a minute": (4, 0),
        "sides that no basket holds": (2, 0),
    }
    assert set(MinuteMark.objects.values_list("at", flat=True)) == {OLD, OLD + 5 * MINUTE}
    day = basket.history.get(interval=86400)
    assert (day.value, day.marks) == (
        last.value,
        [[leg.market_id, "yes", 430_000, "mid"] for leg in basket.compositions.get().constituents.order_by("pk")],
    )
    report = replay_basket(basket, start=OLD - DAY, end=OLD + DAY)
    assert (report.fixings, report.differences) == (3, [])
    assert deleted(prune_history(now=now)) == {}


def test_old_runs_and_expired_answers_go_and_the_newest_of_each_kind_stays(now: datetime) -> None:
    for age, name, status in ((200, "a", "done"), (100, "a", "done"), (100, "a", "failed"), (99, "b", "done")):
        JobRun.objects.create(name=name, status=status, started_at=now - age * DAY)
    for age in (200, 150, 1):
        SyncRun.objects.create(venue="kalshi", status="complete", started_at=now - age * DAY)
    user = make_user()
    machine = datetime.now(UTC)
    for number, expires in enumerate((machine - HOUR, machine + HOUR)):
        IdempotentRequest.objects.create(
            user=user, operation="POST /x", key=str(number), body_digest="0", holder="0", started_at=now,
            expires_at=expires,
        )  # fmt: skip
    assert deleted(prune_history(now=now)) == {
        "runs of the sync": (2, 0),
        "runs of jobs": (1, 0),
        "stored answers": (1, 0),
    }
    assert JobRun.objects.count() == 3
    assert deleted(prune_history(now=now)) == {}


def test_the_command_and_the_task_do_the_same_and_the_second_run_does_nothing(
    now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    market = make_market()
    put(market, OLD, "0.4")
    call_command("prune_history", "--dry-run")
    assert "prices of a minute: 1 would be deleted." in capsys.readouterr().out
    call_command("prune_history")
    said = capsys.readouterr().out
    assert "Kept: minutes for 7 days, five minutes for 90, hours and days for ever" in said
    assert "prices of a minute: 1 deleted, 1 written." in said
    prune_history_task()
    report = JobRun.objects.filter(name="prune_history", status="done").latest("pk").report
    assert {kind["deleted"] for kind in report["kinds"]} == {0}


def test_the_beat_prunes_every_day(settings: Any) -> None:
    assert settings.CELERY_BEAT_SCHEDULE["prune-history"]["task"] == prune_history_task.name


def test_partitions_are_made_ahead_by_housekeeping_and_by_migrate(now: datetime, monkeypatch: Any) -> None:
    asked: list[datetime] = []
    monkeypatch.setattr(housekeeping, "ensure_partitions", lambda table, *, start, end: asked.append(end) or 1)
    assert prune_history(now=now).partitions == len(housekeeping.PARTITIONED)
    call_command("migrate", verbosity=0)
    assert asked[0] >= now + 80 * DAY
    assert len(asked) == 2 * len(housekeeping.PARTITIONED)
