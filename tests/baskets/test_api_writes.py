"""Making, changing and deleting one's own baskets by the API; and having their past filled in."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from baskets import backfill_runs, tasks
from baskets.backfill_runs import BackfillRefused, ask_for_backfill, carry_out
from baskets.models import BackfillRun, Basket, PriceHistory
from itomarkets.lib import clock
from itomarkets.records.models import AuditEntry, JobRun
from markets.history import HistoryReport
from tests.baskets.helpers import compose, day_price, make_held_basket, make_quoted
from tests.baskets.test_api import NOBODY, URL, client
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ALL = ("baskets:read", "baskets:write")


@pytest.fixture(autouse=True)
def _no_venue(monkeypatch):
    """Quotes and prices are rows here: nothing is fetched, and no backfill is nudged."""
    monkeypatch.setattr("baskets.demand.refresh_quotes", lambda **values: HistoryReport(0, 0, 0, 0, 0))
    monkeypatch.setattr("baskets.editing.nudge_backfill", lambda basket_id: None)


def no_prices(**values: Any) -> HistoryReport:
    return HistoryReport(0, 0, 0, 0, 0)


def leg(market, side="yes", weight="1") -> dict[str, Any]:
    return {"market_id": f"{market.venue}:{market.native_id}", "side": side, "weight": weight}


def post(user, **values: Any):
    return client(user, *ALL).post(URL, values, format="json")


def test_a_basket_is_made_private_with_its_first_composition(now):
    user, one, two = make_user(), make_quoted(now, "0.30", "0.34"), make_quoted(now, "0.60", "0.62")
    answer = post(user, name="  My   rates ", description="Cuts", legs=[leg(one, weight="1"), leg(two, "no", "3")])
    assert answer.status_code == 201, answer.content
    body = answer.json()
    basket = Basket.objects.get()
    assert (basket.owner, basket.visibility, basket.kind) == (user, "private", "custom")
    assert (body["id"], body["name"], body["is_own"]) == (basket.public_id, "My rates", True)
    assert [(row["side"], row["weight"]) for row in body["legs"]] == [("no", "0.75000000"), ("yes", "0.25000000")]
    assert answer["Location"] == f"http://testserver{URL}/{basket.public_id}"
    assert client(user).get(answer["Location"]).json() == body
    assert client().get(answer["Location"]).status_code == 404
    assert AuditEntry.objects.get(action="basket.created").actor == user


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": None}, "name"),
        ({"description": "x" * 2001}, "description"),
        ({"legs": []}, "legs"),
        ({"legs": "all"}, "legs"),
        ({"legs": None}, "legs"),
        ({"legs": [{}]}, "legs"),
        ({"legs": [{"market_id": "kalshi:NONE", "side": "yes", "weight": "1"}]}, "legs"),
        ({"legs": [{"market_id": "17", "side": "yes", "weight": "1"}]}, "legs"),
        ({"owner": 1}, "owner"),
        ({"visibility": "public"}, "visibility"),
        ({"kind": "system"}, "kind"),
        ({"is_staff": True}, "is_staff"),
        ({"status": "done"}, "status"),
        ({"scopes": ["trades:write"]}, "scopes"),
    ],
    ids=str,
)
def test_a_basket_that_cannot_be_is_refused_by_the_field(change, name, now):
    market = make_quoted(now, "0.30", "0.34")
    answer = post(make_user(), **{"name": "Rates", "legs": [leg(market)], **change})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [name]
    assert not Basket.objects.exists()


@pytest.mark.parametrize(
    "weight", [0.5, "0", "-1", "NaN", "Infinity", "1e400", "1000001", True, None, [], "0.000000001"]
)
def test_a_weight_is_a_positive_decimal_in_a_string(weight, now):
    market = make_quoted(now, "0.30", "0.34")
    answer = post(make_user(), name="Rates", legs=[leg(market, weight=weight)])
    assert answer.status_code == 400
    assert list(answer.json()["errors"]["legs"]["0"]) == ["weight"]


def test_too_many_legs_doubles_and_closed_markets_are_refused_with_a_sentence(now):
    market = make_quoted(now, "0.30", "0.34")
    closed = make_quoted(now, "0.30", "0.34", close_at=now - timedelta(days=1))
    many = post(make_user(), name="Rates", legs=[leg(market)] * 51)
    assert (many.status_code, list(many.json()["errors"])) == (400, ["legs"])
    for legs in ([leg(market), leg(market, "no")], [leg(closed)]):
        answer = post(make_user(), name="Rates", legs=legs)
        assert (answer.status_code, answer.json()["code"]) == (422, "basket_refused")
    assert not Basket.objects.exists()


def test_an_owner_changes_words_and_legs_and_the_level_is_carried_over(now, at):
    owner = make_user()
    basket = make_held_basket(now, owner=owner, visibility="private")
    at(now + timedelta(minutes=1))
    other = make_quoted(now, "0.60", "0.62")
    api, path = client(owner, *ALL), f"{URL}/{basket.public_id}"
    body = api.patch(path, {"name": "New", "description": ""}, format="json").json()
    assert (body["name"], body["description"], body["slug"]) == ("New", "", basket.slug)
    assert body["composition"]["version"] == 1
    body = api.patch(path, {"legs": [leg(other, "no")]}, format="json").json()
    assert body["composition"] == {
        "version": 2,
        "effective_at": "2026-08-01T12:01:00Z",
        "reason": "Changed by its owner",
        "method_version": "1.0",
    }
    assert [row["market_id"] for row in body["legs"]] == [f"kalshi:{other.native_id}"]
    assert body["price"]["level"] == "100.000000"
    assert Decimal(body["price"]["level_net"]) < 100
    assert AuditEntry.objects.filter(action="basket.changed", actor=owner).count() == 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "non_field_errors"),
        ({"name": " "}, "name"),
        ({"legs": []}, "legs"),
        ({"owner": 2}, "owner"),
        ({"slug": "mine"}, "slug"),
        ({"visibility": "public"}, "visibility"),
        ({"is_active": True}, "is_active"),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(change, name, now):
    owner = make_user()
    basket = make_held_basket(now, owner=owner)
    answer = client(owner, *ALL).patch(f"{URL}/{basket.public_id}", change, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])
    assert Basket.objects.filter(pk=basket.pk).values().get() == {
        key: value for key, value in vars(basket).items() if not key.startswith("_")
    }
    assert basket.compositions.count() == 1


def test_nobody_changes_or_deletes_what_is_not_theirs(now):
    public, private = make_held_basket(now), make_held_basket(now, visibility="private")
    staff = make_user(is_staff=True, is_superuser=True)
    for user in (make_user(), staff):
        api = client(user, *ALL)
        for basket, status in ((public, 403), (private, 404)):
            path = f"{URL}/{basket.public_id}"
            assert api.patch(path, {"name": "Mine now"}, format="json").status_code == status
            assert api.delete(path).status_code == status
    assert Basket.objects.filter(is_active=True, name__startswith="Basket").count() == 2


def test_a_deleted_basket_is_gone_and_deleting_it_again_is_404(now):
    owner = make_user()
    basket = make_held_basket(now, owner=owner)
    api, path = client(owner, *ALL), f"{URL}/{basket.public_id}"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert api.get(path).status_code == 404
    assert not Basket.objects.exists()


def test_a_backfill_is_a_run_that_can_be_polled_and_counts_what_it_made(now, monkeypatch):
    user = make_user()
    basket = make_held_basket(now, legs=1)
    market = basket.compositions.get().constituents.get().market
    for days in (1, 2, 4):
        day_price(market, now.replace(hour=0) - timedelta(days=days), "0.40")
    monkeypatch.setattr("baskets.tasks.carry_out", lambda run_id: carry_out(run_id=run_id, fetch=no_prices))
    answer = client(user).post(f"{URL}/{basket.public_id}/backfill?days=5")
    assert answer.status_code == 202
    body = client(user).get(answer["Location"]).json()
    assert (body["status"], body["days"], body["basket_id"]) == ("done", 5, basket.public_id)
    assert (body["snapshots_created"], body["snapshots_standing"], body["gaps"]) == (3, 0, 2)
    assert body["finished_at"] == "2026-08-01T12:00:00Z"
    again = client(user).post(f"{URL}/{basket.public_id}/backfill?days=5")
    body = client(user).get(again["Location"]).json()
    assert (body["snapshots_created"], body["snapshots_standing"]) == (0, 3)
    assert PriceHistory.objects.count() == 3
    assert JobRun.objects.filter(status="done").count() == 2


def test_who_asks_while_a_backfill_runs_gets_the_same_run(now, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(tasks.run_backfill, "delay", told.append)
    basket = make_held_basket(now)
    first, second = (client().post(f"{URL}/{basket.public_id}/backfill") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first.json()["status"] == "queued"
    assert told == [first.json()["id"]]


@pytest.mark.parametrize("days", ["0", "-1", "3651", "many", "1e3", "9" * 30])
def test_a_number_of_days_that_cannot_be_is_named(days, now):
    basket = make_held_basket(now)
    answer = client().post(f"{URL}/{basket.public_id}/backfill?days={days}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["days"])
    assert not BackfillRun.objects.exists()


def test_a_run_of_a_basket_that_one_does_not_see_is_not_found(now, monkeypatch):
    monkeypatch.setattr(tasks.run_backfill, "delay", lambda run_id: None)
    owner = make_user()
    basket = make_held_basket(now, owner=owner, visibility="private")
    where = client(owner).post(f"{URL}/{basket.public_id}/backfill")["Location"]
    assert client(owner).get(where).status_code == 200
    assert client().get(where).status_code == 404
    assert client().post(f"{URL}/{basket.public_id}/backfill").status_code == 404
    assert client().post(f"{URL}/{NOBODY}/backfill").status_code == 404
    assert client().get(f"/api/v1/backfills/{uuid.uuid4()}").status_code == 404


def test_without_a_worker_to_tell_the_run_is_ended_and_the_asker_told(now, monkeypatch):
    def gone(run_id: str) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.run_backfill, "delay", gone)
    basket = make_held_basket(now)
    answer = client().post(f"{URL}/{basket.public_id}/backfill")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "5")
    assert BackfillRun.objects.get().status == "failed"
    monkeypatch.setattr(tasks.run_backfill, "delay", lambda run_id: None)
    assert client().post(f"{URL}/{basket.public_id}/backfill").status_code == 202


def test_a_run_is_carried_out_once_and_its_error_is_kept(now):
    basket = make_held_basket(now)
    run, is_new = ask_for_backfill(user=make_user(), basket=basket, days=3, now=now)
    assert is_new

    def broken(**values: Any) -> None:
        raise RuntimeError("the archive burned")

    with pytest.raises(RuntimeError):
        carry_out(run_id=run.pk, fetch=broken)
    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "RuntimeError: the archive burned")
    assert carry_out(run_id=run.pk, fetch=no_prices) == {}
    run.refresh_from_db()
    assert run.status == "failed"


def test_a_run_whose_worker_died_is_taken_up_or_replaced(now):
    basket, user = make_held_basket(now), make_user()
    run, _ = ask_for_backfill(user=user, basket=basket, days=3, now=now)
    long_ago = clock.machine_now() - backfill_runs.LOST_AFTER - timedelta(seconds=1)
    BackfillRun.objects.update(status="running", alive_at=long_ago)
    assert carry_out(run_id=run.pk, fetch=no_prices)["gaps"] == 3
    BackfillRun.objects.update(status="running", alive_at=long_ago)
    other, is_new = ask_for_backfill(user=user, basket=basket, days=3, now=now)
    assert is_new
    run.refresh_from_db()
    assert (run.status, other.status) == ("failed", "queued")
    with pytest.raises(BackfillRefused):
        ask_for_backfill(user=user, basket=basket, days=0, now=now)


def test_a_new_version_of_a_basket_is_read_in_the_same_statements(now, django_assert_num_queries):
    basket = make_held_basket(now, legs=2)
    api = client()
    with django_assert_num_queries(11):
        api.get(f"{URL}/{basket.public_id}")
    legs = [(make_quoted(now, "0.49", "0.51"), "yes", "0.1") for _ in range(10)]
    compose(basket, now + timedelta(minutes=1), *legs)
    with django_assert_num_queries(11):
        api.get(f"{URL}/{basket.public_id}")
