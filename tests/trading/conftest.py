from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from tests.factories import make_user
from tests.trading.venue import KEYS, Books


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.CREDENTIAL_KEYS = KEYS


@pytest.fixture
def books(now: datetime) -> Books:
    return Books(now)


@pytest.fixture
def user(db: None) -> User:
    return make_user()
