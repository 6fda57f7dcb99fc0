"""F23: a clock that is wrong, or steps, neither loses an order nor signs with a time that the venue refuses."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from accounts.models import User
from itomarkets.lib import clock
from itomarkets.lib.http import HttpClient
from itomarkets.lib.venues import VenueAuthError
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.sandbox_world import Exchange
from tests.trading.test_execution import make_trade
from tests.trading.test_execution import run as run_fake
from tests.trading.test_kalshi_orders import KEY, pem_of
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from tests.trading.venue import Books, FakeVenue
from trading.models import Order, VenueAccount
from trading.venues.clients import order_client
from trading.venues.kalshi import KalshiOrders
from trading.venues.polymarket import PolymarketOrders
from trading.venues.venue_time import VenueTime, time_of

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
SKEWS = [timedelta(minutes=5), timedelta(minutes=-5)]
both_skews = pytest.mark.parametrize("skew", SKEWS, ids=["ahead", "behind"])


class Stopwatch:
    """A machine whose stopwatch a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def stopwatch() -> Iterator[Stopwatch]:
    found = Stopwatch()
    clock.set_machine(found)
    yield found
    clock.set_machine(None)


class StrictKalshi:
    """Kalshi's clock and its tolerance of 30 seconds; answers a balance to who signs in its time."""

    def __init__(self, venue_now: Callable[[], datetime]) -> None:
        self.now = venue_now
        self.stamps: list[datetime] = []
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.rpartition("/v2")[2])
        headers = {"Date": format_datetime(self.now(), usegmt=True)}
        if request.url.path.endswith("/exchange/status"):
            return httpx.Response(200, headers=headers, json={"exchange_active": True, "trading_active": True})
        stamp = datetime.fromtimestamp(int(request.headers["KALSHI-ACCESS-TIMESTAMP"]) / 1000, UTC)
        self.stamps.append(stamp)
        if abs(stamp - self.now()) > timedelta(seconds=30):
            return httpx.Response(401, headers=headers, json={"code": "authentication_error", "message": "expired"})
        return httpx.Response(200, headers=headers, json={"balance_dollars": "12.50"})


def kalshi(venue: StrictKalshi, now: Callable[[], datetime], host: str) -> KalshiOrders:
    http = HttpClient(
        f"http://{host}/trade-api/v2",
        venue="kalshi",
        requests_per_second=1000,
        timeout_seconds=1,
        transport=httpx.MockTransport(venue),
        sleep=lambda seconds: None,
    )
    return KalshiOrders(http=http, key_id="k", private_key_pem=pem_of(KEY), now=now)


@both_skews
def test_f23_what_is_signed_carries_the_venues_time_once_it_was_told(
    stopwatch: Stopwatch, skew: timedelta, request: pytest.FixtureRequest
) -> None:
    venue = StrictKalshi(lambda: NOON + timedelta(seconds=stopwatch.seconds))
    client = kalshi(venue, lambda: NOON + skew + timedelta(seconds=stopwatch.seconds), request.node.name[-20:-1])
    client.status()
    assert client.cash() == client.cash()
    stopwatch.seconds = 3600
    client.cash()
    assert all(abs(stamp - NOON) <= timedelta(seconds=3601) for stamp in venue.stamps)
    assert venue.asked == ["/exchange/status", *["/portfolio/balance"] * 3]


@both_skews
def test_f23_a_read_that_our_clock_spoiled_asks_the_time_and_is_made_once_more(
    stopwatch: Stopwatch, skew: timedelta, request: pytest.FixtureRequest
) -> None:
    venue = StrictKalshi(lambda: NOON)
    client = kalshi(venue, lambda: NOON + skew, "again" + request.node.name[-8:-1])
    client.cash()
    assert venue.asked == ["/portfolio/balance", "/exchange/status", "/portfolio/balance"]
    client.cash()
    assert len(venue.asked) == 4


def test_f23_a_key_that_is_refused_at_the_right_time_is_refused_once(stopwatch: Stopwatch) -> None:
    venue = StrictKalshi(lambda: NOON)
    refused = httpx.Response(401, headers={"Date": format_datetime(NOON, usegmt=True)}, json={"code": "no"})
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return venue(request) if request.url.path.endswith("status") else refused

    client = kalshi(venue, lambda: NOON, "revoked")
    client._http._client = httpx.Client(transport=httpx.MockTransport(answer))
    with pytest.raises(VenueAuthError):
        client.cash()
    assert [path.rpartition("/")[2] for path in asked] == ["balance", "status"]


