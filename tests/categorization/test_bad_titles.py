"""Whatever a venue sends as a title, the answer is sound: a factor, a question for a person, or a reason."""

import random

import pytest

from categorization.decisions import Decider
from categorization.factors import taxonomy
from categorization.reading import Reading
from categorization.stages import screen

UNREADABLE = ["", " ", "\u200b\u202e", "\x00\x01\x02", "🎉🎉", "- :: |", "?!", "<>"]
STRANGE = [
    "x" * 10_000,
    "Will Bitcoin be above $100,000? " * 400,
    "\u202eWill gold rise above $5,000?\u202c",
    "Will\u200bBitcoin\u2060reach $200,000?",
    "<script>alert(1)</script> Will Bitcoin reach $200,000?",
    "<b>Will the Fed cut rates in June?</b>",
    "&lt;b&gt; Will it rain in Oslo?",
    "谁会赢得下一届总统选举？",
    "Кто победит на выборах президента?",
    "هل سيرتفع سعر النفط؟",
    "🚀 Will Bitcoin reach $200,000 🚀🚀?",
    "#1 ... (a|b) @tag !word slug:nba venue:kalshi",
    "%s %d {0} ${jndi:ldap://x} ' OR 1=1 --",
    "Ｗｉｌｌ Ｂｉｔｃｏｉｎ ｒｉｓｅ?",
    "Z̸͍͝a̶l̵g̴o̷ will rise?",
]
MIXED = "Will Bitcoin, the Lakers and the Fed all win in June?"


def market(title: str, **values: object) -> Reading:
    return Reading(**{"key": 1, "venue": "polymarket", "native_id": "1", "title": title, **values})  # type: ignore[arg-type]


def is_sound(decider: Decider, reading: Reading) -> bool:
    (said,) = decider.decide([reading], now=None)
    if said.skip_reason:
        return said.skip_reason in screen.REASONS and bool(said.trail[-1]["says"])
    return said.label in taxonomy().labels and 0 <= said.confidence <= 1 and said.direction in (-1, 0, 1)


@pytest.mark.parametrize("title", UNREADABLE)
def test_a_title_that_says_nothing_is_left_out_with_the_reason(decider: Decider, title: str) -> None:
    (said,) = decider.decide([market(title)], now=None)
    assert said.skip_reason == "malformed"
    assert "no readable title" in said.trail[-1]["says"]


@pytest.mark.parametrize("title", STRANGE)
def test_a_strange_title_gets_a_sound_answer(decider: Decider, title: str) -> None:
    assert is_sound(decider, market(title))
    assert is_sound(
        decider, market(title, event_title=title, subtitle=title, category=title, tags=(title,), slug=title)
    )


@pytest.mark.parametrize(
    ("title", "factor"),
    [
        ("\u202eWill Bitcoin be above $100,000?\u202c", "bitcoin-price"),
        ("🚀 Will Bitcoin be above $100,000? 🚀", "bitcoin-price"),
        ("<b>Will Bitcoin be above $100,000?</b>", "bitcoin-price"),
        ("Will Bitcoin be above $100,000?" + " " * 9_000, "bitcoin-price"),
    ],
)
def test_dressing_changes_nothing(decider: Decider, title: str, factor: str) -> None:
    (said,) = decider.decide([market(title)], now=None)
    assert (said.label, said.direction) == (factor, 1)


def test_a_title_that_names_three_themes_is_not_decided_alone(decider: Decider) -> None:
    (said,) = decider.decide([market(MIXED)], now=None)
    assert said.label in taxonomy().labels
    assert not said.is_sure
    fused = next(entry for entry in said.trail if entry["stage"] == "fuse")
    assert "waits for a person" in fused["says"] or "left uncategorised" in fused["says"]


def test_an_unknown_market_says_that_too_little_is_known(decider: Decider) -> None:
    (said,) = decider.decide([market("Qwrt zzyx plok?")], now=None)
    assert not said.is_sure
    assert said.runner_up in taxonomy().labels


def test_random_characters_never_raise(decider: Decider) -> None:
    seed = 606
    rng = random.Random(seed)
    texts = ["".join(chr(rng.randint(1, 0x2FFF)) for _ in range(rng.randint(0, 120))) for _ in range(150)]
    readings = [market(text, key=number, subtitle=text[::-1]) for number, text in enumerate(texts)]
    for reading, said in zip(readings, decider.decide(readings, now=None), strict=True):
        assert said.skip_reason or said.label in taxonomy().labels, f"seed {seed}, market {reading.key}"
