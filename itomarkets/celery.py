"""The Celery application. Its queues and beat schedule stand in settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itomarkets.settings")

app = Celery("itomarkets")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
