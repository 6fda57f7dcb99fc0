from typing import Any

from django.core.management.base import BaseCommand, CommandError

from baskets.models import Basket
from baskets.official import fix_official
from itomarkets.lib import clock


class Command(BaseCommand):
    help = "Publish the official fixing of the day that has just ended (UTC). Only within an hour of its end."

    def handle(self, *args: Any, **options: Any) -> None:
        report = fix_official(now=clock.now())
        if report.too_late:
            raise CommandError(
                f"{report.day} ended more than an hour ago; an official fixing is never back-dated, so it gets none."
            )
        names = dict(Basket.objects.filter(pk__in=report.refused).values_list("pk", "slug"))
        for basket_id, reason in report.refused.items():
            self.stdout.write(f"{names.get(basket_id, basket_id)}: no official fixing, {reason}")
        self.stdout.write(
            f"{report.day}: {report.published} official fixings published, {report.already_there} already there, "
            f"{len(report.refused)} baskets without one."
        )
