"""`expand_market`: who would join the same basket, and why."""

import json
from datetime import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from categorization.expanding import expand_market
from categorization.models import Classification
from markets.models import Market
from tests.baskets.helpers import make_labelled, make_theme
from tests.factories import make_event, make_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(now: datetime) -> Market:
    """A market with a sibling, a market of its series, its twin at the other venue, and one of its factor and theme."""
    theme = make_theme("monetary-policy", factors=[("fed-path", 1), ("ecb-path", -1)])
    fed, ecb = theme.factors.get(slug="fed-path"), theme.factors.get(slug="ecb-path")
    june = make_event(native_id="KXFED-26JUN", series_key="KXFED")
    july = make_event(native_id="KXFED-26JUL", series_key="KXFED")
    own = make_labelled(fed, now, event=june, native_id="KXFED-26JUN-T4", title="Rate above 4% in June?")
    make_labelled(ecb, now, native_id="KXECB", title="Will the ECB cut?")
    make_labelled(fed, now, native_id="KXPOWELL", title="Powell speaks?", direction=0)
    make_labelled(fed, now, native_id="77", venue="polymarket", title="Rate above 5% in June?", direction=-1)
    make_labelled(fed, now, event=july, native_id="KXFED-26JUL-T4", title="Rate above 4% in July?")
    make_labelled(fed, now, event=june, native_id="KXFED-26JUN-T5", title="Rate above 5% in June?")
    make_labelled(fed, now, native_id="KXWAITS", label_status="waiting")
    make_labelled(fed, now, native_id="KXOVER", status="resolved")
    make_labelled(make_theme("energy").factors.get(), now, native_id="KXOIL")
    return own


def test_what_would_join_comes_nearest_first_with_its_side_and_why(market: Market) -> None:
    found = expand_market(market=market)
    assert (found.theme, found.factor, found.side) == ("monetary-policy", "fed-path", "yes")
    assert [(kin.market, kin.relation, kin.side) for kin in found.kin] == [
        ("kalshi:KXFED-26JUN-T5", "same event", "yes"),
        ("kalshi:KXFED-26JUL-T4", "same series", "yes"),
        ("polymarket:77", "same question elsewhere", "no"),
        ("kalshi:KXPOWELL", "same factor", "none"),
        ("kalshi:KXECB", "same theme", "no"),
    ]
    assert all(kin.why for kin in found.kin)


def test_the_command_prints_a_table_and_json(market: Market) -> None:
    out = StringIO()
    call_command("expand_market", "kalshi:KXFED-26JUN-T4", stdout=out)
    assert "5 markets would join it." in out.getvalue()
    assert "of series KXFED: it teaches its next event" in out.getvalue()
    out = StringIO()
    call_command("expand_market", "kalshi:KXFED-26JUN-T4", "--json", stdout=out)
    assert json.loads(out.getvalue())["kin"][0]["market"] == "kalshi:KXFED-26JUN-T5"


def test_an_unknown_or_undecided_market_is_refused_in_words(market: Market) -> None:
    with pytest.raises(CommandError, match="expected VENUE:KEY"):
        call_command("expand_market", "kalshi:NOPE")
    make_market(native_id="KXUNREAD")
    with pytest.raises(CommandError, match="no decided factor"):
        call_command("expand_market", "kalshi:KXUNREAD")
    Classification.objects.filter(market=market).update(status="waiting")
    with pytest.raises(CommandError, match="review it"):
        call_command("expand_market", "kalshi:KXFED-26JUN-T4")
