"""What a reviewer saves in the builder over a system basket is kept as overrides with a reason."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from baskets import builder_views
from baskets.curating import save_as_overrides
from baskets.drafts import LegDraft
from baskets.editing import EditRefused
from baskets.models import Basket, Override
from baskets.rebuild import build_system_baskets
from itomarkets.records.models import AuditEntry
from tests.baskets.helpers import d, make_basket, make_labelled, make_quoted, make_theme, no_refresh
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def system(now):
    theme = make_theme()
    for n in range(6):
        make_labelled(theme.factors.get(), now, volume_24h=Decimal(1000 + n))
    build_system_baskets(now=now, refresh=no_refresh)
    return Basket.objects.get(theme=theme)


@pytest.fixture
def reviewer(db):
    user = make_user(is_staff=True)
    user.groups.add(Group.objects.get(name="Reviewers"))
    return user


def held(basket):
    newest = basket.compositions.order_by("-version").first()
    return {row.market_id: (row.side, row.weight) for row in newest.constituents.all()}


def draft_of(basket):
    return [LegDraft(market_id, side, weight) for market_id, (side, weight) in held(basket).items()]


def save(basket, legs, reviewer, now, reason="The court has spoken."):
    return save_as_overrides(basket=basket, legs=legs, reason=reason, reviewer=reviewer, now=now, refresh=no_refresh)


def test_what_went_out_came_in_and_was_turned_becomes_overrides_that_a_rebuild_keeps(system, reviewer, now):
    gone, turned, *rest = draft_of(system)
    fresh = make_quoted(now, "0.40", "0.42")
    legs = [LegDraft(turned.market_id, "no", d("0.3")), LegDraft(fresh.pk, "yes", d("0.1"))]
    legs += [LegDraft(leg.market_id, leg.side, d("0.15")) for leg in rest]
    version = save(system, legs, reviewer, now)
    assert (version.version, version.created_by) == (2, reviewer)
    assert version.reason.endswith("markets changed by a reviewer")
    assert held(system) == {leg.market_id: (leg.side, leg.weight) for leg in legs}
    words = {row.market_id: (row.action, row.side, row.weight, row.reason) for row in Override.objects.all()}
    assert words[gone.market_id] == ("exclude", "", None, "The court has spoken.")
    assert words[turned.market_id] == ("pin", "no", d("0.3"), "The court has spoken.")
    assert words[fresh.pk] == ("pin", "yes", d("0.1"), "The court has spoken.")
    build_system_baskets(now=now, refresh=no_refresh)
    after = held(system)
    assert gone.market_id not in after
    assert (after[turned.market_id], after[fresh.pk]) == (("no", d("0.3")), ("yes", d("0.1")))
    assert AuditEntry.objects.filter(action="basket.curated", actor=reviewer).count() == 1


def test_only_the_legs_that_differ_get_a_word(system, reviewer, now):
    legs = draft_of(system)
    save(system, legs[1:], reviewer, now)
    assert Override.objects.get(action="exclude").market_id == legs[0].market_id
    before = Override.objects.count()
    with pytest.raises(EditRefused, match="holds this already"):
        save(system, draft_of(system), reviewer, now)
    assert (Override.objects.count(), system.compositions.count()) == (before, 2)


def test_it_is_refused_without_the_right_a_reason_or_a_system_basket(system, reviewer, now):
    legs = draft_of(system)[1:]
    for values, words in (
        ({"reviewer": make_user()}, "Only a reviewer"),
        ({"reason": " "}, "Say why"),
        ({"basket": make_basket()}, "Choose the system basket"),
        ({"legs": []}, "holds 1 to 50 legs"),
    ):
        given = {"basket": system, "legs": legs, "reviewer": reviewer, "reason": "Why.", **values}
        with pytest.raises(EditRefused, match=words):
            save_as_overrides(now=now, refresh=no_refresh, **given)
    assert not Override.objects.exists()
    assert system.compositions.count() == 1


def test_a_reviewer_copies_a_system_basket_changes_it_and_saves_it_in_the_builder(system, reviewer, now, monkeypatch):
    monkeypatch.setitem(builder_views.curating.save_as_overrides.__kwdefaults__, "refresh", no_refresh)
    gone = draft_of(system)[0].market_id
    wish = {"intent": "curate", "type": "new", "basket": system.pk, "reason": "The court has spoken."}
    for user, says in ((make_user(), 422), (reviewer, 302)):
        client = Client()
        client.force_login(user)
        client.post(f"/baskets/{system.slug}/clone")
        client.post("/builder/preview", {"op": f"remove:{gone}"})
        assert ("Save as the basket" in client.get("/builder").content.decode()) == (user == reviewer)
        answer = client.post("/builder/save", wish)
        assert answer.status_code == says
    page = client.get(answer["Location"]).content.decode()
    assert "is now at version 2" in page
    assert "The court has spoken." in page
    assert gone not in held(system)
