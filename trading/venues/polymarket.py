"""Polymarket's order side: the one file that imports its SDK (polymarket-client, pinned exactly).

A buy is a limit order of an exact number of shares whose rest is canceled at once: an immediate buy
(FAK, FOK) would spend its dollars whole and bring more shares than were asked for. It expires by itself (GTD),
should nobody live to cancel it. A sale is FAK.
The order's EIP-712 hash is the venue's order id, so it is known, and stored, before anything is sent.
Never the SDK's place_*: those may send approvals on chain.
"""

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar, cast

import httpx
from django.conf import settings
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from polymarket import environments
from polymarket._internal.actions.auth import create_or_derive_api_key_sync, fetch_api_keys_sync
from polymarket._internal.actions.orders import orders as sdk_orders
from polymarket._internal.actions.orders.cache import SyncOrderMetadataCache
from polymarket._internal.context import SyncSecureClientContext
from polymarket._internal.environment import WalletDerivationConfig
from polymarket._internal.eoa.rpc import SyncJsonRpcClient
from polymarket._internal.hmac import build_hmac_signature
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket._internal.protocol import is_v2_position_id
from polymarket._internal.wallet import WalletType, signature_type_for, try_classify_wallet_type
from polymarket.clients import secure as sdk_secure
from polymarket.clients._transport import SyncHeaderResolver, SyncTransport, TransportOptions
from polymarket.clients.secure import SecureClient
from polymarket.errors import (
    InsufficientLiquidityError,
    PolymarketError,
    RateLimitError,
    RequestRejectedError,
    SigningError,
    TransportError,
    UnexpectedResponseError,
    UserInputError,
)
from polymarket.models import ApiKeyCreds
from polymarket.models.clob.account import ClobTrade
from polymarket.models.clob.order_response import AcceptedOrder, OrderResponse, RejectedOrder
from polymarket.models.clob.orders import SignedOrder as SdkOrder
from polymarket.types import EvmAddress

from itomarkets.lib import clock
from itomarkets.lib.http import LONGEST_WAIT_SECONDS, USER_AGENT, limiter_for, open_client
from itomarkets.lib.rounding import ZERO, quantize
from itomarkets.lib.venues import (
    Side,
    Venue,
    VenueAuthError,
    VenueError,
    VenueNotFound,
    VenueProtocolError,
    VenueRateLimited,
    VenueRejected,
    VenueUnavailable,
)
from markets.fees import taker_fee
from markets.models import Market
from trading.models import Fill, Order, TradeAction, VenueState
from trading.venues.base import (
    ListedHolding,
    ListedOrder,
    ModeNotice,
    Placement,
    Sighting,
    SignedOrder,
    SubmitResult,
    VenueFill,
    VenueOrder,
)
from trading.venues.polymarket_signing import CHAIN_ID, Signer, domain_of, order_digest
from trading.venues.venue_time import VenueTime, time_of

logger = logging.getLogger(__name__)

# So long the order book's time, once told, goes on by the stopwatch before it is asked again.
TIME_LASTS_SECONDS = 600.0
T = TypeVar("T")
MOST_IN_BATCH = 15
MILLIONTHS = 6
# The exchange takes three minutes at least (docs.polymarket.com, orders); the rest is for a clock that is off by some
# minutes while the venue's is not known.
STATED_LIFE_SECONDS = 600
LISTING_MARGIN = timedelta(minutes=2)
LONGEST_LISTING = 10_000
# What a re-sent order is told: it exists, so its fate must be read.
DUPLICATED = "duplicated"
SERVICE_UNAVAILABLE = 503
UNAUTHORIZED = 401
API_KEY_PARTS = ("key", "secret", "passphrase")
# "Trading is currently disabled": neither orders nor cancels. It has no code.
DISABLED = "currently disabled"
# What the SDK calls the modes that it knows.
RESTRICTIONS = {
    "restarting": VenueState.Mode.RESTARTING,
    "cancel_only": VenueState.Mode.CANCEL_ONLY,
    "post_only": VenueState.Mode.POST_ONLY,
}
SAID_LENGTH = 200
# The code of the error about a wallet that is not the key's.
FOREIGN_WALLET = "foreign_wallet"
ENDED_STATUSES = {
    "MATCHED": "executed",
    "CANCELED": "canceled",
    "CANCELED_MARKET_RESOLVED": "canceled",
    "CANCELED_NOT_ENOUGH_BALANCE": "canceled",
    "CANCELED_MARKET_NOT_FOUND": "canceled",
    "CANCELED_ORDER_TIMED_OUT": "canceled",
    "CANCELED_EXPIRED_ORDER": "expired",
    "UNMATCHED": "canceled",
    "INVALID": "canceled",
}
OPEN_STATUSES = ("LIVE", "DELAYED")


