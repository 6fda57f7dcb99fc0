from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from itomarkets.lib import clock


class RoofConfig(AppConfig):
    name = "itomarkets"
    verbose_name = "Itô Markets"

    def ready(self) -> None:
        # Django sends it for each app that has models; this one has none.
        post_migrate.connect(_make_partitions, sender=apps.get_app_config("markets"))


def _make_partitions(**_: Any) -> None:
    """A release that comes after a long rest finds this month's partitions again."""
    from itomarkets.housekeeping import make_partitions  # the apps' models are not there before this moment

    make_partitions(now=clock.now())
