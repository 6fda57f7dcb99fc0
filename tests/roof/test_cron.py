"""`/api/cron/…`: the secret opens it, a job is asked for once, and its run can be polled."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from kombu.exceptions import OperationalError

from itomarkets import cron
from itomarkets.lib import clock
from itomarkets.lib.locks import lease
from itomarkets.records.jobs import ask_for_run, run_job
from itomarkets.records.models import JobRun
from tests.settings import CRON_SECRET

pytestmark = pytest.mark.django_db
Status = JobRun.Status
PATHS = ("/api/cron/sync-markets", "/api/cron/record-prices")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the runs that a worker was told of, in place of a worker."""
    ids: list[int] = []
    jobs = {path: (name, ids.append) for path, (name, _) in cron.JOBS.items()}
    monkeypatch.setattr(cron, "JOBS", jobs)
    return ids


def post(path: str, secret: str = CRON_SECRET, **headers: str) -> Any:
    return Client().post(path, headers={"Authorization": f"Bearer {secret}", **headers})


def poll(run_id: int) -> Any:
    return Client().get(f"/api/cron/runs/{run_id}", headers={"Authorization": f"Bearer {CRON_SECRET}"})


@pytest.mark.parametrize("path", PATHS)
def test_the_secret_starts_a_run_that_can_be_polled(path: str, told: list[int]) -> None:
    answer = post(path)
    assert answer.status_code == 202
    run_id = answer.json()["id"]
    assert told == [run_id]
    assert answer["Location"] == f"/api/cron/runs/{run_id}"
    seen = poll(run_id).json()
    assert (seen["id"], seen["status"], seen["finished_at"]) == (run_id, "queued", None)


@pytest.mark.parametrize("path", [*PATHS, "/api/cron/runs/1"])
@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "not_authenticated"),
        ("Bearer", "not_authenticated"),
        (f"Basic {CRON_SECRET}", "not_authenticated"),
        (f"Bearer {CRON_SECRET}x", "authentication_failed"),
        (f"Bearer {CRON_SECRET[:-1]}", "authentication_failed"),
        ("Bearer \u00e9", "authentication_failed"),
    ],
)
def test_without_the_secret_nothing_is_asked_for(path: str, header: str | None, code: str, told: list[int]) -> None:
    method = "GET" if "runs" in path else "POST"
    answer = Client().generic(method, path, headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert not JobRun.objects.exists()
    assert told == []


@pytest.mark.parametrize("path", PATHS)
def test_a_server_without_a_secret_keeps_the_doors_closed(path: str, settings: Any, told: list[int]) -> None:
    settings.CRON_SECRET = ""
    for secret in ("", CRON_SECRET):
        answer = post(path, secret)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "CRON_SECRET" in answer.json()["detail"]
    assert told == []


def test_the_secret_is_not_read_from_the_address(told: list[int]) -> None:
    answer = Client().post(f"{PATHS[0]}?token={CRON_SECRET}")
    assert answer.status_code == 401
    assert told == []


@pytest.mark.parametrize("path", PATHS)
def test_asking_twice_gives_the_run_that_waits(path: str, told: list[int]) -> None:
    first, second = post(path).json(), post(path).json()
    assert first["id"] == second["id"]
    assert told == [first["id"]]


def test_asking_while_a_run_is_under_way_gives_that_run(told: list[int]) -> None:
    with lease("job:record_prices") as fence:
        assert fence is not None
        running = JobRun.objects.create(name="record_prices", started_at=clock.now())
        answer = post("/api/cron/record-prices").json()
    assert (answer["id"], answer["status"]) == (running.pk, "running")
    assert told == []


def test_a_run_whose_worker_died_does_not_stand_in_the_way(told: list[int]) -> None:
    dead = JobRun.objects.create(name="record_prices", started_at=clock.now())
    answer = post("/api/cron/record-prices").json()
    assert answer["id"] != dead.pk
    assert told == [answer["id"]]


def test_a_run_that_no_worker_began_is_given_up_and_asked_for_anew(now: datetime, told: list[int]) -> None:
    lost, _ = ask_for_run("record_prices", now=now - timedelta(minutes=16))
    clock.set_clock(clock.parse_clock(f"fixed:{now:%Y-%m-%dT%H:%M:%SZ}"))
    answer = post("/api/cron/record-prices").json()
    lost.refresh_from_db()
    assert (lost.status, lost.error) == (Status.FAILED, "No worker began it.")
    assert told == [answer["id"]]


def test_a_queue_out_of_reach_is_said_and_leaves_no_run_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(run_id: int) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(cron, "JOBS", {"record-prices": ("record_prices", unreachable)})
    answer = post("/api/cron/record-prices")
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert JobRun.objects.get().status == Status.FAILED


def test_a_run_of_another_job_cannot_be_read(told: list[int]) -> None:
    other = JobRun.objects.create(name="trading.reconcile", started_at=clock.now())
    assert poll(other.pk).status_code == 404
    assert poll(other.pk + 1).status_code == 404


def test_get_and_unknown_parameters_are_refused(told: list[int]) -> None:
    headers = {"Authorization": f"Bearer {CRON_SECRET}"}
    assert Client().get(PATHS[0], headers=headers).status_code == 405
    assert post(f"{PATHS[0]}?full=1").status_code == 400
    assert told == []


def test_the_worker_takes_the_run_that_was_asked_for_once() -> None:
    run, is_new = ask_for_run("count", now=clock.now())
    assert is_new
    counted: list[int] = []
    done = run_job("count", lambda: counted.append(1) or {"counted": 1}, run_id=run.pk)
    again = run_job("count", lambda: counted.append(1), run_id=run.pk)
    assert (done.pk, done.status, done.report) == (run.pk, Status.DONE, {"counted": 1})
    assert (again.pk, again.status, counted) == (run.pk, Status.DONE, [1])


def test_a_run_that_was_asked_for_says_when_another_held_the_job() -> None:
    run, _ = ask_for_run("count", now=clock.now())
    with lease("job:count") as fence:
        assert fence is not None
        skipped = run_job("count", lambda: None, run_id=run.pk)
    assert (skipped.pk, skipped.status) == (run.pk, Status.SKIPPED)
    assert skipped.finished_at is not None


def test_record_prices_runs_for_real_when_asked_for() -> None:
    """No stand-in for the worker here: the task runs in line, on a database without baskets."""
    answer = post("/api/cron/record-prices")
    assert answer.status_code == 202
    seen = poll(answer.json()["id"]).json()
    assert seen["status"] == "done"
    assert seen["report"]["baskets"] == 0