@dataclasses.dataclass(frozen=True, slots=True)
class Hosts:
    """Where the SDK finds each interface."""

    clob: str
    gamma: str
    data: str


def order_hash(order: SdkOrder, *, exchange: str) -> str:
    """Compute the EIP-712 hash of an order: the venue's own id for it."""
    message = {
        "salt": order.salt,
        "maker": order.maker,
        "signer": order.signer,
        "tokenId": int(order.token_id),
        "makerAmount": order.maker_amount,
        "takerAmount": order.taker_amount,
        "side": 0 if order.side == "BUY" else 1,
        "signatureType": order.signature_type,
        "timestamp": order.timestamp,
        "metadata": order.metadata,
        "builder": order.builder,
    }
    return "0x" + order_digest(domain_of(exchange), message).hex()


def mode_notice(error: RequestRejectedError) -> ModeNotice | None:
    """Return the mode that a refusal names; None where it names none: a bare 503 proves nothing.

    425 and the bodies that name a mode are documented as refusals (docs.polymarket.com, August 2026).
    """
    mode = RESTRICTIONS.get(error.restriction or "")
    if mode is None and error.status == SERVICE_UNAVAILABLE and DISABLED in str(error).lower():
        mode = VenueState.Mode.DISABLED
    if mode is None:
        return None
    evidence = {"status": error.status, "code": error.code, "said": str(error)[:SAID_LENGTH]}
    return ModeNotice(mode, seconds=error.retry_after, evidence=evidence)


def batch_results(replies: Sequence[OrderResponse], hashes: Mapping[int, str]) -> dict[int, SubmitResult]:
    """Return each order's result, by Order.pk, from the replies to a batch; `hashes` are the orders' ids.

    An accepted order is named by its hash; a refused one is not. So the orders that nothing names were
    refused only where every reply is accounted for: as many as orders, none accepted twice or a
    stranger's, and each of the rest a refusal that is one. Otherwise they are unknown.
    """
    by_hash: dict[str, list[AcceptedOrder]] = {}
    refusals: list[RejectedOrder] = []
    for reply in replies:
        if isinstance(reply, AcceptedOrder):
            by_hash.setdefault(reply.order_id.lower(), []).append(reply)
        else:
            refusals.append(reply)
    asked = {order_hash.lower() for order_hash in hashes.values()}
    is_accounted = (
        len(replies) == len(hashes)
        and by_hash.keys() <= asked
        and all(len(own) == 1 for own in by_hash.values())
        and not any(refusal.code == "unknown" for refusal in refusals)
    )
    said = "; ".join(dict.fromkeys(refusal.message for refusal in refusals)) or "no reply names this order"
    unnamed = SubmitResult(
        Placement.REJECTED if is_accounted else Placement.UNKNOWN,
        reason=f"polymarket: of a batch of {len(hashes)}: {said}"[:SAID_LENGTH],
        evidence={"codes": sorted({refusal.code for refusal in refusals}), "replies": len(replies)},
    )
    results = {}
    for order_id, order_hash in hashes.items():
        own = by_hash.get(order_hash.lower(), [])
        results[order_id] = _result(own[0], order_id=order_hash) if len(own) == 1 else unnamed
    return results


@lru_cache(maxsize=1000)
def _wallet_type(signer: str, wallet: str, config: WalletDerivationConfig) -> WalletType | None:
    """Tell which of a key's wallets an address is; None for another's. Both addresses are public."""
    return try_classify_wallet_type(signer=signer, wallet=wallet, config=config)


def _has_api(secrets: dict[str, str]) -> bool:
    return all(secrets.get(f"api_{name}") for name in API_KEY_PARTS)


