"""Let the Reviewers group decide pairs of markets."""

from django.db import migrations

GROUP = "Reviewers"
VERBS = ["view", "change"]


def give_permissions(apps, schema_editor):
    """Give the permissions, which Django itself would only create after all migrations."""
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    database = schema_editor.connection.alias
    group, _ = Group.objects.using(database).get_or_create(name=GROUP)
    content_type, _ = ContentType.objects.using(database).get_or_create(app_label="categorization", model="marketpair")
    for verb in VERBS:
        permission, _ = Permission.objects.using(database).get_or_create(
            content_type=content_type, codename=f"{verb}_marketpair", defaults={"name": f"Can {verb} market pair"}
        )
        group.permissions.add(permission)


def take_permissions(apps, schema_editor):
    """Take them back; the group stays for what else its people review."""
    Group = apps.get_model("auth", "Group")
    group = Group.objects.using(schema_editor.connection.alias).filter(name=GROUP).first()
    if group is not None:
        group.permissions.remove(
            *group.permissions.filter(content_type__app_label="categorization", content_type__model="marketpair")
        )


class Migration(migrations.Migration):
    dependencies = [("categorization", "0004_market_pairs")]

    operations = [migrations.RunPython(give_permissions, take_permissions)]
