from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from markets.sync import sync_markets
from tests.factories import make_user
from tests.trading.house import migrated as migrated
from tests.trading.sandbox_world import Exchange, point_settings_at, running_exchange
from tests.trading.venue import KEYS, Books
from trading.accounts import connect_sandbox_accounts


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = KEYS


@pytest.fixture
def books(now: datetime) -> Books:
    return Books(now)


@pytest.fixture
def user(db: None) -> User:
    return make_user()


@pytest.fixture
def running() -> Iterator[Exchange]:
    with running_exchange() as exchange:
        yield exchange


@pytest.fixture
def exchange(running: Exchange, settings: Any, now: datetime, user: User) -> Exchange:
    """The running sandbox, its markets listed here and the user's accounts on both venues connected."""
    point_settings_at(settings, running.url)
    sync_markets(venue=None, full=True, now=now)
    connect_sandbox_accounts(user, now=now)
    return running
