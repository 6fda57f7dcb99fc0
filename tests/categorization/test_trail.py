"""The ten cards: what each stage saw and said, and what would change the answer."""

from datetime import datetime

import pytest

from categorization.models import Classification
from categorization.pipeline import categorize_markets
from categorization.review import confirm
from categorization.trail import STAGES, is_disputed, stage_cards, would_change
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(now: datetime) -> Classification:
    event = make_event(title="Bitcoin price on Friday", native_id="KXBTCD-27JAN01", series_key="KXBTCD")
    make_market(event=event, native_id="KXBTCD-27JAN01-T90", title="Will Bitcoin be above $90,000?")
    categorize_markets(markets=None, now=now)
    return Classification.objects.select_related("factor", "market").get()


def test_each_card_says_what_its_stage_saw_said_and_how_sure(row: Classification) -> None:
    cards = {card.name: card for card in stage_cards(row)}
    assert list(cards) == [stage.NAME for stage in STAGES]
    assert all(card.saw and card.says and not card.skipped for card in cards.values())
    assert "Will Bitcoin be above $90,000?" in cards["normalize"].saw
    assert "KXBTCD" in cards["venue prior"].saw
    for name in ("lexical", "semantic", "fuse"):
        assert cards[name].label == "bitcoin-price"
        assert 0 < (cards[name].confidence or 0) <= 1
        assert cards[name].runner_up not in ("", "bitcoin-price")
    assert "lexical: bitcoin-price" in cards["fuse"].saw


def test_a_reviewers_word_stands_on_the_last_card(row: Classification, now: datetime) -> None:
    confirm(classification=row, reviewer=make_user(), now=now)
    row.refresh_from_db()
    assert stage_cards(row)[-1].says == "Confirmed by a reviewer: bitcoin-price, direction +1."
    assert would_change(row) == ["A reviewer decided; only another review changes it, or the undo of this one."]


def test_what_would_change_an_answer_names_the_second_and_the_series(row: Classification) -> None:
    said = " ".join(would_change(row))
    fused = next(entry for entry in row.trail if entry["stage"] == "fuse")
    assert fused["runner_up"] in said
    assert "KXBTCD" in said
    assert "not sure enough" not in said
    row.status = Classification.Status.WAITING
    assert "not sure enough" in " ".join(would_change(row))


def test_a_skipped_market_has_cards_without_a_turn_and_says_why(now: datetime) -> None:
    make_market(title="A or B or C?", outcome_count=3)
    categorize_markets(markets=None, now=now)
    row = Classification.objects.get()
    assert [card.skipped for card in stage_cards(row)] == [False] * 3 + [True] * 7
    assert would_change(row) == ["Nothing: it does not pay as one YES and one NO."]


@pytest.mark.parametrize(
    "trail", [None, {}, "text", [1, None], [{"stage": "rules", "label": "gold", "confidence": "x"}]]
)
def test_a_trail_of_another_layout_is_no_error(row: Classification, trail: object) -> None:
    row.trail = trail
    assert len(stage_cards(row)) == 10
    assert not is_disputed(trail)
    assert would_change(row)


def voice(stage: str, label: str, confidence: float) -> dict[str, object]:
    return {"stage": stage, "says": "", "label": label, "confidence": confidence}


def test_only_clear_voices_that_differ_are_a_disagreement() -> None:
    assert is_disputed([voice("venue prior", "gold", 0.9), voice("rules", "tariffs", 0.6)])
    assert not is_disputed([voice("venue prior", "gold", 0.9), voice("rules", "tariffs", 0.4)])
    assert not is_disputed([voice("rules", "gold", 0.9), voice("lexical", "gold", 0.8)])


def test_the_trail_says_who_disagrees(row: Classification) -> None:
    row.trail = [
        voice("venue prior", "gold", 0.9),
        voice("rules", "tariffs", 0.6),
        voice("fuse", "gold", 0.7) | {"runner_up": "tariffs", "lead": 0.9},
        voice("assign", "gold", 0.7),
    ]
    said = would_change(row)
    assert "More weight for who disagrees: rules says tariffs." in said
    assert "Silence of venue prior: no other stage is clearly for gold." in said
