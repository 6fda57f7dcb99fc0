"""The public page tells the method's own numbers, and the example's to the last place."""

import pytest
from django.test import Client

from baskets import method
from baskets.published import published
from baskets.replay import replay_sample
from itomarkets.lib.rounding import quantize
from itomarkets.records.jobs import run_job

pytestmark = pytest.mark.django_db


def page() -> str:
    answer = Client().get("/methodology")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_example_is_the_worked_example_to_six_places():
    example = published().example
    assert [str(quantize(leg.units, 6)) for leg in example.legs] == ["64.516129", "51.470588", "100.000000"]
    assert [(str(quantize(s.gauge * 100, 2)), str(quantize(s.level, 6))) for s in example.steps] == [
        ("54.85", "100.000000"),
        ("56.50", "106.043643"),
        ("74.00", "176.043643"),
        ("55.00", "176.043643"),
        ("56.50", "177.929825"),
    ]
    assert str(quantize(example.steps[-1].divisor, 6)) == "0.568041"


def test_the_page_prints_the_example_and_the_rules_in_force():
    text = page()
    for words in (
        "54.85",
        "64.516129",
        "176.043643",
        "177.929825",
        "0.568041",
        "+15.6%",
        "+66.0%",
        "more than 20%",
        "90 seconds",
    ):
        assert words in text
    assert f"Version {method.METHOD_VERSION}" in text


def test_another_rule_makes_another_page(monkeypatch):
    monkeypatch.setattr(method, "LIVE_SECONDS", 45)
    assert "no older than 45 seconds" in page()


def test_the_page_says_how_the_last_replay_went(now):
    assert "It has not run here yet." in page()
    run_job("replay_sample", lambda: replay_sample(now=now))
    assert "0 prices, 0 compositions and 0 official fixings, 0 differences." in page()
