"""Hold the sandbox's strings: accounts, clock, settlement, pauses and faults, under /control."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from itomarkets.lib import clock

from . import polymarket
from .engine import Refused, World
from .faults import FaultError, FaultyConnections, parse_fault
from .latency import parse_latency
from .model import KALSHI, VENUES, ZERO, SandboxMarket, uniform_ticks
from .store import Account

FASTEST = 100_000.0
STEPS = ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001")


class Unacceptable(Exception):
    """What was sent cannot be done; the text says what was expected."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def routes(world: World, faults: FaultyConnections) -> list[Route]:
    """Return the routes, without their prefix."""
    control = Control(world, faults)
    table: list[tuple[str, str, Callable[[dict[str, Any], Request], Any]]] = [
        ("POST", "/accounts", control.create_account),
        ("GET", "/accounts/{name}", control.show_account),
        ("GET", "/clock", control.show_clock),
        ("POST", "/clock", control.set_clock),
        ("POST", "/settle", control.settle),
        ("POST", "/pause", control.pause),
        ("POST", "/tick", control.set_tick),
        ("GET", "/faults", control.show_faults),
        ("POST", "/faults", control.set_faults),
        ("DELETE", "/faults", control.clear_faults),
        ("GET", "/requests", control.show_requests),
        ("GET", "/latency", control.show_latency),
        ("POST", "/latency", control.set_latency),
    ]
    return [Route(path, _serve(handler), methods=[method]) for method, path, handler in table]


def _serve(handler: Callable[[dict[str, Any], Request], Any]) -> Callable[[Request], Any]:
    async def serve(request: Request) -> Response:
        raw = await request.body()
        try:
            body = orjson.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise Unacceptable("the body is not a JSON object")
            return _reply(handler(body, request))
        except orjson.JSONDecodeError as error:
            return _reply({"error": f"the body is not JSON: {error}"}, 400)
        except (Unacceptable, FaultError, Refused, ValueError) as error:
            return _reply({"error": str(error)}, getattr(error, "status", 400))

    return serve


