"""Leases by row: a beat job takes one, and skips if another run holds it."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F, Q

from itomarkets.lib import clock

logger = logging.getLogger(__name__)
BEAT_SECONDS = 30.0


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


@contextmanager
def kept(name: str, fence: int, *, seconds: int, longest: float) -> Iterator[None]:
    """Extend the named lease by `seconds`, again and again, from a thread, while this block runs.

    A process that is killed takes the thread along, so its lease runs out soon. After `longest` seconds it is
    extended no more: what hangs must give way at last.
    """
    ended = threading.Event()
    until = time.monotonic() + longest - seconds

    def beat() -> None:
        try:
            while not ended.wait(BEAT_SECONDS) and time.monotonic() < until:
                try:
                    if not extend(name, fence, seconds=seconds):
                        logger.warning("The lease %s is another's meanwhile.", name)
                        return
                except DatabaseError as error:
                    logger.warning("The lease %s could not be extended yet: %s", name, error)
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name=f"lease-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
