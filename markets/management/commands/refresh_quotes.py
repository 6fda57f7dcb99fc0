"""Refresh quotes by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.hints import NO_MARKETS, unanswered
from markets.models import Market
from markets.quotes import QuoteReport, refresh_quotes


class Command(BaseCommand):
    help = "Fetch the order books of all markets that somebody needs quoted, and store their best prices."

    def handle(self, *args: Any, **options: Any) -> None:
        if not Market.objects.exists():
            raise CommandError(NO_MARKETS)
        reports: list[QuoteReport] = []

        def job() -> QuoteReport:
            reports.append(refresh_quotes(now=clock.now()))
            return reports[0]

        if run_job("refresh_quotes", job, lease_seconds=120).status == JobRun.Status.SKIPPED:
            raise CommandError("Another refresh of the quotes is running; try again in a minute.")
        self.stdout.write(reports[0].sentence)
        if reports[0].errors:
            raise CommandError(unanswered("Its quotes grow old until it does."))