def _reply(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


class Control:
    """What a test or a developer can do to the sandbox."""

    def __init__(self, world: World, faults: FaultyConnections) -> None:
        self.world = world
        self.faults = faults

    def create_account(self, body: dict[str, Any], request: Request) -> Any:
        """Make the account of a name, or return it; both exchanges' keys and balances are in the reply."""
        account = self.world.accounts.create(str(body.get("name", "")), kalshi_key=body.get("kalshi_key", "ed25519"))
        return self._account(account)

    def show_account(self, body: dict[str, Any], request: Request) -> Any:
        name = request.path_params["name"]
        account = self.world.accounts.by_name(name)
        if account is None:
            raise Unacceptable(f"no account is named {name!r}; POST /control/accounts makes one", 404)
        return self._account(account)

    def show_clock(self, body: dict[str, Any], request: Request) -> Any:
        return {"now": self.world.now().isoformat()}

    def set_clock(self, body: dict[str, Any], request: Request) -> Any:
        """Run the clock from `at` (default: where it stands) at `rate` (default 1; 0 stops it).

        The reply's `ITO_CLOCK` is what other processes need in their environment to read the same time.
        """
        rate = body.get("rate", 1.0)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= FASTEST:
            raise Unacceptable(f"rate is {rate!r}; expected 0 to {FASTEST:.0f}")
        start = _instant(body["at"]) if "at" in body else self.world.now()
        anchor = clock.machine_now().timestamp()
        clock.set_clock(clock.Clock(start=start, rate=float(rate), anchor=anchor))
        self.world.advance()
        stamp = start.isoformat().replace("+00:00", "Z")
        text = f"{stamp}@{rate}#{anchor:.3f}" if rate else f"fixed:{stamp}"
        return {"now": self.world.now().isoformat(), "ITO_CLOCK": text}

    def settle(self, body: dict[str, Any], request: Request) -> Any:
        """Settle a market now; `outcome` is yes, no, or what YES pays from 0 to 1."""
        market = self._market(body)
        text = str(body.get("outcome", ""))
        try:
            outcome = Decimal({"yes": "1", "no": "0"}.get(text, text))
        except InvalidOperation:
            raise Unacceptable(f"outcome is {text!r}; expected yes, no or a number from 0 to 1") from None
        self.world.force_settle(market, outcome)
        return {"venue": market.venue, "key": market.key, "settled_at": market.settle_at.isoformat()}

    def pause(self, body: dict[str, Any], request: Request) -> Any:
        """Pause a market's trading, or with `paused` false let it go on."""
        market = self._market(body)
        market.paused = bool(body.get("paused", True))
        return {"venue": market.venue, "key": market.key, "status": self.world.status_of(market)}

    def set_tick(self, body: dict[str, Any], request: Request) -> Any:
        """Give a market another tick `step` in dollars from now on."""
        market = self._market(body)
        step = str(body.get("step", ""))
        if step not in STEPS:
            raise Unacceptable(f"step is {step!r}; expected one of {', '.join(STEPS)}")
        market.ticks = uniform_ticks(step)
        return {"venue": market.venue, "key": market.key, "step": step}

    def show_faults(self, body: dict[str, Any], request: Request) -> Any:
        return {"plan": self.faults.listed()}

    def set_faults(self, body: dict[str, Any], request: Request) -> Any:
        """Replace the plan by `plan`: a list of {path, fault, method, nth, seconds}."""
        plan = body.get("plan")
        if not isinstance(plan, list):
            raise Unacceptable("plan is missing; expected a list of faults")
        self.faults.plan = [parse_fault(raw) for raw in plan]
        return self.show_faults(body, request)

    def clear_faults(self, body: dict[str, Any], request: Request) -> Any:
        self.faults.plan = []
        return self.show_faults(body, request)

    def show_requests(self, body: dict[str, Any], request: Request) -> Any:
        """List what reached the exchanges, oldest first, and the fault that each request met."""
        return {"requests": [asdict(logged) for logged in self.faults.requests]}

    def set_latency(self, body: dict[str, Any], request: Request) -> Any:
        """Answer each order between `least_seconds` and `most_seconds` after it arrived, drawn from `seed`."""
        self.faults.latency = parse_latency(
            body.get("least_seconds", 0.0), body.get("most_seconds", 0.0), body.get("seed", 0)
        )
        return self.show_latency(body, request)

    def show_latency(self, body: dict[str, Any], request: Request) -> Any:
        """Tell the bounds, and what each order has drawn since they were set."""
        latency = self.faults.latency
        return {
            "least_seconds": latency.least,
            "most_seconds": latency.most,
            "seed": latency.seed,
            "drawn": latency.drawn,
        }

    def _market(self, body: dict[str, Any]) -> SandboxMarket:
        venue, key = str(body.get("venue", "")), str(body.get("key", ""))
        if venue not in VENUES:
            raise Unacceptable(f"venue is {venue!r}; expected one of {', '.join(VENUES)}")
        market = self.world.feed.market(venue, key)
        if market is None:
            raise Unacceptable(f"{venue} has no market {key!r}", 404)
        return market

    def _account(self, account: Account) -> dict[str, Any]:
        balances = {venue: self.world.balance(account.id, venue) for venue in VENUES}
        return {
            "name": account.name,
            "kalshi": {"key_id": account.kalshi_key_id, "private_key_pem": account.kalshi_private_key_pem},
            "polymarket": {
                "private_key": account.polymarket_private_key,
                "wallet": account.polymarket_address,
                "api": polymarket.open_keys(self.world, account),
            },
            "balances": {venue: str(sum(shards.values(), ZERO)) for venue, shards in balances.items()},
            "kalshi_shards": {str(shard): str(cash) for shard, cash in balances[KALSHI].items()},
        }


def _instant(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise Unacceptable(f"at is {text!r}; expected an instant such as 2026-08-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise Unacceptable(f"at is {text!r}; expected a time zone, such as Z")
    return moment
