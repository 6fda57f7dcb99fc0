"""Compiled statements find and write what the querysets and saves that they stand for do."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from itomarkets.lib.compiled import compiled, insert_all, read_ahead, update_each
from itomarkets.records.models import AuditEntry, JobRun, Lease
from markets.models import Market
from tests.factories import make_market

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
built = 0


def busy(*, venue: str, since: datetime, ids: Collection[int]) -> QuerySet[Market]:
    global built
    built += 1
    open_now = Market.objects.filter(venue=venue, close_at__gt=since, pk__in=ids)
    return open_now.select_related("event").order_by("pk")


busy_rows = compiled(busy)


@compiled
def prices(*, ids: Collection[int]) -> QuerySet[Market, tuple[int, Decimal, Any]]:
    return Market.objects.filter(pk__in=ids).order_by("pk").values_list("pk", "last_price", "tags")


@compiled
def jobs(*, name: str) -> QuerySet[JobRun, int]:
    return JobRun.objects.filter(name=name).values_list("pk", flat=True)


@compiled
def locked(*, name: str) -> QuerySet[Lease]:
    return Lease.objects.select_for_update().filter(name=name)


@pytest.mark.django_db
def test_each_run_finds_what_its_queryset_finds_and_builds_nothing_anew() -> None:
    rows = [make_market(tags=["a"], last_price=Decimal(f"0.{n}1")) for n in range(1, 4)]
    rows.append(make_market(venue="polymarket"))
    ids = {row.pk for row in rows}
    before = built
    for venue in ("kalshi", "polymarket", "kalshi"):
        for since in (NOON, NOON + timedelta(days=3650)):
            with CaptureQueriesContext(connection) as captured:
                found = busy_rows(venue=venue, since=since, ids=ids)
                titles = [row.event.title for row in found if row.event]
            assert len(captured) == 1
            expected = list(busy(venue=venue, since=since, ids=ids))
            assert (found, titles) == (expected, [row.event.title for row in expected if row.event])
            assert [vars(row)["last_price"] for row in found] == [row.last_price for row in expected]
    # Six querysets to compare with, and one that was compiled.
    assert built - before == 6 + 1
    assert prices(ids=[rows[0].pk]) == [(rows[0].pk, Decimal("0.110000"), ["a"])]
    assert len(prices(ids=ids)) == 4
    assert busy_rows(venue="kalshi", since=NOON, ids=[]) == []
    assert busy_rows(since=NOON, ids=ids, venue="kalshi") == rows[:3]


@pytest.mark.django_db
def test_a_value_that_would_be_compared_otherwise_is_refused() -> None:
    for value in (None, 1.5, Decimal(1), make_market()):
        with pytest.raises(TypeError, match="Expected a number, a string, an instant or a UUID"):
            jobs(name=value)  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)
def test_a_compiled_lock_is_refused_outside_of_a_transaction() -> None:
    Lease.objects.create(name="one", until=NOON)
    with transaction.atomic():
        assert [lease.name for lease in locked(name="one")] == ["one"]
    with pytest.raises(TransactionManagementError):
        locked(name="one")


@pytest.mark.django_db
def test_rows_are_inserted_as_a_save_does() -> None:
    entries = [
        AuditEntry(seq=n, at=NOON, action="a", subject="s", after={"n": n, "text": "ü'"}, prev_hash="p", hash=f"h{n}")
        for n in (1, 2)
    ]
    with CaptureQueriesContext(connection) as captured:
        insert_all(entries)
        insert_all([])
    assert len(captured) == 1
    found = list(AuditEntry.objects.order_by("seq").values("seq", "at", "actor", "before", "after", "hash"))
    assert found == [
        {"seq": n, "at": NOON, "actor": None, "before": {}, "after": {"n": n, "text": "ü'"}, "hash": f"h{n}"}
        for n in (1, 2)
    ]
    with pytest.raises(IntegrityError):
        insert_all(entries[:1])


@pytest.mark.django_db
def test_each_row_is_updated_with_its_own_values_where_it_stands_as_expected() -> None:
    rows = [make_market(yes_label="Yes") for _ in range(3)]
    rows[2].yes_label = "Changed"
    rows[2].save()
    new = {row.pk: {"slug": f"it's {n} %s", "last_price": Decimal(f"0.{n}5")} for n, row in enumerate(rows)}
    with CaptureQueriesContext(connection) as captured:
        count = update_each(Market, new, same={"close_at": NOON, "neg_risk": True}, where={"yes_label": "Yes"})
    assert (count, len(captured)) == (2, 1)
    assert update_each(Market, {}) == 0
    for n, row in enumerate(rows):
        row.refresh_from_db()
        changed = (f"it's {n} %s", Decimal(f"0.{n}5"), NOON, True)
        assert ((row.slug, row.last_price, row.close_at, row.neg_risk) == changed) == (n < 2)


@pytest.mark.django_db
def test_what_is_read_ahead_is_asked_once_and_found_by_the_same_calls_alone() -> None:
    rows = [make_market(last_price=Decimal("0.31")), make_market(last_price=Decimal("0.62"))]
    ids, other = [rows[0].pk], [rows[1].pk]
    Lease.objects.create(name="head", until=NOON)
    expected = prices(ids=ids), prices(ids=other), [row.pk for row in busy_rows(venue="kalshi", since=NOON, ids=ids)]
    trips = 1 if connection.vendor == "postgresql" else 4
    with CaptureQueriesContext(connection) as captured:
        with read_ahead(
            locked.asked(name="head"),
            prices.asked(ids=ids),
            busy_rows.asked(venue="kalshi", since=NOON, ids=ids),
            prices.asked(ids=other),
        ):
            assert prices(ids=ids) == expected[0]
            assert [row.pk for row in busy_rows(venue="kalshi", since=NOON, ids=ids)] == expected[2]
            assert [row.name for row in locked(name="head")] == ["head"]
            assert prices(ids=other) == expected[1]
        assert len(captured) == trips
    with read_ahead(prices.asked(ids=ids)):
        Market.objects.filter(pk=rows[1].pk).update(last_price=Decimal("0.5"))
        # Other values are another question, and a second call is a second question.
        assert prices(ids=other)[0][1] == Decimal("0.5")
        assert prices(ids=ids) == expected[0]
        Market.objects.filter(pk=rows[0].pk).update(last_price=Decimal("0.4"))
        assert prices(ids=ids)[0][1] == Decimal("0.4")
    with pytest.raises(ZeroDivisionError), read_ahead(prices.asked(ids=ids)):
        raise ZeroDivisionError
    Market.objects.filter(pk=rows[0].pk).update(last_price=Decimal("0.3"))
    # Nothing that was read ahead outlives its block.
    assert prices(ids=ids)[0][1] == Decimal("0.3")
    with read_ahead(prices.asked(ids=[])):
        assert prices(ids=[]) == []
