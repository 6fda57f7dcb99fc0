"""What one who means harm would do: lift the database's own hold on rows that are never changed."""

from django.db import connection


def lift_hold(table: str, trigger: str) -> None:
    """Drop a trigger, until the test's transaction is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {trigger}{f' ON {table}' if connection.vendor == 'postgresql' else ''}")


def let_audit_be_changed() -> None:
    lift_hold("records_auditentry", "records_auditentry_appended")
