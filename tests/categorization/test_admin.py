"""The reviewers' desk in the admin: who may do what, and what it shows."""

from datetime import datetime

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import User
from categorization.filters import ClassifiedMarketFilter
from categorization.models import Classification, Review, RiskFactor
from categorization.pipeline import categorize_markets
from markets.models import Market
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db
QUEUE = "admin:categorization_classification_changelist"


@pytest.fixture
def label(now: datetime) -> Classification:
    event = make_event(title="Bitcoin price on Friday", native_id="KXBTCD-27JAN01", series_key="KXBTCD")
    make_market(event=event, native_id="KXBTCD-27JAN01-T90", title="Will Bitcoin be above $90,000 <b>now</b>?")
    categorize_markets(markets=None, now=now)
    return Classification.objects.get()


@pytest.fixture
def reviewer() -> User:
    user = make_user(is_staff=True)
    user.groups.add(Group.objects.get(name="Reviewers"))
    return user


@pytest.fixture
def desk(client: Client, reviewer: User) -> Client:
    client.force_login(reviewer)
    return client


def test_the_group_may_review_labels_and_nothing_else(reviewer: User) -> None:
    assert reviewer.has_perm("categorization.change_classification")
    assert not reviewer.has_perm("categorization.delete_classification")
    assert not reviewer.has_perm("categorization.change_theme")


def test_the_queue_shows_and_filters(desk: Client, label: Classification) -> None:
    page = desk.get(reverse(QUEUE), {"status": "assigned", "confidence_band": "high"})
    assert page.status_code == 200
    assert b"Will Bitcoin be above" in page.content
    assert b"0 classifications" in desk.get(reverse(QUEUE), {"confidence_band": "low"}).content
    assert desk.get(reverse(QUEUE), {"factor__theme__id__exact": label.factor.theme_id}).status_code == 200


def test_the_queue_takes_the_same_queries_for_one_row_and_for_ten(
    desk: Client, label: Classification, now: datetime, django_assert_max_num_queries: object
) -> None:
    for number in range(9):
        make_market(title=f"Will Ethereum be above ${number}?", venue="polymarket")
    categorize_markets(markets=None, now=now)
    with django_assert_max_num_queries(45):  # type: ignore[operator]
        desk.get(reverse(QUEUE))


def test_the_trail_is_shown_escaped(desk: Client, label: Classification) -> None:
    Classification.objects.update(trail=[{"stage": "rules", "says": "<script>alert(1)</script>"}])
    page = desk.get(reverse("admin:categorization_classification_change", args=[label.pk])).content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert(1)" not in page
    assert page.count("<li><b>") == 10


def test_confirming_in_bulk_writes_reviews(desk: Client, label: Classification) -> None:
    page = desk.post(reverse(QUEUE), {"action": "confirm_labels", "_selected_action": [label.pk]}, follow=True)
    assert b"Confirmed 1 labels." in page.content
    label.refresh_from_db()
    assert label.status == Classification.Status.CONFIRMED
    assert Review.objects.count() == 1


def test_a_factor_corrected_on_the_page_goes_through_the_core(desk: Client, label: Classification) -> None:
    gold = RiskFactor.objects.get(slug="gold")
    address = reverse("admin:categorization_classification_change", args=[label.pk])
    inline = {"reviews-TOTAL_FORMS": 0, "reviews-INITIAL_FORMS": 0}
    desk.post(address, {"factor": gold.pk, "direction": -1, "note": "It is gold.", **inline})
    label.refresh_from_db()
    assert (label.factor, label.direction, label.status) == (gold, -1, Classification.Status.CORRECTED)
    assert Review.objects.get().note == "It is gold."


@pytest.mark.parametrize(
    ("action", "said", "status"),
    [("take_runner_up", b"Corrected 1 labels.", "corrected"), ("reject_labels", b"Rejected 1 labels.", "corrected")],
)
def test_a_list_takes_the_runner_up_or_rejects(
    desk: Client, label: Classification, action: str, said: bytes, status: str
) -> None:
    runner_up = label.runner_up
    page = desk.post(reverse(QUEUE), {"action": action, "_selected_action": [label.pk]}, follow=True)
    assert said in page.content
    label.refresh_from_db()
    assert (label.factor, label.status) == (runner_up if action == "take_runner_up" else None, status)


def test_a_page_is_headed_by_the_question_and_not_by_a_number(desk: Client, label: Classification) -> None:
    page = desk.get(reverse("admin:categorization_classification_change", args=[label.pk])).content.decode()
    head = page.partition("<h2>")[2].partition("</h2>")[0]
    assert "Will Bitcoin be above $90,000" in head
    assert "What would change this" in page


def test_staff_without_the_group_may_not_review(client: Client, label: Classification) -> None:
    client.force_login(make_user(is_staff=True))
    assert client.get(reverse(QUEUE)).status_code == 403
    client.post(reverse(QUEUE), {"action": "confirm_labels", "_selected_action": [label.pk]})
    assert not Review.objects.exists()


def test_themes_and_factors_are_read_only(desk: Client, label: Classification) -> None:
    assert desk.get(reverse("admin:categorization_theme_changelist")).status_code == 200
    assert desk.get(reverse("admin:categorization_riskfactor_changelist")).status_code == 200
    assert desk.get(reverse("admin:categorization_theme_add")).status_code == 403
    assert desk.get(reverse("admin:categorization_classification_add")).status_code == 403


def test_a_search_is_narrowed_to_a_theme_or_a_factor(label: Classification, now: datetime) -> None:
    def found(**query: str) -> list[Market]:
        return list(ClassifiedMarketFilter(query, queryset=Market.objects.all(), now=now).qs)

    assert found(theme="crypto") == found(factor="bitcoin-price") == [label.market]
    assert found(theme="energy") == []
    Classification.objects.update(status=Classification.Status.WAITING)
    assert found(theme="crypto") == []
    broken = ClassifiedMarketFilter({"theme": "no-such"}, queryset=Market.objects.all(), now=now)
    assert not broken.is_valid()
    assert "theme" in broken.form.errors
