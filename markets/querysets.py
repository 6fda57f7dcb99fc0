"""Questions that upper apps ask of the mirror."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q


class EventQuerySet(models.QuerySet[Any]):
    pass


class MarketQuerySet(models.QuerySet[Any]):
    def open(self, now: datetime) -> "MarketQuerySet":
        """Markets that trade now."""
        return self.filter(Q(close_at__isnull=True) | Q(close_at__gt=now), status="open", vanished_at__isnull=True)
