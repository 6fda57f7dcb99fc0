"""Suggestions over the API: sent and withdrawn by a person, decided once by a reviewer, never by a key."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from baskets.models import Basket, Suggestion
from tests.baskets.helpers import make_quoted
from tests.factories import make_user

pytestmark = pytest.mark.django_db
LIST = "/api/suggestions/baskets"


def signed_in(**values: Any) -> Client:
    client = Client()
    client.force_login(make_user(**values))
    return client


def send(client: Client, market: Any, **values: Any) -> Any:
    body = {
        "type": "new",
        "name": "A new one",
        "reason": "It is missing.",
        "legs": [{"market_id": f"{market.venue}:{market.native_id}", "side": "no", "weight": "1"}],
    }
    return client.post(LIST, {**body, **values}, content_type="application/json")


@pytest.fixture(autouse=True)
def _no_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baskets.demand.refresh_quotes", lambda now, market_ids: SimpleNamespace(sentence=""))


def test_a_person_sends_reads_and_withdraws_and_nobody_else_sees_it(now: Any) -> None:
    person, other, market = signed_in(), signed_in(), make_quoted(now, "0.40", "0.42")
    sent = send(person, market)
    assert sent.status_code == 201, sent.content
    row = sent.json()
    assert (row["status"], row["legs"][0]["side"], row["result_id"]) == ("pending", "no", None)
    where = f"{LIST}/{row['id']}"
    assert sent["Location"].endswith(where)
    assert person.get(where).json() == row
    assert [one["id"] for one in person.get(LIST, {"status": "pending"}).json()["results"]] == [row["id"]]
    assert other.get(LIST).json()["results"] == []
    assert (other.get(where).status_code, other.delete(where).status_code) == (404, 404)
    assert other.get(LIST, {"whose": "all"}).status_code == 403
    assert person.delete(where).status_code == 204
    again = person.delete(where)
    assert (again.status_code, again.json()["code"]) == (409, "suggestion_refused")
    assert person.get(where).json()["status"] == "withdrawn"


def test_a_reviewer_lists_all_and_decides_once(now: Any) -> None:
    person, reviewer = signed_in(), signed_in(is_staff=True, is_superuser=True)
    market = make_quoted(now, "0.40", "0.42")
    first, second = (send(person, market).json()["id"] for _ in range(2))
    assert len(reviewer.get(LIST, {"whose": "all"}).json()["results"]) == 2
    assert person.post(f"{LIST}/{first}/approve", {}, content_type="application/json").status_code == 403
    answer = reviewer.post(f"{LIST}/{first}/approve", {"notes": "Good."}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    made = Basket.objects.get(public_id=answer.json()["result_id"])
    assert (made.name, answer.json()["status"], answer.json()["notes"]) == ("A new one", "approved", "Good.")
    assert reviewer.post(f"{LIST}/{first}/reject", {}, content_type="application/json").status_code == 409
    assert reviewer.post(f"{LIST}/{second}/reject", {}, content_type="application/json").json()["status"] == "rejected"
    assert Basket.objects.count() == 1


def test_what_cannot_be_suggested_is_said(now: Any) -> None:
    person, market = signed_in(), make_quoted(now, "0.40", "0.42")
    assert send(person, market, type="add").json()["code"] == "suggestion_refused"
    assert "basket_id" in send(person, market, type="add", basket_id="bas_00000000000000").json()["errors"]
    assert "status" in send(person, market, status="approved").json()["errors"]
    assert "user" in send(person, market, user=1).json()["errors"]
    assert not Suggestion.objects.exists()
