from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from baskets.chart import SPANS, chart_series
from baskets.models import Basket
from baskets.pictures import PictureError, draw_history
from itomarkets.lib import clock


class Command(BaseCommand):
    help = "Draw each active basket's gauge and level into PNG files, and say where each began and ended."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", help="baskets to draw; all system baskets where none is named")
        parser.add_argument("--span", default="1y", choices=list(SPANS), help="how far back")
        parser.add_argument("--folder", type=Path, default=settings.VAR_DIR / "pictures", help="where the files go")

    def handle(self, *args: Any, **options: Any) -> None:
        slugs = options["slugs"]
        wanted = {"slug__in": slugs} if slugs else {"kind": Basket.Kind.SYSTEM}
        baskets = list(Basket.objects.filter(is_active=True, **wanted).order_by("slug"))
        missing = set(slugs) - {basket.slug for basket in baskets}
        if missing or not baskets:
            raise CommandError(f"There is no basket {', '.join(sorted(missing)) or 'yet'}; see the list of baskets.")
        drawn = 0
        for basket in baskets:
            series = chart_series(basket, span=options["span"], now=clock.now())
            path = options["folder"] / f"{basket.slug}.png"
            try:
                draw_history(title=basket.name, series=series, path=path)
            except PictureError as error:
                self.stdout.write(f"{basket.slug}: not drawn, {error}")
                continue
            known = [point for point in series.points if point.gauge is not None and point.level is not None]
            first, last = known[0], known[-1]
            self.stdout.write(
                f"{basket.slug}: {len(known)} prices, {len(series.gaps)} gaps, {len(series.changes)} compositions; "
                f"gauge {first.gauge or 0:.4f} to {last.gauge or 0:.4f}, "
                f"level {first.level or 0:.2f} to {last.level or 0:.2f}; {path}"
            )
            drawn += 1
        if not drawn:
            raise CommandError("No basket has two prices in this span; run backfill_history, then try again.")
