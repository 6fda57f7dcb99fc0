"""The same inputs under the same version give the same bytes: alone, among thousands, and for a whole event."""

import json
import random
from datetime import datetime

import orjson
import pytest

from categorization.decisions import Decider
from categorization.learning import artifact_of
from categorization.models import Classification
from categorization.pipeline import categorize_markets
from categorization.reading import Reading, reading_of_seen, seen_of
from categorization.replay import ReplayError, replay
from categorization.training import read_examples
from markets.models import Market
from tests.factories import make_event, make_market


def written(trail: object) -> bytes:
    return orjson.dumps(trail, option=orjson.OPT_SORT_KEYS)


def test_what_was_read_is_kept_whole_and_nothing_else() -> None:
    one = Reading(key=7, venue="kalshi", native_id="KXA-1", title="A?", tags=("b", "c"), outcome_count=3, status="void")
    seen = seen_of(one)
    assert seen == {"venue": "kalshi", "native_id": "KXA-1", "title": "A?", "tags": ["b", "c"], "outcome_count": 3}
    again = reading_of_seen(json.loads(json.dumps(seen)), key=7)
    assert seen_of(again) == seen
    assert again.tags == ("b", "c")


def test_a_market_decided_among_many_replays_alone_byte_for_byte(decider: Decider) -> None:
    seed = 20_260_801
    rng = random.Random(seed)
    titles = rng.sample([example.title for example in read_examples()], 300)
    readings = [
        Reading(key=number, venue=rng.choice(("kalshi", "polymarket")), native_id=f"KXQ{number}-1", title=title)
        for number, title in enumerate(titles)
    ]
    for said in rng.sample(decider.decide(readings, now=None), 40):
        trail = json.loads(written(said.trail))
        again = replay(trail, decider=Decider(decider.artifact), key=said.key)
        assert written(again.trail) == written(said.trail), f"seed {seed}, market {said.key}"
        assert (again.label, again.direction, again.confidence) == (said.label, said.direction, said.confidence)


@pytest.mark.django_db
def test_the_stored_trails_of_an_event_replay_byte_for_byte(now: datetime) -> None:
    event = make_event(title="Bitcoin price on Friday", native_id="KXBTCD-27JAN01", series_key="KXBTCD")
    for step in range(90, 94):
        make_market(event=event, native_id=f"KXBTCD-27JAN01-T{step}", title=f"Will Bitcoin be above ${step},000?")
    make_market(event=event, native_id="KXBTCD-27JAN01-ODD", title="Qwrt zzyx plok?")
    make_market(title="Yes A, yes B", is_combo=True)
    categorize_markets(markets=None, now=now)
    rows = list(Classification.objects.select_related("model_version"))
    assert len(rows) == Market.objects.count() == 6
    for row in rows:
        assert row.model_version is not None
        again = replay(row.trail, decider=Decider(artifact_of(row.model_version)), key=row.market_id)
        assert written(again.trail) == written(row.trail)


def test_a_trail_without_its_inputs_is_refused(decider: Decider) -> None:
    with pytest.raises(ReplayError, match="categorize the market again"):
        replay([{"stage": "normalize", "says": "4 words."}], decider=decider)
