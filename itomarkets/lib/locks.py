"""Leases by row: a beat job takes one, and skips if another run holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from itomarkets.lib import clock


@contextmanager
def lease(name: str, *, seconds: int = 600) -> Iterator[int | None]:
    """Take the named lease for this block; yields its fencing token, or None if somebody holds it.

    The lease runs out by itself after `seconds`, so a killed holder blocks nobody for longer.
    """
    model = apps.get_model("records", "Lease")
    holder, now = uuid4().hex, clock.machine_now()
    until = now + timedelta(seconds=seconds)
    taken = model.objects.filter(Q(until__lte=now) | Q(holder=""), name=name).update(
        holder=holder, until=until, fence=F("fence") + 1
    )
    if not taken:
        try:
            with transaction.atomic():
                model.objects.create(name=name, holder=holder, until=until, fence=1)
            taken = 1
        except IntegrityError:
            taken = 0
    if not taken:
        yield None
        return
    try:
        yield model.objects.values_list("fence", flat=True).get(name=name)
    finally:
        model.objects.filter(name=name, holder=holder).update(holder="")
