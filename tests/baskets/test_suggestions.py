"""Suggestions: sent, decided once, turned into what everybody sees in the same transaction."""

import threading
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Notification
from baskets import suggestions
from baskets.drafts import LegDraft
from baskets.models import Basket, Composition, Override, Suggestion
from baskets.rebuild import build_system_baskets
from baskets.suggestions import SuggestionRefused, approve, reject, submit, withdraw
from itomarkets.records.models import AuditEntry
from tests.baskets.helpers import d, make_basket, make_labelled, make_quoted, make_theme, no_refresh, settle
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def system(now):
    """A system basket of six legs."""
    theme = make_theme()
    for n in range(6):
        make_labelled(theme.factors.get(), now, volume_24h=Decimal(1000 + n))
    build_system_baskets(now=now, refresh=no_refresh)
    return Basket.objects.get(theme=theme)


def send(now, market, *, user=None, type="new", basket=None, side="yes", **values):
    defaults = {"name": "A new one", "description": "About.", "reason": "It is missing."}
    return submit(
        user=user or make_user(),
        type=type,
        basket=basket,
        legs=[LegDraft(market.pk, side, Decimal(1))],
        now=now,
        **{**defaults, **values},
    )


def held(basket):
    newest = basket.compositions.order_by("-version").first()
    return dict(newest.constituents.values_list("market_id", "side"))


def test_approving_a_new_basket_makes_a_public_one_of_the_reviewers_and_no_system_basket(now):
    reviewer, market = make_user(), make_quoted(now, "0.40", "0.42")
    row = send(now, market, side="no")
    decided = approve(suggestion=row, reviewer=reviewer, now=now, notes="Good.", refresh=no_refresh)
    basket = decided.result
    assert (decided.status, decided.reviewer, decided.reviewed_at, decided.notes) == (
        "approved",
        reviewer,
        now,
        "Good.",
    )
    assert (basket.kind, basket.visibility, basket.owner, basket.name) == ("custom", "public", reviewer, "A new one")
    assert held(basket) == {market.pk: "no"}
    assert not Basket.objects.filter(kind="system").exists()
    assert AuditEntry.objects.filter(action="suggestion.approved", actor=reviewer).exists()
    told = Notification.objects.get(user=row.user)
    assert told.text == "Your suggestion for “A new one” was approved. The reviewer says: Good."
    assert told.url == f"/baskets/{basket.slug}"
    assert not Notification.objects.filter(user=reviewer).exists()


def test_approving_an_addition_pins_it_and_writes_the_next_composition(system, now):
    market = make_quoted(now, "0.40", "0.42")
    row = send(now, market, type="add", basket=system, side="no")
    approve(suggestion=row, reviewer=make_user(), now=now, refresh=no_refresh)
    assert held(system)[market.pk] == "no"
    assert len(held(system)) == 7
    newest = system.compositions.order_by("-version").first()
    assert (newest.version, newest.reason) == (2, "1 market added on a suggestion")
    assert sum(newest.constituents.values_list("weight", flat=True)) == 1
    assert Override.objects.get().action == "pin"
    assert build_system_baskets(now=now, refresh=no_refresh).compositions_added == 0
    assert market.pk in held(system)


def test_approving_a_removal_excludes_it_and_leaves_the_level(system, now):
    out = next(iter(held(system)))
    before = system.compositions.get()
    row = submit(
        user=make_user(), type="remove", basket=system, name="", description="", reason="Off topic.",
        legs=[LegDraft(out, "yes", Decimal(1))], now=now,
    )  # fmt: skip
    approve(suggestion=row, reviewer=make_user(), now=now, refresh=no_refresh)
    assert out not in held(system)
    newest = system.compositions.order_by("-version").first()
    assert abs(newest.value_after / newest.divisor - newest.value_before / before.divisor) < d("1e-9")
    assert build_system_baskets(now=now, refresh=no_refresh).compositions_added == 0


def test_an_approval_that_cannot_be_carried_out_changes_nothing(now):
    market = make_quoted(now, "0.40", "0.42")
    row = send(now, market)
    settle(market, "1", now)
    with pytest.raises(SuggestionRefused, match="Not approved: 1 of the markets do not trade now"):
        approve(suggestion=row, reviewer=make_user(), now=now, refresh=no_refresh)
    row.refresh_from_db()
    assert row.status == "pending"
    assert not Basket.objects.exists()
    assert not Notification.objects.exists()


