"""The program that test_kill.py starts and that dies on purpose: `trade POINT` or `recover`, told by its arguments.

Arguments: the sandbox's address, then what to do. `recover` prints one line of JSON.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from celery import current_app  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import OperationalError  # noqa: E402

from itomarkets.lib import clock  # noqa: E402
from markets.models import Market  # noqa: E402
from markets.sync import sync_markets  # noqa: E402
from tests.factories import make_user  # noqa: E402
from tests.trading.sandbox_world import point_settings_at  # noqa: E402
from tests.trading.venue import KEYS, make_basket  # noqa: E402
from trading.accounts import connect_sandbox_accounts  # noqa: E402
from trading.execution import run_trade  # noqa: E402
from trading.models import Order, Trade  # noqa: E402
from trading.placing import confirm_trade  # noqa: E402
from trading.quoting import quote_basket  # noqa: E402
from trading.reconciliation import reconcile  # noqa: E402
from trading.venues.kalshi import KalshiOrders  # noqa: E402

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
# When the fresh process looks: at once, and when the time in which "not found" proves nothing is over.
LOOKS = (timedelta(seconds=6), timedelta(seconds=12), timedelta(seconds=67), timedelta(seconds=73))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before_the_send(name: str, nth: int) -> None:
    """Die on entering the nth call of a client's method."""
    original: Callable[..., Any] = getattr(KalshiOrders, name)
    calls = iter(range(1, 1000))

    def dying(self: KalshiOrders, *arguments: Any) -> Any:
        if next(calls) == nth:
            die()
        return original(self, *arguments)

    setattr(KalshiOrders, name, dying)


def after_the_send() -> None:
    original = KalshiOrders.submit

    def dying(self: KalshiOrders, *arguments: Any) -> Any:
        result = original(self, *arguments)
        die()
        return result

    setattr(KalshiOrders, "submit", dying)  # noqa: B010


def commit_fails() -> None:
    """Lose the database in the moment of storing an acceptance: every later step of an order fails as well."""
    original = Order.transition_to
    lost: list[str] = []

    def failing(self: Order, status: str, **values: Any) -> bool:
        if lost or status == Order.Status.OPEN:
            lost.append(status)
            raise OperationalError("database or disk is full")
        return original(self, status, **values)

    setattr(Order, "transition_to", failing)  # noqa: B010


POINTS: dict[str, Callable[[], None]] = {
    "before_send": lambda: before_the_send("submit", 1),
    "after_send": after_the_send,
    "before_leg_4": lambda: before_the_send("sign", 4),
    "commit_fails": commit_fails,
}


def trade(point: str) -> None:
    sync_markets(venue=None, full=True, now=NOON)
    user = make_user(username="holder", email="holder@example.com")
    connect_sandbox_accounts(user, now=NOON)
    markets = Market.objects.filter(venue="kalshi", native_id__startswith="KXFED").order_by("native_id")[:7]
    basket = make_basket([(market, "yes", "0.1", "5") for market in markets])
    quote = quote_basket(user=user, basket=basket, side="yes", amount=Decimal(70), mode="sandbox", now=NOON)
    made = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="once", policy="best_effort", now=NOON)
    assert made.orders.count() == 7, f"{made.orders.count()} orders: {quote.warnings}"
    POINTS[point]()
    run_trade(made.pk, now_fn=lambda: NOON, sleep=lambda seconds: None)


def recover() -> None:
    differences: list[str] = []
    for look in LOOKS:
        now = NOON + look
        clock.set_clock(clock.Clock(start=now, rate=0.0, anchor=0.0))
        report = reconcile(now=now, at_start=look == LOOKS[0])
        differences = report.differences
        for trade_id in report.to_run:
            run_trade(trade_id, now_fn=lambda now=now: now, sleep=lambda seconds: None)  # type: ignore[misc]
    told = {
        "user": Trade.objects.get().user_id,
        "trade": Trade.objects.get().status,
        "orders": {str(order.client_id): order.status for order in Order.objects.order_by("leg_no")},
        "reserved": [str(order.reserved) for order in Order.objects.all()],
        "filled": {str(order.client_id): str(order.filled_count()) for order in Order.objects.all()},
        "differences": differences,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    current_app.conf.task_always_eager = False
    settings.CREDENTIAL_KEYS = KEYS
    clock.set_clock(clock.Clock(start=NOON, rate=0.0, anchor=0.0))
    point_settings_at(settings, sys.argv[1])
    trade(sys.argv[3]) if sys.argv[2] == "trade" else recover()