def _native(signed: SignedOrder) -> SdkOrder:
    return signed.native or SdkOrder(**json.loads(signed.payload))


def _posted(post: Callable[[], T]) -> T | SubmitResult:
    """Post once; gives the reply, or the result that no reply means."""
    try:
        return post()
    except TransportError as error:
        unsent = isinstance(error.__cause__, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        return SubmitResult(Placement.UNSENT if unsent else Placement.UNKNOWN, reason=f"polymarket: {error}")
    except RateLimitError as error:
        return SubmitResult(
            Placement.REJECTED,
            reason=f"polymarket: {error}",
            evidence={"status": 429},
            retry_after=error.retry_after or 0.0,
        )
    except RequestRejectedError as error:
        refusal = {"status": error.status, "code": error.code, "restriction": error.restriction}
        notice = mode_notice(error)
        known = error.status >= 500 or error.status in (408, 409) or DUPLICATED in str(error).lower()
        placement = Placement.UNKNOWN if known and notice is None else Placement.REJECTED
        return SubmitResult(placement, reason=f"polymarket: {error}", evidence=refusal, notice=notice)
    except (UserInputError, SigningError, InsufficientLiquidityError) as error:
        return SubmitResult(Placement.UNSENT, reason=f"polymarket: {error}")
    except PolymarketError as error:
        return SubmitResult(Placement.UNKNOWN, reason=f"polymarket: {error}")


def _result(reply: OrderResponse, *, order_id: str) -> SubmitResult:
    """Return what a reply about one order means, given the id that it must have."""
    if not isinstance(reply, AcceptedOrder):
        return SubmitResult(
            Placement.UNKNOWN if reply.code == "unknown" else Placement.REJECTED,
            reason=f"polymarket: {reply.message}",
            evidence={"code": reply.code},
        )
    told = {"status": reply.status, "trade_ids": list(reply.trade_ids)}
    if reply.order_id.lower() != order_id.lower():
        return SubmitResult(
            Placement.UNKNOWN,
            reason=f"polymarket: expected the order id {order_id}, found {reply.order_id}.",
            evidence=told,
        )
    return SubmitResult(Placement.ACCEPTED, venue_order_id=reply.order_id, evidence=told)


def token_of(order: Order) -> str:
    """Return the outcome token that an order buys or sells: NO has its own."""
    return order.market.yes_token if order.side == Side.YES else order.market.no_token


# The SDK has no setting for a venue's clock: while a thread signs, an order is stamped by the clock set here.
_signing = threading.local()


def _stamp_ms() -> int:
    venue: VenueTime = getattr(_signing, "venue", None) or VenueTime()
    return int(venue.now(clock.machine_now()).timestamp() * 1000)


if not callable(getattr(sdk_orders, "_current_timestamp_ms", None)):
    raise ImportError("polymarket-client stamps its orders elsewhere than in the pinned version: say where, here.")
setattr(sdk_orders, "_current_timestamp_ms", _stamp_ms)  # noqa: B010


def account_headers(signer: str, credentials: ApiKeyCreds, venue: VenueTime) -> SyncHeaderResolver:
    """Return what signs requests with an account's API key, in the venue's time."""

    def headers(method: str, path: str, body: str | None) -> dict[str, str]:
        seconds = int(venue.now(clock.machine_now()).timestamp())
        signed = {"secret": credentials.secret, "timestamp": seconds, "method": method, "path": path, "body": body}
        return {
            "POLY_ADDRESS": signer,
            "POLY_API_KEY": credentials.key,
            "POLY_PASSPHRASE": credentials.passphrase,
            "POLY_SIGNATURE": build_hmac_signature(**signed),  # type: ignore[arg-type]
            "POLY_TIMESTAMP": str(seconds),
        }

    return headers


def environment_at(hosts: Hosts) -> environments.Environment:
    """Return the SDK's settings with other hosts: it has no public way to set them."""
    config = dataclasses.replace(
        environments.PRODUCTION._config, clob_url=hosts.clob, gamma_url=hosts.gamma, data_url=hosts.data
    )
    return environments._create_environment(name="itomarkets", config=config)


class _NoLine(httpx.BaseTransport):
    """Stands where the SDK would speak to what no order needs: its relayer, its gateways and the chain."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"{request.url.host} is not spoken to")


class PolymarketLine:
    """Open connections to the exchange's hosts, and what is public of its markets. Holds no key; threads share it.

    HTTP/1.1 on purpose: HTTP/2 keeps what it has sent in a table of headers, the passphrase among it.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.environment = environment_at(hosts)
        self.time = time_of(hosts.clob)
        options = TransportOptions()
        self.clients = {
            name: open_client(url, timeout=options.timeout, limits=options.limits)
            for name, url in dataclasses.asdict(hosts).items()
        }
        for client in self.clients.values():
            # Its reads have a limit of their own, beside those of markets: the venue can tell the two apart.
            client.headers["User-Agent"] = f"{USER_AGENT} orders"
        self.none = httpx.Client(transport=_NoLine(), trust_env=False)
        self.metadata = SyncOrderMetadataCache()
        # The id of the API key that the venue, asked over this line, has said it knows.
        self.known_key = ""

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def transport(self, name: str, *, signs: SyncHeaderResolver | None = None) -> SyncTransport:
        """Return the SDK's transport over the open connections to a host."""
        url = getattr(self.hosts, name)
        return SyncTransport(base_url=url, client=self.clients[name], header_resolver=signs)

    def measure(self) -> None:
        """Learn the order book's time, unless it is known; without an answer ours is used."""
        if self.time.is_known(within_seconds=TIME_LASTS_SECONDS):
            return
        try:
            self.time.learn(datetime.fromtimestamp(int(str(self.transport("clob").get_json("/time"))), UTC))
        except (PolymarketError, ValueError, httpx.HTTPError) as error:
            logger.warning("polymarket: its time could not be read: %s", type(error).__name__)

    def connect(
        self, *, signer: LocalAccount, wallet: str, wallet_type: WalletType, credentials: ApiKeyCreds
    ) -> SecureClient:
        """Make the SDK's client over this line.

        Not by its `create`: for a wallet that is a contract that asks the venue's relayer whether it stands, and
        deploys a deposit wallet that does not. Here nothing is looked up on chain and nothing deployed.
        """
        none = SyncTransport(base_url="", client=self.none)
        context = SyncSecureClientContext(
            environment=self.environment,
            gamma=self.transport("gamma"),
            data=self.transport("data"),
            clob=self.transport("clob"),
            secure_clob=self.transport("clob", signs=account_headers(signer.address, credentials, self.time)),
            rfq=none,
            relayer=none,
            combos=none,
            builder_gateway=none,
            rpc=SyncJsonRpcClient(none),
            signer=signer,
            signer_type="OWNER",
            credentials=credentials,
            wallet=EvmAddress(to_checksum_address(wallet)),
            wallet_type=wallet_type,
            api_key=None,
            order_metadata=self.metadata,
        )
        return SecureClient(ctx=context, _create_token=sdk_secure._CREATE_TOKEN)

    def credentials(self, *, signer: LocalAccount, given: ApiKeyCreds | None) -> ApiKeyCreds:
        """Return the API key that was given while the venue knows it, else the one that the private key gives."""
        if given is not None:
            if self.known_key != given.key:
                probe = self.transport("clob", signs=account_headers(signer.address, given, self.time))
                self.known_key = given.key if _knows(probe, given.key) else ""
            if self.known_key:
                return given
        seconds = int(self.time.now(clock.machine_now()).timestamp())
        asked = sign_api_key_auth(signer, chain_id=CHAIN_ID, timestamp=seconds, nonce=0)
        return create_or_derive_api_key_sync(self.transport("clob"), asked)


def _knows(probe: SyncTransport, key: str) -> bool:
    try:
        return key in fetch_api_keys_sync(probe)
    except RequestRejectedError as error:
        if error.status == UNAUTHORIZED:
            return False
        raise


class PolymarketOrders:
    """One Polymarket wallet, its key open until `close`."""

    def __init__(
        self,
        *,
        secrets: dict[str, str],
        line: PolymarketLine,
        now: Callable[[], datetime] = clock.now,
        give_back: Callable[[], None] | None = None,
    ) -> None:
        self._now = now
        self._give_back = give_back or line.close
        self._time = line.time
        line.measure()
        self._config = line.environment._config
        given = ApiKeyCreds(**{name: secrets[f"api_{name}"] for name in API_KEY_PARTS}) if _has_api(secrets) else None
        with _translated("connecting"):
            try:
                # All that the SDK asks of an account of eth_account, and quicker.
                signer = cast(LocalAccount, Signer(secrets["private_key"]))
                own = _wallet_type(signer.address, secrets["wallet"], self._config.wallet_derivation)
            except (UserInputError, ValueError, TypeError):
                # Its text, and those it came from, repeat the key.
                raise VenueAuthError(
                    "polymarket, connecting: the private key or the wallet is malformed. Connect the account again.",
                    venue=Venue.POLYMARKET,
                ) from None
            if own is None:
                # The SDK would ask the chain whether it is a session key, which we do not take.
                raise VenueAuthError(
                    "polymarket, connecting: the funder wallet is none of this key's wallets. "
                    "Connect the account again with the wallet that the deposit page shows.",
                    venue=Venue.POLYMARKET,
                    code=FOREIGN_WALLET,
                )
            held = line.credentials(signer=signer, given=given)
            self._client = line.connect(signer=signer, wallet=secrets["wallet"], wallet_type=own, credentials=held)
        # What was derived anew, for the account's row to keep sealed.
        self.derived = None if held is given else {f"api_{name}": getattr(held, name) for name in API_KEY_PARTS}

    def __repr__(self) -> str:
        return "<PolymarketOrders>"

    def close(self) -> None:
        """Let the key go, and give the connections back."""
        self.derived = None
        if self.__dict__.pop("_client", None) is not None:
            self._give_back()

    def sign(self, order: Order) -> SignedOrder:
        token = token_of(order)
        if is_v2_position_id(token):
            # The SDK signs for another contract, under another version, and our hash would not be the venue's id.
            raise VenueRejected(
                "polymarket: the market's tokens are of an exchange contract that is not traded here yet; "
                "nothing was sent.",
                venue=Venue.POLYMARKET,
            )
        is_buy = order.action == TradeAction.BUY
        _signing.venue = self._time
        with _translated("signing"):
            signed = self._client.create_limit_order(
                asset_id=token, price=order.limit_price, size=order.count, side="BUY" if is_buy else "SELL"
            )
            signed_for = self._client._ctx.order_metadata.resolve_market(self._client._ctx, token_id=signed.token_id)
        # Type and end travel beside what is signed; the hash stays.
        ends = int(self._time.now(clock.machine_now()).timestamp()) + STATED_LIFE_SECONDS
        changes: dict[str, Any] = {"order_type": "GTD", "expiration": ends} if is_buy else {"order_type": "FAK"}
        signed = dataclasses.replace(signed, **changes)
        shares = signed.taker_amount if is_buy else signed.maker_amount
        if _dollars(shares) != order.count:
            raise VenueProtocolError(
                f"polymarket: {order.count} shares were signed as {_dollars(shares)}; nothing was sent.",
                venue=Venue.POLYMARKET,
            )
        exchange = self._config.neg_risk_exchange if signed_for.neg_risk else self._config.standard_exchange
        return SignedOrder(
            payload=json.dumps(dataclasses.asdict(signed), sort_keys=True),
            order_hash=order_hash(signed, exchange=exchange),
            native=signed,
        )

    @property
    def most_at_once(self) -> int:
        """The most orders in one request (docs.polymarket.com, August 2026)."""
        return MOST_IN_BATCH

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        """Post the signed order once. A duplicate, a broken connection and a 5xx mean: go and read."""
        reply = _posted(lambda: self._client.post_order(_native(signed)))
        return reply if isinstance(reply, SubmitResult) else _result(reply, order_id=signed.order_hash)

    def submit_many(self, signed: Sequence[tuple[Order, SignedOrder]]) -> dict[int, SubmitResult]:
        """Post several signed orders once; the exchange takes or refuses each for itself."""
        replies = _posted(lambda: self._client.post_orders([_native(each) for _, each in signed]))
        if isinstance(replies, SubmitResult):
            return {order.pk: replies for order, _ in signed}
        return batch_results(replies, {order.pk: each.order_hash for order, each in signed})

    def look_up(self, order: Order) -> Sighting:
        """Find the order by its hash, and its fills in the market's whole list of trades since it was sent."""
        order_id = order.venue_order_id or order.order_hash
        if not order_id:
            return Sighting(order=None, fills=(), complete=True)
        with _translated("reading an order"):
            found = self._find(order_id)
            fills = tuple(self._fills(order, order_id))
        return Sighting(order=found, fills=fills, complete=True)

    def cancel(self, order: Order) -> None:
        with _translated("canceling", is_limited=False):
            self._client.cancel_order(order_id=order.venue_order_id or order.order_hash)

    def cash(self) -> Decimal:
        with _translated("reading the balance"):
            return _dollars(self._client.get_balance_allowance(asset_type="COLLATERAL").balance)

    def net_counts(self, markets: Sequence[Market]) -> dict[int, Decimal]:
        with _translated("reading balances"):
            return {market.pk: self._held(market.yes_token) - self._held(market.no_token) for market in markets}

    def listed_since(self, since: datetime) -> list[ListedOrder]:
        """Return what rests now and each fill since a moment; the side is what the token is called."""
        with _translated("listing orders"):
            listed = [
                ListedOrder(
                    row.id,
                    row.condition_id,
                    row.outcome,
                    row.original_size - row.size_matched,
                    row.price,
                    is_open=True,
                    is_sale=row.side == "SELL",
                )
                for row in self._client.list_open_orders().iter_items()
            ]
            for number, trade in enumerate(
                self._client.list_account_trades(after=str(int(since.timestamp()))).iter_items()
            ):
                if number >= LONGEST_LISTING:
                    raise VenueProtocolError("polymarket: the list of trades did not end.", venue=Venue.POLYMARKET)
                listed += _listed_fills(trade, wallet=str(self._client.wallet))
        return listed

    def holdings(self) -> list[ListedHolding]:
        """Return what the wallet holds of each token, those of decided markets left out."""
        held = []
        with _translated("listing positions"):
            found = self._client.list_positions(user=str(self._client.wallet), status="OPEN")
            for number, row in enumerate(found.iter_items()):
                if number >= LONGEST_LISTING:
                    raise VenueProtocolError("polymarket: the list of positions did not end.", venue=Venue.POLYMARKET)
                if row.current_size > 0:
                    cost = row.current_size * row.avg_price
                    side = Side.NO if row.outcome_index else Side.YES
                    held.append(ListedHolding(row.condition_id, side.value, row.current_size, cost))
        return held

    def allowances(self) -> dict[str, Decimal]:
        """Return what each exchange contract may take of the wallet's dollars."""
        with _translated("reading the allowances"):
            told = self._client.get_balance_allowance(asset_type="COLLATERAL").allowances
        return {spender: _dollars(amount) for spender, amount in told.items()}

    def is_close_only(self) -> bool:
        with _translated("reading the account's status"):
            return self._client.get_closed_only_mode()

    def clock_offset(self, now: Callable[[], datetime]) -> timedelta:
        """Return the venue's time less ours, to the second."""
        before = now()
        with _translated("reading the time"):
            told = self._client._ctx.clob.get_json("/time")
        return datetime.fromtimestamp(int(str(told)), UTC) - (before + (now() - before) / 2)

    def signature_type(self) -> int:
        """Return the type of signature that the funder wallet, as a wallet of this key, asks for."""
        return signature_type_for(self._client._ctx.wallet_type)

    def _held(self, token: str) -> Decimal:
        return _dollars(self._client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=token).balance)

    def _find(self, order_id: str) -> VenueOrder | None:
        try:
            row = self._client.get_order(order_id=order_id)
        except RequestRejectedError as error:
            if error.status == 404:
                return None
            raise
        status = row.status.removeprefix("ORDER_STATUS_")
        if status not in ENDED_STATUSES and status not in OPEN_STATUSES:
            raise VenueProtocolError(f"polymarket: unknown order status {row.status!r}.", venue=Venue.POLYMARKET)
        return VenueOrder(
            venue_order_id=row.id, filled=quantize(row.size_matched, MILLIONTHS), ended=ENDED_STATUSES.get(status, "")
        )

    def _fills(self, order: Order, order_id: str) -> Iterator[VenueFill]:
        # Our clock stamped the send and the venue's stamps the trade: what they differ by must not hide it.
        since = (order.submitted_at or order.created_at) - LISTING_MARGIN - abs(self._time.offset(self._now()))
        listing = self._client.list_account_trades(
            market=order.market.condition_id, after=str(int(since.timestamp()))
        ).iter_items()
        for number, trade in enumerate(listing):
            if number >= LONGEST_LISTING:
                raise VenueProtocolError("polymarket: the list of trades did not end.", venue=Venue.POLYMARKET)
            is_taker = trade.taker_order_id == order_id
            mine = [maker for maker in trade.maker_orders if maker.order_id == order_id]
            if is_taker:
                parts = [(trade.id, trade.size, trade.price)]
            else:
                parts = [(f"{trade.id}:{index}", part.matched_amount, part.price) for index, part in enumerate(mine)]
            for trade_id, size, price in parts:
                count = quantize(size, MILLIONTHS)
                yield VenueFill(
                    venue_trade_id=trade_id,
                    count=count,
                    price=quantize(price, MILLIONTHS),
                    # Trades do not name their fee: the market's schedule does, for takers only.
                    fee=taker_fee(order.market, price=price, count=count) if is_taker else ZERO,
                    at=trade.matched_at,
                    settlement=_settlement(trade.status),
                )


