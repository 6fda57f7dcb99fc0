"""The reviewers' room, walked through with Django's client."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from baskets import admin as room
from baskets.drafts import LegDraft
from baskets.models import Basket, Override, Suggestion
from baskets.rebuild import build_system_baskets, rebuild_baskets
from baskets.snapshots import record_prices
from baskets.suggestions import submit
from itomarkets.records.models import AuditEntry
from tests.baskets.helpers import make_basket, make_labelled, make_quoted, make_theme, no_refresh
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(db):
    user = make_user(is_staff=True)
    user.groups.add(Group.objects.get(name="Reviewers"))
    return user


@pytest.fixture
def desk(reviewer) -> Client:
    client = Client()
    client.force_login(reviewer)
    return client


@pytest.fixture(autouse=True)
def _no_fetching(monkeypatch):
    """Decide and rebuild with the quotes that are there."""
    for decide in (room.suggestions.approve, rebuild_baskets):
        monkeypatch.setitem(decide.__kwdefaults__, "refresh", no_refresh)


@pytest.fixture
def system(now):
    theme = make_theme()
    for n in range(6):
        make_labelled(theme.factors.get(), now, volume_24h=Decimal(1000 + n))
    build_system_baskets(now=now, refresh=no_refresh)
    record_prices(now=now)
    return Basket.objects.get(theme=theme)


def act(client, model: str, action: str, *rows, **values):
    return client.post(
        reverse(f"admin:baskets_{model}_changelist"),
        {"action": action, "_selected_action": [row.pk for row in rows], **values},
        follow=True,
    )


def suggest(now, system, **values):
    market = make_quoted(now, "0.40", "0.42", title="Will <b>it</b> happen?")
    return submit(
        user=make_user(), type="add", basket=system, name="", description="", reason="It belongs here.",
        legs=[LegDraft(market.pk, "no", Decimal(1))], now=now, **values,
    )  # fmt: skip


def test_reviewers_get_their_permissions_from_the_migration():
    names = set(Group.objects.get(name="Reviewers").permissions.values_list("codename", flat=True))
    assert {"review_suggestion", "rebuild_basket", "add_override", "change_override", "view_composition"} <= names
    assert "view_market" in names, "an override names a market, which must be found"
    assert not {"change_basket", "delete_composition", "change_pricehistory"} & names


@pytest.mark.parametrize("model", ["basket", "composition", "pricehistory", "suggestion", "override"])
def test_every_list_and_every_row_opens(desk, system, now, model):
    suggest(now, system)
    Override.objects.create(
        market=system.compositions.get().constituents.first().market,
        basket=system, action="exclude", reason="Why.", created_by=make_user(), created_at=now,
    )  # fmt: skip
    page = desk.get(reverse(f"admin:baskets_{model}_changelist"))
    assert page.status_code == 200
    row = page.context["cl"].result_list[0]
    assert desk.get(reverse(f"admin:baskets_{model}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", ["basket", "composition", "pricehistory", "suggestion"])
def test_ledgers_cannot_be_added_changed_or_deleted(desk, system, now, model):
    suggest(now, system)
    row = desk.get(reverse(f"admin:baskets_{model}_changelist")).context["cl"].result_list[0]
    assert desk.get(reverse(f"admin:baskets_{model}_add")).status_code == 403
    assert desk.post(reverse(f"admin:baskets_{model}_change", args=[row.pk]), {}).status_code == 403
    assert desk.post(reverse(f"admin:baskets_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_a_suggestion_shows_what_would_change_with_its_title_escaped(desk, system, now):
    row = suggest(now, system)
    page = desk.get(reverse("admin:baskets_suggestion_change", args=[row.pk])).content.decode()
    assert "<strong>NO</strong> Will &lt;b&gt;it&lt;/b&gt; happen? (not held now)" in page
    # What an approval would do stands beneath: the gauge, the turnover, the cost, each leg.
    assert "Will &lt;b&gt;it&lt;/b&gt; happen?</td><td>NO</td><td>comes in at" in page
    assert "Gauge 50.0¢ →" in page
    assert "of the value, at bids and asks" in page


def test_a_reviewer_approves_with_notes(desk, reviewer, system, now):
    row = suggest(now, system)
    page = act(desk, "suggestion", "approve", row, notes="Welcome.")
    assert "1 suggestion approved." in page.content.decode()
    row.refresh_from_db()
    assert (row.status, row.reviewer, row.notes) == ("approved", reviewer, "Welcome.")
    assert system.compositions.count() == 2


def test_a_reviewer_rejects_with_notes_and_a_second_decision_is_an_error_message(desk, system, now):
    row = suggest(now, system)
    act(desk, "suggestion", "reject", row, notes="Not here.")
    page = act(desk, "suggestion", "approve", row)
    assert "is already rejected; nothing was changed" in page.content.decode()
    assert Suggestion.objects.get().notes == "Not here."
    assert system.compositions.count() == 1


def test_staff_without_the_permission_can_neither_decide_nor_look(system, now):
    client = Client()
    client.force_login(make_user(is_staff=True))
    row = suggest(now, system)
    assert act(client, "suggestion", "approve", row).status_code == 403
    assert client.get(reverse("admin:baskets_override_changelist")).status_code == 403
    row.refresh_from_db()
    assert row.status == "pending"


def test_an_override_is_signed_by_who_saved_it_and_the_rebuild_action_carries_it_out(desk, reviewer, system, now):
    out = system.compositions.get().constituents.first().market
    page = desk.post(
        reverse("admin:baskets_override_add"),
        {"market": out.pk, "basket": system.pk, "action": "exclude", "side": "", "reason": "Off topic."},
        follow=True,
    )
    assert page.status_code == 200
    saved = Override.objects.get()
    assert (saved.created_by, saved.created_at) == (reviewer, now)
    assert AuditEntry.objects.filter(action="override.saved", actor=reviewer).count() == 1
    page = act(desk, "override", "rebuild", saved)
    assert "a market was taken out by a reviewer" in page.content.decode()
    newest = system.compositions.order_by("-version").first()
    assert not newest.constituents.filter(market=out).exists()
    act(desk, "override", "delete_selected", saved, post="yes")
    assert not Override.objects.exists()
    assert AuditEntry.objects.filter(action="override.deleted").count() == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"action": "move"}, "Choose the other basket"),
        ({"action": "pin", "target": "same"}, "Only a move has a target"),
        ({"action": "pin", "weight": "1.5"}, "between 0 and 1"),
        ({"action": "pin", "market": "999999"}, "valid choice"),
        ({"action": "pin", "reason": ""}, "This field is required"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused_with_a_sentence(desk, system, now, values, words):
    market = system.compositions.get().constituents.first().market
    given = {"market": market.pk, "basket": system.pk, "side": "", "reason": "Why.", **values}
    if given.get("target") == "same":
        given["target"] = system.pk
    page = desk.post(reverse("admin:baskets_override_add"), given)
    assert words in page.content.decode()
    assert not Override.objects.exists()


def test_the_rebuild_action_reports_each_basket_and_refuses_custom_ones(desk, system, now):
    page = act(desk, "basket", "rebuild", system)
    assert "Monetary-policy: 6 legs; nothing to do" in page.content.decode()
    custom = Basket.objects.create(slug="mine", name="Mine", kind="custom", owner=make_user(), created_at=now)
    assert "none was chosen" in act(desk, "basket", "rebuild", custom).content.decode()


def test_staff_set_a_system_basket_s_rules_and_the_next_composition_is_made_by_them(system, now):
    chief = make_user(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(chief)
    url = reverse("admin:baskets_basket_change", args=[system.pk])
    given = {"mode": "share", "allocation": "units", "rules": '{"scheme": "equal", "leg_cap": "0.5"}'}
    assert client.post(url, given).status_code == 302
    system.refresh_from_db()
    assert (system.mode, system.rules, system.name) == (
        "share",
        {"scheme": "equal", "leg_cap": "0.5"},
        system.theme.name,
    )
    entry = AuditEntry.objects.get(action="basket.rules")
    assert (entry.before["rules"], entry.after["mode"], entry.actor) == ({}, "share", chief)
    rebuild_baskets([system], now=now, refresh=no_refresh, because="30 days since the last change")
    newest = system.compositions.order_by("-version").first()
    assert (newest.version, newest.inputs["rules"]["scheme"]) == (2, "equal")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ('{"scheme": "fame"}', "expected one of equal, liquidity, confidence, volume"),
        ('{"lag_cap": "0.1"}', "is unknown"),
        ('["equal"]', "Expected rules by name"),
    ],
)
def test_rules_that_the_method_does_not_know_are_refused_with_a_sentence(system, rules, words):
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    url = reverse("admin:baskets_basket_change", args=[system.pk])
    answer = client.post(url, {"mode": "dollar", "allocation": "units", "rules": rules})
    assert answer.status_code == 200
    assert words in answer.content.decode()
    system.refresh_from_db()
    assert system.rules == {}


def test_a_reviewer_and_a_person_s_basket_keep_rules_out_of_the_admin(desk, system):
    url = reverse("admin:baskets_basket_change", args=[system.pk])
    assert desk.post(url, {"mode": "share", "allocation": "units", "rules": "{}"}).status_code == 403
    own = make_basket()
    chief = Client()
    chief.force_login(make_user(is_staff=True, is_superuser=True))
    url = reverse("admin:baskets_basket_change", args=[own.pk])
    assert chief.post(url, {"mode": "share", "allocation": "units", "rules": "{}"}).status_code == 403
