from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from baskets.backfill import LONGEST_DAYS, backfill_history
from baskets.models import Basket
from itomarkets.lib import clock
from markets.hints import unanswered


class Command(BaseCommand):
    help = "Fill in the daily history of one basket or of all. A second run writes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--basket", help="id or slug of one basket")
        parser.add_argument("--all", action="store_true", help="all active baskets")
        parser.add_argument("--days", default="365", help=f"how many days back, 1 to {LONGEST_DAYS} (365)")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["basket"]) == options["all"]:
            raise CommandError("Say which history to fill in: --basket ID for one basket, or --all.")
        days = str(options["days"])
        if not (days.isascii() and days.isdigit() and 1 <= int(days) <= LONGEST_DAYS):
            raise CommandError(f"--days is {days}; expected a whole number from 1 to {LONGEST_DAYS}.")
        if options["all"] and not Basket.objects.filter(is_active=True).exists():
            raise CommandError("There are no baskets yet; run build_system_baskets, then try again.")
        baskets = None
        if options["basket"]:
            name = options["basket"]
            baskets = Basket.objects.filter(pk=int(name)) if name.isascii() and name.isdigit() else None
            if baskets is None or not baskets.exists():
                baskets = Basket.objects.filter(slug=name)
            if not baskets.exists():
                raise CommandError(f"There is no basket {name!r}; expected an id or a slug.")
        report = backfill_history(baskets=baskets, days=int(days), now=clock.now(), progress=self.stdout.write)
        if report.prices:
            self.stdout.write(report.prices)
        self.stdout.write(
            f"{report.baskets} baskets: {report.written} days written, {report.standing} already there, "
            f"{report.gaps} gaps."
        )
        if report.errors:
            raise CommandError(unanswered("What is missing stays a gap; run the command again."))
