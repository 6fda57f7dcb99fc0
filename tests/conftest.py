"""What every test shares: no request leaves the machine, and a clock that a test can set."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import cache

from accounts.counting import local_buckets
from itomarkets.lib import clock
from tests import loopback

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}


def pytest_configure(config: pytest.Config) -> None:
    """Stand before the first module is collected: an import may not ask the network either."""
    loopback.guard()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-database", action="store_true", help="run only the tests that touch the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--only-database"):
        kept = [item for item in items if _touches_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    if not settings.DATABASE_URL:
        reason = "SQLite has one writer and hides what this test looks for; set DATABASE_URL to a PostgreSQL"
        for item in items:
            if item.get_closest_marker("postgres"):
                item.add_marker(pytest.mark.skip(reason=reason))


def _touches_database(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("django_db") or DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Fail the test that tried to leave this machine, even where the code under test swallowed the refusal."""
    yield
    tried = loopback.take_attempts()
    assert not tried, f"A test tried to leave this machine: {tried}; only loopback is allowed."


@pytest.fixture(autouse=True)
def _clock_is_put_back() -> Iterator[None]:
    yield
    clock.set_clock(None)


@pytest.fixture(autouse=True)
def _no_count_is_carried_over() -> None:
    """Begin with an empty cache: databases give a person's id again, and limits of sign-ins count by it.

    Redis is shared by all that test at once, so there each test has names of its own, as have programs it starts.
    """
    local_buckets.clear()
    if settings.REDIS_URL:
        os.environ["ITO_TEST_CACHE"] = uuid4().hex
    else:
        cache.clear()


@pytest.fixture
def at() -> Callable[[datetime], datetime]:
    """Stop the clock: `at(datetime(2026, 8, 1, tzinfo=UTC))`; returns the instant."""

    def stop(moment: datetime) -> datetime:
        clock.set_clock(clock.Clock(start=moment, rate=0.0, anchor=0.0))
        return moment

    return stop


@pytest.fixture
def now(at: Callable[[datetime], datetime]) -> datetime:
    """Noon of 1 August 2026, UTC, with the clock standing still there."""
    return at(datetime(2026, 8, 1, 12, tzinfo=UTC))


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded data; tests that use it skip where it is absent."""
    folder = Path(os.environ.get("ITO_RECORDED", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not (folder / "markets.jsonl.gz").exists():
        pytest.skip(f"no recorded data at {folder}; set ITO_RECORDED to a folder laid out like it")
    return folder


@pytest.fixture(scope="session")
def venue_documents() -> Path:
    """The folder of the venues' OpenAPI files; contract tests skip where it is absent."""
    folder = Path(os.environ.get("ITO_VENUE_DOCUMENTS", Path(__file__).resolve().parents[2] / "shared" / "venues"))
    if not (folder / "kalshi-openapi.yaml").exists():
        pytest.skip(f"no OpenAPI files at {folder}; set ITO_VENUE_DOCUMENTS to the folder that holds them")
    return folder
