"""What a portfolio is exposed to, as the API writes it: no row numbers, decimals as strings."""

from collections.abc import Mapping
from typing import Any

from markets.api.ids import ids_of, market_id
from markets.models import Event
from trading.breakdown import Exposure, ExposureLine
from trading.outcomes import EventPayouts
from trading.portfolio import Portfolio


def show_exposure(portfolio: Portfolio, exposure: Exposure) -> dict[str, Any]:
    """Return a portfolio's exposure in the shape of ExposureShape; two statements for the public ids."""
    events = {
        pk: market_id(venue, native_id)
        for pk, venue, native_id in Event.objects.filter(
            pk__in={line.event_id for line in portfolio.lines if line.event_id}
        ).values_list("pk", "venue", "native_id")
    }
    held = {line.market_id for line in portfolio.lines}
    markets = ids_of(
        held | {case.market_id for event in exposure.outcomes for case in event.outcomes if case.market_id}
    )
    keys = {str(pk): key for pk, key in events.items()} | {f"market-{pk}": key for pk, key in markets.items()}
    return {
        "mode": portfolio.mode,
        "cash": portfolio.cash,
        "available": portfolio.available,
        "claimable": portfolio.claimable,
        "worth": portfolio.worth,
        "realised": portfolio.realised,
        "fees": portfolio.fees,
        "total": _line(exposure.total, {}),
        "accounts": [
            {
                "account": account.name,
                "kind": account.kind,
                "mode": account.mode,
                "cash": account.cash,
                "available": account.available,
                "claimable": account.claimable,
                "checked_at": account.checked_at,
                "differences": list(account.differences),
                "unexplained": None
                if account.unexplained is None
                else {
                    "amount": account.unexplained.amount,
                    "number": account.unexplained.number,
                    "waits_for": account.unexplained.waits_for,
                },
            }
            for account in portfolio.accounts
        ],
        "factors": [_line(line, {}) for line in exposure.factors],
        "themes": [_line(line, {}) for line in exposure.themes],
        "events": [_line(line, keys) for line in exposure.events],
        "venues": [_line(line, {}) for line in exposure.venues],
        "outcomes": [_outcomes(event, events, markets) for event in exposure.outcomes],
        "external": [
            {
                "account": line.account,
                "order": line.order,
                "market": line.market,
                "side": line.side,
                "status": line.status,
                "count": line.count,
                "price": line.price,
                "cost": line.cost,
            }
            for line in exposure.external
        ],
    }


def _line(line: ExposureLine, keys: Mapping[str, str]) -> dict[str, Any]:
    return {
        "key": keys.get(line.key, "" if keys else line.key),
        "name": line.name,
        "positions": line.positions,
        "cost": line.cost,
        "value": line.value,
        "worst": line.worst,
        "best": line.best,
    }


def _outcomes(event: EventPayouts, events: Mapping[int, str], markets: Mapping[int, str]) -> dict[str, Any]:
    return {
        "event_id": events.get(event.event_id, ""),
        "title": event.title,
        "venue": event.venue,
        "is_exhaustive": event.is_exhaustive,
        "cost": event.cost,
        "outcomes": [
            {
                "market_id": markets.get(case.market_id) if case.market_id else None,
                "name": case.name,
                "pays": case.pays,
                "profit": case.profit,
            }
            for case in event.outcomes
        ],
    }
