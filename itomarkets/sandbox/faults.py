"""Make the sandbox misbehave: a plan of (endpoint, nth call, fault), as the connection sees it.

A refused connection is no fault here: it needs a port on which nobody listens.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .chain import Chain
from .fault_replies import MASKS, REFUSALS, Answer, refusal, retold, reworded
from .latency import Latency

# What can go wrong. "accept" is when the exchange has done what was asked.
FAULTS = {
    "drop_before_accept": "the connection breaks before anything was done",
    "drop_before_reply": "done, then the connection breaks without a reply",
    "500_before_accept": "a 500, and nothing was done",
    "500_after_accept": "a 500, although it was done",
    "502_before_accept": "a gateway's 502 page, and nothing was done",
    "502_after_accept": "a gateway's 502 page, although it was done",
    "504_before_accept": "a gateway's 504 page, and nothing was done",
    "delay": "done, and the reply comes `seconds` late",
    "zombie": "the connection breaks, and it is done `seconds` later by the run's clock",
    "truncated": "done, and the reply ends in the middle",
    "html": "done, and a page comes with a 200",
    "not_json": "done, and a word comes with a 200",
    "no_order": "done, and a 200 names no order",
    "error_in_success": "done, and a 200 says success together with an error",
    "429": "too many requests, nothing was done",
    "429_seconds": "too many requests, again after `seconds`",
    "429_date": "too many requests, again at a date `seconds` ahead",
    "503": "unavailable, nothing was done",
    "503_disabled": "Polymarket's trading is disabled",
    "503_cancel_only": "Polymarket takes cancels only",
    "503_post_only": "Polymarket takes orders that rest only",
    "425": "Polymarket's matching engine restarts",
    "401_expired": "the signature is too old",
    "404": "not found, nothing was done",
    "trading_paused": "Kalshi's trading_active is false, nothing was done",
    "status_paused": "Kalshi's status says that trading pauses",
    "status_down": "Kalshi's status says, with a 503, that the exchange is down",
    "unsettled": "Polymarket counts nothing that could be sold",
    "not_canceled": "Polymarket lists the cancel under not_canceled",
    "duplicate_rows": "every row of a listing comes twice",
    "reversed_rows": "a listing, or the answer to a batch, comes in the other order",
    "missing_row": "a listing, or the answer to a batch, lacks its first row",
    "other_price": "a listing tells known rows with another price",
    "empty_listing": "a listing lags behind: it has no rows yet",
    "repeating_cursor": "a listing's cursor leads to the same page for ever",
    "overfill": "Kalshi fills one contract more than was asked for",
    "rests": "Kalshi keeps on its book what could not be filled at once",
    "fails_on_chain": "matched, and `seconds` later by the run's clock failed on chain",
    "confirms_late": "matched, and final `seconds` later by the run's clock",
    "stream_refused": "a socket is not opened: a 503",
    "stream_freeze": "sockets answer pings and send nothing else until the plan is cleared",
    "stream_drop": "the connection breaks in place of a socket's message",
    "stream_gap": "a socket's message is lost",
    "stream_duplicate": "a socket's message comes twice",
    "stream_reorder": "a socket's message comes after the next one",
}
REWORDED = (
    "truncated", "duplicate_rows", "reversed_rows", "missing_row", "other_price", "empty_listing", "repeating_cursor"
)  # fmt: skip
RETOLD = ("overfill", "rests")
# What happens to messages of a socket; `nth` counts those of market data, replies to commands are not counted.
ON_MESSAGES = ("stream_drop", "stream_gap", "stream_duplicate", "stream_reorder")
STREAM_METHOD = "WS"
FATES = {"fails_on_chain": "FAILED", "confirms_late": "CONFIRMED"}
REQUESTS_KEPT = 10_000


class FaultError(ValueError):
    """A fault that the sandbox cannot play."""


@dataclass(slots=True)
class Fault:
    """One line of the plan. `path` may hold * ; `nth` counts the calls that match from now on, 0 means every one."""

    method: str
    path: str
    nth: int
    fault: str
    seconds: float = 0.0
    seen: int = 0

    def due(self, method: str, path: str) -> bool:
        """Count a call; say whether it is the one."""
        if self.method not in ("*", method) or not fnmatchcase(path, self.path):
            return False
        self.seen += 1
        return self.nth in (0, self.seen)


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it arrived, and what the plan did to it."""

    method: str
    path: str
    body: str
    fault: str


@dataclass(frozen=True, slots=True)
class Held:
    """A request that will be done later."""

    at: datetime
    scope: Scope
    body: bytes


def parse_fault(raw: Any) -> Fault:
    """Read one line of a plan; FaultError says what was expected."""
    if not isinstance(raw, dict):
        raise FaultError(f"a fault is {raw!r}; expected an object with path and fault")
    fault = Fault(
        str(raw.get("method", "*")).upper(),
        str(raw.get("path", "")),
        raw.get("nth", 1),
        str(raw.get("fault", "")),
        raw.get("seconds", 0.0),
    )
    if fault.fault not in FAULTS:
        raise FaultError(f"fault is {fault.fault!r}; expected one of {', '.join(FAULTS)}")
    if not fault.path.startswith("/"):
        raise FaultError(f"path is {fault.path!r}; expected a path from the root, in which * stands for anything")
    if isinstance(fault.nth, bool) or not isinstance(fault.nth, int) or fault.nth < 0:
        raise FaultError(f"nth is {fault.nth!r}; expected 1 for the next call, 0 for every call")
    if not isinstance(fault.seconds, int | float) or not 0 <= fault.seconds <= 600:
        raise FaultError(f"seconds is {fault.seconds!r}; expected 0 to 600")
    if fault.fault.startswith("stream_"):
        # No request meets it, whatever its method.
        fault.method = STREAM_METHOD
    return fault


