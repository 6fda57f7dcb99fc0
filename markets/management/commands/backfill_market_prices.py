"""Fetch daily prices of markets by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.hints import NO_MARKETS, unanswered
from markets.history import LONGEST_DAYS, HistoryReport, backfill_prices
from markets.models import Market


class Command(BaseCommand):
    help = "Fetch daily prices of one market, or of every market with a quote demand; writes only missing days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--market", metavar="VENUE:KEY", help="For example kalshi:KXFED-26DEC or polymarket:512345."
        )
        parser.add_argument("--days", type=int, default=365, help=f"1 to {LONGEST_DAYS}; 365 unless told.")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days: expected 1 to {LONGEST_DAYS}, found {days}.")
        markets = Market.objects.filter(demands__isnull=False).distinct()
        if options["market"] is not None:
            venue, _, key = options["market"].partition(":")
            markets = Market.objects.filter(venue=venue, native_id=key)
            if not markets.exists():
                raise CommandError(
                    f"--market: no market {options['market']!r} here; expected VENUE:KEY of a synced market."
                )
        elif not Market.objects.exists():
            raise CommandError(NO_MARKETS)
        reports: list[HistoryReport] = []

        def job() -> HistoryReport:
            reports.append(backfill_prices(markets=markets, days=days, now=clock.now(), progress=self.stdout.write))
            return reports[0]

        if run_job("backfill_market_prices", job, lease_seconds=3600).status == JobRun.Status.SKIPPED:
            raise CommandError("Another backfill is running; wait until it has ended, then try again.")
        self.stdout.write(reports[0].sentence)
        if reports[0].errors:
            raise CommandError(unanswered("Run the command again to go on where it stopped."))
