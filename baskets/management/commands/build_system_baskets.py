from typing import Any

from django.core.management.base import BaseCommand, CommandError

from baskets.rebuild import build_system_baskets
from categorization.models import Theme
from itomarkets.lib import clock
from markets.models import Market


class Command(BaseCommand):
    help = "Make the system baskets, one a theme, and rebuild those that need it. A second run changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        if not Theme.objects.exists():
            raise CommandError("There are no themes yet; run categorize_markets, which loads them, and try again.")
        report = build_system_baskets(now=clock.now(), progress=self.stdout.write)
        if report.quotes:
            self.stdout.write(report.quotes)
        self.stdout.write(
            f"{report.baskets_added} baskets added, {report.compositions_added} compositions written, "
            f"{report.unchanged} unchanged; the importance of {report.importance_written} labels changed."
        )
        if not Market.objects.exists():
            self.stdout.write("There is no market to hold yet: run sync_markets and categorize_markets, then this.")
