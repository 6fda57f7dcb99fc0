"""F30: each listing that an account is read by, broken in each way: none is read as "flat" or as "not there"."""

from collections.abc import Callable
from datetime import datetime

import pytest

from accounts.models import User
from itomarkets.simulation.invariants import assert_invariants
from tests.trading.sandbox_world import Exchange
from tests.trading.test_faults_writes import GRACE_OVER, both_venues, leg, posts
from tests.trading.test_sandbox_trading import PATHS, buy, held_basket, look, run
from trading.models import Fill, Order, Position, VenueAccount

At = Callable[[datetime], datetime]
# What absence is read from. At Polymarket an order is asked for by its hash; its trades are the listing.
ABSENCE = {
    "kalshi": ("/trade-api/v2/portfolio/orders",),
    "polymarket": ("/clob/data/order/*", "/clob/data/trades"),
}
# What balances, positions and strangers' orders are read from.
STANDING = {
    "kalshi": (
        "/trade-api/v2/portfolio/balance",
        "/trade-api/v2/portfolio/positions",
        "/trade-api/v2/portfolio/orders",
        "/trade-api/v2/portfolio/fills",
    ),
    "polymarket": ("/clob/balance-allowance", "/clob/data/orders", "/clob/data/trades"),
}
BROKEN = ("truncated", "html", "not_json", "401_expired")
ENDLESS = ("repeating_cursor",)


@both_venues
def test_f30_no_broken_listing_proves_that_an_order_is_not_there(
    exchange: Exchange, user: User, now: datetime, at: At, venue: str
) -> None:
    trade = buy(user, held_basket(), now)
    exchange.fault(PATHS[venue], "drop_before_accept")
    run(trade, now)
    later = at(now + GRACE_OVER)
    for path in ABSENCE[venue]:
        # One order's answer is a 404, whole or not: a listing breaks off, and a cursor turns, where there is one.
        for fault in BROKEN[1:] if "order/" in path else (*BROKEN, *ENDLESS):
            exchange.fault(path, fault, method="GET", nth=0)
            assert look(later).not_placed == 0, f"{path} {fault}"
            assert leg(trade, venue).status == Order.Status.UNKNOWN, f"{path} {fault}"
    assert posts(exchange, venue) == 1
    exchange.plan()
    assert look(later).not_placed == 1
    assert_invariants(exchange.world, f"user-{user.pk}")


def standing() -> list[object]:
    """Return everything that reading a venue may change."""
    return [
        list(Position.objects.order_by("pk").values_list("market", "side", "count", "cost", "realised")),
        list(Order.objects.order_by("pk").values_list("status", "reserved")),
        list(VenueAccount.objects.order_by("pk").values_list("cash", "cash_by_shard", "differences", "external")),
        Fill.objects.count(),
    ]


@pytest.mark.parametrize("venue", sorted(STANDING))
def test_f30_no_broken_listing_is_read_as_an_empty_account(
    exchange: Exchange, user: User, now: datetime, venue: str
) -> None:
    run(buy(user, held_basket(), now), now)
    assert look(now).differences == []
    before = standing()
    for path in STANDING[venue]:
        for fault in ("truncated", "html") if "balance" in path else ("truncated", *ENDLESS):
            exchange.fault(path, fault, method="GET", nth=0)
            report = look(now)
            assert report.accounts_unreachable == 1, f"{path} {fault}"
            assert report.differences == [], f"{path} {fault}"
            assert standing() == before, f"{path} {fault}"
    exchange.plan()
    assert look(now).accounts_unreachable == 0
    assert_invariants(exchange.world, f"user-{user.pk}")


def test_f30_a_listing_that_lags_is_shown_as_a_difference_and_takes_no_position_away(
    exchange: Exchange, user: User, now: datetime
) -> None:
    run(buy(user, held_basket(), now), now)
    held = list(Position.objects.order_by("pk").values_list("count", "cost"))
    exchange.fault("/trade-api/v2/portfolio/positions", "empty_listing", method="GET", nth=0)
    assert any("holds none" in difference for difference in look(now).differences)
    assert list(Position.objects.order_by("pk").values_list("count", "cost")) == held
    exchange.plan()
    assert look(now).differences == []
    assert_invariants(exchange.world, f"user-{user.pk}")
