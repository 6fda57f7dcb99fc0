"""Real processes, really killed: F9, F10, F11 and F13. A fresh process's view is compared with the exchange's."""

import json
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.trading.house import House, house_of, on_server
from tests.trading.many_legs import KALSHI_CREATE, ManyLegs
from tests.trading.sandbox_world import running_exchange

KILLED = -9
KILLED_CHILD = "tests.trading.kill_child"
# The marker lets the run on PostgreSQL choose these tests; the children's database is not pytest's.
pytestmark = pytest.mark.django_db


@pytest.fixture
def house(migrated: str, tmp_path: Path, now: object) -> Iterator[House]:
    with running_exchange(ManyLegs()) as exchange, house_of(exchange, migrated, tmp_path) as found:
        yield found


def trade(house: House, point: str, policy: str = "best_effort") -> subprocess.CompletedProcess[str]:
    return house.child(KILLED_CHILD, "trade", point, policy)


def recovered(house: House, how: str = "recover") -> dict[str, Any]:
    child = house.child(KILLED_CHILD, how)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout.splitlines()[-1])


def sent(house: House) -> list[str]:
    """Return the client id of each create request that reached the exchange."""
    return [json.loads(body)["client_order_id"] for body in house.exchange.requests("POST", KALSHI_CREATE)]


def assert_one_truth(house: House, told: dict[str, Any]) -> None:
    """Every attempt was sent at most once, every order has ended, and what it filled is what the exchange says."""
    ids = sent(house)
    assert len(ids) == len(set(ids)), "an attempt was sent twice"
    assert set(told["orders"].values()) <= {"filled", "canceled", "not_placed", "denied"}, told
    there = {order.client_id: order.filled for order in house.exchange.orders_of(f"user-{told['user']}")}
    assert {key: Decimal(value) for key, value in told["filled"].items() if Decimal(value)} == there
    assert all(Decimal(value) == 0 for value in told["reserved"])
    assert told["differences"] == []


def test_f09_killed_between_the_intention_and_the_claim_each_leg_is_sent_exactly_once(house: House) -> None:
    child = trade(house, "before_claim")
    assert child.returncode == KILLED, child.stderr
    assert sent(house) == []
    told = recovered(house)
    assert_one_truth(house, told)
    # Nothing of it was being sent, so nobody has to be asked.
    assert set(told["orders"].values()) == {"filled"}
    assert (told["trade"], len(sent(house))) == ("complete", 7)


def test_f09_killed_between_the_claim_and_the_send_its_owner_sends_once_what_was_proven_absent(house: House) -> None:
    child = trade(house, "before_send")
    assert child.returncode == KILLED, child.stderr
    assert sent(house) == []
    told = recovered(house)
    assert_one_truth(house, told)
    # It may have been sent, for all that the database knows: only the exchange's listing ends it. The others
    # waited for that word, and their deadline passed.
    assert sorted(told["orders"].values()) == ["denied"] * 6 + ["not_placed"]
    assert sent(house) == []
    lost = next(key for key, status in told["orders"].items() if status == "not_placed")
    told = recovered(house, "resend")
    assert_one_truth(house, told)
    assert told["said"][0].startswith("Sending 1 leg again")
    assert told["said"][1].startswith("refused: No leg of this trade waits")
    # An attempt of its own beside the lost one, sent once however often it was asked for.
    (again,) = sent(house)
    assert again != lost
    assert (told["orders"][lost], told["orders"][again]) == ("not_placed", "filled")
    assert sorted(told["orders"].values()) == ["denied"] * 6 + ["filled", "not_placed"]
    assert told["trade"] == "partial"


@pytest.mark.parametrize("policy", ["best_effort", "all_or_unwind"])
def test_f10_killed_between_the_send_and_the_storing_the_order_is_adopted(house: House, policy: str) -> None:
    child = trade(house, "after_send", policy)
    assert child.returncode == KILLED, child.stderr
    (first,) = sent(house)
    told = recovered(house)
    assert_one_truth(house, told)
    assert told["orders"][first] == "filled"
    assert set(told["orders"].values()) == {"filled"}
    assert (told["trade"], len(sent(house))) == ("complete", 7)


@pytest.mark.parametrize("policy", ["best_effort", "hold_and_ask"])
def test_f11_killed_between_the_third_leg_and_the_fourth_a_fresh_process_sends_the_rest(
    house: House, policy: str
) -> None:
    child = trade(house, "before_leg_4", policy)
    assert child.returncode == KILLED, child.stderr
    before = sent(house)
    assert len(before) == 3
    told = recovered(house)
    # The page did not call it done, nor any leg filled whose fills it had not read.
    assert not told["found"]["is_final"]
    assert told["found"]["filled"] <= 3
    assert_one_truth(house, told)
    assert sent(house)[:3] == before
    assert (told["trade"], len(sent(house))) == ("complete", 7)


def assert_read_again(house: House, child: subprocess.CompletedProcess[str], said: str) -> None:
    """The process ended by an error of its database; the venue's word replaces what it could not store."""
    assert child.returncode not in (0, KILLED)
    assert said in child.stderr
    (first,) = sent(house)
    told = recovered(house)
    assert_one_truth(house, told)
    assert told["orders"][first] == "filled"
    assert (told["trade"], len(sent(house))) == ("complete", 7)


def test_f13_a_commit_that_fails_after_the_acceptance_is_read_again_from_the_venue(house: House) -> None:
    assert_read_again(house, trade(house, "commit_fails"), "disk is full")


@pytest.mark.postgres
def test_f13_a_connection_that_ends_after_the_acceptance_is_read_again_from_the_venue(house: House) -> None:
    assert_read_again(house, trade(house, "connection_lost"), "terminating connection")


# PostgreSQL itself refuses the commit that would store an acceptance, as it does two that cannot be put in a row.
REFUSE_THE_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure'; END $$;
CREATE CONSTRAINT TRIGGER refuse_acceptance AFTER UPDATE ON trading_order DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.venue_order_id <> '') EXECUTE FUNCTION refuse();
"""


@pytest.mark.postgres
def test_f13_a_commit_that_postgresql_refuses_after_the_acceptance_is_read_again(house: House) -> None:
    on_server(REFUSE_THE_COMMIT, house.name)
    child = trade(house, "plain")
    on_server("DROP TRIGGER refuse_acceptance ON trading_order", house.name)
    assert_read_again(house, child, "could not serialize access")
