"""People's own baskets, and what a draft says before it is one."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from kombu.exceptions import OperationalError

from baskets import editing
from baskets.drafts import LegDraft, preview
from baskets.editing import EditRefused, create_custom_basket, delete_custom_basket
from baskets.models import BackfillRun, Basket, Composition, PriceHistory
from baskets.snapshots import record_prices
from baskets.valuation import value_basket
from itomarkets.records.models import AuditEntry
from markets.models import Market, QuoteDemand
from tests.baskets.helpers import d, make_held_basket, make_quoted, no_refresh
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db


def make(user, legs, now, **values):
    defaults = {"name": "Rates stay high", "description": "  Why.  ", "refresh": no_refresh}
    return create_custom_basket(user=user, legs=legs, now=now, **{**defaults, **values})


def leg(market, side="yes", weight="1") -> LegDraft:
    return LegDraft(market.pk, side, Decimal(weight))


def test_a_person_makes_a_private_basket_of_both_venues(now):
    user = make_user()
    a, b = make_quoted(now, "0.40", "0.42"), make_quoted(now, "0.20", "0.22", venue="polymarket")
    basket = make(user, [leg(a, "yes", "30"), leg(b, "no", "70")], now)
    assert (basket.kind, basket.visibility, basket.owner, basket.allocation) == ("custom", "private", user, "weights")
    assert (basket.slug, basket.description) == ("rates-stay-high", "Why.")
    weights = list(basket.compositions.get().constituents.order_by("id").values_list("weight", flat=True))
    assert weights == [d("0.3"), d("0.7")]
    value = value_basket(basket, now=now)
    assert value is not None
    assert value.level == 100
    assert QuoteDemand.objects.filter(source="baskets").count() == 2
    assert AuditEntry.objects.filter(action="basket.created", actor=user).count() == 1


def test_parts_of_a_whole_become_weights_of_exactly_one(now):
    markets = [make_quoted(now, "0.40", "0.42") for _ in range(7)]
    basket = make(make_user(), [leg(m, weight="1") for m in markets], now)
    assert sum(basket.compositions.get().constituents.values_list("weight", flat=True)) == 1


def test_the_same_name_gets_another_slug_and_a_name_of_signs_gets_one_too(now):
    market = make_quoted(now, "0.40", "0.42")
    slugs = [make(make_user(), [leg(market)], now, name=name).slug for name in ("Same", "Same", "★★★")]
    assert slugs == ["same", "same-2", "basket"]


def test_a_listed_price_serves_where_no_book_was_ever_seen(now):
    market = make_market(listed_at=now - timedelta(hours=2), yes_bid=d("0.30"), yes_ask=d("0.32"))
    basket = make(make_user(), [leg(market, "no")], now)
    constituent = basket.compositions.get().constituents.get()
    assert (constituent.mark, constituent.mark_reason) == (d("0.69"), "listing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: [], "1 to 50 legs; this one has 0"),
        (lambda m: [leg(m), leg(m, "no")], "in twice"),
        (lambda m: [leg(m, weight="0")], "at least 0.01 %"),
        (lambda m: [leg(m, "maybe")], "neither YES nor NO"),
        (lambda m: [LegDraft(0, "yes", Decimal(1))], "1 of the markets do not trade now"),
        (lambda m: [LegDraft(n, "yes", Decimal(1)) for n in range(51)], "this one has 51"),
    ],
)
def test_legs_that_no_basket_may_hold_are_refused_and_nothing_is_made(now, change, words):
    market = make_quoted(now, "0.40", "0.42")
    with pytest.raises(EditRefused, match=words):
        make(make_user(), change(market), now)
    assert not Basket.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [({"name": "  "}, "no name"), ({"name": "x" * 121}, "shorten"), ({"description": "x" * 2001}, "shorten")],
)
def test_a_name_that_will_not_do_is_refused(now, values, words):
    with pytest.raises(EditRefused, match=words):
        make(make_user(), [leg(make_quoted(now, "0.40", "0.42"))], now, **values)
    assert not Basket.objects.exists()


def test_a_market_without_any_price_is_refused_by_its_question(now):
    market = make_market(yes_bid=None, yes_ask=None, last_price=None, title="Will nobody quote this?")
    with pytest.raises(EditRefused, match="Will nobody quote this"):
        make(make_user(), [leg(market)], now)
    assert not Basket.objects.exists()


def test_a_person_may_not_fill_the_place_with_baskets(now, monkeypatch):
    monkeypatch.setattr(editing, "MOST_BASKETS", 1)
    user, market = make_user(), make_quoted(now, "0.40", "0.42")
    make(user, [leg(market)], now)
    with pytest.raises(EditRefused, match="1 baskets already"):
        make(user, [leg(market)], now)


def test_the_past_is_filled_in_afterwards_and_a_missing_broker_is_no_obstacle(
    now, monkeypatch, django_capture_on_commit_callbacks
):
    asked = []
    monkeypatch.setattr(editing.run_backfill, "delay", lambda *args: asked.append(args))
    with django_capture_on_commit_callbacks(execute=True):
        basket = make(make_user(), [leg(make_quoted(now, "0.40", "0.42"))], now)
    run = BackfillRun.objects.get(basket=basket)
    assert asked == [(str(run.pk),)]
    assert (run.days, run.status, run.user) == (365, "queued", basket.owner)
    editing.nudge_backfill(basket.pk)
    assert len(asked) == 1, "one run at a time fills a basket's past"

    def away(*args):
        raise OperationalError("no broker")

    monkeypatch.setattr(editing.run_backfill, "delay", away)
    user = make_user()
    with django_capture_on_commit_callbacks(execute=True):
        later = make(user, [leg(make_quoted(now, "0.40", "0.42"))], now)
    assert BackfillRun.objects.get(basket=later).status == "failed"
    client = Client()
    client.force_login(user)
    assert "No worker could be told" in client.get(f"/baskets/{later.slug}").content.decode()
    BackfillRun.objects.filter(basket=later).update(status="done", written=320, gaps=45)
    assert "320 days filled in, 45 gaps" in client.get(f"/baskets/{later.slug}").content.decode()


def test_an_owner_deletes_an_untraded_basket_with_its_history(now):
    user = make_user()
    basket = make(user, [leg(make_quoted(now, "0.40", "0.42"))], now)
    record_prices(now=now)
    delete_custom_basket(user=user, basket=basket, now=now)
    assert not Basket.objects.exists()
    assert not PriceHistory.objects.exists()
    assert not Composition.objects.exists()
    assert not QuoteDemand.objects.exists()


def test_nobody_deletes_somebody_elses_basket(now):
    basket = make_held_basket(now)
    with pytest.raises(EditRefused, match="Only its owner"):
        delete_custom_basket(user=make_user(), basket=basket, now=now)
    assert Basket.objects.filter(pk=basket.pk).exists()


def test_a_preview_prices_a_draft_from_both_sides_of_the_book(now):
    a, b = make_quoted(now, "0.40", "0.44"), make_quoted(now, "0.20", "0.22")
    shown = preview([leg(a, "yes", "50"), leg(b, "no", "50")], now)
    assert (shown.gauge, shown.bid, shown.ask) == (d("0.605"), d("0.59"), d("0.62"))
    assert shown.worst_price is None
    assert shown.conflicts == ()
    Market.objects.get(pk=a.pk).quote.__class__.objects.update(yes_ask_size=10_000, no_ask_size=10_000)
    assert preview([leg(a, "yes", "50"), leg(b, "no", "50")], now).worst_price == d("0.62")


def test_a_preview_names_what_works_against_itself(now):
    event = make_event(title="Who wins?", mutually_exclusive=True)
    a = make_quoted(now, "0.40", "0.42", event=event, title="Will A win?")
    b = make_quoted(now, "0.20", "0.22", event=event, title="Will B win?")
    soon = make_quoted(now, "0.20", "0.22", close_at=now + timedelta(hours=20), title="Will it end today?")
    gone = make_market(status="closed", title="Did it end?")
    unpriced = make_market(yes_bid=None, yes_ask=None, last_price=None, title="Who knows?")
    shown = preview([leg(a), leg(a, "no"), leg(b), leg(soon), leg(gone), leg(unpriced)], now)
    text = " ".join(shown.conflicts)
    for words in (
        "Both sides of “Will A win?”",
        "2 outcomes of “Who wins?” exclude each other",
        "50% of the weight hangs on one event, “Who wins?”",
        "“Will it end today?” closes within a day",
        "“Did it end?” does not trade any more",
        "“Who knows?” has no usable price now",
    ):
        assert words in text
    assert shown.gauge is None


def test_a_preview_names_a_thin_leg_and_a_side_that_nobody_offers(now):
    thin, one_sided = (
        make_quoted(now, "0.40", "0.42", title="Thin?"),
        make_quoted(now, "0.40", None, title="One-sided?", listed_at=now),
    )
    Market.objects.get(pk=thin.pk).quote.__class__.objects.filter(market=thin).update(yes_ask_size=10)
    text = " ".join(preview([leg(thin), leg(one_sided)], now).conflicts)
    assert "“Thin?” is thin: 4 dollars at the best price." in text


def test_an_empty_or_unknown_draft_has_no_price(now):
    assert preview([], now).gauge is None
    assert preview([LegDraft(0, "yes", Decimal(1))], now).legs == []
