"""Each stage on its own: what it understands and what it refuses."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from categorization.calibration import Calibration
from categorization.decisions import Decider
from categorization.factors import taxonomy
from categorization.knowledge.phrases import parse_phrase
from categorization.knowledge.series import series_stem, series_table
from categorization.knowledge.words import LONGEST_TEXT, words_of
from categorization.reading import Reading, reading_of_record
from categorization.stages import assign, fuse, group, normalize, rules, screen, venue_prior
from categorization.stages.direction import direction
from categorization.trail import STAGES

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def reading(title: str = "", **values: Any) -> Reading:
    values.setdefault("venue", "polymarket")
    values.setdefault("native_id", "1")
    return Reading(key=1, title=title, **values)


# --- normalize ----------------------------------------------------------------------------------


def test_words_lose_accents_marks_case_and_possessives() -> None:
    assert words_of("São Paulo's U.S. **rate**\u202e?") == ("sao", "paulo", "us", "rate")


def test_a_very_long_title_is_cut() -> None:
    assert len(" ".join(words_of("word " * 5_000))) <= LONGEST_TEXT


def test_event_title_is_added_only_where_it_says_more() -> None:
    text = normalize.normalize(reading("Will it rain?", event_title="Will it rain?"))
    assert "|" not in text.words


def test_the_slug_speaks_for_a_title_in_another_script() -> None:
    text = normalize.normalize(reading("比特币会涨吗", slug="will-bitcoin-rise-in-august-123"))
    assert "bitcoin" in text.words
    assert "123" not in text.words


def test_a_district_and_a_stock_are_named_by_their_form() -> None:
    assert "district" in normalize.normalize(reading("Will Ann Example be the TX-07 nominee?")).tags
    assert "ticker" in normalize.normalize(reading("Will Example (EXMP) close above $10?")).tags


def test_a_longer_name_owns_its_words() -> None:
    tags = normalize.normalize(reading("Will the New York Giants draft first?")).tags
    assert "nfl" in tags
    assert "mlb" not in tags


# --- group --------------------------------------------------------------------------------------


def _key(**values: Any) -> tuple[str, ...]:
    one = reading(**values)
    return group.group_key(one, normalize.normalize(one))


def test_steps_of_a_kalshi_ladder_share_a_group() -> None:
    ladder = [
        _key(
            venue="kalshi",
            native_id=f"KXTHING-26AUG-T{step}",
            title=f"Will the thing be above {step}?",
            event_title="The thing in August",
        )
        for step in (1, 2, 3)
    ]
    assert len(set(ladder)) == 1


def test_outcomes_of_a_polymarket_event_share_a_group() -> None:
    names = ("Ann Example", "Bob Sample Senior")
    keys = {_key(title=f"Will {name} win the race?", subtitle=name, event_key="77") for name in names}
    assert len(keys) == 1


def test_other_questions_do_not_share_a_group() -> None:
    assert _key(title="Will it rain in London?") != _key(title="Will it snow in London?")


# --- screen -------------------------------------------------------------------------------------


def _screened(now: datetime | None = NOW, **values: Any) -> str:
    one = reading(**{"title": "Will it rain in London tomorrow?", **values})
    return screen.screen(one, normalize.normalize(one), now=now)


def test_a_live_question_passes_the_screen() -> None:
    assert _screened(close_at=datetime(2026, 9, 1, tzinfo=UTC)) == ""


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"is_combo": True}, "combo"),
        ({"venue": "kalshi", "native_id": "KXMVESPORTS-S1-ABC"}, "combo"),
        ({"outcome_count": 3}, "not binary"),
        ({"title": "\u202e ?!"}, "malformed"),
        ({"close_at": datetime(2026, 7, 1, tzinfo=UTC)}, "expired"),
        ({"status": "resolved"}, "expired"),
    ],
)
def test_the_screen_names_its_reason(values: dict[str, Any], reason: str) -> None:
    assert _screened(**values) == reason
    assert reason in screen.explain(reason)


def test_without_a_now_nothing_is_expired() -> None:
    assert _screened(now=None, close_at=datetime(2020, 1, 1, tzinfo=UTC)) == ""


# --- venue prior --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticker", "factor"),
    [
        ("KXFEDDECISION-27JAN", "fed-policy-rate"),
        ("KXCPIYOY-27JAN-T3.1", "us-cpi"),
        ("KXHIGHNY-27JAN02-B40.5", "daily-temperature"),
        ("KXBTCD-27JAN0217-T99999", "bitcoin-price"),
        ("KXETHMINY-27", "ether-price"),
        ("KXHOUSETX15-26-R", "us-house-control"),
        ("SENATEOH-28-D", "us-senate-control"),
        ("KXGOVTXNOMR-30", "us-state-local-elections"),
        ("EVENT:KXNBAMVP-27", "basketball"),
        ("KXWTIMAX-27DEC31-T100", "crude-oil"),
    ],
)
def test_a_series_ticker_names_its_factor(ticker: str, factor: str) -> None:
    found = series_table().match(series_stem(ticker))
    assert found is not None
    assert found.factor == factor


def test_an_unknown_series_and_unknown_tags_say_nothing() -> None:
    unknown = normalize.normalize(reading("What?", venue="kalshi", native_id="QQZZ-1"))
    assert venue_prior.venue_prior(unknown).weights == {}
    assert venue_prior.venue_prior(normalize.normalize(reading("What?", tags=("unheard of",)))).weights == {}


def test_tags_that_agree_add_up_and_count_less_than_a_series() -> None:
    one = venue_prior.venue_prior(normalize.normalize(reading("A vs. B", tags=("tennis",)))).weights
    two = venue_prior.venue_prior(normalize.normalize(reading("A vs. B", tags=("tennis", "wta")))).weights
    assert one["tennis-golf"] < two["tennis-golf"] < 0.5


def test_every_table_names_only_factors_of_the_taxonomy() -> None:
    known = set(taxonomy().labels)
    table = series_table()
    named = {*table.exact.values(), *table.prefixes.values(), *(factor for _, factor, _ in table.expressions)}
    named |= {factor for pairs in venue_prior.tag_table().values() for factor, _ in pairs}
    book = rules.phrase_book()
    named |= {phrase.factor for phrases in book.by_anchor.values() for phrase in phrases}
    assert named <= known


# --- rules --------------------------------------------------------------------------------------

QUESTIONS = {
    "ecb-policy-rate": "Will the European Central Bank raise its deposit rate in October?",
    "other-central-banks": "Bank of Canada cuts rates in December?",
    "us-recession": "US recession declared before July?",
    "tariffs": "Will a new tariff on cars take effect this spring?",
    "government-shutdown": "Government shutdown by Saturday?",
    "equity-volatility": "Will the VIX close above 40 this month?",
    "ipos": "Will Exampla IPO before December?",
    "mergers": "Will Exampla be acquired by June?",
    "us-treasury-yields": "Will the 10-year Treasury yield hit 6%?",
    "gold": "Will gold close above $5,000 this week?",
    "ai-leaderboards": "Which company has the best AI model at the end of June?",
    "us-house-control": "Will Ann Example win the CA-99 race?",
    "hurricanes": "Will a hurricane make landfall in Texas?",
    "disease-outbreaks": "How many measles cases this year?",
    "spaceflight": "Will Starship reach the Moon before 2030?",
    "awards": "Will the film win at the Oscars?",
}


@pytest.mark.parametrize(("factor", "question"), QUESTIONS.items())
def test_a_phrase_names_the_factor(factor: str, question: str) -> None:
    hits = rules.rules(normalize.normalize(reading(question)))
    assert max(hits.weights, key=lambda name: hits.weights[name]) == factor


def test_a_text_without_a_phrase_gets_no_factor() -> None:
    assert rules.rules(normalize.normalize(reading("Blue or green?"))).weights == {}


def test_a_forbidden_word_silences_a_phrase() -> None:
    phrase = parse_phrase("gold", 0.9, "gold !medal")
    assert phrase.forbidden == ("medal",)


def test_a_phrase_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="names no word"):
        parse_phrase("gold", 0.9, "!medal")


# --- lexical, semantic, fuse --------------------------------------------------------------------


def test_opinions_are_probabilities_and_the_stages_agree_on_a_clear_case(decider: Decider) -> None:
    (said,) = decider.decide([reading("Will Bitcoin be above $200,000 on December 31?")], now=None)
    assert said.label == "bitcoin-price"
    assert said.is_sure
    assert said.direction == 1
    assert [entry["stage"] for entry in said.trail] == [stage.NAME for stage in STAGES]
    assert all(entry["says"] for entry in said.trail)


def test_a_text_that_says_nothing_is_not_decided(decider: Decider) -> None:
    (said,) = decider.decide([reading("Qwrt zzyx plok?")], now=None)
    assert not said.is_sure


def test_leaving_a_table_out_changes_the_answer() -> None:
    tables = [np.zeros((1, 3), dtype=np.float32) for _ in range(4)]
    tables[0][0, 1] = 0.97
    tables[2][:] = tables[3][:] = 1 / 3
    with_prior = fuse.fuse(*tables)
    without = fuse.fuse(*tables, without="prior")
    assert with_prior[0].argmax() == 1
    assert abs(float(without[0].max()) - 1 / 3) < 1e-6
    assert fuse.best_two(with_prior[:0]) == []


def test_without_fuse_the_first_stage_that_speaks_decides_alone() -> None:
    tables = [np.zeros((1, 3), dtype=np.float32) for _ in range(4)]
    tables[1][0, 0] = 0.01
    tables[2][0, 2] = tables[3][0, 2] = 0.99
    assert fuse.fuse(*tables)[0].argmax() == 2
    assert fuse.fuse(*tables, without="fuse")[0].argmax() == 0


CURVE = Calibration(leads=(1.0, 5.0), shares=(0.5, 0.9), threshold=0.8)


def test_a_long_lead_is_sure_a_short_one_asks_a_person_and_none_is_unknown() -> None:
    shares = np.array([[0.99, 0.005, 0.005], [0.55, 0.4, 0.05], [0.1, 0.09, 0.05]])
    sure, doubtful, unknown = fuse.opinions_of(shares, ("gold", "silver", "oil"), CURVE)
    assert (sure.label, sure.runner_up, sure.is_sure) == ("gold", "silver", True)
    assert (doubtful.is_sure, doubtful.is_unknown) == (False, False)
    assert (unknown.is_sure, unknown.is_unknown) == (False, True)
    assert "waits for a person" in fuse.explain(doubtful)
    assert "left uncategorised" in fuse.explain(unknown)


# --- assign -------------------------------------------------------------------------------------


def _vote(key: str, label: str, confidence: float) -> tuple[str, str, tuple[str, ...], fuse.Opinion]:
    return ("polymarket", "event", (key,), fuse.Opinion(label, confidence, "none", 3.0, confidence >= 0.6))


def test_an_unsure_sibling_follows_its_event() -> None:
    settled = assign.settle([_vote("a", "soccer", 0.98), _vote("b", "soccer", 0.9), _vote("c", "music", 0.3)])
    assert settled["event", ("c",)].label == "soccer"
    assert ("event", ("a",)) not in settled


def test_a_sure_sibling_keeps_its_own_mind() -> None:
    settled = assign.settle([_vote("a", "soccer", 0.98), _vote("b", "soccer", 0.9), _vote("c", "music", 0.95)])
    assert ("event", ("c",)) not in settled


def test_an_event_that_is_split_persuades_nobody() -> None:
    assert assign.settle([_vote("a", "soccer", 0.5), _vote("b", "music", 0.5)]) == {}


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title",
    [
        "",
        " ",
        "x" * 10_000,
        "\u202eevil\u202c",
        "🎉🎉",
        "<script>alert(1)</script>",
        "\x00\x01",
        "谁会赢",
        "- :: |",
        "#1 ... (a|b)",
    ],
)
def test_no_title_breaks_the_stages(decider: Decider, title: str) -> None:
    (said,) = decider.decide([reading(title)], now=None)
    assert said.skip_reason or said.trail


def test_a_recorded_row_reads_like_a_market() -> None:
    row = {"venue": "polymarket", "key": "will-x", "title": "Will X?", "event": "X", "tags": ["a"], "category": "b"}
    one = reading_of_record(row)
    assert (one.slug, one.subtitle, one.tags, one.event_key) == ("will-x", "X", ("a",), "")


# --- direction ----------------------------------------------------------------------------------

DIRECTIONS = [
    ("us-cpi", "Will CPI be above 3% in May?", {}, 1),
    ("us-cpi", "Will CPI be below 3% in May?", {}, -1),
    ("us-cpi", "Will CPI be between 3.0% and 3.2% in May?", {}, 0),
    ("us-cpi", "May CPI", {"venue": "kalshi", "native_id": "KXCPI-27MAY-T0.3", "subtitle": "Above 0.3%"}, 1),
    ("us-cpi", "May CPI", {"venue": "kalshi", "native_id": "KXCPI-27MAY-B0.3", "subtitle": "0.3%"}, 0),
    ("fed-policy-rate", "Will the Fed cut rates in June?", {}, -1),
    ("fed-policy-rate", "No change in rates after the June meeting?", {}, 0),
    ("fed-policy-rate", "Fed increases rates by 25+ bps in June?", {}, 1),
    ("us-jobs", "Will unemployment be above 5%?", {}, -1),
    ("us-jobs", "Will payrolls grow by more than 100,000?", {}, 1),
    ("us-dollar", "Will EUR/USD hit 1.30 (High)?", {}, -1),
    ("us-dollar", "Will USD/JPY be above 160?", {}, 1),
    ("bitcoin-price", "Bitcoin Up or Down on May 5?", {}, 1),
    ("bitcoin-price", "Will Bitcoin dip to $50,000 in May?", {}, -1),
    ("daily-temperature", "Will the highest temperature in Oslo be 20°C on May 5?", {}, 0),
    ("daily-temperature", "Will the highest temperature in Oslo be 20°C or higher on May 5?", {}, 1),
    ("film-tv", "Will the film be the #2 movie on Netflix?", {}, 0),
    ("film-tv", "Will the film be the top movie on Netflix?", {}, 1),
    ("ai-releases", "Will the model be released by May 5?", {}, 1),
    ("ai-releases", "Will there be no new model by May 5?", {}, -1),
    ("ai-releases", "Will the model be released on May 5?", {}, 0),
    ("us-senate-control", "Will the Democrats win the Senate race in Ohio?", {}, -1),
    ("us-senate-control", "Ohio Senate winner?", {"venue": "kalshi", "native_id": "SENATEOH-28-R", "subtitle": "x"}, 1),
    ("us-senate-control", "Will Ann Example be the Republican nominee for Senate in Ohio?", {}, 0),
    ("uk-politics", "Starmer out by June?", {}, 1),
    ("europe-elections", "Will Ann Example win the French presidential election?", {}, 0),
    ("latin-america-politics", "Will Lula win the Brazilian presidential election?", {}, -1),
    ("russia-ukraine", "Russia x Ukraine ceasefire by June?", {}, -1),
    ("russia-ukraine", "Will Russia capture Exampletown by June?", {}, 1),
    ("russia-ukraine", "Will Putin and Zelenskyy meet by June?", {}, -1),
    ("russia-ukraine", "Will Trump talk to Putin in June?", {}, 0),
    ("government-shutdown", "Will the shutdown end by June 5?", {}, -1),
    ("tariffs", "Will the US remove its tariffs on Brazil?", {}, -1),
    ("us-investigations", "Will Ann Example be named in the files?", {}, 0),
    ("us-investigations", "Will Ann Example be indicted by June?", {}, 1),
    ("earnings", "Will Exampla beat quarterly earnings?", {}, 1),
    ("earnings", 'Will Exampla say "tariff" during its earnings call?', {}, 0),
    ("soccer", "Will Example FC win on 2026-05-05?", {}, 0),
    ("us-legislation", "Which bills will become law?", {"native_id": "EVENT:KXBILLS-27", "is_event": True}, 0),
]


@pytest.mark.parametrize(("factor", "title", "values", "expected"), DIRECTIONS)
def test_direction_is_read_from_the_grammar(factor: str, title: str, values: dict[str, Any], expected: int) -> None:
    one = reading(title, **values)
    said = direction(one, normalize.normalize(one), factor)
    assert said.value == expected, said.says
    assert said.says
