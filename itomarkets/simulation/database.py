"""Databases for one run of the simulation, made on the configured server and dropped after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

PREFIX = "itomarkets_simulation_"


@contextmanager
def throw_away_database(*, copies: int = 0) -> Iterator[list[str]]:
    """Work in a new, migrated database named after this process; never in the operator's. Yields its copies' names.

    Copies are for other processes, which `use_database` them: migrating takes longer than many seeds. On SQLite
    the database lives in memory and has none.
    """
    kept = connection.settings_dict["NAME"]
    copied = range(1, copies + 1) if connection.vendor == "postgresql" else range(0)
    connection.settings_dict["TEST"]["NAME"] = f"{PREFIX}{os.getpid()}" if connection.vendor == "postgresql" else None
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    made = str(connection.settings_dict["NAME"])
    try:
        for number in copied:
            connection.creation.clone_test_db(str(number), verbosity=0, autoclobber=True)
        # A copy is made of a database that nobody is connected to.
        connection.close()
        yield [f"{made}_{number}" for number in copied]
    finally:
        for number in copied:
            connection.creation.destroy_test_db(suffix=str(number), verbosity=0)
        connection.creation.destroy_test_db(str(kept), verbosity=0)


def use_database(name: str) -> None:
    """Work in a copy that another process made, and will drop; no other is taken, as a seed begins by emptying it."""
    if not name.startswith(PREFIX):
        raise ValueError(f"{name!r} is no database of a simulation; expected {PREFIX} and what follows")
    connection.close()
    connection.settings_dict["NAME"] = name
