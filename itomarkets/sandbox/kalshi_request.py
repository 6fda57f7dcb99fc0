"""What every Kalshi endpoint needs: parameters with limits, errors in the venue's shape, signature checks, cursors."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from .accounts import Accounts
from .engine import Refused
from .model import ONE, ZERO
from .store import Account

DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256().digest_size)
# The engine's codes in Kalshi's words (venues/kalshi.md section 12): HTTP status, code.
REFUSALS: dict[str, tuple[int, str]] = {
    "duplicate": (409, "order_already_exists"),
    "order_not_found": (404, "not_found"),
    "insufficient_balance": (400, "available_balance_too_low"),
    "invalid_order_size": (400, "invalid_order_size"),
    "market_inactive": (400, "market_inactive"),
}


class KalshiError(Exception):
    """An error reply: status and the ErrorResponse fields."""

    def __init__(self, status: int, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "details": details}


def refused(error: Refused) -> KalshiError:
    """Turn the engine's refusal into Kalshi's reply."""
    status, code = REFUSALS.get(error.code, (400, "invalid_order"))
    return KalshiError(status, code, error.message, "MARKET_INACTIVE" if error.code == "market_inactive" else "")


def invalid(name: str, expected: str, found: object) -> KalshiError:
    """Name the parameter, what was expected and what was found."""
    return KalshiError(
        400, "invalid_parameters", f"invalid parameter {name}", f"{name}: expected {expected}, found {found!r}"
    )


def reply(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(handler: Callable[[Request], Any], *, status: int = 200) -> Endpoint:
    """Serve what a plain function returns as JSON, and its errors in the venue's shape."""

    async def serve(request: Request) -> Response:
        if request.method in ("POST", "DELETE", "PUT"):
            request.state.body = await request.body()
        try:
            result = handler(request)
        except Refused as error:
            problem = refused(error)
            return reply(problem.body, problem.status)
        except KalshiError as error:
            return reply(error.body, error.status)
        return Response(status_code=204) if result is None else reply(result, status)

    return serve


