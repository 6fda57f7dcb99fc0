"""Delete the mirror's markets, once it is confirmed by word."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from itomarkets.lib import clock
from itomarkets.lib.venues import Venue
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.deletion import Deletion, DeletionRefused, delete_markets, find_protectors, plan_deletion
from markets.hints import NO_MARKETS
from markets.models import Market

WORD = "DELETE"
# What `--confirm` holds when it stands alone.
ASK = ""


class Command(BaseCommand):
    help = (
        f"Delete all markets, or a venue's, with their events, quotes, prices and labels. --confirm asks for the word "
        f"{WORD}, --confirm {WORD} gives it; without it what would be deleted is printed, and nothing is done. "
        "Refused while a basket, an order or a position stands on one of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--venue", choices=Venue.values, help="Only this venue's.")
        parser.add_argument("--confirm", nargs="?", const=ASK, metavar="WORD", help=f"The word is {WORD}.")

    def handle(self, *args: Any, **options: Any) -> None:
        venue, word = options["venue"] or "", options["confirm"]
        if not Market.objects.exists():
            raise CommandError(NO_MARKETS)
        where = f"of {Venue(venue).label}" if venue else "of both venues"
        self.stdout.write(f"To be deleted, {where}: {plan_deletion(venue=venue).words}.")
        if protectors := find_protectors(venue=venue):
            raise CommandError(_refusal("; ".join(protectors)))
        if word is None:
            self.stdout.write(f"Nothing was deleted. To delete it, add --confirm {WORD}.")
            return
        if word == ASK:
            word = self._ask()
        if word != WORD:
            raise CommandError(f"Expected the word {WORD}, found {word[:40]!r}; nothing was deleted.")
        done: list[Deletion] = []

        def job() -> Deletion:
            done.append(delete_markets(venue=venue, now=clock.now(), progress=self.stdout.write))
            return done[0]

        try:
            run = run_job("delete_markets", job, lease_seconds=3600)
        except DeletionRefused as refused:
            raise CommandError(_refusal(str(refused))) from refused
        if run.status == JobRun.Status.SKIPPED:
            raise CommandError("Another run is deleting them; wait until it has ended.")
        self.stdout.write(f"Deleted: {done[0].words}. sync_markets fetches what the venues list.")

    def _ask(self) -> str:
        if not sys.stdin.isatty():
            raise CommandError(f"Nobody can be asked here; give the word with --confirm {WORD}. Nothing was deleted.")
        try:
            return input(f"Type {WORD} to delete it: ").strip()
        except EOFError:
            return ""


def _refusal(named: str) -> str:
    return (
        f"Refused: {named}. What stands on a market keeps it: baskets that hold it can be deleted first, orders, "
        "positions and cash entries are records and stay."
    )
