"""The Celery application. Its queues and beat schedule stand in settings."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itomarkets.settings")

app = Celery("itomarkets")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def _settle(**_: Any) -> None:
    from itomarkets.lib.memory import settle_memory

    settle_memory()
