"""Rebalances within staff's limits are applied; larger ones wait, and one reviewer decides each of them, once."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from baskets import admin as room
from baskets.models import Basket, Override, Proposal
from baskets.proposals import ProposalRefused, approve, reject
from baskets.rebuild import build_system_baskets, rebuild_baskets
from itomarkets.records.models import AuditEntry
from tests.baskets.helpers import make_labelled, make_theme, no_refresh
from tests.factories import make_quote, make_user

pytestmark = pytest.mark.django_db


def rebuild(basket, now, **values):
    (line,) = rebuild_baskets([basket], now=now, refresh=no_refresh, **values).lines
    return line


@pytest.fixture
def basket(now):
    """A basket that must change: one leg is to go, and its staff lets through no turnover at all."""
    theme = make_theme()
    for n in range(6):
        make_labelled(theme.factors.get(), now, volume_24h=Decimal(1000 + n))
    build_system_baskets(now=now, refresh=no_refresh)
    row = Basket.objects.get(theme=theme)
    Basket.objects.filter(pk=row.pk).update(rules={"auto_turnover": "0.01"})
    keep_out(row, row.compositions.get().constituents.order_by("pk")[0].market, now)
    row.refresh_from_db()
    return row


def keep_out(basket, market, now):
    return Override.objects.create(
        market=market, basket=basket, action="exclude", reason="Why.", created_by=make_user(), created_at=now
    )


def test_a_change_beyond_a_limit_waits_and_is_proposed_once(basket, now):
    line = rebuild(basket, now)
    assert not line.changed
    assert "waits for a reviewer (A market was taken out by a reviewer)" in line.reason
    assert "would be turned over, more than 1.0%" in line.reason
    row = Proposal.objects.get()
    assert (row.status, row.base, len(row.legs)) == ("pending", basket.compositions.get(), 5)
    assert row.turnover > Decimal("0.01")
    assert 0 < row.cost < Decimal("0.10")
    assert sum(Decimal(leg["weight"]) for leg in row.legs) == 1
    rebuild(basket, now + timedelta(seconds=30))
    assert Proposal.objects.get() == row
    assert basket.compositions.count() == 1


@pytest.mark.parametrize("rules", [{}, {"auto_turnover": "1", "auto_cost": "1"}])
def test_a_change_within_the_limits_is_applied_and_closes_what_waited(basket, now, rules):
    rebuild(basket, now)
    Basket.objects.filter(pk=basket.pk).update(rules=rules)
    basket.refresh_from_db()
    assert rebuild(basket, now).changed
    assert Proposal.objects.get().status == "superseded"


def test_the_cost_is_a_limit_of_its_own(basket, now):
    Basket.objects.filter(pk=basket.pk).update(rules={"auto_cost": "0"})
    basket.refresh_from_db()
    assert "it would cost" in rebuild(basket, now).reason
    assert not basket.compositions.filter(version=2).exists()


def test_other_legs_supersede_what_waits(basket, now):
    rebuild(basket, now)
    keep_out(basket, basket.compositions.get().constituents.order_by("pk")[1].market, now)
    rebuild(basket, now)
    assert list(Proposal.objects.order_by("pk").values_list("status", flat=True)) == ["superseded", "pending"]


def test_a_change_that_is_not_due_any_more_is_closed(basket, now):
    rebuild(basket, now)
    Override.objects.all().delete()
    rebuild(basket, now, because="asked for")
    assert Proposal.objects.get().status == "superseded"


def test_approving_makes_the_composition_and_is_audited(basket, now):
    rebuild(basket, now)
    reviewer = make_user()
    row = approve(proposal=Proposal.objects.get(), reviewer=reviewer, now=now, notes=" Fine. ", refresh=no_refresh)
    newest = basket.compositions.get(version=2)
    assert (row.status, row.reviewer, row.notes, row.result) == ("approved", reviewer, "Fine.", newest)
    assert (newest.created_by, newest.reason) == (reviewer, "A market was taken out by a reviewer")
    assert AuditEntry.objects.filter(action="proposal.approved", actor=reviewer).exists()
    for decide in (approve, reject):
        with pytest.raises(ProposalRefused, match="already approved"):
            decide(proposal=row, reviewer=reviewer, now=now, **({"refresh": no_refresh} if decide is approve else {}))
    assert basket.compositions.count() == 2


def test_a_rejected_change_is_not_proposed_again_for_a_week(basket, now):
    rebuild(basket, now)
    reject(proposal=Proposal.objects.get(), reviewer=make_user(), now=now, notes="Too much.")
    assert "a reviewer rejected this change on 2026-08-01" in rebuild(basket, now + timedelta(seconds=60)).reason
    assert Proposal.objects.count() == 1
    later = now + timedelta(days=8)
    for leg in basket.compositions.get().constituents.all():
        make_quote(leg.market, "0.49", "0.51", later)
    rebuild(basket, later)
    assert Proposal.objects.filter(status="pending").count() == 1


def test_what_was_proposed_on_another_composition_is_refused(basket, now):
    rebuild(basket, now)
    row = Proposal.objects.get()
    rebuild(basket, now, actor=make_user())
    assert basket.compositions.count() == 2
    Proposal.objects.update(status="pending", reviewed_at=None)
    with pytest.raises(ProposalRefused, match="has changed since"):
        approve(proposal=row, reviewer=make_user(), now=now, refresh=no_refresh)
    assert basket.compositions.count() == 2


def test_a_reviewer_sees_the_difference_and_decides_it_in_the_admin(basket, now, monkeypatch):
    monkeypatch.setitem(room.proposals.approve.__kwdefaults__, "refresh", no_refresh)
    rebuild(basket, now)
    row = Proposal.objects.get()
    client, reviewer = Client(), make_user(is_staff=True)
    reviewer.groups.add(Group.objects.get(name="Reviewers"))
    client.force_login(reviewer)
    page = client.get(reverse("admin:baskets_proposal_change", args=[row.pk])).content.decode()
    assert "of the basket would be turned over" in page
    assert "of the value, at bids and asks" in page
    assert "goes out, held at" in page
    listed = reverse("admin:baskets_proposal_changelist")
    said = client.post(listed, {"action": "approve", "_selected_action": [row.pk], "notes": "Yes."}, follow=True)
    assert "1 proposal approved." in said.content.decode()
    again = client.post(listed, {"action": "reject", "_selected_action": [row.pk]}, follow=True)
    assert "already approved; nothing was changed" in again.content.decode()


def test_the_page_of_the_basket_says_what_waits(basket, now, client):
    rebuild(basket, now)
    page = client.get(reverse("basket-detail", args=[basket.slug])).content.decode()
    assert "A change waits for a reviewer" in page
    assert "A market was taken out by a reviewer." in page


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_once_cannot_both_decide_a_proposal(basket, now):
    rebuild(basket, now)
    reviewers = [make_user(), make_user()]
    barrier, outcomes = threading.Barrier(2), []

    def decide(reviewer) -> None:
        try:
            barrier.wait()
            approve(proposal=Proposal.objects.get(), reviewer=reviewer, now=now, refresh=no_refresh)
            outcomes.append("approved")
        except ProposalRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=[reviewer]) for reviewer in reviewers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["approved", "refused"]
    assert basket.compositions.count() == 2
