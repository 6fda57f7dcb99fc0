from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from itomarkets.lib import clock
from trading.execution import run_trade
from trading.holding import unpriced_trades
from trading.reconciliation import reconcile


class Command(BaseCommand):
    help = "Look up unknown and open orders at their venues, book fills, compare balances; send what still waits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at-start", action="store_true", help="no worker runs: every order being sent is unknown")
        parser.add_argument("--no-send", action="store_true", help="leave orders that wait to be sent")

    def handle(self, *args: Any, **options: Any) -> None:
        report = reconcile(now=clock.now(), at_start=options["at_start"])
        sent = 0
        if not options["no_send"]:
            sent = sum(run_trade(trade_id).sent for trade_id in dict.fromkeys([*report.to_run, *unpriced_trades()]))
        self.stdout.write(
            f"{report.looked_up} orders looked up, {report.resolved} resolved, {report.still_unknown} still unknown, "
            f"{report.not_placed} proven not placed, {sent} sent, {report.accounts_checked} accounts compared, "
            f"{len(report.differences)} differences."
        )
        for difference in report.differences:
            self.stdout.write(difference)
        if report.accounts_unreachable:
            raise CommandError(
                f"{report.accounts_unreachable} accounts could not be reached; their orders stay as they are."
            )
