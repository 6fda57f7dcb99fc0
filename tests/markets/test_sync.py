"""The sync: two passes, nothing written that did not change, nothing gone without proof."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from itomarkets.lib import clock
from itomarkets.lib.locks import lease
from markets import sync as sync_module
from markets.models import Event, Market, QuarantinedRow, SearchDocument, SyncRun
from markets.sync import SyncReport, sync_markets
from tests.markets.payloads import FakeVenues, gamma_event, gamma_market, kalshi_event, kalshi_market

pytestmark = pytest.mark.django_db


def run(
    venues: FakeVenues, now: datetime, *, full: bool = True, venue: str | None = None, **values: bool
) -> SyncReport:
    return sync_markets(venue=venue, full=full, now=now, client=venues.client, **values)


def many(venues: FakeVenues, count: int) -> None:
    venues.live = [kalshi_market(f"KXRATE-26SEP-T{number}") for number in range(count)]


def test_both_venues_are_mirrored_with_what_events_say(venues: FakeVenues, now: datetime) -> None:
    report = run(venues, now)
    assert report.ok
    assert (report.seen, report.added) == (2, 2)
    kalshi = Market.objects.get(venue="kalshi")
    assert (kalshi.category, kalshi.tags) == ("Economics", ["Rates"])
    assert kalshi.fee_schedule == {"type": "quadratic", "rate": "0.07", "exponent": "1"}
    assert kalshi.event is not None
    assert kalshi.event.mutually_exclusive
    assert (kalshi.yes_bid, kalshi.volume, kalshi.created_at, kalshi.listed_at) == (
        Decimal("0.610000"),
        Decimal("125000.75"),
        now,
        now,
    )
    polymarket = Market.objects.get(venue="polymarket")
    assert (polymarket.category, polymarket.tags, polymarket.event.title) == ("World", ["World"], "Harbours")
    assert polymarket.price_ranges == [{"start": "0", "end": "1", "step": "0.001"}]


def test_a_second_run_writes_no_row(venues: FakeVenues, now: datetime) -> None:
    run(venues, now)
    before = list(Market.objects.values()) + list(Event.objects.values())
    report = run(venues, now + timedelta(hours=1))
    assert [(one.added, one.updated, one.repriced, one.unchanged) for one in report.venues] == [(0, 0, 0, 1)] * 2
    assert list(Market.objects.values()) + list(Event.objects.values()) == before


def test_a_run_that_is_cut_off_has_indexed_the_new_markets_that_it_stored(
    venues: FakeVenues, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "MARKETS_A_WRITE", 1)
    monkeypatch.setattr(sync_module, "PROGRESS_EVERY", 1)

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync_markets(venue="kalshi", full=True, now=now, client=venues.client, progress=stop)
    assert list(SearchDocument.objects.values_list("market", flat=True)) == list(
        Market.objects.values_list("pk", flat=True)
    )


def test_new_prices_are_stored_without_calling_it_a_change(venues: FakeVenues, now: datetime) -> None:
    run(venues, now)
    venues.live[0]["yes_bid_dollars"] = "0.6200"
    later = now + timedelta(hours=1)
    report = run(venues, later, venue="kalshi")
    market = Market.objects.get(venue="kalshi")
    assert (report.venues[0].repriced, report.venues[0].updated) == (1, 0)
    assert (market.yes_bid, market.listed_at, market.last_changed_at) == (Decimal("0.62"), later, now)


def test_a_changed_question_is_a_change(venues: FakeVenues, now: datetime) -> None:
    run(venues, now)
    venues.live[0]["status"] = "closed"
    later = now + timedelta(hours=1)
    run(venues, later, venue="kalshi")
    market = Market.objects.get(venue="kalshi")
    assert (market.status, market.last_changed_at, market.created_at) == ("closed", later, now)


def test_a_new_fee_of_the_event_reaches_its_markets(venues: FakeVenues, now: datetime) -> None:
    run(venues, now)
    venues.events[0]["fee_type_override"] = "quadratic"
    venues.events[0]["fee_multiplier_override"] = 0.5
    run(venues, now + timedelta(hours=1))
    assert Market.objects.get(venue="kalshi").fee_schedule["rate"] == "0.035"


def test_every_page_and_both_tiers_are_walked(venues: FakeVenues, now: datetime) -> None:
    many(venues, 25)
    venues.archived = [kalshi_market("KXOLD-1", status="finalized", result="no")]
    venues.gamma = [gamma_event(number, markets=[gamma_market(number * 10)]) for number in range(1, 8)]
    venues.gamma.append(gamma_event(99, closed=True, markets=[gamma_market(990, closed=True)]))
    venues.page_size = 4
    report = run(venues, now)
    assert [one.seen for one in report.venues] == [26, 8]
    assert Market.objects.filter(venue="kalshi", status="resolved").count() == 1
    assert SyncRun.objects.filter(status="complete").count() == 2


def test_promise_7_a_market_is_gone_only_when_nobody_knows_its_id(venues: FakeVenues, now: datetime) -> None:
    many(venues, 10)
    run(venues, now, venue="kalshi")
    moved = venues.live.pop()
    venues.archived.append({**moved, "status": "finalized", "result": "yes"})
    venues.live.pop(0)
    later = now + timedelta(days=1)
    # The archive's listing lags: it has the market by id only.
    archive_listing, venues.archived = venues.archived, []
    answer = venues._listing
    venues._listing = lambda request, rows, name, key: answer(  # type: ignore[method-assign]
        request, [] if rows is archive_listing else rows, name, key
    )
    venues.archived = archive_listing
    report = run(venues, later, venue="kalshi")
    assert (report.venues[0].status, report.venues[0].gone, report.venues[0].updated) == ("complete", 1, 1)
    assert Market.objects.get(native_id="KXRATE-26SEP-T9").status == "resolved"
    gone = Market.objects.get(native_id="KXRATE-26SEP-T0")
    assert (gone.vanished_at, gone.last_changed_at) == (later, later)
    assert run(venues, later, venue="kalshi").venues[0].gone == 0
    assert Market.objects.count() == 10


def test_a_market_that_comes_back_is_no_longer_gone(venues: FakeVenues, now: datetime) -> None:
    many(venues, 10)
    run(venues, now, venue="kalshi")
    lost = venues.live.pop()
    run(venues, now + timedelta(hours=1), venue="kalshi")
    assert Market.objects.filter(vanished_at__isnull=False).count() == 1
    venues.live.append(lost)
    run(venues, now + timedelta(hours=2), venue="kalshi")
    assert Market.objects.filter(vanished_at__isnull=False).count() == 0


def test_promise_7_a_fall_of_more_than_a_fifth_marks_nothing_until_it_is_accepted(
    venues: FakeVenues, now: datetime
) -> None:
    many(venues, 10)
    run(venues, now, venue="kalshi")
    venues.live = venues.live[:7]
    report = run(venues, now + timedelta(hours=1), venue="kalshi")
    assert (report.ok, report.venues[0].status, report.venues[0].gone) == (False, "quarantined", 0)
    assert "--accept-drop" in report.venues[0].error
    assert Market.objects.filter(vanished_at__isnull=False).count() == 0
    report = run(venues, now + timedelta(hours=2), venue="kalshi", accept_drop=True)
    assert (report.venues[0].status, report.venues[0].gone) == ("complete", 3)


def test_promise_7_a_repeated_cursor_makes_the_run_incomplete(venues: FakeVenues, now: datetime) -> None:
    many(venues, 10)
    run(venues, now, venue="kalshi")
    venues.live = venues.live[:9]
    venues.repeat_cursor = True
    report = run(venues, now + timedelta(hours=1), venue="kalshi")
    assert (report.venues[0].status, report.venues[0].gone) == ("incomplete", 0)
    assert "came twice" in SyncRun.objects.latest("id").error


@pytest.mark.parametrize("down", ["/series", "/historical/markets"])
def test_one_venue_down_does_not_stop_the_other(venues: FakeVenues, now: datetime, down: str) -> None:
    venues.down = {down}
    report = run(venues, now)
    kalshi, polymarket = report.venues
    # Whether a page was stored before the trouble came is a matter of the walkers' order.
    assert kalshi.status in (("failed",) if down == "/series" else ("failed", "incomplete"))
    assert (kalshi.gone, polymarket.status, polymarket.added) == (0, "complete", 1)


def test_promise_7_a_row_that_cannot_be_read_is_kept_aside_and_not_called_gone(
    venues: FakeVenues, now: datetime
) -> None:
    many(venues, 10)
    run(venues, now, venue="kalshi")
    venues.live[3]["status"] = "hibernating"
    later = now + timedelta(hours=1)
    report = run(venues, later, venue="kalshi")
    assert (report.venues[0].status, report.venues[0].quarantined, report.venues[0].gone) == ("complete", 1, 0)
    row = QuarantinedRow.objects.get()
    assert (row.native_id, row.raw["status"]) == ("KXRATE-26SEP-T3", "hibernating")
    assert "'hibernating'" in row.error


def test_promise_7_a_venue_that_changed_its_language_is_quarantined(venues: FakeVenues, now: datetime) -> None:
    many(venues, 10)
    run(venues, now, venue="kalshi")
    for row in venues.live[:3]:
        row["status"] = "hibernating"
    report = run(venues, now + timedelta(hours=1), venue="kalshi")
    assert (report.venues[0].status, report.venues[0].gone) == ("quarantined", 0)


def test_null_characters_of_a_venue_do_not_stop_the_sync(venues: FakeVenues, now: datetime) -> None:
    venues.live = [kalshi_market(title="A\x00B"), kalshi_market("KX\x00")]
    report = run(venues, now, venue="kalshi")
    assert (report.venues[0].added, report.venues[0].quarantined) == (1, 1)
    assert Market.objects.get().title == "AB"


def test_a_market_of_an_unlisted_event_fetches_that_event(venues: FakeVenues, now: datetime) -> None:
    venues.live.append(kalshi_market("KXNEW-1-A", event_ticker="KXNEW-1", title=""))
    listed = venues._events

    def hide(request: object) -> object:
        body = listed(request)  # type: ignore[arg-type]
        if not request.url.params.get("tickers"):  # type: ignore[attr-defined]
            body["events"] = [event for event in body["events"] if event["event_ticker"] != "KXNEW-1"]
        return body

    venues._events = hide  # type: ignore[assignment,method-assign]
    venues.events.append(kalshi_event("KXNEW-1", title="A new thing"))
    run(venues, now, venue="kalshi")
    assert Market.objects.get(native_id="KXNEW-1-A").title == "A new thing"


def test_a_market_without_any_event_is_kept(venues: FakeVenues, now: datetime) -> None:
    venues.live.append(kalshi_market("KXLONE-1", event_ticker="KXNOWHERE"))
    assert run(venues, now, venue="kalshi").venues[0].added == 2
    assert Market.objects.get(native_id="KXLONE-1").event is None


def test_a_delta_asks_only_for_what_changed_and_marks_nothing_gone(venues: FakeVenues, now: datetime) -> None:
    many(venues, 4)
    run(venues, now)
    venues.live = [kalshi_market("KXRATE-26SEP-T0", status="closed", _changed=True)]
    venues.gamma[0]["updatedAt"] = "2026-08-01T12:30:00Z"
    venues.gamma[0]["markets"][0]["bestBid"] = 0.405
    report = run(venues, now + timedelta(minutes=40), full=False)
    assert [(one.is_full, one.status, one.gone) for one in report.venues] == [(False, "complete", 0)] * 2
    assert (report.venues[0].updated, report.venues[1].repriced) == (1, 1)
    assert not any(path.startswith("/historical") for path in venues.paths()[-8:])
    assert Market.objects.filter(vanished_at__isnull=False).count() == 0


def test_the_first_delta_is_a_full_run(venues: FakeVenues, now: datetime) -> None:
    assert [one.is_full for one in run(venues, now, full=False).venues] == [True, True]


def test_a_delta_of_polymarket_stops_at_the_first_page_of_older_changes(venues: FakeVenues, now: datetime) -> None:
    run(venues, now, venue="polymarket")
    venues.gamma = [
        gamma_event(number, updatedAt=f"2026-08-01T{13 - number:02d}:00:00Z", markets=[gamma_market(number)])
        for number in range(1, 7)
    ]
    venues.page_size, venues.requests = 1, []
    report = run(venues, now + timedelta(minutes=5), full=False, venue="polymarket")
    # 12:00 is new, 11:00 is older than the last complete run and ends it; then the closed ones are asked for.
    assert report.venues[0].seen == 2
    assert len(venues.requests) == 3


def test_a_killed_run_does_not_stay_open(venues: FakeVenues, now: datetime) -> None:
    SyncRun.objects.create(venue="kalshi", started_at=now, status="running")
    run(venues, now, venue="kalshi")
    assert sorted(SyncRun.objects.values_list("status", flat=True)) == ["complete", "incomplete"]


def test_a_second_sync_beside_a_running_one_is_skipped(venues: FakeVenues, now: datetime) -> None:
    with lease("markets.sync:kalshi"):
        report = run(venues, now)
    assert [one.status for one in report.venues] == ["skipped", "complete"]


def test_a_programming_error_leaves_a_failed_run_and_is_not_hidden(
    venues: FakeVenues, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **values: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(sync_module, "_judge", broken)
    with pytest.raises(RuntimeError):
        run(venues, now, venue="kalshi")
    assert SyncRun.objects.get().status == "failed"


def test_progress_says_what_happened(venues: FakeVenues, now: datetime) -> None:
    lines: list[str] = []
    sync_markets(venue="kalshi", full=True, now=now, client=venues.client, progress=lines.append)
    assert lines[-1].startswith("kalshi: complete, 1 markets in")


@pytest.fixture
def as_client(venues: FakeVenues, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the commands talk to the fake venues."""

    def patch() -> None:
        defaults = dict(sync_markets.__kwdefaults__ or {})
        monkeypatch.setattr(sync_markets, "__kwdefaults__", {**defaults, "client": venues.client})

    patch()
    return patch


def test_the_command_syncs_twice(as_client: object, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_markets")
    call_command("sync_markets", "--venue", "kalshi", "--delta")
    assert "complete" in capsys.readouterr().out
    assert Market.objects.count() == 2


def test_the_command_says_what_failed(as_client: object, venues: FakeVenues, now: datetime) -> None:
    venues.down = {"/events/keyset"}
    with pytest.raises(CommandError, match=r"The sync of polymarket is failed: .*503"):
        call_command("sync_markets")
    assert Market.objects.count() == 1


def test_the_command_refuses_an_unknown_venue() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("sync_markets", "--venue", "nasdaq")


def test_the_command_steps_back_from_a_running_one(as_client: object, now: datetime) -> None:
    with lease("job:sync_markets"), pytest.raises(CommandError, match="Another sync is running"):
        call_command("sync_markets")
    assert SyncRun.objects.count() == 0
    assert clock.now() == now
