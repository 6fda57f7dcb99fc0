"""Nothing leaves this machine: connections, datagrams and look-ups of names are refused for the whole process.

Python tells an audit hook of each of them, whichever library asks and in whichever thread; a hook cannot be
taken off again. What goes through C alone (PostgreSQL's client) is named by the settings.
"""

import sys
from typing import Any

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Event of the interpreter: which of its arguments names the other side.
WATCHED = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}
_attempts: list[str] = []
_is_standing = False


class LeftTheMachine(AssertionError):
    """Something asked for another machine."""


def guard() -> None:
    """Refuse, from now on, whatever is not for this machine; a second call changes nothing."""
    global _is_standing
    if not _is_standing:
        _is_standing = True
        sys.addaudithook(_watch)


def take_attempts() -> list[str]:
    """Return what was refused since the last call."""
    taken = _attempts[:]
    del _attempts[: len(taken)]
    return taken


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket.") or event not in WATCHED:
        return
    asked = arguments[WATCHED[event]]
    host = asked[0] if isinstance(asked, tuple) else asked
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and not isinstance(asked, tuple):
        # A path of a Unix socket, or a datagram on a connected one.
        return
    name = host.decode(errors="replace") if isinstance(host, bytes) else host
    if name is not None and str(name) not in LOOPBACK:
        _attempts.append(f"{event} {asked}")
        raise LeftTheMachine(f"A test tried to reach {asked} ({event}); only loopback is allowed.")
