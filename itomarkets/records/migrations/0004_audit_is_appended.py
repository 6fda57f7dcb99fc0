"""Refuse in the database what would change an entry of the audit trail.

A removed entry is found by the chain, and a cut-off end by a head that was noted before: see audit.py.
"""

from django.db import migrations

TABLE = "records_auditentry"
REFUSED = "the audit trail is appended to, never changed"


def hold(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE FUNCTION {TABLE}_is_appended() RETURNS trigger AS $$ "
            f"BEGIN RAISE EXCEPTION '{REFUSED}'; END $$ LANGUAGE plpgsql"
        )
        what = f"FOR EACH ROW EXECUTE FUNCTION {TABLE}_is_appended()"
    else:
        what = f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
    schema_editor.execute(f"CREATE TRIGGER {TABLE}_appended BEFORE UPDATE ON {TABLE} {what}")


def let_go(apps, schema_editor):
    is_postgres = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(f"DROP TRIGGER {TABLE}_appended{f' ON {TABLE}' if is_postgres else ''}")
    if is_postgres:
        schema_editor.execute(f"DROP FUNCTION {TABLE}_is_appended()")


class Migration(migrations.Migration):

    dependencies = [("records", "0003_queued_runs")]

    operations = [migrations.RunPython(hold, let_go)]
