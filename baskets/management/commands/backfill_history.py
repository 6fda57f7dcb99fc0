"""Fetch past prices by hand, and fill in the fixings that they make."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet

from baskets.backfill import LONGEST_DAYS, backfill_history
from baskets.models import Basket
from itomarkets.lib import clock
from markets.hints import unanswered
from markets.history import LONGEST_MINUTE_DAYS, HistoryReport, backfill_prices
from markets.models import Interval, Market

INTERVALS = {"day": Interval.DAY, "hour": Interval.HOUR, "minute": Interval.MINUTE}


class Command(BaseCommand):
    help = (
        "Fetch past prices of one market, of a basket's legs, or of every market that a basket holds or that somebody "
        "wants quoted; then fill in the baskets' daily fixings. A run that is cut off goes on where it was; a second "
        "run writes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--basket", help="id or slug of one basket")
        parser.add_argument("--market", metavar="VENUE:KEY", help="kalshi:KXFED-26DEC or polymarket:512345, say")
        parser.add_argument("--all", action="store_true", help="all active baskets, and what else is wanted quoted")
        parser.add_argument("--days", help=f"how many days back, 1 to {LONGEST_DAYS} (365; of minutes 7)")
        parser.add_argument("--interval", default="day", help="day, hour or minute (day); fixings are made of days")
        parser.add_argument(
            "--recheck", action="store_true", help="ask again for what stands, and keep what disagrees as a conflict"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asked = [name for name in ("basket", "market", "all") if options[name] not in (None, False)]
        if len(asked) != 1:
            raise CommandError(
                "Say which history to fill in: --basket ID for one basket, or --all; or --market VENUE:KEY for one "
                "market's prices."
            )
        if options["interval"] not in INTERVALS:
            raise CommandError(f"--interval is {options['interval']!r}; expected day, hour or minute.")
        interval = INTERVALS[options["interval"]]
        days = _days(options["days"], interval)
        if options["market"] is not None:
            reports = [self._fetch(_market(options["market"]), days, interval, recheck=options["recheck"])]
        elif interval != Interval.DAY:
            baskets = _baskets(options["basket"])
            reports = [self._fetch(_legs(baskets), days, interval, recheck=options["recheck"])]
        else:
            reports = self._fill(options["basket"], days, recheck=options["recheck"])
        if any(report.errors for report in reports):
            raise CommandError(unanswered("What is missing stays a gap; run the command again."))

    def _fetch(self, markets: QuerySet[Market], days: int, interval: Interval, *, recheck: bool) -> HistoryReport:
        report = backfill_prices(
            markets=markets, days=days, now=clock.now(), interval=interval, recheck=recheck, progress=self.stdout.write
        )
        self.stdout.write(report.sentence)
        return report

    def _fill(self, basket: str | None, days: int, *, recheck: bool) -> list[Any]:
        reports: list[Any] = []
        baskets = _baskets(basket)
        if basket is None:
            others = Market.objects.filter(demands__isnull=False).exclude(pk__in=_legs(baskets)).distinct()
            if others.exists():
                reports.append(self._fetch(others, days, Interval.DAY, recheck=recheck))
        if recheck:
            reports.append(self._fetch(_legs(baskets), days, Interval.DAY, recheck=True))
        report = backfill_history(baskets=baskets, days=days, now=clock.now(), progress=self.stdout.write)
        if report.prices:
            self.stdout.write(report.prices)
        self.stdout.write(
            f"{report.baskets} baskets: {report.written} days written, {report.standing} already there, "
            f"{report.gaps} gaps."
        )
        return [*reports, report]


def _days(text: str | None, interval: Interval) -> int:
    longest = LONGEST_MINUTE_DAYS if interval == Interval.MINUTE else LONGEST_DAYS
    if text is None:
        return min(365, longest)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= longest):
        why = "" if longest == LONGEST_DAYS else "; minutes are kept no longer"
        raise CommandError(f"--days is {text}; expected a whole number from 1 to {longest}{why}.")
    return int(text)


def _market(name: str) -> QuerySet[Market]:
    venue, _, key = name.partition(":")
    markets = Market.objects.filter(venue=venue, native_id=key)
    if not markets.exists():
        raise CommandError(f"--market: no market {name!r} here; expected VENUE:KEY of a synced market.")
    return markets


def _legs(baskets: QuerySet[Basket]) -> QuerySet[Market]:
    return Market.objects.filter(constituents__composition__basket__in=baskets).distinct()


def _baskets(name: str | None) -> QuerySet[Basket]:
    """Return one basket by its id or slug, or all that are active."""
    if name is None:
        active = Basket.objects.filter(is_active=True)
        if not active.exists() and not Market.objects.filter(Q(demands__isnull=False)).exists():
            raise CommandError("There are no baskets yet; run build_system_baskets, then try again.")
        return active
    by_id = Basket.objects.filter(pk=int(name)) if name.isascii() and name.isdigit() and len(name) < 19 else None
    baskets = by_id if by_id is not None and by_id.exists() else Basket.objects.filter(slug=name)
    if not baskets.exists():
        raise CommandError(f"There is no basket {name!r}; expected an id or a slug.")
    return baskets
