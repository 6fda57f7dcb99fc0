"""On PostgreSQL, price points in a table that is partitioned by month; an index for rolling up on both."""

from django.db import migrations, models

from itomarkets.lib import clock
from itomarkets.lib.partitions import join_partitions, partition_by_month

TABLE = "markets_pricepoint"
UNIQUE = {"price_point_once": ("market_id", "interval", "at")}
REFERENCES = {"market_id": "markets_market"}


def partition(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        partition_by_month(TABLE, unique=UNIQUE, references=REFERENCES, now=clock.machine_now())


def join(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        join_partitions(TABLE, unique=UNIQUE, references=REFERENCES)


class Migration(migrations.Migration):
    # Each month's rows are copied in a transaction of their own.
    atomic = False

    dependencies = [("markets", "0004_history_windows_gaps_conflicts")]

    operations = [
        migrations.RunPython(partition, join),
        migrations.AddIndex(
            model_name="pricepoint",
            index=models.Index(
                fields=["interval", "at"], condition=models.Q(("interval__lt", 3600)), name="price_point_fine"
            ),
        ),
    ]
