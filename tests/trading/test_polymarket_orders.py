"""Polymarket's orders: a known hash, and every answer of the SDK turned into ours."""

import dataclasses
import json
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from eth_account import Account
from polymarket.clients._transport import SyncTransport
from polymarket.errors import (
    RateLimitError,
    RequestRejectedError,
    TransportError,
    UnexpectedResponseError,
    UserInputError,
)
from polymarket.models.clob.order_response import AcceptedOrder, RejectedOrder
from polymarket.models.clob.orders import SignedOrder as SdkOrder

from itomarkets.lib import clock
from itomarkets.lib.venues import (
    VenueAuthError,
    VenueNotFound,
    VenueProtocolError,
    VenueRateLimited,
    VenueRejected,
    VenueUnavailable,
)
from markets.models import Market
from trading.models import Order
from trading.venues.base import Placement, SignedOrder, SubmitResult
from trading.venues.polymarket import PolymarketOrders, _posted, _settlement, _translated, order_hash, token_of

D = Decimal
# The public development key of venue clients' own test suites.
WALLET = Account.from_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").address
STANDARD = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK = "0xe2222d279d744050d28e00520010520000310F59"
ZERO_BYTES = "0x" + "0" * 64
KNOWN: dict[str, Any] = {
    "builder": ZERO_BYTES,
    "expiration": 0,
    "maker": WALLET,
    "maker_amount": 5_200_000,
    "metadata": ZERO_BYTES,
    "order_type": "GTC",
    "salt": 479_249_096_354,
    "side": "BUY",
    "signature": "0x00",
    "signature_type": 0,
    "signer": WALLET,
    "taker_amount": 10_000_000,
    "timestamp": 1_700_000_000_000,
    "token_id": "71321045679252212594626385532706912750332728571942532289631379312455583992563",
}


@pytest.mark.parametrize(
    ("exchange", "known"),
    [
        (STANDARD, "0x6569c7f56e83a478fad8fb3ba97919f5457e30cc52bc98f8329a9ac545b23faf"),
        (NEG_RISK, "0x0f9275e359bde77a9c308cb2694e13e760b344dd287bce7fce67532211b1cb7d"),
    ],
)
def test_the_hash_of_an_order_has_a_known_answer(exchange: str, known: str) -> None:
    assert order_hash(SdkOrder(**KNOWN), exchange=exchange) == known


def test_the_order_type_and_the_signature_are_no_part_of_the_hash() -> None:
    changed = KNOWN | {"order_type": "FAK", "signature": "0x01", "expiration": 9}
    assert order_hash(SdkOrder(**changed), exchange=STANDARD) == order_hash(SdkOrder(**KNOWN), exchange=STANDARD)
    for name, value in {"salt": 1, "side": "SELL", "maker_amount": 1, "timestamp": 1}.items():
        other = SdkOrder(**(KNOWN | {name: value}))
        assert order_hash(other, exchange=STANDARD) != order_hash(SdkOrder(**KNOWN), exchange=STANDARD)


@dataclasses.dataclass
class Sdk:
    """The SDK's client as far as a submit sees it: answers, or raises, what a test gives it."""

    answer: Any
    posted: list[SdkOrder] = dataclasses.field(default_factory=list)

    def post_order(self, signed: SdkOrder) -> Any:
        self.posted.append(signed)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


HASH = "0x6569c7f56e83a478fad8fb3ba97919f5457e30cc52bc98f8329a9ac545b23faf"


def submit(answer: Any) -> tuple[Any, Sdk]:
    sdk = Sdk(answer)
    client = PolymarketOrders.__new__(PolymarketOrders)
    client._client = sdk  # type: ignore[assignment]
    stored = SignedOrder(payload=json.dumps(KNOWN), order_hash=HASH)
    return client.submit(Order(), stored), sdk


