from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from itomarkets.records import audit
from itomarkets.records.models import AuditEntry, JobRun
from itomarkets.tasks import note_audit_head
from tests.factories import make_user
from tests.tampering import let_audit_be_changed

pytestmark = pytest.mark.django_db


def three_entries() -> None:
    person = make_user()
    audit.record(action="override.add", subject="basket:1", actor=person, after={"weight": "0.2"})
    audit.record(action="override.change", subject="basket:1", actor=person, before={"weight": "0.2"})
    audit.record(action="override.remove", subject="basket:1", actor=person)


def test_an_untouched_chain_verifies(now: datetime) -> None:
    three_entries()
    last = AuditEntry.objects.get(seq=3)
    head = audit.Head(3, last.hash)
    assert audit.verify_chain() == audit.ChainReport(entries=3, broken_at=None, head=head)


def test_an_empty_chain_verifies() -> None:
    assert audit.verify_chain() == audit.ChainReport(entries=0, broken_at=None)


def test_a_changed_entry_is_named(now: datetime) -> None:
    three_entries()
    let_audit_be_changed()
    AuditEntry.objects.filter(seq=2).update(before={"weight": "0.9"})
    assert audit.verify_chain().broken_at == 2


def test_a_removed_entry_is_noticed_at_the_next_one(now: datetime) -> None:
    three_entries()
    with connection.cursor() as cursor:
        cursor.execute("delete from records_auditentry where seq = 2")
    assert audit.verify_chain().broken_at == 3


def test_reordered_entries_are_noticed(now: datetime) -> None:
    three_entries()
    let_audit_be_changed()
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


def test_the_database_refuses_to_change_an_entry(now: datetime) -> None:
    three_entries()
    with pytest.raises(DatabaseError, match="appended to, never changed"), transaction.atomic():
        AuditEntry.objects.filter(seq=2).update(action="other")
    assert audit.verify_chain().broken_at is None


def test_a_cut_off_end_is_noticed_by_a_head_that_was_noted(now: datetime) -> None:
    three_entries()
    noted = audit.verify_chain().head
    assert noted is not None
    audit.record(action="later", subject="basket:1")
    assert audit.verify_chain(noted=noted).lacks is None
    AuditEntry.objects.filter(seq__gte=3)._raw_delete("default")
    assert audit.verify_chain().broken_at is None
    assert audit.verify_chain(noted=noted).lacks == noted
    audit.record(action="written anew", subject="basket:1")
    with pytest.raises(CommandError, match=f"no longer has {noted}"):
        call_command("verify_audit", "--head", str(noted))


def test_a_replaced_key_goes_on_verifying_what_it_signed(now: datetime, settings: Any) -> None:
    old, new = "o" * 40, "n" * 40
    settings.AUDIT_KEYS = [old]
    three_entries()
    settings.AUDIT_KEYS = [new, old]
    audit.record(action="later", subject="basket:1")
    assert audit.verify_chain().broken_at is None
    settings.AUDIT_KEYS = [new]
    assert audit.verify_chain().broken_at == 1


def test_the_head_is_noted_in_the_log_each_day_and_a_broken_trail_fails_the_job(
    now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    three_entries()
    with caplog.at_level("INFO"):
        for _ in range(2):
            note_audit_head()
    head = f"3:{AuditEntry.objects.get(seq=3).hash}"
    assert caplog.text.count(head) == 2
    assert [run.report for run in JobRun.objects.all()] == [{"entries": 3, "head": head}] * 2
    AuditEntry.objects.filter(seq=2)._raw_delete("default")
    with pytest.raises(RuntimeError, match="broken at entry 3"):
        note_audit_head()
    assert JobRun.objects.filter(status="failed").count() == 1
