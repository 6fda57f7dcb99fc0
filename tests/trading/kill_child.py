"""The program that test_kill.py starts and that dies on purpose: `trade POINT POLICY`, `recover` or `resend`.

Arguments: the sandbox's address, then what to do. `recover` and `resend` print one line of JSON.
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
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from celery import current_app  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import OperationalError, connection  # noqa: E402
from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402

from itomarkets.lib import clock  # noqa: E402
from itomarkets.lib.http import HttpClient  # noqa: E402
from markets.models import Market  # noqa: E402
from markets.sync import sync_markets  # noqa: E402
from tests import loopback  # noqa: E402
from tests.factories import make_user  # noqa: E402
from tests.trading.sandbox_world import point_settings_at  # noqa: E402
from tests.trading.venue import KEYS, make_basket  # noqa: E402
from trading import execution  # noqa: E402
from trading.accounts import connect_sandbox_accounts  # noqa: E402
from trading.deciding import ChoiceRefused, choose  # noqa: E402
from trading.execution import run_trade  # noqa: E402
from trading.models import Order, Trade  # noqa: E402
from trading.placing import confirm_trade  # noqa: E402
from trading.progress import trade_progress  # noqa: E402
from trading.quoting import quote_basket  # noqa: E402
from trading.reconciliation import reconcile  # noqa: E402
from trading.venues.kalshi import CREATE_PATH  # noqa: E402

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
# When the fresh process looks: at once, and when the time in which "not found" proves nothing is over.
LOOKS = (timedelta(seconds=6), timedelta(seconds=12), timedelta(seconds=67), timedelta(seconds=73))
# When its owner comes to the page.
CLICK = timedelta(seconds=80)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around_a_create(
    *, nth: int, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    """Do something just before the nth create request leaves, or just after its answer came."""
    original: Callable[..., Any] = HttpClient._send
    seen = iter(range(1, 1000))

    def sending(self: HttpClient, method: str, path: str, **values: Any) -> Any:
        is_it = method == "POST" and path.startswith(CREATE_PATH) and next(seen) == nth
        if is_it and before is not None:
            before()
        answer = original(self, method, path, **values)
        if is_it and after is not None:
            after()
        return answer

    setattr(HttpClient, "_send", sending)  # noqa: B010


def die_before_the_claim() -> None:
    """Die when the first orders are signed and about to be claimed."""
    setattr(execution, "claim_all", lambda *args, **values: die())  # noqa: B010


def commits_fail() -> None:
    """Let no commit succeed any more, as on a disk that is full."""

    def failing(self: BaseDatabaseWrapper) -> None:
        raise OperationalError("database or disk is full")

    setattr(BaseDatabaseWrapper, "_commit", failing)  # noqa: B010


def lose_the_connection() -> None:
    """Let PostgreSQL end this process's own connection, as an administrator or a failover does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        own = cursor.fetchone()[0]
    with psycopg.connect(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (own,))


def look_at_nothing() -> None:
    """Go on."""


def after_three_answers() -> None:
    """Die when three answers are stored and the fourth leg is still planned."""
    if Order.objects.exclude(venue_order_id="").count() >= 3:
        assert Order.objects.filter(status=Order.Status.PLANNED).count() == 4
        die()


POINTS: dict[str, Callable[[], None]] = {
    "before_claim": die_before_the_claim,
    "before_send": lambda: around_a_create(nth=1, before=die),
    "after_send": lambda: around_a_create(nth=1, after=die),
    "before_leg_4": look_at_nothing,
    "commit_fails": lambda: around_a_create(nth=1, after=commits_fail),
    "connection_lost": lambda: around_a_create(nth=1, after=lose_the_connection),
    "plain": look_at_nothing,
}
# What happens whenever the run asks for the time, which it does between its steps.
STEPS: dict[str, Callable[[], None]] = {"before_leg_4": after_three_answers}


def trade(point: str, policy: str) -> None:
    sync_markets(venue=None, full=True, now=NOON)
    user = make_user(username="holder", email="holder@example.com")
    connect_sandbox_accounts(user, now=NOON)
    markets = Market.objects.filter(venue="kalshi", native_id__startswith="KXFED").order_by("native_id")[:7]
    basket = make_basket([(market, "yes", "0.1", "5") for market in markets])
    quote = quote_basket(user=user, basket=basket, side="yes", amount=Decimal(70), mode="sandbox", now=NOON)
    made = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="once", policy=policy, now=NOON)
    assert made.orders.count() == 7, f"{made.orders.count()} orders: {quote.warnings}"
    POINTS[point]()

    def step() -> datetime:
        STEPS.get(point, look_at_nothing)()
        return NOON

    run_trade(made.pk, now_fn=step, sleep=lambda seconds: None)


def stand_at(moment: timedelta) -> datetime:
    """Stop this process's clock at a moment after noon."""
    clock.set_clock(clock.Clock(start=NOON + moment, rate=0.0, anchor=0.0))
    return NOON + moment


def recover() -> None:
    differences: list[str] = []
    # What the owner's page says before anything is mended.
    found = trade_progress(Trade.objects.get())
    for look in LOOKS:
        now = stand_at(look)
        report = reconcile(now=now, at_start=look == LOOKS[0])
        differences = report.differences
        for trade_id in report.to_run:
            run_trade(trade_id, now_fn=lambda now=now: now, sleep=lambda seconds: None)  # type: ignore[misc]
    shown = {"filled": found.filled_legs, "is_final": found.is_final, "sentence": found.sentence}
    tell(found=shown, differences=differences)


def resend() -> None:
    """Let the owner ask twice for what provably never arrived, and run what that planned."""
    now, said = stand_at(CLICK), []
    made = Trade.objects.get()
    for _ in range(2):
        try:
            said.append(choose(user=made.user, trade_id=made.pk, choice="resend", now=now))
        except ChoiceRefused as error:
            said.append(f"refused: {error}")
        run_trade(made.pk, now_fn=lambda: now, sleep=lambda seconds: None)
    tell(said=said, differences=reconcile(now=now).differences)


def tell(**more: Any) -> None:
    """Print how the one trade stands."""
    trade = Trade.objects.get()
    told = {
        "user": trade.user_id,
        "trade": trade.status,
        "orders": {str(order.client_id): order.status for order in Order.objects.order_by("leg_no", "attempt_no")},
        "reserved": [str(order.reserved) for order in Order.objects.all()],
        "filled": {str(order.client_id): str(order.filled_count()) for order in Order.objects.all()},
        **more,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    current_app.conf.task_always_eager = False
    settings.CREDENTIAL_KEYS = KEYS
    # One request an order, one after the other: what dies between two of them is known.
    settings.SEND_THREADS, settings.ORDERS_SENT_SINGLY = 1, 100
    loopback.guard()
    clock.set_clock(clock.Clock(start=NOON, rate=0.0, anchor=0.0))
    point_settings_at(settings, sys.argv[1])
    doing: dict[str, Callable[..., None]] = {"trade": trade, "recover": recover, "resend": resend}
    doing[sys.argv[2]](*sys.argv[3:])
