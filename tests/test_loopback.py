"""The guard itself: what would leave this machine is refused and fails its test, whoever asks."""

import socket
import threading
import urllib.request

import httpx
import pytest

from tests import loopback

# TEST-NET-1 of RFC 5737: belongs to nobody.
ELSEWHERE = ("192.0.2.1", 9)


def refused() -> list[str]:
    """Return what was refused; taken here, so that this test is not failed for it."""
    return [attempt.partition(" ")[0] for attempt in loopback.take_attempts()]


def test_a_connection_elsewhere_is_refused_and_remembered() -> None:
    with socket.socket() as own, pytest.raises(loopback.LeftTheMachine, match="only loopback"):
        own.connect(ELSEWHERE)
    with socket.socket() as own, pytest.raises(loopback.LeftTheMachine):
        own.connect_ex(ELSEWHERE)
    assert refused() == ["socket.connect", "socket.connect"]


def test_a_name_is_not_looked_up() -> None:
    for ask in (socket.gethostbyname, lambda name: socket.getaddrinfo(name, 443), socket.create_connection):
        with pytest.raises(loopback.LeftTheMachine):
            ask(("clob.polymarket.com", 443) if ask is socket.create_connection else "clob.polymarket.com")
    assert refused() == ["socket.gethostbyname", "socket.getaddrinfo", "socket.getaddrinfo"]


def test_a_datagram_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, pytest.raises(loopback.LeftTheMachine):
        own.sendto(b"x", ELSEWHERE)
    assert refused() == ["socket.sendto"]


def test_what_a_library_or_a_thread_swallows_is_remembered() -> None:
    with pytest.raises(loopback.LeftTheMachine):
        httpx.get("https://api.elections.kalshi.com/trade-api/v2/exchange/status", trust_env=False)

    def quietly() -> None:
        try:
            urllib.request.urlopen("http://example.com/", timeout=1)
        except Exception:
            return

    thread = threading.Thread(target=quietly)
    thread.start()
    thread.join()
    assert refused() == ["socket.getaddrinfo", "socket.getaddrinfo"]


def test_this_machine_is_reached() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        for host in loopback.LOOPBACK[::2]:
            with socket.create_connection((host, server.getsockname()[1])):
                pass
    assert refused() == []
