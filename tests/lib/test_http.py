"""The door to the venues: what is retried, what is not, and what each answer means."""

import threading
from typing import Any

import httpx
import pytest

from itomarkets.lib.http import HttpClient, RateLimiter, error_words, limiter_for
from itomarkets.lib.venues import (
    VenueAuthError,
    VenueError,
    VenueNotFound,
    VenueProtocolError,
    VenueRateLimited,
    VenueRejected,
    VenueUnavailable,
)


class Script:
    """Answers requests from a list; an exception in it is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.waited: list[float] = []
        self.limiter = RateLimiter(1_000_000, sleep=self.waited.append)

    def client(self, **values: Any) -> HttpClient:
        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            result = self.answers.pop(0) if self.answers else httpx.Response(200, json={"ok": True})
            if isinstance(result, Exception):
                raise result
            return result

        return HttpClient(
            "http://127.0.0.1:9/root/v2/",
            venue="kalshi",
            requests_per_second=1_000_000,
            timeout_seconds=3,
            transport=httpx.MockTransport(answer),
            sleep=self.slept.append,
            limiter=self.limiter,
            **values,
        )


def test_a_read_sends_its_parameters_and_names_its_sender() -> None:
    script = Script()
    assert script.client().get_json("/markets", {"tickers": ["A", "B"], "limit": 5}) == {"ok": True}
    request = script.requests[0]
    assert str(request.url) == "http://127.0.0.1:9/root/v2/markets?tickers=A&tickers=B&limit=5"
    assert request.headers["user-agent"].startswith("itomarkets/")
    assert request.extensions["timeout"]["read"] == 3


def test_the_path_to_sign_starts_at_the_root() -> None:
    assert Script().client().path_of("/portfolio/orders") == "/root/v2/portfolio/orders"


@pytest.mark.parametrize(
    "trouble", [httpx.Response(503), httpx.Response(500), httpx.ConnectError("no"), httpx.ReadTimeout("slow")]
)
def test_a_read_is_tried_again(trouble: httpx.Response | Exception) -> None:
    script = Script(trouble, trouble)
    assert script.client().get_json("/x") == {"ok": True}
    assert len(script.requests) == 3
    assert 0 < script.slept[0] <= 0.25 < script.slept[1] * 2 <= 1.0


def test_a_read_gives_up_after_a_bounded_number_of_tries() -> None:
    script = Script(*[httpx.Response(502)] * 50)
    with pytest.raises(VenueUnavailable):
        script.client().get_json("/x")
    assert len(script.requests) == 5


@pytest.mark.parametrize("trouble", [httpx.Response(503), httpx.Response(429), httpx.ReadTimeout("slow")])
def test_a_write_is_sent_once(trouble: httpx.Response | Exception) -> None:
    script = Script(trouble)
    with pytest.raises(VenueError):
        script.client().post_json("/orders", {"a": 1})
    assert len(script.requests) == 1
    assert script.slept == []


def test_a_post_that_only_reads_may_be_tried_again() -> None:
    script = Script(httpx.Response(503))
    assert script.client().post_json("/books", [{"token_id": "1"}], retry_read=True) == {"ok": True}
    assert [request.content for request in script.requests] == [b'[{"token_id":"1"}]'] * 2


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteTimeout("slow"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx.ReadError("cut"), True),
    ],
)
def test_an_error_says_whether_the_venue_can_have_heard(error: Exception, sent: bool) -> None:
    with pytest.raises(VenueUnavailable) as caught:
        Script(error).client().request("POST", "/orders", content=b"{}")
    assert caught.value.sent is sent
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, VenueRejected),
        (401, VenueAuthError),
        (403, VenueAuthError),
        (404, VenueNotFound),
        (409, VenueRejected),
        (408, VenueUnavailable),
        (422, VenueRejected),
        (425, VenueUnavailable),
        (429, VenueRateLimited),
        (500, VenueUnavailable),
        (504, VenueUnavailable),
        (302, VenueProtocolError),
    ],
)
def test_each_status_says_what_to_do(status: int, kind: type[VenueError]) -> None:
    answer = httpx.Response(status, json={"code": "invalid_order", "message": "no", "details": "post only cross"})
    with pytest.raises(VenueError) as caught:
        Script(answer).client().request("POST", "/orders", content=b"{}")
    assert type(caught.value) is kind
    assert (caught.value.venue, caught.value.status, caught.value.code) == ("kalshi", status, "invalid_order")
    assert "post only cross" in str(caught.value)


def test_retry_after_is_honoured_and_everybody_waits() -> None:
    script = Script(httpx.Response(429, headers={"Retry-After": "7"}, json={"error": "too many requests"}))
    assert script.client().get_json("/x") == {"ok": True}
    assert max(script.slept) == 7
    assert script.waited[-1] == pytest.approx(7, abs=0.5)


def test_a_date_in_retry_after_is_compared_with_the_answers_own() -> None:
    headers = {"Retry-After": "Sat, 01 Aug 2026 12:00:09 GMT", "Date": "Sat, 01 Aug 2026 12:00:00 GMT"}
    with pytest.raises(VenueRateLimited) as caught:
        Script(httpx.Response(429, headers=headers)).client().request("GET", "/x")
    assert caught.value.retry_after == 9


@pytest.mark.parametrize("text", ["", "soon", "Sat, 01 Aug 2026 12:00:09 GMT"])
def test_an_unreadable_retry_after_is_none(text: str) -> None:
    with pytest.raises(VenueRateLimited) as caught:
        Script(httpx.Response(429, headers={"Retry-After": text})).client().request("GET", "/x")
    assert caught.value.retry_after is None


def test_a_pause_that_is_too_long_is_reported_and_not_waited_for() -> None:
    script = Script(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(VenueRateLimited):
        script.client().get_json("/x")
    assert script.slept == []


def test_an_answer_that_is_no_json_is_a_protocol_error() -> None:
    with pytest.raises(VenueProtocolError, match="expected to answer JSON"):
        Script(httpx.Response(200, text="<html>busy</html>")).client().get_json("/x")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'{"code":"c","message":"m","details":"d"}', "c", "m; d"),
        (b'{"error":{"code":"c","message":"m"}}', "c", "m"),
        (b'{"error":"too many requests"}', "", "too many requests"),
        (b'{"errorMsg":"not enough balance"}', "", "not enough balance"),
        (b"<html>\n blocked </html>", "", "<html> blocked </html>"),
        (b"", "", "no text"),
        (b"[1]", "", "[1]"),
    ],
)
def test_errors_are_read_in_every_shape(body: bytes, code: str, words: str) -> None:
    assert error_words(httpx.Response(400, content=body)) == (code, words)


class Ticks:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_limiter_lets_a_burst_through_and_then_the_rate() -> None:
    ticks = Ticks()
    limiter = RateLimiter(10, monotonic=lambda: ticks.now, sleep=ticks.sleep)
    for _ in range(10):
        limiter.wait()
    assert ticks.now == 100.0
    for _ in range(20):
        limiter.wait()
    assert ticks.now == pytest.approx(102.0)


def test_an_idle_limiter_saves_one_second_and_no_more() -> None:
    ticks = Ticks()
    limiter = RateLimiter(10, monotonic=lambda: ticks.now, sleep=ticks.sleep)
    ticks.now += 60
    for _ in range(11):
        limiter.wait()
    assert ticks.now == pytest.approx(160.1)


def test_a_paused_limiter_lets_nobody_through() -> None:
    ticks = Ticks()
    limiter = RateLimiter(10, monotonic=lambda: ticks.now, sleep=ticks.sleep)
    limiter.pause(5)
    limiter.wait()
    assert ticks.now == pytest.approx(105.1)


def test_a_rate_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(0)


def test_clients_of_one_host_share_one_limiter() -> None:
    assert limiter_for("kalshi", "a.example", 5) is limiter_for("kalshi", "a.example", 5)
    assert limiter_for("kalshi", "a.example", 5) is not limiter_for("kalshi", "b.example", 5)


def test_threads_together_keep_the_rate() -> None:
    lock, slept = threading.Lock(), []

    def sleep(seconds: float) -> None:
        with lock:
            slept.append(seconds)

    limiter = RateLimiter(10, monotonic=lambda: 0.0, sleep=sleep)
    threads = [threading.Thread(target=lambda: [limiter.wait() for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 40 requests, 10 at once: the last of the other 30 waits for three seconds.
    assert len(slept) == 30
    assert max(slept) == pytest.approx(3.0)
