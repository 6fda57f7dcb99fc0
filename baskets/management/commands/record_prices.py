from typing import Any

from django.core.management.base import BaseCommand, CommandError

from baskets.models import Basket
from baskets.tasks import refresh_and_record
from markets.hints import unanswered


class Command(BaseCommand):
    help = "Refresh the quotes that baskets need and record every basket's price in this minute."

    def handle(self, *args: Any, **options: Any) -> None:
        if not Basket.objects.filter(is_active=True).exists():
            raise CommandError("There are no baskets yet; run build_system_baskets, then try again.")
        report = refresh_and_record()
        names = dict(Basket.objects.filter(pk__in=report.refused).values_list("pk", "slug"))
        for basket_id, reason in report.refused.items():
            self.stdout.write(f"{names.get(basket_id, basket_id)}: no fixing, {reason}")
        self.stdout.write(
            f"{report.at:%Y-%m-%d %H:%M} UTC: {report.recorded} of {report.baskets} baskets recorded, "
            f"{report.already_there} already there, {report.without} without a fixing."
        )
        if report.without and not report.recorded and not report.already_there:
            raise CommandError(unanswered("No basket could be priced."))
