"""The review desk: its cases, what each key sends, and who may."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from categorization.models import Classification, Review, RiskFactor
from categorization.pipeline import categorize_markets
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db
DESK = "/admin/categorization/classification/desk/"
JSON = {"accept": "application/json"}


@pytest.fixture
def desk(client: Client) -> Client:
    user = make_user(is_staff=True)
    user.groups.add(Group.objects.get(name="Reviewers"))
    client.force_login(user)
    return client


@pytest.fixture
def rows(now: datetime) -> list[Classification]:
    event = make_event(title="Bitcoin price on Friday", native_id="KXBTCD-27JAN01", series_key="KXBTCD")
    for rung in (90, 95):
        make_market(event=event, native_id=f"KXBTCD-27JAN01-T{rung}", title=f"Will Bitcoin be above ${rung},000?")
    categorize_markets(markets=None, now=now)
    Classification.objects.update(status="waiting")
    return list(Classification.objects.order_by("id"))


def send(desk: Client, row: Classification, **given: str) -> Any:
    address = reverse("admin:categorization_classification_decide", args=[row.pk])
    return desk.post(address, given, headers=JSON)


def test_the_desk_shows_cases_side_by_side_and_names_its_keys(desk: Client, rows: list[Classification]) -> None:
    page = desk.get(DESK).content.decode()
    assert page.count('class="case"') == 2
    assert "Will Bitcoin be above $90,000?" in page
    assert {rows[0].factor.name, rows[0].runner_up.name} <= set(re.findall(r"</kbd> ([^<]+)</h3>", page))
    for key in "c2+0-fxesbdu":
        assert f"<kbd>{key}</kbd>" in page
    assert "its event too (1 undecided)" in page
    assert "style=" not in page.partition('id="desk"')[2]
    more = desk.get(f"{DESK}cases/", {"without": f"{rows[0].pk},x,{9**30}"}).content.decode()
    assert more.count('class="case"') == 1


def test_an_empty_desk_says_what_comes_next(desk: Client, rows: list[Classification]) -> None:
    page = desk.get(DESK, {"theme": "energy"}).content.decode()
    assert 'id="desk-empty">' in page


@pytest.mark.parametrize(
    ("given", "factor", "direction", "status"),
    [
        ({"choice": "confirm"}, "bitcoin-price", 1, "confirmed"),
        ({"choice": "none"}, None, 0, "corrected"),
        ({"choice": "correct", "direction": "-1"}, "bitcoin-price", -1, "corrected"),
        ({"choice": "correct", "factor": "gold"}, "gold", 1, "corrected"),
    ],
)
def test_one_key_decides_one_market(
    desk: Client, rows: list[Classification], given: dict[str, str], factor: str | None, direction: int, status: str
) -> None:
    answer = send(desk, rows[0], **given)
    assert answer.status_code == 200
    assert answer.json()["decided"] == [rows[0].pk]
    row = Classification.objects.get(pk=rows[0].pk)
    assert (row.factor and row.factor.slug, row.direction, row.status) == (factor, direction, status)
    assert Classification.objects.get(pk=rows[1].pk).status == "waiting"


def test_the_runner_up_is_one_key(desk: Client, rows: list[Classification]) -> None:
    send(desk, rows[0], choice="second")
    assert Classification.objects.get(pk=rows[0].pk).factor == rows[0].runner_up


def test_an_event_is_one_key_and_so_is_its_undo(desk: Client, rows: list[Classification]) -> None:
    assert sorted(send(desk, rows[0], choice="confirm", event="1").json()["decided"]) == [row.pk for row in rows]
    answer = desk.post(f"{DESK}undo/", headers=JSON)
    assert sorted(answer.json()["decided"]) == [row.pk for row in rows]
    assert set(Classification.objects.values_list("status", flat=True)) == {"waiting"}
    assert desk.post(f"{DESK}undo/", headers=JSON).status_code == 409


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"choice": "perhaps"}, "expected confirm"),
        ({"choice": "correct", "factor": "no-such"}, "no factor"),
        ({"choice": "correct", "direction": "7"}, "expected 1, 0 or -1"),
    ],
)
def test_a_choice_that_cannot_stand_is_refused_in_words(
    desk: Client, rows: list[Classification], given: dict[str, str], says: str
) -> None:
    answer = send(desk, rows[0], **given)
    assert answer.status_code == 409
    assert says in answer.json()["detail"]
    assert not Review.objects.exists()


def test_the_desk_works_without_script(desk: Client, rows: list[Classification]) -> None:
    address = reverse("admin:categorization_classification_decide", args=[rows[0].pk])
    page = desk.post(address, {"choice": "confirm", "of": "waiting", "theme": "crypto"}, follow=True)
    assert b"Confirmed bitcoin-price, direction +1." in page.content
    assert page.redirect_chain[0][0] == f"{DESK}?of=waiting&theme=crypto"


def test_staff_without_the_right_neither_see_nor_decide(client: Client, rows: list[Classification]) -> None:
    client.force_login(make_user(is_staff=True))
    assert client.get(DESK).status_code == 403
    assert client.get(f"{DESK}cases/").status_code == 403
    assert client.post(f"{DESK}undo/").status_code == 403
    assert send(client, rows[0], choice="confirm").status_code == 403
    client.logout()
    assert send(client, rows[0], choice="confirm").status_code == 302
    assert not Review.objects.exists()


def test_the_desk_costs_the_same_for_two_cases_and_for_twelve(
    desk: Client, rows: list[Classification], now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        make_market(title=f"Will Ethereum be above ${number},000?", venue="polymarket")
    categorize_markets(markets=None, now=now)
    Classification.objects.update(status="waiting", runner_up=RiskFactor.objects.get(slug="gold"))
    with django_assert_max_num_queries(12):
        assert desk.get(DESK).content.decode().count('class="case"') == 12
