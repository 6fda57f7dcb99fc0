"""The builder without script: every step is a form, and weights always sum to 100."""

from datetime import datetime

import pytest
from django.http import QueryDict
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from baskets.balance import WHOLE, balance, even
from baskets.draft_session import MOST_LEGS, Draft, DraftLine, add_leg, apply_step, load_draft, posted_draft
from baskets.models import Basket, Suggestion
from markets.models import Market
from markets.search_index import refresh_index
from tests.factories import make_market, make_quote, make_user
from tests.roof.test_pages import make_basket, sign_in

WEIGHTS = st.dictionaries(st.integers(1, 60), st.integers(0, 1500), min_size=1, max_size=50)


@given(WEIGHTS, st.data())
def test_weights_sum_to_the_whole_and_none_is_nothing(weights: dict[int, int], data: st.DataObject) -> None:
    fixed = data.draw(st.sets(st.sampled_from(sorted(weights))))
    balanced = balance(weights, fixed=fixed)
    assert sum(balanced.values()) == WHOLE
    assert min(balanced.values()) >= 1
    assert list(balanced) == list(weights)
    room = WHOLE - sum(max(weights[key], 1) for key in fixed)
    free = len(weights) - len(fixed)
    if free and room >= free:
        assert all(balanced[key] == max(weights[key], 1) for key in fixed)


@given(WEIGHTS)
def test_what_is_balanced_stays(weights: dict[int, int]) -> None:
    once = balance(weights)
    assert balance(once) == once
    assert max(even(list(weights)).values()) - min(even(list(weights)).values()) <= 1


STEPS = st.one_of(
    st.builds("add:{}:{}".format, st.integers(1, 9), st.sampled_from(["yes", "no", "maybe"])),
    st.builds("{}:{}".format, st.sampled_from(["remove", "flip"]), st.integers(1, 9)),
    st.sampled_from(["even", "", "clear", "drop:1", "add:x:yes", "add::", "remove:²"]),
)


@given(st.lists(STEPS, max_size=25))
def test_any_buttons_in_any_order_leave_a_whole_draft(steps: list[str]) -> None:
    draft = Draft()
    for step in steps:
        draft = apply_step(draft, step)
        assert not draft.lines or sum(line.weight for line in draft.lines) == WHOLE
        assert len(set(draft.market_ids)) == len(draft.lines)


def test_a_moved_leg_stays_and_the_locked_one_too() -> None:
    before = Draft(lines=(DraftLine(1, "yes", 400), DraftLine(2, "no", 300, locked=True), DraftLine(3, "yes", 300)))
    posted = QueryDict("leg=1&leg=2&leg=3&weight_1=55&weight_2=30.0&lock_2=on&weight_3=30.0&side_3=no&name=My+basket")
    after = posted_draft(posted, before)
    assert [(line.weight, line.locked) for line in after.lines] == [(550, False), (300, True), (150, False)]
    assert after.lines[2].side == "no"
    assert after.name == "My basket"


@pytest.mark.parametrize("text", ["", "abc", "-5", "1e9", "NaN", "Infinity", "101"])
def test_an_unreadable_weight_changes_nothing(text: str) -> None:
    before = Draft(lines=(DraftLine(1, "yes", 400), DraftLine(2, "no", 600)))
    posted = QueryDict(mutable=True)
    posted.setlist("leg", ["1", "2", "1", "77", "x"])
    posted["weight_1"] = text
    assert [line.weight for line in posted_draft(posted, before).lines] == [400, 600]


def test_there_is_a_most_of_legs() -> None:
    draft = Draft()
    for number in range(1, MOST_LEGS + 5):
        draft = add_leg(draft, market_id=number, side="yes")
    assert len(draft.lines) == MOST_LEGS


@pytest.fixture
def markets(now: datetime, db: None) -> list[Market]:
    found = [make_market(title=f"Will oil pass {price}?") for price in (80, 90, 100)]
    for market in found:
        make_quote(market, "0.30", "0.32", now)
    refresh_index()
    return found


def test_a_basket_is_built_and_saved_without_script(client: Client, markets: list[Market]) -> None:
    user = sign_in(client)
    assert "Will oil pass 80?" in client.get("/builder?q=oil").content.decode()
    for market, side in zip(markets, ("yes", "no", "yes"), strict=True):
        answer = client.post("/builder/preview", {"op": f"add:{market.pk}:{side}", "back": "q=oil&evil=1"})
        assert answer["Location"] == "/builder?q=oil#draft"
    page = client.get("/builder").content.decode()
    assert "100.0%" in page
    assert page.count("data-leg") == 3
    answer = client.post("/builder/save", {"intent": "save", "name": "Oil goes up"})
    basket = Basket.objects.get(owner=user)
    assert answer["Location"] == f"/baskets/{basket.slug}"
    assert basket.visibility == "private"
    assert sum(part.weight for part in basket.compositions.get().constituents.all()) == 1
    assert load_draft(client.session) == Draft()


