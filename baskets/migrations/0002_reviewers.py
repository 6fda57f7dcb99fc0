from django.apps import apps as live_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.models import Q

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
# To look up the market that an override is about.
OF_MARKETS = ["view_market", "view_event"]


def granted(apps):
    return apps.get_model("auth", "Permission").objects.filter(
        Q(content_type__app_label="baskets", codename__in=PERMISSIONS)
        | Q(content_type__app_label="markets", codename__in=OF_MARKETS)
    )


def grant(apps, schema_editor):
    # Permissions are otherwise made after all migrations have run.
    for label in ("baskets", "markets"):
        create_permissions(live_apps.get_app_config(label), apps=apps, verbosity=0, using=schema_editor.connection.alias)
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="Reviewers")
    group.permissions.add(*granted(apps))


def revoke(apps, schema_editor):
    """Take back what was granted; the group stays, other apps grant to it too."""
    for group in apps.get_model("auth", "Group").objects.filter(name="Reviewers"):
        group.permissions.remove(*granted(apps))


class Migration(migrations.Migration):
    dependencies = [
        ("baskets", "0001_initial"),
        ("markets", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(grant, revoke)]
