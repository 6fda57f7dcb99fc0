"""Make the Reviewers group, with what reviewing labels needs."""

from django.db import migrations

GROUP = "Reviewers"
PERMISSIONS = {
    "classification": ["view", "change"],
    "review": ["view"],
    "theme": ["view"],
    "riskfactor": ["view"],
    "modelversion": ["view"],
}


def make_group(apps, schema_editor):
    """Create the group and the permissions that Django itself would only create after all migrations."""
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    database = schema_editor.connection.alias
    group, _ = Group.objects.using(database).get_or_create(name=GROUP)
    for model, verbs in PERMISSIONS.items():
        content_type, _ = ContentType.objects.using(database).get_or_create(app_label="categorization", model=model)
        name = apps.get_model("categorization", model)._meta.verbose_name
        for verb in verbs:
            permission, _ = Permission.objects.using(database).get_or_create(
                content_type=content_type, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {name}"}
            )
            group.permissions.add(permission)


def take_permissions(apps, schema_editor):
    """Take our permissions back; the group goes with the last of them."""
    Group = apps.get_model("auth", "Group")
    group = Group.objects.using(schema_editor.connection.alias).filter(name=GROUP).first()
    if group is None:
        return
    group.permissions.remove(*group.permissions.filter(content_type__app_label="categorization"))
    if not group.permissions.exists() and not group.user_set.exists():
        group.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("categorization", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_group, take_permissions)]
