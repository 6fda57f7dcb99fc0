"""Gamma's objects: markets, events, tags and series as the listing service writes them.

JSON inside strings (`outcomes`, `outcomePrices`, `clobTokenIds`), `volume` and `liquidity` text on a market
and numbers on an event. A full listing builds one of these for every market: keep it lean.
"""

import hashlib
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from .engine import World
from .model import POLYMARKET, PRICE_UNITS, SandboxEvent, SandboxMarket, stable_hash, to_units
from .polymarket_wire import UNIT_TEXT, iso

YES_NO = '["Yes", "No"]'
# The newest change of an object is at most this old: listings ordered by change then bring a slice at a time.
TOUCH_SECONDS = 86_400


def market_object(world: World, market: SandboxMarket, now: datetime) -> dict[str, Any]:
    """Return one market. `closed` means resolved; between its end and its resolution it takes no orders."""
    status = world.status_of(market, now)
    settled = status == "settled"
    bid, ask, depth = 0, PRICE_UNITS, 0
    if settled:
        yes = to_units(world.feed.outcome(market))
    else:
        top = world.top(market, now)
        bid, ask, depth = top.bid, top.ask, top.bid_size + top.ask_size
        yes = (bid + ask) // 2 if bid > 0 and ask < PRICE_UNITS else int(world.fair(market, now) * PRICE_UNITS)
    tick = market.ticks[0].step_units
    opened, end = iso(market.open_at), iso(market.close_at)
    liquidity = depth * 4
    volume = market.traded_until(now)
    data: dict[str, Any] = {
        "id": market.key,
        "question": market.title,
        "conditionId": market.condition_id,
        "slug": market.slug,
        "resolutionSource": "",
        "endDate": end,
        "liquidity": str(liquidity),
        "startDate": opened,
        "image": "",
        "icon": "",
        "description": market.rules,
        "outcomes": YES_NO if market.yes_label == "Yes" and market.no_label == "No" else labels_of(market),
        "outcomePrices": f'["{UNIT_TEXT[yes]}", "{UNIT_TEXT[PRICE_UNITS - yes]}"]',
        "volume": str(volume),
        "active": status != "unopened",
        "closed": settled,
        "marketMakerAddress": "",
        "createdAt": opened,
        "updatedAt": iso(changed_at(market, now)),
        "new": False,
        "featured": False,
        "archived": False,
        "restricted": True,
        "groupItemTitle": market.group_title,
        "questionID": market.question_id,
        "enableOrderBook": not settled,
        "orderPriceMinTickSize": tick / PRICE_UNITS,
        "orderMinSize": float(market.min_size),
        "volumeNum": volume,
        "liquidityNum": liquidity,
        "endDateIso": end[:10],
        "startDateIso": opened[:10],
        "hasReviewedDates": True,
        "volume24hr": market.traded_today(now),
        "volumeClob": volume,
        "liquidityClob": liquidity,
        "clobTokenIds": f'["{market.yes_token}", "{market.no_token}"]',
        "acceptingOrders": status == "open",
        "negRisk": market.neg_risk,
        "spread": max(0, ask - bid) / PRICE_UNITS,
        "lastTradePrice": max(tick, market.snap(yes, up=False)) / PRICE_UNITS if not settled else yes / PRICE_UNITS,
        "bestAsk": ask / PRICE_UNITS,
        "bestBid": bid / PRICE_UNITS,
        "secondsDelay": 0,
        "umaResolutionStatuses": "[]",
        "rfqEnabled": False,
        "version": "v1",
        "feesEnabled": market.fee.rate > 0,
    }
    if market.fee.rate > 0:
        data["feeType"] = market.fee.kind
        data["feeSchedule"] = {"exponent": 1, "rate": float(market.fee.rate), "takerOnly": True, "rebateRate": 0.25}
    if market.neg_risk:
        data["negRiskMarketID"] = neg_risk_id(market.event_key)
    if settled:
        # Not RFC 3339, unlike every other time here: the venue writes it so.
        data["closedTime"] = f"{market.settle_at:%Y-%m-%d %H:%M:%S}+00"
        data["umaResolutionStatus"] = "resolved"
    elif status == "closed":
        data["umaResolutionStatus"] = "proposed"
    if market.raw is None:
        return data
    return {name: value for name, value in market.raw.items() if name not in _MOVING} | data


# Of a recorded object these would contradict the sandbox's own state or belong to the recording.
_MOVING = frozenset({"_event", "events", "tags", "closedTime", "umaResolutionStatus", "feeSchedule", "feeType"})


def labels_of(market: SandboxMarket) -> str:
    return orjson.dumps([market.yes_label, market.no_label]).decode().replace('","', '", "')


