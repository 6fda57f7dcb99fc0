"""Numbers, prices and times as people read them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from itomarkets.lib.templatetags import figures

D = Decimal


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (figures.cents, D("0.624"), "62.4¢"),
        (figures.cents, D(0), "0.0¢"),
        (figures.cents, None, "–"),
        (figures.cents, "", "–"),
        (figures.cents, "rubbish", "–"),
        (figures.cents_change, D("0.012"), "+1.2¢"),
        (figures.cents_change, D("-0.012"), "−1.2¢"),
        (figures.cents_change, D(0), "0.0¢"),
        (figures.money, D("1234567.891"), "1,234,567.89"),
        (figures.money, D("-5"), "−5.00"),
        (figures.money_change, D("5"), "+5.00"),
        (figures.money_change, D("-1234.5"), "−1,234.50"),
        (figures.percent, D("0.1234"), "12.3%"),
        (figures.percent_change, D("-0.5"), "−50.0%"),
        (figures.percent_change, D("0.5"), "+50.0%"),
        (figures.plain, D("1234.5"), "1,234.50"),
        (figures.contracts, D("51.470000"), "51.47"),
        (figures.contracts, D("100"), "100"),
        (figures.contracts, D("-1200.5"), "−1,200.5"),
        (figures.compact, D("4100000"), "4.1M"),
        (figures.compact, D("999"), "999"),
        (figures.compact, D("-1500"), "−1.5k"),
        (figures.direction_class, D("0.1"), "up"),
        (figures.direction_class, D("-0.1"), "down"),
        (figures.direction_class, D(0), ""),
        (figures.direction_class, None, ""),
    ],
)
def test_a_figure_is_shown(show: Callable[[object], str], value: object, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-5, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "2 h"), (200_000, "2 d")],
)
def test_an_age_is_said_in_words(seconds: int, words: str) -> None:
    assert figures.ago_words(seconds) == words


def test_a_time_is_its_distance_with_the_exact_time_beside_it(now: datetime) -> None:
    past, future = figures.when(now - timedelta(minutes=3)), figures.when(now + timedelta(hours=2))
    assert ">3 min ago<" in past
    assert "01 Aug 2026 11:57:00 UTC" in past
    assert ">in 2 h<" in future
    assert figures.when(None) == "–"
    assert figures.age(now - timedelta(seconds=8)) == "8 s"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\u202eb\u2066c\u200bd", "abcd"),
        ("line\nbreak\x07", "line break"),
        (None, ""),
        ("<script>", "<script>"),
    ],
)
def test_marks_that_hide_or_turn_text_are_taken_out(text: object, shown: str) -> None:
    assert figures.clean(text) == shown
