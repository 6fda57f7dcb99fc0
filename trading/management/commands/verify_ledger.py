from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading.ledger_checks import verify_ledger


class Command(BaseCommand):
    help = "Prove the ledger: every entry is zero, fills give the books, books give the positions. Names what is out."

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify_ledger()
        if report.imbalances:
            more = len(report.imbalances) - 1
            raise CommandError(f"{report.imbalances[0]}{f' And {more} more.' if more else ''}")
        self.stdout.write(f"{report.entries} entries of {report.accounts} accounts, balanced to the last digit.")
