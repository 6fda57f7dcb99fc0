"""The training examples are complete and agree with the taxonomy."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

import categorization

HERE = Path(categorization.__file__).parent
EXAMPLES = HERE / "examples"
TAXONOMY = HERE / "taxonomy.toml"
ENOUGH = 25


class Row(NamedTuple):
    """One training example and the file that holds it."""

    file: str
    title: str
    factor: str
    direction: str


@pytest.fixture(scope="module")
def themes() -> dict[str, dict[str, str]]:
    """Give theme slug -> factor id -> what "up" means; `none` is a theme with one factor and no axis."""
    baskets = tomllib.loads(TAXONOMY.read_text(encoding="utf-8"))["basket"]
    found = {basket["slug"]: {factor["id"]: factor["up"] for factor in basket["factors"]} for basket in baskets}
    return found | {"none": {"none": "0"}}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Read every example of every file."""
    found: list[Row] = []
    for path in sorted(EXAMPLES.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            assert next(reader) == ["title", "factor", "direction"], f"{path.name} has another header"
            for number, fields in enumerate(reader, start=2):
                assert len(fields) == 3, f"{path.name}:{number} has {len(fields)} fields, expected 3: {fields}"
                found.append(Row(path.stem, *fields))
    return found


def same(title: str) -> str:
    return " ".join(title.casefold().split())


def test_every_theme_has_its_file_and_no_other_file_exists(themes: dict[str, dict[str, str]]) -> None:
    assert {path.stem for path in EXAMPLES.glob("*.tsv")} == set(themes)


def test_every_row_stands_in_the_file_of_its_factors_theme(themes: dict[str, dict[str, str]], rows: list[Row]) -> None:
    assert [row for row in rows if row.factor not in themes[row.file]] == []


def test_rows_stand_in_the_taxonomys_order_of_factors(themes: dict[str, dict[str, str]], rows: list[Row]) -> None:
    for theme, factors in themes.items():
        order = list(factors)
        places = [order.index(row.factor) for row in rows if row.file == theme]
        assert places == sorted(places), f"{theme}.tsv mixes its factors"


def test_every_factor_has_enough_examples(themes: dict[str, dict[str, str]], rows: list[Row]) -> None:
    counts = Counter(row.factor for row in rows)
    expected = {factor for factors in themes.values() for factor in factors}
    assert {factor: counts[factor] for factor in expected if counts[factor] < ENOUGH} == {}


def test_directions_are_plus_minus_or_zero_and_zero_where_the_factor_has_no_axis(
    themes: dict[str, dict[str, str]], rows: list[Row]
) -> None:
    up = {factor: text for factors in themes.values() for factor, text in factors.items()}
    assert [row for row in rows if row.direction not in {"+1", "-1", "0"}] == []
    assert [row for row in rows if up[row.factor] == "0" and row.direction != "0"] == []


def test_a_factor_with_an_axis_shows_both_signs(themes: dict[str, dict[str, str]], rows: list[Row]) -> None:
    signs = {(row.factor, row.direction) for row in rows}
    axes = [factor for factors in themes.values() for factor, up in factors.items() if up != "0"]
    assert [factor for factor in axes if not {(factor, "+1"), (factor, "-1")} <= signs] == []


def test_no_title_is_empty_or_padded(rows: list[Row]) -> None:
    assert [row for row in rows if not row.title or row.title != row.title.strip()] == []


def test_no_title_appears_twice_under_one_factor_or_under_two(rows: list[Row]) -> None:
    counts = Counter(same(row.title) for row in rows)
    assert [title for title, count in counts.items() if count > 1] == []
