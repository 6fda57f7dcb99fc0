"""The one way to a venue over HTTP: limited, timed out, reads retried, writes sent once, errors that say what to do."""

import random
import threading
from collections.abc import Callable, Collection, Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import httpx
import orjson

from itomarkets.lib import clock
from itomarkets.lib.venues import (
    VenueAuthError,
    VenueError,
    VenueNotFound,
    VenueProtocolError,
    VenueRateLimited,
    VenueRejected,
    VenueUnavailable,
)

USER_AGENT = "itomarkets/1.0"
READ_RETRIES = 4
BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_LONGEST_SECONDS = 8.0
# A venue that asks for a longer pause than this is reported instead of waited for.
LONGEST_WAIT_SECONDS = 30.0
ERROR_TEXT_LENGTH = 300


class RateLimiter:
    """A token bucket that threads share: `rate` requests a second, with one second's worth at once."""

    def __init__(
        self,
        rate: float,
        *,
        monotonic: Callable[[], float] = clock.monotonic,
        sleep: Callable[[float], None] = clock.sleep,
    ) -> None:
        if rate <= 0:
            raise ValueError(f"expected a rate above 0 requests a second, found {rate}")
        self.rate = float(rate)
        self.capacity = max(1.0, self.rate)
        self._tokens = self.capacity
        self._monotonic = monotonic
        self._sleep = sleep
        self._filled_at = monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take one token; sleep as long as it takes to earn it."""
        with self._lock:
            moment = self._monotonic()
            if moment > self._filled_at:
                self._tokens = min(self.capacity, self._tokens + (moment - self._filled_at) * self.rate)
                self._filled_at = moment
            self._tokens -= 1.0
            # A bucket in debt makes each waiter sleep behind those before it; a pause is debt as well.
            pause = max(0.0, -self._tokens / self.rate) + max(0.0, self._filled_at - moment)
        if pause > 0:
            self._sleep(pause)

    def pause(self, seconds: float) -> None:
        """Let nobody through for some seconds: the venue said that we are too fast."""
        with self._lock:
            self._tokens = min(self._tokens, 0.0)
            self._filled_at = max(self._filled_at, self._monotonic() + seconds)


_limiters: dict[tuple[str, str, float], RateLimiter] = {}
_limiters_lock = threading.Lock()


def limiter_for(venue: str, host: str, requests_per_second: float) -> RateLimiter:
    """Return this process's one limiter for a venue's host: clients and threads share its budget."""
    key = (venue, host, float(requests_per_second))
    with _limiters_lock:
        if key not in _limiters:
            _limiters[key] = RateLimiter(requests_per_second)
        return _limiters[key]


def forget_limiters() -> None:
    """Begin with full budgets. For the simulation, in which one process lives many lives."""
    with _limiters_lock:
        _limiters.clear()


def open_client(base_url: str, **more: Any) -> httpx.Client:
    """Open connections to one base URL: of HTTP/1.1, never redirected."""
    base = httpx.URL(base_url)
    return httpx.Client(
        base_url=base,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        follow_redirects=False,
        # A proxy from the environment must not be asked for this machine itself.
        trust_env=not is_loopback(base.host),
        # Reading every authority's certificate takes 50 ms; a plain address, never redirected, needs none.
        verify=base.scheme == "https",
        **more,
    )


class HttpClient:
    """JSON over HTTP to one base URL of one venue. Safe to share between threads.

    Raises the errors of `itomarkets.lib.venues` and no others: VenueUnavailable (no answer or 5xx; `sent`
    is False when the request cannot have reached the venue), VenueRateLimited (429), VenueAuthError
    (401, 403), VenueNotFound (404), VenueRejected (other 4xx), VenueProtocolError (anything undocumented).
    """

    def __init__(
        self,
        base_url: str,
        *,
        venue: str,
        requests_per_second: float,
        timeout_seconds: float,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = clock.sleep,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.venue = venue
        self._base = httpx.URL(base_url.rstrip("/"))
        self._sleep = sleep
        self._limiter = limiter or limiter_for(venue, self._base.netloc.decode(), requests_per_second)
        self._client = open_client(base_url, transport=transport, timeout=timeout_seconds)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str:
        """Return the host and port."""
        return self._base.netloc.decode()

    def path_of(self, path: str) -> str:
        """Return the path from the host's root, as request signatures need it."""
        return f"{self._base.path.rstrip('/')}{path}"

    def get_json(
        self, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """GET and parse JSON; retried, because a read changes nothing."""
        return self._json(self.request("GET", path, params=params, headers=headers, retries=READ_RETRIES), path)

    def post_json(
        self,
        path: str,
        body: Any,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_read: bool = False,
    ) -> Any:
        """POST JSON and parse the answer. Sent once, unless `retry_read` says that this POST only reads."""
        response = self.request(
            "POST",
            path,
            params=params,
            content=orjson.dumps(body),
            headers={"Content-Type": "application/json", **(headers or {})},
            retries=READ_RETRIES if retry_read else 0,
        )
        return self._json(response, path)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 0,
        accepts: Collection[int] = (),
        is_limited: bool = True,
    ) -> httpx.Response:
        """Send a request and return the answer if it is a 2xx, or a status that `accepts` names; raise otherwise.

        Only VenueUnavailable and VenueRateLimited are tried again, `retries` times, with jittered
        pauses that double; leave `retries` at 0 for anything that is not a read. With `is_limited`
        false it goes at once, and a 429 slows nobody else: the caller keeps a budget of its own.
        """
        attempt = 0
        while True:
            try:
                if is_limited:
                    self._limiter.wait()
                return self._send(method, path, params=params, content=content, headers=headers, accepts=accepts)
            except (VenueUnavailable, VenueRateLimited) as error:
                wait = _backoff(attempt)
                if isinstance(error, VenueRateLimited):
                    wait = max(wait, error.retry_after or 0.0)
                    if is_limited:
                        self._limiter.pause(min(wait, LONGEST_WAIT_SECONDS))
                if attempt >= retries or wait > LONGEST_WAIT_SECONDS:
                    raise
                attempt += 1
                self._sleep(wait)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        accepts: Collection[int],
    ) -> httpx.Response:
        url = f"{self._base}{path}"
        try:
            response = self._client.request(
                method, url, params=params or None, content=content, headers=dict(headers or {})
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise VenueUnavailable(
                f"{self.venue}: {method} {path} could not be sent: {_reason(error)}.", sent=False, venue=self.venue
            ) from error
        except httpx.HTTPError as error:
            raise VenueUnavailable(
                f"{self.venue}: {method} {path} was sent, but no whole answer came: {_reason(error)}.",
                venue=self.venue,
            ) from error
        if response.is_success or response.status_code in accepts:
            return response
        raise self._refusal(method, path, response)

    def _refusal(self, method: str, path: str, response: httpx.Response) -> VenueError:
        status = response.status_code
        code, text = error_words(response)
        message = f"{self.venue}: {method} {path} was answered with {status}{f' {code}' if code else ''}: {text}"
        known: dict[str, Any] = {"venue": self.venue, "status": status, "code": code}
        if status == 429:
            return VenueRateLimited(message, retry_after=_retry_after(response), **known)
        # 425: Polymarket's matching engine restarts.
        if status >= 500 or status in (408, 425):
            return VenueUnavailable(message, **known)
        if status in (401, 403):
            return VenueAuthError(message, **known)
        if status == 404:
            return VenueNotFound(message, **known)
        if 400 <= status < 500:
            return VenueRejected(message, **known)
        return VenueProtocolError(f"{message} (expected a 2xx, 4xx or 5xx)", **known)

    def _json(self, response: httpx.Response, path: str) -> Any:
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise VenueProtocolError(
                f"{self.venue}: {path} was expected to answer JSON; found {response.text[:80]!r}.",
                venue=self.venue,
                status=response.status_code,
            ) from error


def error_words(response: httpx.Response) -> tuple[str, str]:
    """Return (code, text) of an error answer in any of the shapes that the venues use.

    Kalshi: `{code, message, details}`, the same inside `error`, or `{"error": "text"}`. Polymarket:
    `{"error": "text"}`, `{"errorMsg": "text"}`, or a proxy's HTML page.
    """
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return "", " ".join(response.text.split())[:ERROR_TEXT_LENGTH] or "no text"
    inner = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(inner, dict):
        return "", str(inner)[:ERROR_TEXT_LENGTH]
    words = [inner.get(key) for key in ("message", "errorMsg", "details", "detail")]
    text = "; ".join(str(word) for word in words if word) or str(inner)
    return str(inner.get("code") or ""), text[:ERROR_TEXT_LENGTH]


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _backoff(attempt: int) -> float:
    longest = min(BACKOFF_LONGEST_SECONDS, BACKOFF_FIRST_SECONDS * 2**attempt)
    return random.uniform(longest / 2, longest)


def _retry_after(response: httpx.Response) -> float | None:
    """Read Retry-After: seconds, or a date, which is compared with the answer's own Date."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(response.headers["Date"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None
