"""A database and an exchange for child processes: a file on SQLite, a PostgreSQL of its own with DATABASE_URL."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.trading.sandbox_world import Exchange

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class House:
    """One database and one exchange, and child processes that use them."""

    exchange: Exchange
    environment: dict[str, str]
    name: str

    def child(self, program: str, *arguments: str, told: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program of this folder on the exchange's address and its arguments."""
        command = [sys.executable, "-m", program, self.exchange.url, *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            input=told,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def migrated(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A database with tables and no rows, from which each test's is copied: a file, or a PostgreSQL by name."""
    folder = tmp_path_factory.mktemp("migrated")
    if not settings.DATABASE_URL:
        # Pytest's own has them already, in memory.
        with django_db_blocker.unblock(), sqlite3.connect(folder / "itomarkets.sqlite3") as file:
            connection.ensure_connection()
            connection.connection.backup(file)
        yield str(folder / "itomarkets.sqlite3")
        return
    name = f"kill_{uuid4().hex[:12]}"
    on_server(f'CREATE DATABASE "{name}"')
    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=ROOT, env=environment_of(folder, name), check=True, timeout=600)
    yield name
    on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def house_of(exchange: Exchange, migrated: str, folder: Path) -> Iterator[House]:
    """Copy the migrated database for one test."""
    name = f"kill_{uuid4().hex[:12]}"
    if settings.DATABASE_URL:
        on_server(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
    else:
        shutil.copy(migrated, folder)
    try:
        yield House(exchange, environment_of(folder, name), name)
    finally:
        if settings.DATABASE_URL:
            on_server(f'DROP DATABASE "{name}" WITH (FORCE)')


def on_server(statement: str, database: str = "postgres") -> None:
    """Run a statement on the PostgreSQL that the settings name."""
    base, _, _ = settings.DATABASE_URL.rpartition("/")
    with psycopg.connect(f"{base}/{database}".replace("postgres://", "postgresql://"), autocommit=True) as server:
        server.execute(statement.encode())


def environment_of(folder: Path, name: str) -> dict[str, str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "ITO_VAR": str(folder)}
    if settings.DATABASE_URL:
        environment["DATABASE_URL"] = f"{settings.DATABASE_URL.rpartition('/')[0]}/{name}"
    return environment
