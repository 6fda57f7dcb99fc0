"""A database for one run of the simulation, made on the configured server and dropped after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def throw_away_database() -> Iterator[str]:
    """Work in a new, migrated database named after this process; never in the operator's. Yields its kind.

    On SQLite it lives in memory.
    """
    kept = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = (
        f"itomarkets_simulation_{os.getpid()}" if connection.vendor == "postgresql" else None
    )
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield connection.vendor
    finally:
        connection.creation.destroy_test_db(str(kept), verbosity=0)
