"""Keep what a composition was computed from, and hold compositions and their legs in the database.

No row of either can be updated but for who made it, which a deleted person leaves empty.
"""

from django.db import migrations, models

HELD = {
    "baskets_composition": (
        "basket_id",
        "version",
        "effective_at",
        "reason",
        "method_version",
        "inputs",
        "inputs_hash",
        "divisor",
        "divisor_net",
        "divisor_before",
        "divisor_net_before",
        "value_before",
        "value_after",
        "cash",
        "turnover",
        "cost",
    ),
    "baskets_constituent": ("composition_id", "market_id", "side", "weight", "units", "mark", "mark_reason", "why"),
}
REFUSE = """
CREATE FUNCTION baskets_composition_is_final() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'a composition is never changed; make the next version' USING ERRCODE = 'check_violation';
END $$ LANGUAGE plpgsql
"""


def hold_compositions(apps, schema_editor):
    is_postgres = schema_editor.connection.vendor == "postgresql"
    if is_postgres:
        schema_editor.execute(REFUSE)
    for table, columns in HELD.items():
        what = (
            "FOR EACH ROW EXECUTE FUNCTION baskets_composition_is_final()"
            if is_postgres
            else "BEGIN SELECT RAISE(ABORT, 'a composition is never changed; make the next version'); END"
        )
        schema_editor.execute(f"CREATE TRIGGER {table}_final BEFORE UPDATE OF {', '.join(columns)} ON {table} {what}")


def let_go(apps, schema_editor):
    is_postgres = schema_editor.connection.vendor == "postgresql"
    for table in HELD:
        schema_editor.execute(f"DROP TRIGGER {table}_final{f' ON {table}' if is_postgres else ''}")
    if is_postgres:
        schema_editor.execute("DROP FUNCTION baskets_composition_is_final()")


class Migration(migrations.Migration):
    dependencies = [("baskets", "0003_public_ids_and_backfill_runs")]

    operations = [
        migrations.AddField(
            model_name="composition",
            name="inputs",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.RunPython(hold_compositions, let_go),
    ]
