"""Measurements for the tests of `manage.py bench`: their seconds are told, not taken."""

from collections.abc import Iterable

from django.db import connection

from itomarkets.lib.bench import Bench, Row, ratio
from itomarkets.records.models import Lease


@ratio("T1", target=1.5)
def holds(bench: Bench) -> Iterable[Row]:
    timing = bench.alternate(lambda: 0.2, lambda: 0.2)
    assert not Lease.objects.exists()
    Lease.objects.create(name="seen", until="2026-01-01T00:00Z")
    for n in (10, 100) if bench.is_full else (10,):
        yield bench.row(
            seconds=timing.seconds, yardstick_seconds=timing.yardstick_seconds, n=n, note=str(connection.vendor)
        )


@ratio("T2", target=1.5)
def does_not_hold(bench: Bench) -> Iterable[Row]:
    assert Lease.objects.get().name == "seen"
    yield bench.row(seconds=0.3, yardstick_seconds=0.1, n=1, note="three times")
