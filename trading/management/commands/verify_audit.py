from typing import Any

from django.core.management.base import BaseCommand, CommandError

from itomarkets.records.audit import verify_chain


class Command(BaseCommand):
    help = "Walk the audit trail and name the first entry that was changed, removed or moved."

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify_chain()
        if report.broken_at is not None:
            raise CommandError(
                f"The audit trail is broken at entry {report.broken_at}: it, or the one before it, is not as written."
            )
        self.stdout.write(f"{report.entries} audit entries, unbroken.")
