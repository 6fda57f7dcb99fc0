import uuid

from django.db import migrations, models


def name_each(apps, schema_editor):
    rows = apps.get_model('baskets', 'Suggestion').objects
    for pk in rows.filter(public_id=None).values_list('pk', flat=True):
        rows.filter(pk=pk).update(public_id=uuid.uuid4())


class Migration(migrations.Migration):

    dependencies = [
        ('baskets', '0007_proposals'),
    ]

    operations = [
        migrations.AddField(
            model_name='suggestion',
            name='public_id',
            field=models.UUIDField(null=True, default=None, editable=False),
        ),
        migrations.RunPython(name_each, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='suggestion',
            name='public_id',
            field=models.UUIDField(default=uuid.uuid4, editable=False, unique=True),
        ),
    ]
