"""Roll up and delete old rows by hand."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from itomarkets.housekeeping import PruneReport, prune_history
from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun


class Command(BaseCommand):
    help = (
        "Roll up prices and fixings that are older than the settings keep, and delete old runs and expired answers. "
        "In short transactions: cut off, it goes on next time. A second run does nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would be deleted, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        kept = settings.RETENTION_DAYS
        self.stdout.write(
            f"Kept: minutes for {kept['minutes']} days, five minutes for {kept['five_minutes']}, hours and days for "
            f"ever, runs for {kept['runs']} days."
        )
        if options["dry_run"]:
            self._print(prune_history(now=clock.now(), dry_run=True))
            return
        reports: list[PruneReport] = []

        def job() -> PruneReport:
            reports.append(prune_history(now=clock.now(), say=self.stdout.write))
            return reports[0]

        if run_job("prune_history", job, lease_seconds=3600).status == JobRun.Status.SKIPPED:
            raise CommandError("Another run is pruning; wait until it has ended, then try again.")
        self._print(reports[0])

    def _print(self, report: PruneReport) -> None:
        for sentence in report.sentences:
            self.stdout.write(sentence)