def event_object(world: World, event: SandboxEvent, now: datetime, *, nested: bool = True) -> dict[str, Any]:
    """Return one event, with its markets if nested."""
    markets = markets_of(world, event)
    opened = iso(min((market.open_at for market in markets), default=now))
    end = iso(max((market.close_at for market in markets), default=now))
    inside = [market_object(world, market, now) for market in markets] if nested else []
    closed = bool(markets) and all(now >= market.settle_at for market in markets)
    data: dict[str, Any] = {
        "id": event.key,
        "ticker": event.slug,
        "slug": event.slug,
        "title": event.title,
        "subtitle": event.subtitle,
        "description": markets[0].rules if markets else "",
        "startDate": opened,
        "creationDate": opened,
        "endDate": end,
        "image": "",
        "icon": "",
        "active": True,
        "closed": closed,
        "archived": False,
        "new": False,
        "featured": False,
        "restricted": True,
        "volume": sum(market.traded_until(now) for market in markets),
        "volume24hr": sum(market.traded_today(now) for market in markets),
        "openInterest": 0,
        "createdAt": opened,
        "updatedAt": iso(event_changed_at(event, markets, now)),
        "enableOrderBook": True,
        "negRisk": event.neg_risk,
        "enableNegRisk": event.neg_risk,
        "showAllOutcomes": len(markets) > 1,
        "commentCount": 0,
        "tags": [tag_object(label) for label in tag_labels(event)],
    }
    if nested:
        liquidity = sum(market["liquidityNum"] for market in inside)
        data |= {"liquidity": liquidity, "liquidityClob": liquidity, "markets": inside}
    if closed:
        data["closedTime"] = iso(max(market.settle_at for market in markets))
    if event.neg_risk:
        data["negRiskMarketID"] = neg_risk_id(event.key)
    if event.series_key:
        data["seriesSlug"] = slug_of(event.series_key)
        data["series"] = [series_object(event.series_key, event.series_title or event.series_key)]
    if event.raw is None:
        return data
    return {name: value for name, value in event.raw.items() if name not in ("markets", "tags", "closedTime")} | data


def markets_of(world: World, event: SandboxEvent) -> list[SandboxMarket]:
    found = (world.feed.market(POLYMARKET, key) for key in event.market_keys)
    return [market for market in found if market is not None]


def changed_at(market: SandboxMarket, now: datetime) -> datetime:
    """Return when a market last changed: a daily touch at a moment of its own, or the newest step of its life."""
    return max([_touched(market.seed or market.ordinal, now), *_steps(market, now)])


def event_changed_at(event: SandboxEvent, markets: list[SandboxMarket], now: datetime) -> datetime:
    steps = (step for market in markets for step in _steps(market, now))
    return max([_touched(event.ordinal * 7919, now), *steps])


def _touched(seed: int, now: datetime) -> datetime:
    behind = (int(now.timestamp()) - seed) % TOUCH_SECONDS
    return now.replace(microsecond=0) - timedelta(seconds=behind)


def _steps(market: SandboxMarket, now: datetime) -> list[datetime]:
    return [step for step in (market.open_at, market.close_at, market.settle_at) if step <= now]


@lru_cache(maxsize=50_000)
def tag_object(label: str) -> dict[str, Any]:
    number = tag_id(label)
    return {
        "id": number,
        "label": label,
        "slug": slug_of(label) or f"tag-{number}",
        "forceShow": False,
        "forceHide": False,
        "isCarousel": False,
        "createdAt": "2024-01-01T00:00:00Z",
        "updatedAt": "2024-01-01T00:00:00Z",
    }


def tag_id(label: str) -> str:
    return str(stable_hash("tag", label.lower()) % 1_000_000_000)


def tag_labels(event: SandboxEvent) -> list[str]:
    """Return an event's tags, its category among them, each once."""
    labels = [event.category, *event.tags] if event.category else list(event.tags)
    return list({label.lower(): label for label in reversed(labels) if label}.values())[::-1]


@lru_cache(maxsize=50_000)
def series_object(key: str, title: str) -> dict[str, Any]:
    return {
        "id": series_id(key),
        "ticker": slug_of(key),
        "slug": slug_of(key),
        "title": title,
        "seriesType": "single",
        "recurrence": "monthly",
        "active": True,
        "closed": False,
        "archived": False,
    }


def series_id(key: str) -> str:
    return key if key.isdigit() else str(stable_hash("series", key) % 1_000_000_000)


@lru_cache(maxsize=50_000)
def neg_risk_id(event_key: str) -> str:
    return "0x" + hashlib.sha256(f"itomarkets sandbox neg-risk {event_key}".encode()).hexdigest()


def slug_of(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