def test_removing_everything_is_refused(system, now):
    row = submit(
        user=make_user(), type="remove", basket=system, name="", description="", reason="All wrong.",
        legs=[LegDraft(pk, "yes", Decimal(1)) for pk in held(system)], now=now,
    )  # fmt: skip
    with pytest.raises(SuggestionRefused, match="Nothing would be left"):
        approve(suggestion=row, reviewer=make_user(), now=now, refresh=no_refresh)
    assert not Override.objects.exists()
    assert Composition.objects.count() == 1


def test_a_rejection_keeps_the_reviewers_words(now):
    row = send(now, make_quoted(now, "0.40", "0.42"))
    reject(suggestion=row, reviewer=make_user(), now=now, notes="  Too narrow. ")
    row.refresh_from_db()
    assert (row.status, row.notes, row.reviewed_at) == ("rejected", "Too narrow.", now)
    told = Notification.objects.get(user=row.user)
    assert told.text == "Your suggestion for “A new one” was rejected. The reviewer says: Too narrow."
    assert told.url == "/suggestions"
    assert not Basket.objects.exists()


@pytest.mark.parametrize("first", ["approve", "reject", "withdraw"])
def test_a_decided_suggestion_cannot_be_decided_again(now, first):
    user = make_user()
    row = send(now, make_quoted(now, "0.40", "0.42"), user=user)
    decide = {
        "approve": lambda: approve(suggestion=row, reviewer=make_user(), now=now, refresh=no_refresh),
        "reject": lambda: reject(suggestion=row, reviewer=make_user(), now=now),
        "withdraw": lambda: withdraw(suggestion=row, user=user, now=now),
    }
    decide[first]()
    for again in decide.values():
        with pytest.raises(SuggestionRefused, match="already"):
            again()
    assert Basket.objects.count() == (1 if first == "approve" else 0)


def test_only_the_sender_withdraws(now):
    row = send(now, make_quoted(now, "0.40", "0.42"))
    with pytest.raises(SuggestionRefused, match="Only the person"):
        withdraw(suggestion=row, user=make_user(), now=now)
    assert Suggestion.objects.get().status == "pending"


def test_a_flood_is_stopped_at_the_limit_and_goes_on_after_a_decision(now, monkeypatch):
    monkeypatch.setattr(suggestions, "MOST_PENDING", 2)
    user, market = make_user(), make_quoted(now, "0.40", "0.42")
    first = send(now, market, user=user)
    send(now, market, user=user)
    with pytest.raises(SuggestionRefused, match="2 of your suggestions wait"):
        send(now, market, user=user)
    send(now, market)
    reject(suggestion=first, reviewer=make_user(), now=now)
    send(now, market, user=user)
    assert Suggestion.objects.filter(user=user).count() == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"type": "burn"}, "Expected one of"),
        ({"reason": " "}, "Say why"),
        ({"name": ""}, "needs a name"),
        ({"type": "add"}, "Choose the system basket"),
    ],
)
def test_a_suggestion_that_says_too_little_is_refused(now, values, words):
    with pytest.raises(SuggestionRefused, match=words):
        send(now, make_quoted(now, "0.40", "0.42"), **values)
    assert not Suggestion.objects.exists()


def test_custom_baskets_take_no_suggestions_and_pointless_ones_are_refused(system, now):
    market = make_quoted(now, "0.40", "0.42")
    with pytest.raises(SuggestionRefused, match="Choose the system basket"):
        send(now, market, type="add", basket=make_basket())
    with pytest.raises(SuggestionRefused, match="holds none of these"):
        send(now, market, type="remove", basket=system)
    inside = system.compositions.get().constituents.first()
    with pytest.raises(SuggestionRefused, match="holds these already"):
        send(now, inside.market, type="add", basket=system, side=inside.side)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_once_cannot_both_decide(now):
    row = send(now, make_quoted(now, "0.40", "0.42"))
    reviewers = [make_user(), make_user()]
    barrier, outcomes = threading.Barrier(2), []

    def decide(reviewer) -> None:
        try:
            barrier.wait()
            approve(suggestion=Suggestion.objects.get(pk=row.pk), reviewer=reviewer, now=now, refresh=no_refresh)
            outcomes.append("approved")
        except SuggestionRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=[reviewer]) for reviewer in reviewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["approved", "refused"]
    assert Basket.objects.count() == 1
