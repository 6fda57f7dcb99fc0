"""Buckets: no more than capacity and refill, however many processes ask; keys kept in memory that end at once."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts import counting, door
from accounts.api_keys import revoke_key
from accounts.models import ApiKey
from accounts.tasks import store_key_uses
from itomarkets.lib.addresses import caller_network
from itomarkets.lib.buckets import Limit, LocalBuckets, RedisBuckets, RedisGone
from tests.accounts.test_api_keys import make_key
from tests.factories import make_user

pytestmark = pytest.mark.django_db
redis_alone = pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis; set REDIS_URL")


@given(
    quota=st.integers(1, 20),
    window=st.integers(1, 100),
    waits=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60),
)
def test_a_bucket_never_gives_more_than_it_holds_and_regains(quota: int, window: int, waits: list[float]) -> None:
    now = 0.0
    buckets = LocalBuckets(timer=lambda: now)
    given_at: list[float] = []
    for wait in waits:
        now += wait
        if buckets.take([Limit("a", "a", quota, window)]).allowed:
            given_at.append(now)
    for first, begun in enumerate(given_at):
        for last in range(first, len(given_at)):
            assert last - first + 1 <= quota + quota / window * (given_at[last] - begun) + 1e-6


def test_a_request_takes_from_all_of_its_buckets_or_from_none() -> None:
    buckets = LocalBuckets(timer=lambda: 0.0)
    wide, narrow = Limit("wide", "wide", 10), Limit("narrow", "narrow", 1)
    assert buckets.take([wide, narrow]).allowed
    refused = buckets.take([wide, narrow])
    assert not refused.allowed
    assert [int(one.tokens) for one in refused.left] == [9, 0]
    assert refused.wait_seconds == 3600


def test_what_is_kept_of_strangers_is_bounded() -> None:
    buckets = LocalBuckets(timer=lambda: 0.0, most=100)
    for number in range(1_000):
        buckets.take([Limit(f"address:{number}", "address", 1)])
    assert len(buckets._held) == 100


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("203.0.113.7:80, x", "unknown"),
    ],
)
def test_one_caller_is_an_address_or_the_network_that_one_customer_is_given(address: str, network: str) -> None:
    assert caller_network(address) == network


@pytest.fixture
def shared() -> Iterator[RedisBuckets]:
    buckets = RedisBuckets(settings.REDIS_URL, prefix=f"test-{os.getpid()}-{time.monotonic_ns()}:")
    yield buckets
    for name in buckets.client.scan_iter(f"{buckets.prefix}*"):
        buckets.client.delete(name)


@redis_alone
def test_redis_counts_as_a_process_does(shared: RedisBuckets) -> None:
    wide, narrow = Limit("wide", "wide", 10), Limit("narrow", "narrow", 1)
    first, second = (shared.take([wide, narrow], use="k 2026-08-01", generation_of="k") for _ in range(2))
    assert (first.allowed, second.allowed, first.is_shared, first.generation) == (True, False, True, "")
    assert [int(one.tokens) for one in second.left] == [9, 0]
    assert 3598 <= second.wait_seconds <= 3600
    # What is not let in is no use.
    assert shared.client.hgetall(shared.uses_key) == {b"k 2026-08-01": b"1"}


TAKER = """
import sys, time
sys.path.insert(0, {base!r})
from itomarkets.lib.buckets import Limit, RedisBuckets
buckets = RedisBuckets({url!r}, prefix={prefix!r})
limit = Limit("all", "all", 50, 2)
until = time.time() + 1.5
taken = 0
while time.time() < until:
    taken += buckets.take([limit]).allowed
print(taken)
"""


@redis_alone
def test_four_processes_never_take_more_than_capacity_and_refill(shared: RedisBuckets) -> None:
    code = TAKER.format(base=str(settings.BASE_DIR), url=settings.REDIS_URL, prefix=shared.prefix)
    begun = time.monotonic()
    takers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    taken = [int(taker.communicate(timeout=60)[0]) for taker in takers]
    seconds = time.monotonic() - begun
    assert all(taken)
    # At least what the bucket held and what 1.5 s give back, less what the processes' uneven starts may lose.
    assert 50 + 25 * 1.2 <= sum(taken) <= 50 + 25 * seconds


def test_redis_that_is_gone_is_found_gone_once_and_not_waited_for_again() -> None:
    buckets = RedisBuckets("redis://127.0.0.1:1/0")
    for _ in range(2):
        with pytest.raises(RedisGone):
            buckets.take([Limit("a", "a", 1)])
    assert buckets._rests_until > time.monotonic()


@pytest.fixture
def own_redis(shared: RedisBuckets, settings: Any) -> RedisBuckets:
    """This test's own names in Redis, for the code that the site runs."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": shared.prefix}}
    return shared


@redis_alone
def test_a_kept_key_costs_no_query_and_a_revoked_one_is_refused_at_once(
    own_redis: RedisBuckets, now: datetime, django_assert_num_queries: Any, django_capture_on_commit_callbacks: Any
) -> None:
    created = make_key(make_user(), now)
    enter = lambda: door.let_in(created.secret, address="127.0.0.1", now=now)  # noqa: E731
    assert enter() is not None
    with django_assert_num_queries(0):
        entered = enter()
    assert entered is not None
    assert entered[0] == created.row
    assert entered[1].is_shared
    with django_capture_on_commit_callbacks(execute=True):
        revoke_key(user=created.row.user, prefix=created.row.prefix, now=now)
    assert enter() is None


@redis_alone
def test_a_kept_key_ends_with_its_time_and_knows_its_networks(own_redis: RedisBuckets, now: datetime) -> None:
    created = make_key(make_user(), now, expires_at=now + timedelta(hours=1), allowed_networks=["127.0.0.1"])
    for address, at, may in (
        ("127.0.0.1", now, True),
        ("127.0.0.2", now, False),
        ("127.0.0.1", now + timedelta(hours=1), False),
    ):
        assert (door.let_in(created.secret, address=address, now=at) is not None) is may


@redis_alone
def test_uses_that_redis_counted_reach_the_database_once(own_redis: RedisBuckets, now: datetime) -> None:
    created = make_key(make_user(), now)
    header = {"Authorization": f"Bearer {created.secret}"}
    for _ in range(3):
        assert Client().get("/api/v1/status", headers=header).status_code == 200
    for _ in range(2):
        store_key_uses()
    row = ApiKey.objects.get(pk=created.row.pk)
    assert (row.use_count, row.last_used_at) == (3, now)
    assert list(row.usage.values_list("day", "count")) == [(now.date(), 3)]
    # What was taken, and not stored because the worker ended, is taken again.
    Client().get("/api/v1/status", headers=header)
    assert counting.take_uses() == counting.take_uses() == {f"{row.prefix} {now.date()}": 1}