def test_the_fragment_for_htmx_is_the_draft_alone(client: Client, markets: list[Market]) -> None:
    sign_in(client)
    answer = client.post("/builder/preview", {"op": f"add:{markets[0].pk}:no"}, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert page.lstrip().startswith("<form")
    assert "<html" not in page
    assert "side-no" in page


def test_what_cannot_be_saved_is_shown_again_with_the_reason(client: Client, markets: list[Market]) -> None:
    sign_in(client)
    client.post("/builder/preview", {"op": f"add:{markets[0].pk}:yes"})
    answer = client.post("/builder/save", {"intent": "save", "name": " "})
    assert answer.status_code == 422
    assert "no name" in answer.content.decode()
    assert not Basket.objects.exists()
    assert len(load_draft(client.session).lines) == 1


def test_a_market_that_is_not_ours_does_not_get_in(client: Client, markets: list[Market]) -> None:
    sign_in(client)
    client.post("/builder/preview", {"op": "add:999999:yes"})
    assert load_draft(client.session).lines == ()


def test_a_wish_shows_what_it_would_do_before_it_is_sent(client: Client, now: datetime, markets: list[Market]) -> None:
    sign_in(client)
    target = make_basket(now)
    wish = {"intent": "weigh", "type": "add", "basket": target.pk, "reason": "It fits."}
    assert "There is no leg yet" in client.post("/builder/save", wish).content.decode()
    client.post("/builder/preview", {"op": f"add:{markets[0].pk}:no"})
    page = client.post("/builder/save", wish).content.decode()
    assert "What it would do now" in page
    assert "comes in at" in page
    assert "of the basket would be turned over." in page
    assert "It fits." in page
    assert "Choose the system basket" in client.post("/builder/save", {**wish, "basket": ""}).content.decode()
    page = client.post("/builder/save", {**wish, "type": "new", "basket": ""}).content.decode()
    assert "comes in at 100.0%" in page
    assert not Suggestion.objects.exists()
    assert len(load_draft(client.session).lines) == 1


@pytest.mark.django_db
def test_a_basket_is_cloned_into_the_draft_without_its_decided_legs(client: Client, now: datetime) -> None:
    sign_in(client)
    source = make_basket(now, legs=3)
    legs = list(source.compositions.get().constituents.order_by("pk"))
    Market.objects.filter(pk=legs[0].market_id).update(status="resolved", payout="1", resolved_at=now)
    assert "Copy into the builder" in client.get(f"/baskets/{source.slug}").content.decode()
    answer = client.post(f"/baskets/{source.slug}/clone")
    assert answer["Location"] == "/builder#draft"
    draft = load_draft(client.session)
    assert [(line.market_id, line.side) for line in draft.lines] == [(leg.market_id, leg.side) for leg in legs[1:]]
    assert sum(line.weight for line in draft.lines) == WHOLE
    assert draft.name == "Copy of Rates"
    private = make_basket(now, owner=make_user())
    assert client.post(f"/baskets/{private.slug}/clone").status_code == 404
    assert client.get(f"/baskets/{source.slug}/clone").status_code == 405
    assert Client().post(f"/baskets/{source.slug}/clone")["Location"].startswith("/login")


def test_a_suggestion_is_sent_and_withdrawn(client: Client, now: datetime, markets: list[Market]) -> None:
    user = sign_in(client)
    target = make_basket(now)
    client.post("/builder/preview", {"op": f"add:{markets[0].pk}:yes"})
    refused = client.post("/builder/save", {"intent": "suggest", "type": "add", "basket": target.pk, "reason": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.content.decode()
    sent = client.post("/builder/save", {"intent": "suggest", "type": "add", "basket": target.pk, "reason": "It fits."})
    assert sent["Location"] == "/suggestions"
    row = Suggestion.objects.get(user=user)
    assert (row.type, row.basket, row.status) == ("add", target, "pending")
    sign_in(client)
    assert client.post(f"/suggestions/{row.pk}/withdraw").status_code == 404
    client.force_login(user)
    client.post(f"/suggestions/{row.pk}/withdraw")
    row.refresh_from_db()
    assert row.status == "withdrawn"
    again = client.post(f"/suggestions/{row.pk}/withdraw", follow=True)
    assert "already withdrawn" in again.content.decode()
