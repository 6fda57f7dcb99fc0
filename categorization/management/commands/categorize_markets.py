"""Classify markets by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.artifact import ArtifactError
from categorization.pipeline import CategorizationReport, categorize_markets, report_lines
from categorization.training import TrainingError
from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun


class Command(BaseCommand):
    help = "Run the ten stages on new and changed markets; what reviewers decided stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--force", action="store_true", help="Decide unchanged markets again, too.")

    def handle(self, *args: Any, **options: Any) -> None:
        reports: list[CategorizationReport] = []

        def job() -> CategorizationReport:
            reports.append(
                categorize_markets(markets=None, now=clock.now(), force=options["force"], progress=self.stdout.write)
            )
            return reports[0]

        try:
            run = run_job("categorize_markets", job, lease_seconds=1800)
        except (TrainingError, ArtifactError) as error:
            raise CommandError(str(error)) from error
        if run.status == JobRun.Status.SKIPPED:
            raise CommandError("Another categorization is running; wait until it has ended, then try again.")
        for line in report_lines(reports[0]):
            self.stdout.write(line)
        if not reports[0].seen:
            self.stdout.write("There is no market to read yet: run sync_markets first, then this again.")
