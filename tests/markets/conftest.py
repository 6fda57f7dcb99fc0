import pytest

from tests.markets.payloads import FakeVenues


@pytest.fixture
def venues() -> FakeVenues:
    return FakeVenues()
