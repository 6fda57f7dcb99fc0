import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from itomarkets.lib import clock, locks
from itomarkets.lib.locks import kept, lease
from itomarkets.records.models import Lease

pytestmark = pytest.mark.django_db


def test_a_lease_is_held_by_one_and_given_back() -> None:
    with lease("job") as first:
        assert first == 1
        with lease("job") as second:
            assert second is None
        with lease("another") as other:
            assert other == 1
    with lease("job") as third:
        assert third == 2


def test_a_lease_is_given_back_after_an_error() -> None:
    with pytest.raises(RuntimeError), lease("job"):
        raise RuntimeError
    with lease("job") as fence:
        assert fence == 2


def test_a_killed_holder_loses_the_lease_in_time() -> None:
    Lease.objects.create(name="job", holder="dead", fence=7, until=clock.machine_now() + timedelta(seconds=60))
    with lease("job") as fence:
        assert fence is None
    Lease.objects.update(until=clock.machine_now() - timedelta(seconds=1))
    with lease("job") as fence:
        assert fence == 8


def test_a_run_whose_clock_stands_still_can_lose_a_lease_too(at: Callable[[datetime], datetime]) -> None:
    at(datetime(2020, 1, 1, tzinfo=UTC))
    Lease.objects.create(name="job", holder="dead", fence=1, until=clock.machine_now() - timedelta(seconds=1))
    with lease("job") as fence:
        assert fence == 2


def test_a_holder_that_came_too_late_does_not_give_back_anothers_lease() -> None:
    with lease("job"):
        Lease.objects.update(until=clock.machine_now() - timedelta(seconds=1))
        with lease("job") as second:
            assert second == 2
            row = Lease.objects.get()
        assert Lease.objects.get().holder == ""
    assert Lease.objects.get().fence == row.fence


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_kept_while_the_work_goes_on_and_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.02)

    def later() -> bool:
        """Say whether the lease was extended meanwhile."""
        before = Lease.objects.get().until
        time.sleep(0.15)
        return Lease.objects.get().until > before

    with lease("job", seconds=5) as fence:
        assert fence is not None
        with kept("job", fence, seconds=5, longest=60):
            assert later()
            # Another took over: nothing of its lease is touched.
            Lease.objects.update(fence=fence + 1)
            time.sleep(0.05)
            assert not later()
        Lease.objects.update(fence=fence)
        with kept("job", fence, seconds=5, longest=5):
            assert not later()
    assert not any(thread.name == "lease-job" for thread in threading.enumerate())
