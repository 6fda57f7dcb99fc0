"""What the mirror promises of its data, each promise by its number."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from markets.models import Market, MarketChange, QuarantinedRow, Quote, SyncRun
from markets.quotes import condition
from markets.sync import closing_quantiles, prune_runs, sync_markets
from markets.venues.kalshi import parse_market
from tests.factories import make_market, make_quote, make_user
from tests.markets.payloads import FakeVenues, gamma_event, gamma_market, kalshi_market

pytestmark = pytest.mark.django_db
# What could go wrong on the way through COPY: its own marks, its end, JSON's escapes, text that looks like null.
TEXTS = [
    "plain", 'says "yes"', "back\\slash", "\\.", "a\n\\.\nb", "line\nbreak", "tab\there", "return\r\nhere", "null",
    "\\N", "a,b", "\\n", "\\u0000", "Itô – 数", "\x01bell\x7f", "ends in \\", "\\\\", '\\"', "\b\f\v", "'; DROP", "{}",
    "a\u2028b", "é" * 300,
]  # fmt: skip


def sync(venues: FakeVenues, now: datetime, venue: str = "kalshi") -> None:
    report = sync_markets(venue=venue, full=True, now=now, client=venues.client)
    assert report.ok, report


def test_promise_1_what_was_parsed_is_what_stands_to_the_last_digit_and_letter(
    venues: FakeVenues, now: datetime
) -> None:
    venues.live = [
        kalshi_market(
            f"KXTEXT-{number}",
            title=f"{number} {text}",
            rules_primary=text,
            yes_sub_title=text,
            yes_bid_dollars=f"0.{number + 10}0001",
            volume_fp=f"{number}.123456",
        )
        for number, text in enumerate(TEXTS)
    ]
    sync(venues, now)
    for raw in venues.live:
        row, market = parse_market(raw), Market.objects.get(native_id=raw["ticker"])
        for name in ("title", "subtitle", "rules", "yes_bid", "yes_ask", "last_price", "volume", "volume_24h"):
            assert getattr(market, name) == getattr(row, name), (name, raw["rules_primary"])
        assert (market.open_at, market.close_at, market.price_ranges) == (
            row.open_at,
            row.close_at,
            list(row.price_ranges),
        )
    # And the same through the temporary table, by which rows travel that have changed.
    for raw, text in zip(venues.live, reversed(TEXTS), strict=True):
        raw["rules_primary"], raw["last_price_dollars"] = text, "0.5"
    sync(venues, now + timedelta(hours=1))
    for raw in venues.live:
        market = Market.objects.get(native_id=raw["ticker"])
        assert (market.rules, market.last_price) == (parse_market(raw).rules, Decimal("0.5"))
    before = list(Market.objects.values())
    sync(venues, now + timedelta(hours=2))
    assert list(Market.objects.values()) == before


def test_promise_2_times_are_stored_in_utc_whatever_zone_they_came_in(venues: FakeVenues, now: datetime) -> None:
    # The last second of a day in New York, on both days of 2026 that change the clock.
    venues.live = [
        kalshi_market("KXDST-1", close_time="2026-03-08T23:59:59-04:00"),
        kalshi_market("KXDST-2", close_time="2026-11-01T23:59:59-05:00"),
    ]
    sync(venues, now)
    assert list(Market.objects.order_by("native_id").values_list("close_at", flat=True)) == [
        datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 2, 4, 59, 59, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("bid", "ask", "says"),
    [
        (None, None, "Nobody bids and nobody offers."),
        ("0.3", None, "Nobody offers."),
        (None, "0.3", "Nobody bids."),
        ("0.4", "0.3", "not below the offer"),
        ("0.01", "0.99", "say nothing of the price"),
        ("0.30", "0.32", ""),
    ],
)
def test_promise_4_an_odd_book_is_stored_under_its_name_and_shown_with_the_reason(
    now: datetime, client: Client, bid: str | None, ask: str | None, says: str
) -> None:
    market = make_market()
    make_quote(market, bid, ask, now)
    quote = Quote.objects.get()
    assert quote.condition == condition(quote.yes_bid, quote.yes_ask)
    assert says in quote.reason
    assert (quote.yes_bid, quote.yes_ask) == (bid and Decimal(bid), ask and Decimal(ask))
    client.force_login(make_user())
    page = client.get(reverse("market-detail", args=[market.pk])).content.decode()
    assert (f"{Quote.Condition(quote.condition).label.lower()} book" in page) is bool(says)


def test_promise_7_old_runs_and_their_raw_rows_are_pruned_but_never_what_the_next_delta_needs(now: datetime) -> None:
    def run(days: int, status: str) -> SyncRun:
        made = SyncRun.objects.create(venue="kalshi", started_at=now - timedelta(days=days), status=status)
        QuarantinedRow.objects.create(run=made, venue="kalshi", raw={}, error="odd")
        return made

    run(200, "complete")
    newest, _, middle, fresh = run(100, "complete"), run(95, "failed"), run(20, "incomplete"), run(1, "failed")
    assert prune_runs(now=now) == 4
    assert prune_runs(now=now) == 0
    assert set(SyncRun.objects.all()) == {newest, middle, fresh}
    assert QuarantinedRow.objects.get().run == fresh


def test_promise_7_what_two_listings_hold_is_counted_once(venues: FakeVenues, now: datetime) -> None:
    venues.archived = [kalshi_market(), kalshi_market("KXOLD-1", status="finalized", result="no")]
    sync(venues, now)
    run = SyncRun.objects.get()
    assert (run.seen, run.added, run.unchanged) == (2, 2, 0)


def test_promise_8_a_price_of_99_cents_decides_nothing_and_a_corrected_result_is_kept_with_what_it_was(
    venues: FakeVenues, now: datetime
) -> None:
    venues.live = [kalshi_market(last_price_dollars="0.9900", yes_bid_dollars="0.9900", status="closed")]
    sync(venues, now)
    assert (Market.objects.get().status, Market.objects.get().result) == ("closed", "")
    for hours, result in ((1, "yes"), (2, "no")):
        venues.live = [
            kalshi_market(
                last_price_dollars="0.9900", yes_bid_dollars="0.9900", status="finalized", result=result,
                settlement_ts="2026-08-01T12:30:00Z",
            )
        ]  # fmt: skip
        sync(venues, now + timedelta(hours=hours))
    market = Market.objects.get()
    assert (market.status, market.result, market.payout) == ("resolved", "no", 0)
    changes = market.changes.filter(field="result").order_by("id").values_list("before", "after", "at")
    assert list(changes) == [("", "yes", now + timedelta(hours=1)), ("yes", "no", now + timedelta(hours=2))]
    assert list(market.changes.filter(field="payout").order_by("id").values_list("before", "after")) == [
        (None, "1"),
        ("1", "0"),
    ]


def test_promise_9_a_market_keeps_its_id_and_what_it_was_called(
    venues: FakeVenues, now: datetime, client: Client
) -> None:
    sync(venues, now, "polymarket")
    pk = Market.objects.get().pk
    venues.gamma = [
        gamma_event(negRisk=True, markets=[gamma_market(question="Will <b>it</b> open?", slug="new", bestBid=0.405)])
    ]
    later = now + timedelta(hours=1)
    sync(venues, later, "polymarket")
    market = Market.objects.get()
    assert (market.pk, market.slug, market.created_at, market.last_changed_at) == (pk, "new", now, later)
    assert market.event is not None
    assert market.event.neg_risk
    changes = {change.field: (change.before, change.after) for change in MarketChange.objects.all()}
    assert changes == {
        "title": ("Will harbour 700001 open this year?", "Will <b>it</b> open?"),
        "slug": ("harbour-700001", "new"),
    }
    client.force_login(make_user())
    page = client.get(reverse("market-detail", args=[pk])).content.decode()
    assert "What the venue changed" in page
    assert "<del>Will harbour 700001 open this year?</del>" in page
    assert "&lt;b&gt;it" in page


def test_windows_are_drawn_from_what_is_known(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("markets.sync.LEAST_A_WINDOW", 1)
    assert closing_quantiles("kalshi", now=now) == []  # type: ignore[arg-type]
    for hour in range(50):
        make_market(close_at=now + timedelta(hours=hour))
    cuts = closing_quantiles("kalshi", now=now)  # type: ignore[arg-type]
    assert cuts == sorted(set(cuts))
    assert 20 <= len(cuts) <= 25


@pytest.mark.parametrize(
    "path",
    ["/markets/{pk}/", "/api/v1/markets/search", "/api/v1/markets/search?q=rain&status=all", "/admin/markets/market/"],
)
def test_pages_search_and_api_answer_while_no_venue_can_be_reached(
    now: datetime, client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def refuse(*args: Any, **values: Any) -> None:
        raise AssertionError("a page called a venue")

    monkeypatch.setattr(httpx.Client, "send", refuse)
    monkeypatch.setattr(httpx.AsyncClient, "send", refuse)
    market = make_market()
    make_quote(market, "0.40", "0.42", now - timedelta(minutes=5))
    client.force_login(make_user(is_staff=True, is_superuser=True))
    where = reverse("market-detail", args=[market.pk]) if "{pk}" in path else path
    answer = client.get(where)
    assert answer.status_code == 200
    if "{pk}" in path:
        assert "stale" in answer.content.decode()
        assert "5 min" in answer.content.decode()
