"""The wire between our clients and the sandbox, in this process: it delays, refuses, loses and remembers."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import httpx
import orjson

from itomarkets.sandbox.faults import FaultyConnections
from itomarkets.simulation.machine import VirtualMachine

KALSHI_ORDERS = "/trade-api/v2/portfolio/events/orders"
POLYMARKET_ORDER = "/clob/order"
BATCHES = (f"{KALSHI_ORDERS}/batched", f"{POLYMARKET_ORDER}s")
CREATES = (KALSHI_ORDERS, POLYMARKET_ORDER, *BATCHES)
FASTEST_SECONDS, SLOWEST_SECONDS = 0.005, 0.08


@dataclass(slots=True)
class Arrival:
    """One request as it reached an exchange, and what became of it. `status` 0: no answer came back."""

    number: int
    at: datetime
    seconds: float
    method: str
    path: str
    query: str
    body: str
    agent: str = ""
    fault: str = ""
    status: int = 0
    retry_after: float | None = None

    @property
    def venue(self) -> str:
        return "kalshi" if self.path.startswith("/trade-api") else "polymarket"

    @property
    def is_create(self) -> bool:
        return self.method == "POST" and self.path in CREATES

    @property
    def is_batch(self) -> bool:
        return self.method == "POST" and self.path in BATCHES

    @property
    def is_cancel(self) -> bool:
        return self.method == "DELETE" and (self.path.startswith(KALSHI_ORDERS) or self.path == POLYMARKET_ORDER)

    @property
    def canceled_id(self) -> str:
        """The exchange's id of the order that a cancel is about."""
        return self.path.rpartition("/")[2] if self.venue == "kalshi" else str(self.json().get("orderID", ""))

    def json(self) -> Any:
        return orjson.loads(self.body or "{}")


class Network:
    """Answers every client's requests from the sandbox's application.

    `before` sees a request that is about to arrive, `after` one that has been dealt with, before its
    sender hears of it: the places where the simulation looks, interferes and kills.
    """

    def __init__(
        self,
        app: FaultyConnections,
        machine: VirtualMachine,
        chance: random.Random,
        venue_now: Callable[[], datetime],
    ) -> None:
        self._app = app
        self._machine = machine
        self._chance = chance
        self._venue_now = venue_now
        self._timeout = 10.0
        app.sleep = self._late
        self.arrivals: list[Arrival] = []
        # Connections that the next calls to a venue's creating endpoint do not get.
        self.refusals: Counter[str] = Counter()
        self.before: Callable[[Arrival], None] = lambda arrival: None
        self.after: Callable[[Arrival], None] = lambda arrival: None
        self.refused: Callable[[str], None] = lambda venue: None

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Play one request: it takes time, it may not arrive, and its answer may not come back."""
        self._machine.sleep(self._chance.uniform(FASTEST_SECONDS, SLOWEST_SECONDS))
        path = request.url.path
        if path.startswith("/control"):
            return self._response(request, *self._play(request))
        arrival = Arrival(
            number=len(self.arrivals) + 1,
            at=self._machine.now(),
            seconds=self._machine.monotonic(),
            method=request.method,
            path=path,
            query=request.url.query.decode(),
            body=request.content.decode(errors="replace"),
            agent=request.headers.get("User-Agent", ""),
        )
        if arrival.is_create and self.refusals[arrival.venue] > 0:
            self.refusals[arrival.venue] -= 1
            self.refused(arrival.venue)
            raise httpx.ConnectError("connection refused", request=request)
        self._timeout = float(request.extensions.get("timeout", {}).get("read") or 10.0)
        self.before(arrival)
        self.arrivals.append(arrival)
        try:
            status, headers, body = self._play(request)
        except ConnectionResetError as error:
            arrival.fault = self._app.requests[-1].fault
            self.after(arrival)
            raise httpx.ReadError(str(error), request=request) from error
        except TimeoutError as error:
            arrival.fault = self._app.requests[-1].fault
            self.after(arrival)
            raise httpx.ReadTimeout("timed out", request=request) from error
        arrival.fault, arrival.status = self._app.requests[-1].fault, status
        response = self._response(request, status, headers, body)
        if status == 429 and "Retry-After" in response.headers:
            arrival.retry_after = _seconds(response.headers["Retry-After"])
        self.after(arrival)
        return response

    def _play(self, request: httpx.Request) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Drive the application to its end. It never waits for anything but `sleep`, so one step is enough."""
        parts: list[bytes] = []
        start: dict[str, Any] = {}
        given = False

        async def receive() -> dict[str, Any]:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": request.content, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            parts.append(message.get("body", b""))

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        try:
            self._app(scope, receive, send).send(None)  # type: ignore[attr-defined]
        except StopIteration:
            return start["status"], list(start.get("headers", [])), b"".join(parts)
        raise RuntimeError(f"{request.url.path}: the sandbox waited for something outside this process")

    async def _late(self, seconds: float) -> None:
        """Keep a reply back; its sender goes after its own timeout."""
        self._machine.sleep(min(seconds, self._timeout))
        if seconds >= self._timeout:
            raise TimeoutError

    def _response(
        self, request: httpx.Request, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> httpx.Response:
        date = format_datetime(self._venue_now(), usegmt=True).encode()
        return httpx.Response(status, headers=[*headers, (b"date", date)], content=body, request=request)


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
