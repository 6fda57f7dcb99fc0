"""Real processes, really killed: F9, F10, F11 and F13. What a fresh process makes of it is compared with the exchange.

On SQLite the database is a file of its own; with DATABASE_URL it is a PostgreSQL of its own.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.trading.many_legs import KALSHI_CREATE, ManyLegs
from tests.trading.sandbox_world import Exchange, running_exchange

ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
# The marker lets the run on PostgreSQL choose these tests; the children's database is not pytest's.
pytestmark = pytest.mark.django_db


@dataclass
class House:
    """One database and one exchange, and child processes that use them."""

    exchange: Exchange
    environment: dict[str, str]
    name: str

    def child(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.trading.kill_child", self.exchange.url, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def trade(self, point: str, policy: str = "best_effort") -> subprocess.CompletedProcess[str]:
        return self.child("trade", point, policy)

    def recovered(self, how: str = "recover") -> dict[str, Any]:
        child = self.child(how)
        assert child.returncode == 0, child.stderr
        return json.loads(child.stdout.splitlines()[-1])

    def sent(self) -> list[str]:
        """Return the client id of each create request that reached the exchange."""
        return [json.loads(body)["client_order_id"] for body in self.exchange.requests("POST", KALSHI_CREATE)]


@pytest.fixture(scope="module")
def migrated(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A database with tables and no rows, from which each test's is copied: a file, or a PostgreSQL by name."""
    folder = tmp_path_factory.mktemp("migrated")
    if not settings.DATABASE_URL:
        # Pytest's own has them already, in memory.
        with django_db_blocker.unblock(), sqlite3.connect(folder / "itomarkets.sqlite3") as file:
            connection.ensure_connection()
            connection.connection.backup(file)
        yield str(folder / "itomarkets.sqlite3")
        return
    name = f"kill_{uuid4().hex[:12]}"
    _on_server(f'CREATE DATABASE "{name}"')
    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=ROOT, env=_environment(folder, name), check=True, timeout=600)
    yield name
    _on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def house(migrated: str, tmp_path: Path, now: object) -> Iterator[House]:
    name = f"kill_{uuid4().hex[:12]}"
    if settings.DATABASE_URL:
        _on_server(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
    else:
        shutil.copy(migrated, tmp_path)
    try:
        with running_exchange(ManyLegs()) as exchange:
            yield House(exchange, _environment(tmp_path, name), name)
    finally:
        if settings.DATABASE_URL:
            _on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


def _environment(folder: Path, name: str) -> dict[str, str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "ITO_VAR": str(folder)}
    if settings.DATABASE_URL:
        environment["DATABASE_URL"] = f"{settings.DATABASE_URL.rpartition('/')[0]}/{name}"
    return environment


def _on_server(statement: str, database: str = "postgres") -> None:
    base, _, _ = settings.DATABASE_URL.rpartition("/")
    with psycopg.connect(f"{base}/{database}".replace("postgres://", "postgresql://"), autocommit=True) as server:
        server.execute(statement.encode())


def assert_one_truth(house: House, told: dict[str, Any]) -> None:
    """Every attempt was sent at most once, every order has ended, and what it filled is what the exchange says."""
    sent = house.sent()
    assert len(sent) == len(set(sent)), "an attempt was sent twice"
    assert set(told["orders"].values()) <= {"filled", "canceled", "not_placed", "denied"}, told
    there = {order.client_id: order.filled for order in house.exchange.orders_of(f"user-{told['user']}")}
    assert {key: Decimal(value) for key, value in told["filled"].items() if Decimal(value)} == there
    assert all(Decimal(value) == 0 for value in told["reserved"])
    assert told["differences"] == []


def test_f09_killed_between_the_intention_and_the_claim_each_leg_is_sent_exactly_once(house: House) -> None:
    child = house.trade("before_claim")
    assert child.returncode == KILLED, child.stderr
    assert house.sent() == []
    told = house.recovered()
    assert_one_truth(house, told)
    # Nothing of it was being sent, so nobody has to be asked.
    assert set(told["orders"].values()) == {"filled"}
    assert (told["trade"], len(house.sent())) == ("complete", 7)


def test_f09_killed_between_the_claim_and_the_send_its_owner_sends_once_what_was_proven_absent(house: House) -> None:
    child = house.trade("before_send")
    assert child.returncode == KILLED, child.stderr
    assert house.sent() == []
    told = house.recovered()
    assert_one_truth(house, told)
    # It may have been sent, for all that the database knows: only the exchange's listing ends it. The others
    # waited for that word, and their deadline passed.
    assert sorted(told["orders"].values()) == ["denied"] * 6 + ["not_placed"]
    assert house.sent() == []
    lost = next(key for key, status in told["orders"].items() if status == "not_placed")
    told = house.recovered("resend")
    assert_one_truth(house, told)
    assert told["said"][0].startswith("Sending 1 leg again")
    assert told["said"][1].startswith("refused: No leg of this trade waits")
    # An attempt of its own beside the lost one, sent once however often it was asked for.
    (again,) = house.sent()
    assert again != lost
    assert (told["orders"][lost], told["orders"][again]) == ("not_placed", "filled")
    assert sorted(told["orders"].values()) == ["denied"] * 6 + ["filled", "not_placed"]
    assert told["trade"] == "partial"


@pytest.mark.parametrize("policy", ["best_effort", "all_or_unwind"])
def test_f10_killed_between_the_send_and_the_storing_the_order_is_adopted(house: House, policy: str) -> None:
    child = house.trade("after_send", policy)
    assert child.returncode == KILLED, child.stderr
    (first,) = house.sent()
    told = house.recovered()
    assert_one_truth(house, told)
    assert told["orders"][first] == "filled"
    assert set(told["orders"].values()) == {"filled"}
    assert (told["trade"], len(house.sent())) == ("complete", 7)


@pytest.mark.parametrize("policy", ["best_effort", "hold_and_ask"])
def test_f11_killed_between_the_third_leg_and_the_fourth_a_fresh_process_sends_the_rest(
    house: House, policy: str
) -> None:
    child = house.trade("before_leg_4", policy)
    assert child.returncode == KILLED, child.stderr
    before = house.sent()
    assert len(before) == 3
    told = house.recovered()
    # The page did not call it done, nor any leg filled whose fills it had not read.
    assert not told["found"]["is_final"]
    assert told["found"]["filled"] <= 3
    assert_one_truth(house, told)
    assert house.sent()[:3] == before
    assert (told["trade"], len(house.sent())) == ("complete", 7)


def assert_read_again(house: House, child: subprocess.CompletedProcess[str], said: str) -> None:
    """The process ended by an error of its database; the venue's word replaces what it could not store."""
    assert child.returncode not in (0, KILLED)
    assert said in child.stderr
    (first,) = house.sent()
    told = house.recovered()
    assert_one_truth(house, told)
    assert told["orders"][first] == "filled"
    assert (told["trade"], len(house.sent())) == ("complete", 7)


def test_f13_a_commit_that_fails_after_the_acceptance_is_read_again_from_the_venue(house: House) -> None:
    assert_read_again(house, house.trade("commit_fails"), "disk is full")


@pytest.mark.postgres
def test_f13_a_connection_that_ends_after_the_acceptance_is_read_again_from_the_venue(house: House) -> None:
    assert_read_again(house, house.trade("connection_lost"), "terminating connection")


# PostgreSQL itself refuses the commit that would store an acceptance, as it does two that cannot be put in a row.
REFUSE_THE_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure'; END $$;
CREATE CONSTRAINT TRIGGER refuse_acceptance AFTER UPDATE ON trading_order DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.venue_order_id <> '') EXECUTE FUNCTION refuse();
"""


@pytest.mark.postgres
def test_f13_a_commit_that_postgresql_refuses_after_the_acceptance_is_read_again(house: House) -> None:
    _on_server(REFUSE_THE_COMMIT, house.name)
    child = house.trade("plain")
    _on_server("DROP TRIGGER refuse_acceptance ON trading_order", house.name)
    assert_read_again(house, child, "could not serialize access")
