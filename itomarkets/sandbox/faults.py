"""Make the sandbox misbehave: a plan of (endpoint, nth call, fault), as the connection sees it."""

import asyncio
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What can go wrong. "accept" is when the exchange has done what was asked.
FAULTS = {
    "drop_before_accept": "the connection breaks before anything was done",
    "drop_before_reply": "done, then the connection breaks without a reply",
    "500_before_accept": "a 500, and nothing was done",
    "500_after_accept": "a 500, although it was done",
    "delay": "done, and the reply comes `seconds` late",
    "429": "too many requests, nothing was done",
    "503": "unavailable, nothing was done",
}
STATUSES = {"500_before_accept": 500, "500_after_accept": 500, "429": 429, "503": 503}
BODIES = {429: b'{"error":"too many requests"}'}


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
    return fault


class FaultyConnections:
    """Middleware that plays the plan. /control and /health never fail."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.plan: list[Fault] = []

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self.plan]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = None
        if scope["type"] == "http" and not scope["path"].startswith(("/control", "/health")):
            fault = next((f for f in self.plan if f.due(scope["method"], scope["path"])), None)
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.fault == "delay":

            async def late(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await asyncio.sleep(fault.seconds)
                await send(message)

            await self.app(scope, receive, late)
            return
        if fault.fault in ("drop_before_reply", "500_after_accept"):
            await self.app(scope, receive, _nowhere)
        if fault.fault.startswith("drop"):
            await _hang_up(send)
            return
        status = STATUSES[fault.fault]
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = BODIES.get(status, b'{"code":"internal_error","message":"internal error","details":""}')
        await send({"type": "http.response.body", "body": body})


async def _nowhere(message: Message) -> None:
    """Swallow a reply."""


async def _hang_up(send: Send) -> None:
    """Cut the connection under uvicorn; in process, where there is none, fail as a broken one does."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox's fault plan dropped this connection")
    transport.abort()
    await asyncio.sleep(0.01)  # until the server has seen it: it would complain of a reply that never started
