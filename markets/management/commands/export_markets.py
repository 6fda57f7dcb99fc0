"""Write markets into a folder as CSV."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from itomarkets.lib import clock
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.export import MANIFEST_FILE, MARKETS_FILE, Manifest, export_markets
from markets.filters import MarketFilter, first_errors
from markets.hints import NO_MARKETS
from markets.models import Market


class Command(BaseCommand):
    help = (
        f"Write markets into DIR as {MARKETS_FILE}, with {MANIFEST_FILE} (counts, SHA-256) beside it. The filters are "
        "those of the search; without --status markets of every status are written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", required=True, metavar="DIR", help="The folder; made where it is not there.")
        for name in MarketFilter.base_filters:
            parser.add_argument(f"--{name.replace('_', '-')}", dest=name, help=f"As `{name}` of the market search.")

    def handle(self, *args: Any, **options: Any) -> None:
        given = {name: options[name] for name in MarketFilter.base_filters if options[name] is not None}
        filters = MarketFilter({"status": "all", **given}, queryset=Market.objects.none(), now=clock.now())
        if not filters.is_valid():
            name, errors = next(iter(first_errors(filters.form).items()))
            raise CommandError(f"--{name.replace('_', '-')} is {given[name]!r}: {errors[0]}")
        if not Market.objects.exists():
            raise CommandError(NO_MARKETS)
        folder = Path(options["out"])
        made: list[Manifest] = []

        def job() -> Manifest:
            made.append(
                export_markets(
                    markets=filters.qs, folder=folder, filters=given, now=filters.now, progress=self.stdout.write
                )
            )
            return made[0]

        try:
            run = run_job("export_markets", job, lease_seconds=3600)
        except OSError as error:
            raise CommandError(f"--out: {folder} cannot be written ({error.strerror}); give another folder.") from error
        if run.status == JobRun.Status.SKIPPED:
            raise CommandError("Another export is running; wait until it has ended, then try again.")
        if filters.reading.corrected:
            self.stdout.write(f"Nothing holds {given['q']!r}; searched for {filters.reading.corrected!r} instead.")
        self.stdout.write(f"{folder / MARKETS_FILE}: {made[0].sentence}")
