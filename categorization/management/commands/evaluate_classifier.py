"""Measure the classifier on labelled markets."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.evaluation import EvaluationError, evaluate
from categorization.training import TrainingError


class Command(BaseCommand):
    help = "Compare the classifier with labels (venue, key, title, factor, direction; tab-separated)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--labels", type=Path, required=True, help="The labels: TSV with a header.")
        parser.add_argument(
            "--titles", type=Path, help="A recorded market list (.jsonl.gz) with event titles, categories and tags."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = evaluate(labels=options["labels"], titles=options["titles"])
        except (EvaluationError, TrainingError) as error:
            raise CommandError(str(error)) from error
        measures = result.as_dict()
        if options["json"]:
            self.stdout.write(json.dumps(measures))
            return
        for name, value in measures.items():
            self.stdout.write(f"{name}: {value}")
