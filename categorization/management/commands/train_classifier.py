"""Train the models of this code and these examples."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.training import TrainingError, train_classifier
from itomarkets.lib import clock


class Command(BaseCommand):
    help = "Learn the lexical and semantic models from the project's examples and keep them under var/."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--force", action="store_true", help="Train even where this version's models exist.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = train_classifier(now=clock.now(), force=options["force"])
        except TrainingError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"The models cannot be kept: {error}. Free some disk space or set ITO_VAR to a writable folder."
            ) from error
        verb = "Found" if report.was_cached else "Trained"
        self.stdout.write(
            f"{verb} version {report.digest[:12]}: {report.examples:,} examples of {report.factors} factors, "
            f"{report.seconds:.1f} seconds."
        )
