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
    holder = uuid4().hex
    if not _take(name, holder, seconds):
        yield None
        return
    model = apps.get_model("records", "Lease")
    try:
        yield model.objects.values_list("fence", flat=True).get(name=name)
    finally:
        model.objects.filter(name=name, holder=holder).update(holder="")


class KeptLease:
    """A lease for work without an end: its holder keeps it while it lives, and one that was killed loses it."""

    def __init__(self, name: str, *, seconds: int) -> None:
        self.name = name
        self.seconds = seconds
        self._holder = uuid4().hex

    def hold(self) -> bool:
        """Take the lease, or keep it for `seconds` more; False while somebody else holds it."""
        until = clock.machine_now() + timedelta(seconds=self.seconds)
        model = apps.get_model("records", "Lease")
        if model.objects.filter(name=self.name, holder=self._holder).update(until=until):
            return True
        return _take(self.name, self._holder, self.seconds)

    def release(self) -> None:
        """Give it back; harmless where it was lost."""
        apps.get_model("records", "Lease").objects.filter(name=self.name, holder=self._holder).update(holder="")


def _take(name: str, holder: str, seconds: int) -> bool:
    model = apps.get_model("records", "Lease")
    now = clock.machine_now()
    until = now + timedelta(seconds=seconds)
    free = model.objects.filter(Q(until__lte=now) | Q(holder=""), name=name)
    if free.update(holder=holder, until=until, fence=F("fence") + 1):
        return True
    try:
        with transaction.atomic():
            model.objects.create(name=name, holder=holder, until=until, fence=1)
    except IntegrityError:
        return False
    return True


def extend(name: str, fence: int, *, seconds: int) -> bool:
    """Hold the named lease for so many seconds from now; False when it is another's meanwhile.

    A long job takes a short lease and extends it as it goes, so that its death is noticed soon.
    """
    model = apps.get_model("records", "Lease")
    until = clock.machine_now() + timedelta(seconds=seconds)
    return bool(model.objects.filter(name=name, fence=fence).exclude(holder="").update(until=until))
