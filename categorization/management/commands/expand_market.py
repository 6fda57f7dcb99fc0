"""Show every market that would join the same system basket as one, and why."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.expanding import ExpandError, expand_market
from itomarkets.lib.templatetags.figures import clean
from markets.models import Market


class Command(BaseCommand):
    help = "Show every market that would join the same system basket as VENUE:KEY, nearest first, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("market", metavar="VENUE:KEY", help="Like kalshi:KXFED-26DEC-T4.00 or polymarket:512345.")
        parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")

    def handle(self, *args: Any, **options: Any) -> None:
        venue, _, key = options["market"].partition(":")
        market = Market.objects.select_related("event").filter(venue=venue, native_id=key).first()
        if market is None:
            raise CommandError(f"No market {options['market']!r} is known; expected VENUE:KEY of a synced market.")
        try:
            found = expand_market(market=market)
        except ExpandError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
            return
        self.stdout.write(f"{found.market}  {clean(found.question)}")
        self.stdout.write(f"joins {found.theme} through {found.factor}, side {found.side.upper()}")
        for kin in found.kin:
            said = f"{kin.relation:<24} {kin.side.upper():<5} {kin.factor:<24} {kin.confidence}"
            self.stdout.write(f"{said}  {kin.market}  {clean(kin.question)[:90]}  ({kin.why})")
        self.stdout.write(f"{len(found.kin):,} markets would join it.")
