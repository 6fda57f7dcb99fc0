from django.apps import apps as live_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

PERMISSIONS = [
    "view_basket",
    "rebuild_basket",
    "view_composition",
    "view_constituent",
    "view_pricehistory",
    "view_suggestion",
    "review_suggestion",
    "add_override",
    "change_override",
    "delete_override",
    "view_override",
]


def grant(apps, schema_editor):
    # Permissions are otherwise made after all migrations have run.
    create_permissions(live_apps.get_app_config("baskets"), apps=apps, verbosity=0, using=schema_editor.connection.alias)
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="Reviewers")
    group.permissions.add(
        *apps.get_model("auth", "Permission").objects.filter(
            content_type__app_label="baskets", codename__in=PERMISSIONS
        )
    )


def revoke(apps, schema_editor):
    """Take back what was granted; the group stays, other apps grant to it too."""
    for group in apps.get_model("auth", "Group").objects.filter(name="Reviewers"):
        group.permissions.remove(
            *apps.get_model("auth", "Permission").objects.filter(
                content_type__app_label="baskets", codename__in=PERMISSIONS
            )
        )


class Migration(migrations.Migration):
    dependencies = [
        ("baskets", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(grant, revoke)]
