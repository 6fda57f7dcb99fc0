"""Token buckets: so many requests at once, refilled evenly; in Redis for all processes, or in this one alone.

A bucket holds `quota` tokens and regains them over `window_seconds`: within any time t no more than
`quota * (1 + t / window_seconds)` are given, however many processes ask. What one request takes, it takes from all of
its buckets or from none.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

HOUR_SECONDS = 3600
# A request waits no longer for its count than this; afterwards Redis counts as gone, and is not asked for a while.
TIMEOUT_SECONDS = 0.5
REST_SECONDS = 1.0
MOST_LOCAL_BUCKETS = 20_000

# One round trip: fill the buckets up by Redis' own clock, take from all or none, note a use, tell the generations.
# KEYS: a bucket each, then the hash of uses and the hash of generations. ARGV: the number of buckets, quota and window
# of each, the field of uses that is counted where the request is let in ('' for none), the field of the generation.
SCRIPT = """
local count = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local tokens, allowed = {}, 1
for i = 1, count do
    local quota, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local held = redis.call('HMGET', KEYS[i], 't', 'at')
    local had, at = tonumber(held[1]), tonumber(held[2])
    if had == nil then
        tokens[i] = quota
    else
        tokens[i] = math.min(quota, had + math.max(0, now - at) * quota / window)
    end
    if tokens[i] < 1 then allowed = 0 end
end
local told = {allowed}
for i = 1, count do
    if allowed == 1 then tokens[i] = tokens[i] - 1 end
    local window = tonumber(ARGV[2 * i + 1])
    redis.call('HSET', KEYS[i], 't', string.format('%.6f', tokens[i]), 'at', string.format('%.6f', now))
    redis.call('EXPIRE', KEYS[i], math.ceil(window) + 1)
    told[i + 1] = string.format('%.6f', tokens[i])
end
local use, generation = ARGV[2 * count + 2], ARGV[2 * count + 3]
if allowed == 1 and use ~= '' then redis.call('HINCRBY', KEYS[count + 1], use, 1) end
told[count + 2] = ''
if generation ~= '' then told[count + 2] = redis.call('HGET', KEYS[count + 2], generation) or '' end
return told
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket: whose it is, what it is called in headers, and how much it holds and regains."""

    owner: str
    name: str
    quota: int
    window_seconds: int = HOUR_SECONDS


@dataclass(frozen=True, slots=True)
class Left:
    """What a bucket holds after a request."""

    limit: Limit
    tokens: float

    @property
    def policy(self) -> str:
        return f'"{self.limit.name}";q={self.limit.quota};w={self.limit.window_seconds}'

    @property
    def state(self) -> str:
        """Say how many requests are left, and in how many seconds the bucket is full again."""
        return f'"{self.limit.name}";r={int(self.tokens)};t={ceil(self._seconds_until(self.limit.quota))}'

    @property
    def wait_seconds(self) -> int:
        """Return in how many seconds one more request is let in; 0 for at once."""
        return ceil(self._seconds_until(1))

    def _seconds_until(self, tokens: int) -> float:
        # Redis tells millionths of a token: what is that near to a whole one is one.
        missing = max(tokens - self.tokens - 0.000_001, 0)
        return missing * self.limit.window_seconds / self.limit.quota


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request: let in or not, what is left, whether all processes shared the count.

    `generation` is what Redis holds for the caller, None where it was not asked.
    """

    allowed: bool
    left: tuple[Left, ...]
    is_shared: bool
    generation: str | None = None

    @property
    def wait_seconds(self) -> int:
        return max((one.wait_seconds for one in self.left), default=0)

    @property
    def headers(self) -> dict[str, str]:
        if not self.left:
            return {}
        return {
            "RateLimit-Policy": ", ".join(one.policy for one in self.left),
            "RateLimit": ", ".join(one.state for one in self.left),
        }


class Buckets(Protocol):
    def take(self, limits: Sequence[Limit], *, use: str = "", generation_of: str = "") -> Taken: ...


class LocalBuckets:
    """The buckets of this process; the least recently used go when there are too many."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic, most: int = MOST_LOCAL_BUCKETS) -> None:
        self._timer, self._most = timer, most
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, limits: Sequence[Limit], *, use: str = "", generation_of: str = "") -> Taken:
        with self._lock:
            now = self._timer()
            tokens = []
            for limit in limits:
                had, at = self._held.pop(limit.owner, (float(limit.quota), now))
                tokens.append(min(float(limit.quota), had + (now - at) * limit.quota / limit.window_seconds))
            allowed = all(one >= 1 for one in tokens)
            left = []
            for limit, held in zip(limits, tokens, strict=True):
                rest = held - 1 if allowed else held
                self._held[limit.owner] = (rest, now)
                left.append(Left(limit, rest))
            while len(self._held) > self._most:
                del self._held[next(iter(self._held))]
        return Taken(allowed, tuple(left), is_shared=False)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()


class RedisBuckets:
    """The buckets of all processes. Raises RedisGone while Redis cannot be asked."""

    def __init__(self, url: str, *, prefix: str = "") -> None:
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # Once more at once: a pooled connection may be one that a restarted server no longer knows.
            retry=Retry(NoBackoff(), 1),
        )
        self.prefix = prefix
        self._script = self.client.register_script(SCRIPT)
        self._rests_until = 0.0

    @property
    def uses_key(self) -> str:
        return f"{self.prefix}api:uses"

    @property
    def generations_key(self) -> str:
        return f"{self.prefix}api:generations"

    def take(self, limits: Sequence[Limit], *, use: str = "", generation_of: str = "") -> Taken:
        keys = [f"{self.prefix}api:bucket:{limit.owner}" for limit in limits]
        arguments: list[Any] = [len(limits)]
        for limit in limits:
            arguments += [limit.quota, limit.window_seconds]
        told = self.ask(
            lambda: self._script(
                keys=[*keys, self.uses_key, self.generations_key], args=[*arguments, use, generation_of]
            )
        )
        left = tuple(Left(limit, float(held)) for limit, held in zip(limits, told[1:-1], strict=True))
        return Taken(bool(told[0]), left, is_shared=True, generation=told[-1].decode())

    def ask(self, question: Callable[[], Any]) -> Any:
        """Return the answer. Raises RedisGone, at once while Redis was found gone a moment ago."""
        if time.monotonic() < self._rests_until:
            raise RedisGone("Redis was gone a moment ago")
        try:
            return question()
        except (RedisError, OSError) as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            raise RedisGone(str(error)) from error


class RedisGone(Exception):
    """Redis cannot be asked now."""
