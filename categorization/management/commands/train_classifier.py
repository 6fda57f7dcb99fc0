"""Train the next version from our examples and all reviews, or go back to an earlier one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.calibration import CalibrationError
from categorization.evaluation import EvaluationError
from categorization.learning import TrainingReport, roll_back, train_classifier
from categorization.models import ModelVersion
from categorization.training import TrainingError
from itomarkets.lib import clock


class Command(BaseCommand):
    help = (
        "Learn from the project's examples and from reviews; a version that is worse than the standing one on the "
        "development set or on reviewed markets is kept, but does not decide."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--force", action="store_true", help="Train even where this version's models exist.")
        parser.add_argument(
            "--rollback",
            nargs="?",
            const="",
            metavar="VERSION",
            help="Let an earlier version decide again: the one before, or the one whose digest begins so.",
        )
        parser.add_argument("--versions", action="store_true", help="List the versions that are kept.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["versions"]:
                self._list()
            elif options["rollback"] is not None:
                version = roll_back(now=clock.now(), to=options["rollback"])
                self.stdout.write(f"Version {version} decides again; run categorize_markets to apply it.")
            else:
                self._train(train_classifier(now=clock.now(), force=options["force"]))
        except (TrainingError, CalibrationError, EvaluationError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"The models cannot be kept: {error}. Free some disk space or set ITO_VAR to a writable folder."
            ) from error

    def _train(self, report: TrainingReport) -> None:
        verb = "Found" if report.was_cached else "Trained"
        self.stdout.write(
            f"{verb} version {report.digest[:12]}: {report.examples:,} examples of {report.factors} factors, "
            f"{report.reviews:,} reviews, {report.seconds:.1f} seconds."
        )
        for where in report.before:
            self.stdout.write(f"before, {where}: {_words(report.before[where])}")
            self.stdout.write(f"after, {where}: {_words(report.after[where])}")
        if report.refused_because:
            raise CommandError(f"Version {report.digest[:12]} is not promoted: {report.refused_because}")

    def _list(self) -> None:
        for version in ModelVersion.objects.all():
            refused = version.measures.get("refused_because")
            state = "decides" if version.is_active else f"refused: {refused}" if refused else "kept"
            reviews = version.measures.get("reviews", 0)
            self.stdout.write(f"{version} of {version.created_at:%Y-%m-%d %H:%M}, {reviews:,} reviews: {state}")


def _words(figures: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
