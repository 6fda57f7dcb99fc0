"""Mirror the venues' markets by hand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from itomarkets.lib import clock
from itomarkets.lib.venues import Venue
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.hints import unanswered
from markets.models import SyncRun
from markets.sync import LEASE_SECONDS, SyncReport, sync_markets


class Command(BaseCommand):
    help = "Fetch all markets of both venues, or of one; add and update, mark what is gone, delete nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--venue", choices=Venue.values, help="Only this venue.")
        parser.add_argument("--delta", action="store_true", help="Only what changed since the last complete sync.")
        parser.add_argument(
            "--accept-drop",
            action="store_true",
            help="Believe a listing that has lost more than a fifth of the known markets.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        reports: list[SyncReport] = []

        def job() -> SyncReport:
            reports.append(
                sync_markets(
                    venue=options["venue"],
                    full=not options["delta"],
                    now=clock.now(),
                    progress=self.stdout.write,
                    accept_drop=options["accept_drop"],
                )
            )
            return reports[0]

        if run_job("sync_markets", job, lease_seconds=LEASE_SECONDS).status == JobRun.Status.SKIPPED:
            raise CommandError("Another sync is running; wait until it has ended, then try again.")
        failed = [venue for venue in reports[0].venues if not venue.ok]
        if failed:
            reasons = " ".join(f"The sync of {venue.venue} is {venue.status}: {venue.error}" for venue in failed)
            unreached = any(venue.status == SyncRun.Status.FAILED for venue in failed)
            raise CommandError(f"{reasons} {unanswered('What was known stays as it was.')}" if unreached else reasons)