class FaultyConnections:
    """Middleware that plays the plan and keeps a log of requests. /control and /health never fail."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        now: Callable[[], datetime],
        chain: Chain,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.app = app
        self.sleep = sleep
        self.plan: list[Fault] = []
        self.latency = Latency()
        self.requests: deque[Logged] = deque(maxlen=REQUESTS_KEPT)
        self._now = now
        self._chain = chain
        self._held: list[Held] = []

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self.plan]

    def is_frozen(self, path: str) -> bool:
        """Say whether sockets at a path send nothing but answers to pings."""
        return any(fault.fault == "stream_freeze" and fnmatchcase(path, fault.path) for fault in self.plan)

    def on_stream(self, path: str) -> str:
        """Count a message of a socket; return the fault that meets it, or nothing."""
        due = [one.fault for one in self.plan if one.fault in ON_MESSAGES and one.due(STREAM_METHOD, path)]
        return due[0] if due else ""

    def log_stream(self, path: str, text: str) -> None:
        """Keep a command that came over a socket, beside the requests."""
        self.requests.append(Logged(STREAM_METHOD, path, text, ""))

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        refused = [f for f in self.plan if f.fault == "stream_refused" and f.due(STREAM_METHOD, path)]
        self.requests.append(Logged(STREAM_METHOD, path, "", "stream_refused" if refused else ""))
        if not refused:
            await self.app({**scope, "hang_up": partial(_hang_up, send)}, receive, send)
            return
        await receive()
        await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._open_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self._do_what_is_due()
        if scope["path"].startswith(("/control", "/health")):
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        method, path = scope["method"], scope["path"]
        # Each line counts the call, whichever of them strikes.
        fault = next(iter([line for line in self.plan if line.due(method, path)]), None)
        self.requests.append(Logged(method, path, body.decode(errors="replace"), fault.fault if fault else ""))
        seconds = self.latency.of(method, path, body)
        if fault is not None:
            await self._play(fault, scope, body, receive, send)
        elif seconds:
            answered_at = asyncio.get_running_loop().time() + seconds
            reply = await self._done(scope, body, receive)
            await self.sleep(answered_at - asyncio.get_running_loop().time())
            await _say(send, reply)
        else:
            await self.app(scope, _again(body, receive), send)

    async def _play(self, fault: Fault, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        name = fault.fault
        if name == "drop_before_accept":
            await _hang_up(send)
        elif name == "zombie":
            self._held.append(Held(self._now() + timedelta(seconds=fault.seconds), dict(scope), body))
            await _hang_up(send)
        elif name in REFUSALS:
            answer, headers = refusal(name, fault.seconds, body)
            await _say(send, answer, headers)
        elif name in RETOLD:
            await self.app(scope, _again(retold(name, body), receive), send)
        elif name == "delay":
            reply = await self._done(scope, body, receive)
            await self.sleep(fault.seconds)
            await _say(send, reply)
        else:
            reply = await self._done(scope, body, receive)
            if name == "drop_before_reply":
                await _hang_up(send)
                return
            if name in FATES and reply.status == 200:
                trades = orjson.loads(reply.body).get("tradeIDs") or []
                at = self._now() + timedelta(seconds=fault.seconds)
                self._chain.doom(trades, ends=FATES[name], at=at)
            if name in REWORDED and reply.status < 300:
                reply = Answer(reply.status, reworded(name, reply.body))
            await _say(send, MASKS.get(name, reply))

    async def _do_what_is_due(self) -> None:
        """Do the requests that were held until now, and undo what has failed on chain."""
        moment = self._now()
        due = [held for held in self._held if held.at <= moment]
        self._held = [held for held in self._held if held.at > moment]
        for held in due:
            await self._done(held.scope, held.body, _nothing_more)
        self._chain.advance(moment)

    async def _done(self, scope: Scope, body: bytes, receive: Receive) -> Answer:
        """Let the exchange do what was asked; return what it would have said."""
        status, parts = 500, []

        async def keep(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            parts.append(message.get("body", b""))

        await self.app(scope, _again(body, receive), keep)
        return Answer(status, b"".join(parts))


async def _read(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already; afterwards whatever the connection says."""
    waiting = [body]

    async def give() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return give


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}


async def _say(send: Send, answer: Answer, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    start = [(b"content-type", answer.kind.encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": answer.status, "headers": start})
    await send({"type": "http.response.body", "body": answer.body})


async def _hang_up(send: Send) -> None:
    """Cut the connection under uvicorn; in process, where there is none, fail as a broken one does."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox's fault plan dropped this connection")
    transport.abort()
    await asyncio.sleep(0.01)  # until the server has seen it: it would complain of a reply that never started