def accepted(order_id: str = HASH, status: str = "matched") -> AcceptedOrder:
    return AcceptedOrder.model_construct(
        ok=True, order_id=order_id, status=status, making_amount=D(0), taking_amount=D(0), trade_ids=("t1",)
    )


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("answer", "placement"),
    [
        (accepted(), Placement.ACCEPTED),
        (accepted(order_id=HASH.upper().replace("0X", "0x")), Placement.ACCEPTED),
        (accepted(order_id="0xother"), Placement.UNKNOWN),
        (RejectedOrder.model_construct(ok=False, code="not_enough_balance", message="no"), Placement.REJECTED),
        (RejectedOrder.model_construct(ok=False, code="unknown", message="?"), Placement.UNKNOWN),
        (RequestRejectedError("not enough balance / allowance", status=400), Placement.REJECTED),
        (RequestRejectedError(f"order {HASH} is invalid. Duplicated.", status=400), Placement.UNKNOWN),
        (RequestRejectedError("Unauthorized/Invalid api key", status=401), Placement.REJECTED),
        (RequestRejectedError("address in closed only mode", status=403), Placement.REJECTED),
        # A refusal that names the venue's mode is proof; a bare 503 is none.
        (RequestRejectedError("restarting", status=425, restriction="restarting"), Placement.REJECTED),
        (RequestRejectedError("order timed out", status=500), Placement.UNKNOWN),
        (RequestRejectedError("cancel only", status=503, restriction="cancel_only"), Placement.REJECTED),
        (RequestRejectedError("Service Unavailable", status=503), Placement.UNKNOWN),
        (RateLimitError("slow down", retry_after=1), Placement.REJECTED),
        (caused(TransportError("x"), httpx.ConnectError("refused")), Placement.UNSENT),
        (caused(TransportError("x"), httpx.ReadTimeout("slow")), Placement.UNKNOWN),
        (TransportError("cut"), Placement.UNKNOWN),
        (UnexpectedResponseError("html"), Placement.UNKNOWN),
        (UserInputError("off grid"), Placement.UNSENT),
    ],
)
def test_every_answer_to_a_post_is_accepted_refused_unsent_or_unknown_and_asked_once(
    answer: Any, placement: Placement
) -> None:
    result, sdk = submit(answer)
    assert result.placement is placement, result
    assert sdk.posted == [SdkOrder(**KNOWN)]
    assert result.reason or placement is Placement.ACCEPTED


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RateLimitError("x", retry_after=3), VenueRateLimited),
        (RequestRejectedError("x", status=401), VenueAuthError),
        (RequestRejectedError("x", status=404), VenueNotFound),
        (RequestRejectedError("x", status=400), VenueRejected),
        (RequestRejectedError("x", status=502), VenueUnavailable),
        (TransportError("x"), VenueUnavailable),
        (UserInputError("x"), VenueRejected),
        (UnexpectedResponseError("x"), VenueProtocolError),
        (httpx.ReadError("x"), VenueUnavailable),
    ],
)
def test_no_error_of_the_sdk_leaves_its_file(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected, match="polymarket, reading") as caught:
        with _translated("reading"):
            raise raised
    assert caught.value.__cause__ is raised


def test_matched_is_not_money_until_it_is_confirmed() -> None:
    assert _settlement("CONFIRMED") == "confirmed"
    assert _settlement("FAILED") == "failed"
    for status in ("MATCHED", "MATCHED_NOT_BROADCASTED", "MINED", "RETRYING"):
        assert _settlement(status) == "matched"


def test_each_side_trades_its_own_token() -> None:
    market = Market(yes_token="111", no_token="222")
    assert token_of(Order(market=market, side="yes")) == "111"
    assert token_of(Order(market=market, side="no")) == "222"


def test_tokens_of_a_newer_exchange_contract_are_refused_before_anything_is_signed() -> None:
    """Their order has another domain: our hash would not be the id by which an order of unknown fate is found."""
    client = PolymarketOrders.__new__(PolymarketOrders)
    newer = 1 << 248
    with pytest.raises(VenueRejected, match="nothing was sent"):
        client.sign(Order(market=Market(yes_token=str(newer), no_token="222"), side="yes", action="buy"))


def test_a_client_prints_no_secret() -> None:
    client = PolymarketOrders.__new__(PolymarketOrders)
    assert repr(client) == "<PolymarketOrders>"


@pytest.mark.parametrize(("after", "least", "most"), [(timedelta(seconds=40), 30, 41), (timedelta(seconds=-5), 0, 0)])
def test_f21_a_date_in_retry_after_is_read_of_a_refused_order(after: timedelta, least: int, most: int) -> None:
    """The SDK compares it with this machine's clock, to the second."""
    headers = {"Retry-After": format_datetime(clock.machine_now() + after, usegmt=True)}
    answer = httpx.MockTransport(lambda request: httpx.Response(429, headers=headers, json={"error": "too many"}))
    line = SyncTransport(
        base_url="http://127.0.0.1", client=httpx.Client(base_url="http://127.0.0.1", transport=answer)
    )
    result = _posted(lambda: line.post_json("/order", json={}))
    assert isinstance(result, SubmitResult)
    assert result.placement is Placement.REJECTED
    assert result.retry_after is not None
    assert least <= result.retry_after <= most
