from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from trading import doctor, execution
from trading.holding import unpriced_trades
from trading.models import VenueAccount
from trading.reconciliation import ReconcileReport
from trading.reconciliation import reconcile as reconcile_orders
from trading.settlement import settle_positions

LEASE_SECONDS = 120


@shared_task(name="trading.run_trade")
def run_trade(trade_id: str) -> None:
    execution.run_trade(trade_id)


@shared_task(name="trading.reconcile")
def reconcile(at_start: bool = False) -> None:
    found: list[ReconcileReport] = []

    def job() -> ReconcileReport:
        found.append(reconcile_orders(now=clock.now(), at_start=at_start))
        return found[0]

    run_job("trading.reconcile", job, lease_seconds=LEASE_SECONDS)
    for report in found:
        for trade_id in dict.fromkeys([*report.to_run, *unpriced_trades()]):
            run_trade.delay(str(trade_id))


@shared_task(name="trading.examine_account")
def examine_account(account_id: int) -> None:
    account = VenueAccount.objects.filter(pk=account_id, is_enabled=True).first()
    if account is not None:
        doctor.examine_account(account=account, now=clock.now())


@shared_task(name="trading.settle")
def settle() -> None:
    run_job("trading.settle", lambda: settle_positions(now=clock.now()), lease_seconds=LEASE_SECONDS)


@worker_ready.connect
def reconcile_at_start(sender: Any = None, **_: Any) -> None:
    """Ask the venues first: what was being sent when the last worker died is unknown."""
    if sender is not None and "trading" in sender.app.amqp.queues.consume_from:
        reconcile.delay(at_start=True)
