"""The mirror in the admin is read, with a fixed number of queries."""

from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from markets.models import (
    HistoryGap,
    HistoryWindow,
    MarketChange,
    PriceConflict,
    PricePoint,
    QuarantinedRow,
    QuoteDemand,
    SyncRun,
)
from tests.factories import make_market, make_quote, make_user

pytestmark = pytest.mark.django_db
NAMES = [
    "event", "market", "marketchange", "quote", "quotedemand", "pricepoint", "priceconflict", "historygap",
    "historywindow", "syncrun", "quarantinedrow",
]  # fmt: skip


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def rows(now: datetime, count: int) -> None:
    for _ in range(count):
        market = make_market()
        make_quote(market, "0.40", None, now)
        MarketChange.objects.create(market=market, field="title", before="a", after="b", at=now)
        QuoteDemand.objects.create(market=market, source="x")
        PricePoint.objects.create(market=market, interval=86400, at=now, price="0.4", source="x")
        bucket = {"market": market, "interval": 86400}
        HistoryWindow.objects.create(**bucket, start_at=now, covered_from=now, covered_to=now, checked_at=now)
        HistoryGap.objects.create(**bucket, start_at=now, end_at=now, missing=1, reason="empty", found_at=now)
        PriceConflict.objects.create(
            **bucket, at=now, price="0.4", source="x", other_price="0.5", other_source="y", found_at=now
        )
        run = SyncRun.objects.create(venue="kalshi", started_at=now)
        QuarantinedRow.objects.create(run=run, venue="kalshi", raw={"a": 1}, error="why")


@pytest.mark.parametrize("name", NAMES)
def test_lists_cost_the_same_queries_for_any_number_of_rows(
    staff: Client, now: datetime, name: str, django_assert_max_num_queries: Any
) -> None:
    rows(now, 12)
    with django_assert_max_num_queries(11):
        assert staff.get(reverse(f"admin:markets_{name}_changelist")).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_ledgers_can_be_neither_added_to_nor_changed_nor_deleted_from(rf: RequestFactory, name: str) -> None:
    request = rf.get("/")
    request.user = make_user(is_staff=True, is_superuser=True)
    page = admin.site.get_model_admin(apps.get_model("markets", name))
    assert page.has_view_permission(request)
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


def test_a_quarantined_row_shows_what_came(staff: Client, now: datetime) -> None:
    rows(now, 1)
    row = QuarantinedRow.objects.get()
    page = staff.get(reverse("admin:markets_quarantinedrow_change", args=[row.pk]))
    assert page.status_code == 200
    assert b"why" in page.content
