"""The smallest valid rows. Each takes overrides by name."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from markets.models import Event, Market, Quote

BORN = datetime(2026, 7, 1, tzinfo=UTC)
_numbers = itertools.count(1)


def make_user(**values: Any) -> User:
    number = next(_numbers)
    password = values.pop("password", "a-long-test-password")
    values.setdefault("username", f"person{number}")
    values.setdefault("email", f"person{number}@example.com")
    return User.objects.create_user(password=password, **values)


def make_event(**values: Any) -> Event:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "venue": "kalshi",
        "native_id": f"KXEVENT{number}-26DEC31",
        "title": f"Event {number}",
        "series_key": f"KXEVENT{number}",
        "created_at": BORN,
        "last_changed_at": BORN,
    }
    return Event.objects.create(**{**defaults, **values})


def make_market(**values: Any) -> Market:
    number = next(_numbers)
    venue = values.get("venue", "kalshi")
    defaults: dict[str, Any] = {
        "venue": venue,
        "native_id": f"KXMARKET{number}-26DEC31" if venue == "kalshi" else str(500_000 + number),
        "title": f"Will thing {number} happen?",
        "status": Market.Status.OPEN,
        "open_at": BORN,
        "close_at": BORN + timedelta(days=180),
        "yes_bid": Decimal("0.49"),
        "yes_ask": Decimal("0.51"),
        "last_price": Decimal("0.50"),
        "volume": Decimal("10000"),
        "volume_24h": Decimal("500"),
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "created_at": BORN,
        "last_changed_at": BORN,
    }
    if venue == "polymarket":
        defaults |= {
            "condition_id": f"0x{number:064x}",
            "yes_token": str(10**70 + 2 * number),
            "no_token": str(10**70 + 2 * number + 1),
            "min_size": Decimal(5),
        }
    if "event" not in values:
        values["event"] = make_event(venue=venue, native_id=f"EVENT{number}", series_key=f"SERIES{number}")
    return Market.objects.create(**{**defaults, **values})


def make_quote(market: Market, bid: str | None, ask: str | None, at: datetime, **values: Any) -> Quote:
    """Quote a market's YES side; NO is its mirror."""
    yes_bid = Decimal(bid) if bid is not None else None
    yes_ask = Decimal(ask) if ask is not None else None
    defaults: dict[str, Any] = {
        "yes_bid": yes_bid,
        "yes_ask": yes_ask,
        "yes_bid_size": Decimal(1000) if yes_bid is not None else None,
        "yes_ask_size": Decimal(1000) if yes_ask is not None else None,
        "no_bid": 1 - yes_ask if yes_ask is not None else None,
        "no_ask": 1 - yes_bid if yes_bid is not None else None,
        "no_bid_size": Decimal(1000) if yes_ask is not None else None,
        "no_ask_size": Decimal(1000) if yes_bid is not None else None,
        "observed_at": at,
        "received_at": at,
    }
    return Quote.objects.update_or_create(market=market, defaults={**defaults, **values})[0]