class Query:
    """The query string, read with limits. Every error names the parameter."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, name: str, choices: tuple[str, ...] = ()) -> str:
        value = self._values.get(name, "")
        if value and choices and value not in choices:
            raise invalid(name, "one of " + ", ".join(choices), value)
        return value

    def listed(self, name: str, most: int) -> tuple[str, ...]:
        """Read a comma-separated list."""
        values = tuple(filter(None, self.text(name).split(",")))
        if len(values) > most:
            raise invalid(name, f"at most {most} values", f"{len(values)} values")
        return values

    def repeated(self, name: str, most: int) -> tuple[str, ...]:
        """Read a repeated parameter."""
        values = tuple(filter(None, self._values.getlist(name)))
        if not 1 <= len(values) <= most:
            raise invalid(name, f"1 to {most} values", f"{len(values)} values")
        return values

    def number(self, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
        text = self._values.get(name, "")
        if not text:
            return None
        try:
            value = int(text)
        except ValueError:
            raise invalid(name, "a whole number", text) from None
        if (least is not None and value < least) or (most is not None and value > most):
            raise invalid(name, f"{least if least is not None else '-∞'} to {most if most is not None else '∞'}", value)
        return value

    def required(self, name: str) -> int:
        value = self.number(name)
        if value is None:
            raise invalid(name, "a whole number", "")
        return value

    def limit(self, default: int, most: int, *, least: int = 0) -> int:
        value = self.number("limit", least=least, most=most)
        return default if value in (None, 0) else int(value or default)

    def flag(self, name: str) -> bool:
        return self.text(name, ("true", "false", "1", "0")) in ("true", "1")

    def instant(self, name: str) -> datetime | None:
        seconds = self.number(name, least=-62_135_596_800, most=253_402_300_799)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def cursor(self) -> int | None:
        """Read the position that an earlier reply gave."""
        text = self._values.get("cursor", "")
        if not text:
            return None
        try:
            return int(
                base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode().removeprefix("after:")
            )
        except (ValueError, binascii.Error):
            raise invalid("cursor", "the cursor of an earlier reply", text) from None


def cursor_after(position: int | None) -> str:
    """Write the opaque cursor of the page behind a position; empty when there is none."""
    if position is None:
        return ""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


class Body:
    """A JSON object sent by a client, read with limits."""

    def __init__(self, raw: Any, where: str = "") -> None:
        self._where = where
        if isinstance(raw, bytes):
            try:
                parsed = orjson.loads(raw or b"{}")
            except orjson.JSONDecodeError:
                raise invalid("body", "a JSON object", raw[:40].decode(errors="replace")) from None
        else:
            parsed = raw
        if not isinstance(parsed, dict):
            raise invalid(where + "body", "a JSON object", parsed)
        self._fields: Mapping[str, Any] = parsed

    def text(self, name: str, choices: tuple[str, ...] = (), *, required: bool = False, longest: int = 256) -> str:
        value = self._fields.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value) or len(value) > longest:
            raise invalid(self._where + name, f"a string of up to {longest} characters", value)
        if choices and value not in choices:
            raise invalid(self._where + name, "one of " + ", ".join(choices), value)
        return value

    def flag(self, name: str) -> bool:
        value = self._fields.get(name, False)
        if not isinstance(value, bool | None):
            raise invalid(self._where + name, "true or false", value)
        return bool(value)

    def number(self, name: str, *, least: int | None = None, required: bool = False) -> int | None:
        value = self._fields.get(name)
        if value is None and not required:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
            raise invalid(
                self._where + name, "a whole number" + ("" if least is None else f" of {least} or more"), value
            )
        return value

    def decimal(self, name: str, places: int) -> Decimal:
        """Read a decimal string with up to so many places, more than 0. A JSON number is refused, as the venue does."""
        value = self._fields.get(name)
        expected = f"a decimal string above 0 with up to {places} places"
        if not isinstance(value, str) or not DECIMAL.fullmatch(value):
            raise invalid(self._where + name, expected, value)
        number = Decimal(value)
        if number != number.quantize(ONE.scaleb(-places)) or number <= ZERO:
            raise invalid(self._where + name, expected, value)
        return number

    def objects(self, name: str, most: int) -> list[Any]:
        value = self._fields.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise invalid(
                name, f"a list of 1 to {most} objects", f"{len(value)} items" if isinstance(value, list) else value
            )
        return value

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None


class Gate:
    """Who is asking: the headers KALSHI-ACCESS-*, over timestamp + METHOD + path without the query."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def account(self, request: HTTPConnection) -> Account:
        """Return the account that signed a request, or a socket's opening, which is a GET.

        Raises KalshiError 401 for a missing, unknown or wrong signature. Any timestamp in milliseconds passes: the
        venue's tolerance is not documented, and the sandbox's clock may stand years away from the machine's.
        """
        key_id, stamp, signature = (
            request.headers.get(f"kalshi-access-{name}", "") for name in ("key", "timestamp", "signature")
        )
        if not (key_id and stamp and signature):
            raise self._no("missing KALSHI-ACCESS-KEY, KALSHI-ACCESS-TIMESTAMP or KALSHI-ACCESS-SIGNATURE")
        account = self._accounts.by_kalshi_key(key_id)
        if account is None:
            raise self._no("NOT_FOUND")
        if not (stamp.isdigit() and len(stamp) == 13):
            raise self._no("INCORRECT_API_KEY_SIGNATURE")
        signed = f"{stamp}{request.scope.get('method', 'GET')}{request.url.path}".encode()
        key = load_pem_public_key(account.kalshi_public_key_pem.encode())
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(key, Ed25519PublicKey):
                key.verify(raw, signed)
            elif isinstance(key, RSAPublicKey):
                key.verify(raw, signed, PSS, hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            raise self._no("INCORRECT_API_KEY_SIGNATURE") from None
        return account

    def if_signed(self, request: Request) -> None:
        """Check a signature where one was sent: books can be read without."""
        if "kalshi-access-key" in request.headers:
            self.account(request)

    @staticmethod
    def _no(details: str) -> KalshiError:
        return KalshiError(401, "authentication_error", "authentication error", details)
