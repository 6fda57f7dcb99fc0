from argparse import ArgumentParser
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from baskets.models import Basket
from baskets.replay import MOST_SHOWN, replay_basket
from itomarkets.lib import clock


class Command(BaseCommand):
    help = "Compute a basket's published numbers again from what was stored, and name every difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the basket's slug")
        parser.add_argument("--from", dest="start", help="the first day, as 2026-03-01 (its whole past)")
        parser.add_argument("--to", dest="end", help="the last day, included (today)")

    def handle(self, *args: Any, **options: Any) -> None:
        basket = Basket.objects.filter(slug=options["slug"]).first()
        if basket is None:
            raise CommandError(
                f"There is no basket {options['slug']!r}; its slug is the last part of its page's address."
            )
        start = _day(options["start"] or "1970-01-01", "--from")
        end = (_day(options["end"], "--to") if options["end"] else clock.now()) + timedelta(days=1)
        if end <= start:
            raise CommandError("--to lies before --from.")
        report = replay_basket(basket, start=start, end=end)
        for line in report.differences[:MOST_SHOWN]:
            self.stdout.write(line)
        self.stdout.write(f"{basket.slug}: {report.sentence}.")
        if report.differences:
            raise CommandError("What was published is not what its inputs give.")


def _day(text: str, name: str) -> datetime:
    try:
        return datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), time(), UTC)
    except ValueError as error:
        raise CommandError(f"{name} is {text!r}; expected a day like 2026-03-01.") from error
