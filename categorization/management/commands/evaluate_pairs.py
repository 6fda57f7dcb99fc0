"""Measure the matching of markets on labelled pairs."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.pairs.claims import Claim, read_claim
from categorization.pairs.evaluation import PairLabelError, lines_of, measure_pairs, read_pair_labels
from categorization.pairs.matching import all_listings
from itomarkets.lib.venues import Venue
from markets.hints import NO_MARKETS
from markets.models import Market


class Command(BaseCommand):
    help = "Compare what would be called identical with labels (kalshi, polymarket, relation; tab-separated)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--labels", type=Path, required=True, help="The labels: TSV with a header.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            labels = read_pair_labels(options["labels"])
        except PairLabelError as error:
            raise CommandError(str(error)) from error
        if not Market.objects.exists():
            raise CommandError(NO_MARKETS)
        wanted = {label.polymarket for label in labels}
        kalshi: list[Claim] = []
        keys: dict[Any, str] = {}
        polymarket: dict[str, Claim] = {}
        for listing in all_listings():
            if listing.venue == Venue.KALSHI:
                kalshi.append(read_claim(listing))
                keys[listing.key] = listing.native_id
            elif found := wanted & {listing.native_id, listing.slug}:
                polymarket |= dict.fromkeys(found, read_claim(listing))
        measures = measure_pairs(labels, kalshi=kalshi, polymarket=polymarket, keys=keys)
        if options["json"]:
            self.stdout.write(json.dumps(measures.as_dict()))
            return
        for line in lines_of(measures):
            self.stdout.write(line)
