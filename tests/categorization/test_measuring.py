"""What the evaluation prints beside its figures: ablation, cross-validation, charts, and an event's siblings."""

import gzip
import json
from collections import defaultdict
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from categorization.ablation import REFUSED, ablate, ablation_lines
from categorization.artifact import Artifact
from categorization.crossvalidation import cross_validate, fold_of, template_of
from categorization.decisions import Decider
from categorization.evaluation import decide_labelled
from categorization.labels import Labelled, all_readings, read_labels
from categorization.training import DEVELOPMENT_FILE, Example, read_examples

HEADER = "venue\tkey\ttitle\tfactor\tdirection\n"


@pytest.fixture(scope="module")
def development() -> list[Labelled]:
    return read_labels(DEVELOPMENT_FILE, None)


def test_each_stage_can_be_left_out_and_is_missed(development: list[Labelled], artifact: Artifact) -> None:
    rows = ablate(development, artifact)
    assert len(rows) == 11
    whole, *without = (row.as_dict() for row in rows)
    assert whole["without"] == "nothing"
    assert whole["let_in"] == 0
    by_stage = {row["without"]: row for row in without}
    assert by_stage["screen"]["let_in"] == len(REFUSED)
    assert by_stage["direction"]["direction_accuracy"] < whole["direction_accuracy"] - 0.2
    assert by_stage["normalize"]["factor_accuracy"] < whole["factor_accuracy"]
    # The development set is easy; there a voice that is missing is missed in how sure the others are.
    for stage in ("venue prior", "rules", "lexical", "semantic", "fuse"):
        assert by_stage[stage]["ece"] != whole["ece"]
    lines = ablation_lines(rows)
    assert len(lines) == 12
    assert len({len(line) for line in lines}) == 1


def test_an_events_siblings_and_title_are_read_beside_a_labelled_market(tmp_path: Path, artifact: Artifact) -> None:
    labels, titles = tmp_path / "labels.tsv", tmp_path / "titles.jsonl.gz"
    labels.write_text(HEADER + "kalshi\tQQZZ-29-B1\t— Yes\tus-cpi\t0\n", encoding="utf-8")
    records = [
        {"venue": "kalshi", "key": "QQZZ-29-B1", "title": "— 1.0% to 1.9%"},
        {"venue": "kalshi", "key": "QQZZ-29-B2", "title": "— 2.0% to 2.9%"},
        {"venue": "kalshi", "key": "EVENT:QQZZ-29", "title": "US CPI inflation in 2029?"},
        {"venue": "kalshi", "key": "OTHER-29-B2", "title": "Something else"},
        {"venue": "polymarket", "key": "7", "title": "Something else"},
    ]
    with gzip.open(titles, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    (row,) = read_labels(labels, titles)
    assert (row.reading.event_key, row.reading.event_title) == ("QQZZ-29", "US CPI inflation in 2029?")
    assert [sibling.native_id for sibling in row.siblings] == ["QQZZ-29-B2"]
    assert len(all_readings([row, row])) == 3
    (said,) = decide_labelled([row], Decider(artifact))
    assert (said.label, said.direction) == ("us-cpi", 0)


def test_a_template_hides_names_numbers_and_the_outcome() -> None:
    one = template_of("Will Ann Example win the 2026 Ohio Senate race?", name="Ann Example")
    other = template_of("Will Bob Muster win the 2026 Texas Senate race?", name="Bob Muster")
    assert one == other
    assert template_of("Any words", series="KXCPI") == "KXCPI"
    assert template_of("Will gold be above $4,000?") == template_of("Will gold be above $5,000?")
    assert {fold_of(f"template {number}") for number in range(99)} == set(range(5))


def test_cross_validation_trains_without_the_templates_that_it_decides(development: list[Labelled]) -> None:
    by_factor: dict[str, list[Example]] = defaultdict(list)
    for example in read_examples():
        by_factor[example.factor].append(example)
    few = [example for found in by_factor.values() for example in found[::30][:3]]
    result = cross_validate(development, folds=2, own=few)
    assert result.labelled.n == 200
    assert result.labelled.factor_accuracy >= 0.85
    assert 0 <= result.examples_factor_accuracy <= 1
    assert result.ece <= 0.1
    assert {"ece_across_venues", "folds", "by_venue"} <= result.as_dict().keys()


def test_the_command_draws_both_charts_and_prints_the_ablation(
    artifact: Artifact, settings: object, tmp_path: Path
) -> None:
    pytest.importorskip("PIL")
    settings.VAR_DIR = tmp_path  # type: ignore[attr-defined]
    labels = tmp_path / "labels.tsv"
    labels.write_text(HEADER + "kalshi\tKXHIGHNY-27JAN01-T40\tHigh in NYC above 40°\tdaily-temperature\t+1\n", "utf-8")
    out = StringIO()
    call_command("evaluate_classifier", labels=labels, json=True, charts=True, stdout=out)
    drawn = [Path(path) for path in json.loads(out.getvalue())["charts"]]
    assert [path.name for path in drawn] == ["categorization-confusion.png", "categorization-reliability.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    out = StringIO()
    call_command("evaluate_classifier", labels=labels, ablation=True, stdout=out)
    assert "venue prior" in out.getvalue()
