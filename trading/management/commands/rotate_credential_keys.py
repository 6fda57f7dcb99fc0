from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from itomarkets.lib import clock
from trading.credentials import key_ring, rotate_all


class Command(BaseCommand):
    help = "Seal every account's secrets again under the first of CREDENTIAL_KEYS. Safe to stop and to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            version = key_ring().current
            report = rotate_all(now=clock.now())
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{report.rotated} accounts sealed with {version}, {report.current} were already.")
        if report.unreadable:
            raise CommandError(
                f"{report.unreadable} accounts do not open with the keys that are set; keep the old keys."
            )
