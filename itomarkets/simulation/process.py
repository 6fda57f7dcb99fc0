"""A worker process that can die: killed at a request, at a statement or at a commit, and never at work again after."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import OperationalError, connection

from itomarkets.simulation.network import Arrival

WRITES = ("INSERT", "UPDATE", "DELETE")


class Killed(BaseException):
    """The process was killed: nothing in it runs on, so nothing may catch this but the simulation."""


@dataclass(slots=True)
class Doom:
    """Where a process ends: at the nth request that creates an order, before or after it, at a write or a commit."""

    at: str
    nth: int

    SEAMS: ClassVar[dict[str, str]] = {
        "before_send": "F09 killed before the send",
        "after_send": "F10 killed after the send",
        "between_legs": "F11 killed between legs",
        "at_write": "F09 killed at a write",
        "commit_fails": "F13 commit failed",
        "after_commit": "F09 killed after a commit",
    }

    @classmethod
    def drawn(cls, chance: random.Random) -> "Doom":
        at = chance.choice(list(cls.SEAMS))
        most = {"at_write": 30, "commit_fails": 12, "after_commit": 12, "between_legs": 4}.get(at, 2)
        return cls(at, chance.randint(2 if at == "between_legs" else 1, most))


class Process:
    """Runs work as one worker would; `doom` ends it in the middle. A dead process reaches no database."""

    def __init__(self, struck: Callable[[str], None]) -> None:
        self._doom: Doom | None = None
        self._is_dead = False
        self._struck = struck
        # Since somebody last looked.
        self.has_written = True

    @contextmanager
    def doomed(self, doom: Doom | None) -> Iterator[None]:
        """Work under a doom; one process at a time, a second worker inside has none of it."""
        before, self._doom = self._doom, doom
        try:
            yield
        finally:
            self._doom = before

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Watch every statement and commit of this process's database connection."""
        commit = connection.commit
        connection.commit = self._commit_by(commit)  # type: ignore[method-assign]
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del connection.commit

    @property
    def is_dead(self) -> bool:
        return self._is_dead

    def restart(self) -> None:
        """Come back with an empty memory; what the dead one had begun in the database is rolled back."""
        self._is_dead = False
        if connection.in_atomic_block:
            connection.close()
            raise AssertionError("a killed worker left a transaction open in this process")

    def before_send(self, arrival: Arrival) -> None:
        if arrival.is_create:
            self._pass("before_send")
            self._pass("between_legs")

    def after_send(self, arrival: Arrival) -> None:
        if arrival.is_create:
            self._pass("after_send")

    def _pass(self, seam: str) -> None:
        doom = self._doom
        if doom is None or doom.at != seam:
            return
        doom.nth -= 1
        if doom.nth == 0:
            self._die()

    def _die(self) -> None:
        assert self._doom is not None
        self._struck(Doom.SEAMS[self._doom.at])
        self._doom = None
        self._is_dead = True
        # What was to follow the commit dies with the process.
        connection.run_on_commit = []
        raise Killed

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        word = sql.lstrip()[:9].upper()
        if word.startswith(("SAVEPOINT", "ROLLBACK", "RELEASE")):
            return execute(sql, params, many, context)
        if self._is_dead:
            raise Killed
        if word.startswith(WRITES):
            self._pass("at_write")
            self.has_written = True
        return execute(sql, params, many, context)

    def _commit_by(self, commit: Callable[[], None]) -> Callable[[], None]:
        def committed() -> None:
            doom = self._doom
            if doom is not None and doom.at == "commit_fails":
                doom.nth -= 1
                if doom.nth == 0:
                    self._struck(Doom.SEAMS[doom.at])
                    self._doom = None
                    raise OperationalError("the server closed the connection in the middle of a commit")
            commit()
            self._pass("after_commit")

        return committed
