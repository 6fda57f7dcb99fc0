"""Deleting the mirror: by word alone, and never from under what stands on it."""

import io
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from itomarkets.lib.locks import lease
from itomarkets.records.models import AuditEntry
from markets import deletion
from markets.models import Event, Market, PricePoint, QuarantinedRow, SearchDocument, SearchWord, SyncRun
from markets.search_index import refresh_index
from tests.baskets.helpers import make_held_basket
from tests.factories import make_market, make_quote

pytestmark = pytest.mark.django_db


def call(*arguments: str) -> str:
    out = io.StringIO()
    call_command("delete_markets", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def mirror(now: datetime) -> None:
    for venue in ("kalshi", "kalshi", "polymarket"):
        market = make_market(venue=venue, title="Will it rain?")
        make_quote(market, "0.4", "0.5", now)
        PricePoint.objects.create(market=market, interval=60, at=now, price=Decimal("0.4"), source="book")
        run = SyncRun.objects.create(venue=venue, started_at=now)
        QuarantinedRow.objects.create(run=run, venue=venue, raw={}, error="?")
    refresh_index()


def test_without_a_word_it_says_what_it_would_delete(mirror: None) -> None:
    said = call()
    assert "of both venues: 3 markets" in said
    assert "3 price points" in said
    assert "3 events, 3 sync runs" in said
    assert "Nothing was deleted. To delete it, add --confirm DELETE." in said
    assert Market.objects.count() == 3


@pytest.mark.parametrize("word", ["delete", "YES", " DELETE", "DELETE; rm -rf /"])
def test_another_word_deletes_nothing(word: str, mirror: None) -> None:
    with pytest.raises(CommandError, match="Expected the word DELETE, found"):
        call("--confirm", word)
    assert Market.objects.count() == 3


def test_where_nobody_can_be_asked_the_word_is_asked_for_as_an_option(mirror: None, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("DELETE\n"))
    for arguments in (["--confirm"], ["--confirm="]):
        with pytest.raises(CommandError, match="Nobody can be asked here"):
            call(*arguments)
    assert Market.objects.count() == 3


@pytest.mark.parametrize(("typed", "left"), [("DELETE", 0), ("no", 3), ("", 3)])
def test_a_person_is_asked_for_the_word(typed: str, left: int, mirror: None, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})(f"{typed}\n"))
    if left:
        with pytest.raises(CommandError, match="nothing was deleted"):
            call("--confirm")
    else:
        call("--confirm")
    assert Market.objects.count() == left


def test_one_venue_goes_and_the_other_stays(mirror: None, now: datetime, monkeypatch: Any) -> None:
    monkeypatch.setattr(deletion, "BATCH", 1)
    assert "Deleted: 2 markets" in call("--venue", "kalshi", "--confirm", "DELETE")
    for model in (Market, Event, SyncRun, QuarantinedRow, SearchDocument, PricePoint):
        assert model.objects.count() == 1, model
    entry = AuditEntry.objects.get(action="markets.delete")
    assert (entry.subject, entry.before["markets"], entry.before["price points"]) == ("kalshi", 2, 2)
    assert SearchWord.objects.exists()
    call("--confirm", "DELETE")
    assert not any(model.objects.exists() for model in (Market, Event, SyncRun, QuarantinedRow, SearchWord))
    with pytest.raises(CommandError, match="no markets yet"):
        call("--confirm", "DELETE")


def test_what_stands_on_a_market_is_named_and_keeps_everything(mirror: None, now: datetime) -> None:
    make_held_basket(now)
    before = Market.objects.count()
    with pytest.raises(CommandError, match=r"Refused: constituent \d+ \(of (kalshi|polymarket):\S+\)"):
        call("--confirm", "DELETE")
    with pytest.raises(deletion.DeletionRefused, match="constituent"):
        deletion.delete_markets(now=now)
    assert Market.objects.count() == before
    assert not AuditEntry.objects.filter(action="markets.delete").exists()


def test_what_came_to_stand_there_meanwhile_stops_it(mirror: None, now: datetime, monkeypatch: Any) -> None:
    make_held_basket(now)
    monkeypatch.setattr(deletion, "find_protectors", lambda venue: [])
    monkeypatch.setattr(deletion, "BATCH", 1)
    with pytest.raises(deletion.DeletionRefused, match=r"constituent \d+.*; 3 markets were deleted before"):
        deletion.delete_markets(now=now)


def test_it_waits_for_no_sync(mirror: None, now: datetime) -> None:
    for name in ("sync:polymarket", "search_index"):
        with lease(f"markets.{name}"):
            with pytest.raises(CommandError, match=f"another run is at work .{name}."):
                call("--confirm", "DELETE")
    assert Market.objects.count() == 3
