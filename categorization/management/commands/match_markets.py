"""Find the markets of both venues that ask the same, by hand."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.pairs.matching import JOB, MatchReport, match_markets
from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.hints import NO_MARKETS
from markets.models import Market


class Command(BaseCommand):
    help = "Find pairs of markets, one of each venue, that ask the same or nearly the same; a person approves them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="Compare unchanged markets again, too.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not Market.objects.exists():
            raise CommandError(NO_MARKETS)
        reports: list[MatchReport] = []

        def say(line: str) -> None:
            if not options["json"]:
                self.stdout.write(line)

        def job() -> MatchReport:
            reports.append(match_markets(now=clock.now(), full=options["full"], progress=say))
            return reports[0]

        if run_job(JOB, job, lease_seconds=3600).status == JobRun.Status.SKIPPED:
            raise CommandError("Another matching is running; wait until it has ended, then try again.")
        self.stdout.write(json.dumps(asdict(reports[0])) if options["json"] else reports[0].sentence)
