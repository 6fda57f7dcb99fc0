"""A table of prices in months: nothing is lost on the way there, nor on the way back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction

from itomarkets.lib.partitions import (
    ensure_partitions,
    join_partitions,
    months,
    months_ahead,
    partition_by_month,
)
from markets.models import PricePoint
from tests.factories import make_market

TABLE = "markets_pricepoint"
MIGRATION = import_module("markets.migrations.0005_price_points_by_month")
KEYS = {"unique": MIGRATION.UNIQUE, "references": MIGRATION.REFERENCES}


def test_months_go_from_the_first_instant_of_each_over_the_years_end() -> None:
    found = list(months(datetime(2026, 11, 30, 23, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)))
    assert [f"{month:%Y-%m-%d %H}" for month in found] == [
        "2026-11-01 00",
        "2026-12-01 00",
        "2027-01-01 00",
        "2027-02-01 00",
    ]
    assert months_ahead(datetime(2026, 10, 31, tzinfo=UTC)).month == 1


def partition_of(point: PricePoint) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {TABLE} WHERE id = %s", [point.pk])
        return str(cursor.fetchone()[0])


def put(market: object, at: datetime) -> PricePoint:
    return PricePoint.objects.create(market=market, interval=86400, at=at, price=Decimal("0.5"), source="x")


@pytest.mark.django_db
def test_elsewhere_than_on_postgresql_there_is_nothing_to_make() -> None:
    start = datetime(2031, 5, 1, tzinfo=UTC)
    made = ensure_partitions(TABLE, start=start, end=start + timedelta(days=70))
    assert made == (3 if connection.vendor == "postgresql" else 0)


@pytest.mark.postgres
@pytest.mark.django_db
def test_rows_of_a_month_without_partition_wait_and_move_when_it_is_made() -> None:
    market = make_market()
    early, late = put(market, datetime(2031, 5, 1, tzinfo=UTC)), put(market, datetime(2031, 5, 31, 23, tzinfo=UTC))
    other = put(market, datetime(2031, 6, 1, tzinfo=UTC))
    assert {partition_of(point) for point in (early, late, other)} == {f"{TABLE}_rest"}
    for made in (1, 0):
        assert ensure_partitions(TABLE, start=early.at, end=late.at) == made
        assert [partition_of(point) for point in (early, late, other)] == [
            f"{TABLE}_2031_05",
            f"{TABLE}_2031_05",
            f"{TABLE}_rest",
        ]
    with pytest.raises(IntegrityError), transaction.atomic():
        put(market, early.at)
    early.delete()
    assert PricePoint.objects.filter(market=market).count() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_plain_table_with_rows_is_partitioned_and_joined_again_without_loss() -> None:
    market = make_market()
    for month in (1, 2, 4):
        put(market, datetime(2030, month, 15, tzinfo=UTC))
    before = list(PricePoint.objects.order_by("id").values())
    join_partitions(TABLE, **KEYS)
    assert list(PricePoint.objects.order_by("id").values()) == before
    # The second call finds what a first one left that was cut off.
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE}_new (x int)")
        partition_by_month(TABLE, **KEYS, now=datetime(2030, 5, 1, tzinfo=UTC))
        if _ == 0:
            join_partitions(TABLE, **KEYS)
    assert list(PricePoint.objects.order_by("id").values()) == before
    assert [partition_of(point) for point in PricePoint.objects.order_by("id")] == [
        f"{TABLE}_2030_0{month}" for month in (1, 2, 4)
    ]
    newest = put(market, datetime(2030, 8, 31, tzinfo=UTC))
    assert (newest.pk > before[-1]["id"], partition_of(newest)) == (True, f"{TABLE}_2030_08")
    with pytest.raises(IntegrityError), transaction.atomic():
        put(market, newest.at)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%brin%%'", [
            f"{TABLE}_2030_08"
        ])  # fmt: skip
        assert cursor.fetchone() == (1,)
