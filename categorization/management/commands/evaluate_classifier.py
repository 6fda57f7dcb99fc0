"""Measure the classifier on labelled markets."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from categorization.ablation import ablate, ablation_lines
from categorization.calibration import CalibrationError
from categorization.charts import draw_charts
from categorization.crossvalidation import cross_validate
from categorization.decisions import Decider
from categorization.evaluation import EvaluationError, decide_labelled, measure
from categorization.labels import read_labels
from categorization.training import TrainingError, current_artifact


class Command(BaseCommand):
    help = "Compare the classifier with labels (venue, key, title, factor, direction; tab-separated)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--labels", type=Path, required=True, help="The labels: TSV with a header.")
        parser.add_argument(
            "--titles", type=Path, help="A recorded market list (.jsonl.gz) with event titles, categories and tags."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--ablation", action="store_true", help="Print the figures without each of the ten stages.")
        parser.add_argument(
            "--cross-validate",
            action="store_true",
            help="Train without each fold of question templates and measure that (a few minutes).",
        )
        parser.add_argument("--charts", action="store_true", help="Draw a confusion table and a reliability plot.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._measure(options)
        except (EvaluationError, TrainingError, CalibrationError) as error:
            raise CommandError(str(error)) from error

    def _measure(self, options: dict[str, Any]) -> None:
        labelled = read_labels(options["labels"], options["titles"])
        artifact = current_artifact()
        if options["ablation"]:
            rows = ablate(labelled, artifact)
            lines = [json.dumps([row.as_dict() for row in rows])] if options["json"] else ablation_lines(rows)
            for line in lines:
                self.stdout.write(line)
            return
        started = monotonic()
        decisions = decide_labelled(labelled, Decider(artifact))
        measures = measure(labelled, decisions, seconds=monotonic() - started).as_dict()
        if options["cross_validate"]:
            measures["cross_validation"] = cross_validate(labelled).as_dict()
        if options["charts"]:
            drawn = draw_charts(labelled, decisions, Path(settings.VAR_DIR) / "charts")
            measures["charts"] = [str(path) for path in drawn]
        if options["json"]:
            self.stdout.write(json.dumps(measures))
            return
        for name, value in measures.items():
            self.stdout.write(f"{name}: {value}")