def _listed_fills(trade: ClobTrade, *, wallet: str) -> list[ListedOrder]:
    """Return a trade's part of this wallet: its taker's order, or those of its makers that are the wallet's."""
    if trade.trader_side == "TAKER":
        return [
            ListedOrder(trade.taker_order_id, trade.condition_id, trade.outcome, trade.size, trade.price, is_open=False)
        ]
    return [
        ListedOrder(part.order_id, trade.condition_id, part.outcome, part.matched_amount, part.price, is_open=False)
        for part in trade.maker_orders
        if part.maker_address.lower() == wallet.lower()
    ]


def _settlement(status: str) -> str:
    if status == "CONFIRMED":
        return Fill.Settlement.CONFIRMED
    if status == "FAILED":
        return Fill.Settlement.FAILED
    return Fill.Settlement.MATCHED


def _dollars(millionths: int) -> Decimal:
    return Decimal(millionths).scaleb(-MILLIONTHS)


@contextmanager
def _translated(doing: str, *, is_limited: bool = True) -> Iterator[None]:
    """Turn the SDK's errors into ours; its exceptions and httpx's never leave this file.

    The SDK waits for nobody: what is limited keeps the pause that the venue has asked any of its readers for.
    """
    said = f"polymarket, {doing}"
    limiter = limiter_for(Venue.POLYMARKET, "sdk", settings.VENUE_REQUESTS_PER_SECOND[Venue.POLYMARKET])
    try:
        if is_limited:
            limiter.wait()
        yield
    except VenueError:
        raise
    except RateLimitError as error:
        limiter.pause(min(error.retry_after or 1.0, LONGEST_WAIT_SECONDS))
        raise VenueRateLimited(f"{said}: {error}", retry_after=error.retry_after, venue=Venue.POLYMARKET) from error
    except RequestRejectedError as error:
        raise _refusal(said, error) from error
    except TransportError as error:
        raise VenueUnavailable(f"{said}: {error}", venue=Venue.POLYMARKET) from error
    except (UserInputError, SigningError, InsufficientLiquidityError) as error:
        raise VenueRejected(f"{said}: {error}", venue=Venue.POLYMARKET) from error
    except UnexpectedResponseError as error:
        raise VenueProtocolError(f"{said}: {error}", venue=Venue.POLYMARKET) from error
    except (PolymarketError, httpx.HTTPError) as error:
        raise VenueUnavailable(f"{said}: {error}", venue=Venue.POLYMARKET) from error


def _refusal(said: str, error: RequestRejectedError) -> VenueError:
    known: dict[str, Any] = {"venue": Venue.POLYMARKET, "status": error.status, "code": error.code or ""}
    if error.status >= 500 or error.status in (408, 425):
        return VenueUnavailable(f"{said}: {error}", **known)
    if error.status in (401, 403):
        return VenueAuthError(f"{said}: {error}", **known)
    if error.status == 404:
        return VenueNotFound(f"{said}: {error}", **known)
    return VenueRejected(f"{said}: {error}", **known)
