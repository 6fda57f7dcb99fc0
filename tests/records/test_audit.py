from datetime import datetime

import pytest
from django.db import connection

from itomarkets.records import audit
from itomarkets.records.models import AuditEntry
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def three_entries() -> None:
    person = make_user()
    audit.record(action="override.add", subject="basket:1", actor=person, after={"weight": "0.2"})
    audit.record(action="override.change", subject="basket:1", actor=person, before={"weight": "0.2"})
    audit.record(action="override.remove", subject="basket:1", actor=person)


def test_an_untouched_chain_verifies(now: datetime) -> None:
    three_entries()
    assert audit.verify_chain() == audit.ChainReport(entries=3, broken_at=None)


def test_an_empty_chain_verifies() -> None:
    assert audit.verify_chain() == audit.ChainReport(entries=0, broken_at=None)


def test_a_changed_entry_is_named(now: datetime) -> None:
    three_entries()
    AuditEntry.objects.filter(seq=2).update(before={"weight": "0.9"})
    assert audit.verify_chain().broken_at == 2


def test_a_removed_entry_is_noticed_at_the_next_one(now: datetime) -> None:
    three_entries()
    with connection.cursor() as cursor:
        cursor.execute("delete from records_auditentry where seq = 2")
    assert audit.verify_chain().broken_at == 3


def test_reordered_entries_are_noticed(now: datetime) -> None:
    three_entries()
    AuditEntry.objects.filter(seq=3).update(seq=30)
    AuditEntry.objects.filter(seq=2).update(seq=3)
    AuditEntry.objects.filter(seq=30).update(seq=2)
    assert audit.verify_chain().broken_at == 2


def test_an_entry_can_be_neither_changed_nor_deleted_through_the_model(now: datetime) -> None:
    three_entries()
    entry = AuditEntry.objects.get(seq=1)
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()