def test_f23_a_step_of_this_machines_clock_moves_nothing_that_is_signed(stopwatch: Stopwatch) -> None:
    ours = [NOON]
    venue = StrictKalshi(lambda: NOON + timedelta(seconds=stopwatch.seconds))
    client = kalshi(venue, lambda: ours[0], "stepping")
    client.cash()
    for step in (timedelta(minutes=-5), timedelta(hours=1)):
        ours[0] = NOON + step
        stopwatch.seconds += 10
        client.cash()
    assert venue.asked == ["/portfolio/balance"] * 3


def test_a_difference_below_what_a_date_can_tell_is_none_and_nonsense_teaches_nothing(stopwatch: Stopwatch) -> None:
    found = VenueTime()
    assert found.now(NOON) == NOON
    for date in (None, "", "yesterday"):
        found.learn_from(date)
    assert not found.is_known(within_seconds=600)
    found.learn(NOON + timedelta(seconds=2))
    assert found.now(NOON) == NOON
    found.learn(NOON + timedelta(seconds=40))
    stopwatch.seconds = 5
    assert found.now(NOON) == NOON + timedelta(seconds=45)
    assert found.is_known(within_seconds=6)
    assert not found.is_known(within_seconds=5)
    assert time_of("a") is time_of("a") is not time_of("b")


@both_skews
@pytest.mark.parametrize("venue", sorted(PATHS))
def test_f23_a_lost_reply_is_found_though_our_clock_is_five_minutes_off(
    exchange: Exchange, user: User, now: datetime, venue: str, skew: timedelta
) -> None:
    ours = now + skew
    trade = buy(user, held_basket(), now)
    # Planned, sent and looked up by a clock that is off; the exchanges' own is right.
    Order.objects.update(created_at=ours)
    exchange.fault(PATHS[venue], "drop_before_reply")
    run(trade, ours)
    order = trade.orders.get(account__kind=venue)
    assert order.status == Order.Status.UNKNOWN
    for _ in range(2):
        report = look(ours + timedelta(seconds=61))
    order.refresh_from_db()
    assert (order.status, report.not_placed, report.differences) == ("filled", 0, [])
    assert len(exchange.requests("POST", PATHS[venue])) == 1
    assert_invariants(exchange.world, f"user-{user.pk}")


@pytest.mark.parametrize("venue", sorted(PATHS))
def test_f23_one_expired_signature_is_a_refusal_and_disables_no_key(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "401_expired")
    run(trade, now)
    order = trade.orders.get(account__kind=venue)
    assert order.status == Order.Status.REJECTED
    account = VenueAccount.objects.get(kind=venue)
    assert account.is_enabled
    client = order_client(account, now=lambda: now)
    assert client.cash() > 0
    client.close()


def test_f23_an_order_whose_plan_lies_ahead_is_not_sent_for_its_deadline_means_nothing(
    user: User, books: Books, now: datetime
) -> None:
    trade = make_trade(user, books)
    venue = FakeVenue(now=lambda: now)
    run_fake(trade, venue, now - timedelta(minutes=5))
    assert set(trade.orders.values_list("status", flat=True)) == {"denied"}
    assert "clock was set back" in trade.orders.earliest("pk").reason
    assert venue.posts == []


@both_skews
def test_f23_polymarkets_orders_and_requests_are_stamped_in_its_time_by_the_sdk_too(
    exchange: Exchange, user: User, now: datetime, skew: timedelta
) -> None:
    """The SDK has no setting for it: a version that stamps elsewhere must not pass for one that does it here."""
    trade = buy(user, held_basket(), now)
    order = trade.orders.get(account__kind="polymarket")
    with closing(order_client(order.account, now=lambda: now)) as client:
        assert isinstance(client, PolymarketOrders)
        client._time.learn(clock.machine_now() + skew)
        there = (clock.machine_now() + skew).timestamp()
        stamped = json.loads(client.sign(order).payload)["timestamp"] / 1000
        signs = client._client._ctx.secure_clob._header_resolver
        assert signs is not None
        requested = int(signs("GET", "/data/orders", None)["POLY_TIMESTAMP"])
        client._time.forget()
    assert abs(stamped - there) < 60
    assert abs(requested - there) < 60
