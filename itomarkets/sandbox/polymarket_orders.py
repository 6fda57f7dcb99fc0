"""What the order book makes of a signed order: the checks, in the venue's words, and the placing.

A buy that cannot rest (FAK, FOK) spends its dollars: `makerAmount` is a budget and `takerAmount` only sets the
worst price, so a better price brings more shares (github.com/Polymarket/clob-client/issues/134). Every other
order trades exactly its shares.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Any

from .engine import BookSide, PlacedOrder, Refused, World
from .model import ONE, YES, ZERO, SandboxMarket
from .polymarket_auth import (
    BUY,
    DEPOSIT_WALLET,
    BadOrder,
    BadSignature,
    WireOrder,
    from_units,
    order_hash,
    order_signer,
    parse_order,
)
from .polymarket_clob import tick_of, token_side
from .polymarket_keys import Caller, wallets_of
from .polymarket_wire import WireError, plain

RESTING, IMMEDIATE = ("GTC", "GTD"), ("FOK", "FAK")
TIFS = {"GTC": "gtc", "GTD": "gtd", "FOK": "fok", "FAK": "ioc"}
# An order must stand for three minutes at least and is taken off one minute before it says.
LEAST_LIFE, EARLY = timedelta(seconds=180), timedelta(seconds=60)
LEAST_MARKETABLE = ONE
SHARE = Decimal("0.000001")
# Decimals that an amount of dollars may have, by tick size.
AMOUNT_DECIMALS = {"0.1": 3, "0.01": 4, "0.005": 5, "0.0025": 6, "0.001": 5, "0.0001": 6}

BAD_PAYLOAD = "Invalid order payload"
NO_BALANCE = "not enough balance / allowance"
NOT_READY = "the market is not yet ready to process new orders"
NO_BOOK = "No orderbook exists for the requested token id"
POST_ONLY = "invalid post-only order: order crosses book"
FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
OTHER_WALLET = "maker address not allowed, please use the deposit wallet flow"
OTHER_SIGNER = "the order signer address has to be the address of the API KEY"


@dataclass(frozen=True, slots=True)
class Posted:
    """One element of a POST /order or /orders body, parsed."""

    order: WireOrder
    order_type: str
    post_only: bool
    owner: str


def parse_posted(body: object) -> Posted:
    """Parse what was posted; the venue's sentence for what it cannot read, or for an order of the first version."""
    if not isinstance(body, Mapping) or not isinstance(body.get("order"), Mapping):
        raise WireError(400, BAD_PAYLOAD)
    if "nonce" in body["order"] or "feeRateBps" in body["order"] or "taker" in body["order"]:
        raise WireError(400, "order_version_mismatch")
    order_type, post_only = body.get("orderType", "GTC"), body.get("postOnly", False)
    if order_type not in TIFS or not isinstance(post_only, bool) or (post_only and order_type in IMMEDIATE):
        raise WireError(400, BAD_PAYLOAD)
    try:
        order = parse_order(body["order"])
    except BadOrder as error:
        raise WireError(400, BAD_PAYLOAD) from error
    return Posted(order, order_type, post_only, str(body.get("owner", "")))


def place(world: World, caller: Caller, posted: Posted) -> dict[str, Any]:
    """Check and place one order; return the venue's reply. Raises WireError; then nothing has changed."""
    order = posted.order
    found = world.feed.by_token(order.token_id)
    _check_owner(caller, posted)
    if found is None:
        raise WireError(400, "Invalid token id")
    market, token = found
    _check_signature(caller, order, market)
    order_id = order_hash(order, neg_risk=market.neg_risk)
    if world.order(order_id) is not None:
        raise WireError(400, f"order {order_id} is invalid. Duplicated.")
    _check_open(world, market)
    price = _checked_price(posted, order_id, market)
    expires_at = _checked_expiration(posted, world.now())
    _check_closing(caller, posted)
    levels = _within(world, market, token, order.side, price)
    immediate = posted.order_type in IMMEDIATE
    _check_sizes(posted, order_id, market, marketable=immediate or bool(levels))
    shares, spend = from_units(order.shares), None
    if immediate and order.side == BUY:
        spend = from_units(order.spent)
        best = levels[0][0] if levels else price
        shares = max(shares, (spend / best).quantize(SHARE, rounding=ROUND_DOWN))
    if immediate and not levels:
        raise WireError(400, FOK_KILLED if posted.order_type == "FOK" else FAK_KILLED)
    if posted.order_type == "FOK" and not _fills_whole(levels, shares, spend):
        raise WireError(400, FOK_KILLED)
    try:
        placed = world.place(
            caller.account.id,
            market,
            side="buy" if (order.side == BUY) == (token == YES) else "sell",
            price=price if token == YES else ONE - price,
            size=shares,
            tif=TIFS[posted.order_type],
            post_only=posted.post_only,
            meta={"owner": caller.key.key, "type": posted.order_type, "wire": order.to_wire(), "side": order.side},
            token=token,
            expires_at=expires_at,
            spend=spend,
            order_id=order_id,
            least=SHARE,
        )
    except Refused as error:
        raise WireError(400, _words(error, order_id, price, market)) from error
    return _reply(placed, posted)


def failure(error: WireError) -> dict[str, Any]:
    """Return a refusal as one result of a batch: the venue answers 200 and says success."""
    return {
        "success": True,
        "errorMsg": str(error.body["error"]),
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
    }


def _check_owner(caller: Caller, posted: Posted) -> None:
    if posted.owner != caller.key.key:
        raise WireError(400, "the order owner has to be the owner of the API KEY")
    if caller.account.polymarket.get("banned"):
        raise WireError(400, f"'{caller.address}' address banned")


def _check_signature(caller: Caller, order: WireOrder, market: SandboxMarket) -> None:
    holds = order.signature_type == DEPOSIT_WALLET
    if order.signer != (order.maker if holds else caller.address):
        raise WireError(400, OTHER_SIGNER)
    if order.maker != wallets_of(caller.address)[order.signature_type]:
        raise WireError(400, OTHER_WALLET)
    try:
        signer = order_signer(order, neg_risk=market.neg_risk)
    except BadSignature as error:
        raise WireError(400, "invalid signature") from error
    if signer != caller.address:
        raise WireError(400, "invalid signature")


def _check_open(world: World, market: SandboxMarket) -> None:
    status = world.status_of(market)
    if status in ("closed", "settled"):
        raise WireError(400, NO_BOOK)
    if status != "open":
        raise WireError(400, NOT_READY)


def _checked_price(posted: Posted, order_id: str, market: SandboxMarket) -> Decimal:
    """Return the order's limit on the market's grid: exact for orders that rest, else the last grid price inside it."""
    order, tick = posted.order, tick_of(market)
    _check_decimals(posted, tick)
    steps = order.price / Fraction(tick)
    if posted.order_type in IMMEDIATE:
        whole = steps.numerator // steps.denominator if order.side == BUY else -(-steps.numerator // steps.denominator)
    else:
        whole = int(steps)
    price = whole * tick
    if (posted.order_type in RESTING and steps != whole) or not tick <= price <= ONE - tick:
        shown = plain(Decimal(order.price.numerator) / Decimal(order.price.denominator))
        raise WireError(400, f"order {order_id} is invalid. Price ({shown}) breaks minimum tick size rule: {tick}")
    return price


def _check_decimals(posted: Posted, tick: Decimal) -> None:
    order = posted.order
    buys = order.side == BUY
    if posted.order_type in IMMEDIATE and buys:
        what, maker, taker = "market buy", 2, 4
    else:
        dollars = AMOUNT_DECIMALS.get(plain(tick), 6)
        what, maker, taker = ("buy", dollars, 2) if buys else ("sell", 2, dollars)
    if _decimals(order.maker_amount) > maker or _decimals(order.taker_amount) > taker:
        raise WireError(
            400,
            f"invalid amounts, the {what} orders maker amount supports a max accuracy of {maker} decimals, "
            f"taker amount a max of {taker} decimals",
        )


def _decimals(units: int) -> int:
    return max(0, 6 - (len(text := str(units)) - len(text.rstrip("0"))))


def _checked_expiration(posted: Posted, now: datetime) -> datetime | None:
    stated = posted.order.expiration
    if posted.order_type != "GTD":
        if stated != 0:
            raise WireError(400, "invalid expiration")
        return None
    try:
        moment = datetime.fromtimestamp(stated, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise WireError(400, "invalid expiration") from error
    if moment < now + LEAST_LIFE:
        raise WireError(400, "invalid expiration")
    return moment - EARLY


def _check_sizes(posted: Posted, order_id: str, market: SandboxMarket, *, marketable: bool) -> None:
    order = posted.order
    shares, dollars = from_units(order.shares), from_units(order.spent)
    if posted.order_type in RESTING and shares < market.min_size:
        raise WireError(
            400,
            f"order {order_id} is invalid. Size ({plain(shares)}) lower than the minimum: {plain(market.min_size)}",
        )
    if marketable and order.side == BUY and dollars < LEAST_MARKETABLE:
        raise WireError(400, f"invalid amount for a marketable BUY order (${plain(dollars)}), min size: $1")


def _check_closing(caller: Caller, posted: Posted) -> None:
    if caller.account.polymarket.get("closed_only") and posted.order.side == BUY:
        raise WireError(400, f"'{caller.address}' address in closed only mode")


def _within(world: World, market: SandboxMarket, token: str, side: str, price: Decimal) -> BookSide:
    """Return the levels that an order of this side and limit would meet, best first."""
    bids, asks = token_side(*world.book(market), token)
    if side == BUY:
        return [level for level in asks if level[0] <= price]
    return [level for level in bids if level[0] >= price]


def _fills_whole(levels: BookSide, shares: Decimal, spend: Decimal | None) -> bool:
    if spend is not None:
        return sum((price * size for price, size in levels), ZERO) >= spend
    return sum((size for _, size in levels), ZERO) >= shares


def _words(error: Refused, order_id: str, price: Decimal, market: SandboxMarket) -> str:
    words = {
        "insufficient_balance": NO_BALANCE,
        "insufficient_tokens": NO_BALANCE,
        "post_only_cross": POST_ONLY,
        "market_inactive": NOT_READY,
        "invalid_expiration": "invalid expiration",
        "duplicate": f"order {order_id} is invalid. Duplicated.",
        "invalid_price": (
            f"order {order_id} is invalid. Price ({plain(price)}) breaks minimum tick size rule: {tick_of(market)}"
        ),
    }
    return words.get(error.code, error.message)


def _reply(placed: PlacedOrder, posted: Posted) -> dict[str, Any]:
    if not placed.fills and posted.order_type in IMMEDIATE:
        raise WireError(400, FOK_KILLED if posted.order_type == "FOK" else FAK_KILLED)
    answer: dict[str, Any] = {
        "success": True,
        "errorMsg": "",
        "orderID": placed.order.id,
        "status": "live",
        "makingAmount": "",
        "takingAmount": "",
    }
    if placed.fills:
        shares, dollars = placed.filled, placed.order.taker_cost
        making, taking = (dollars, shares) if posted.order.side == BUY else (shares, dollars)
        answer |= {
            "status": "matched",
            "makingAmount": plain(making),
            "takingAmount": plain(taking),
            "tradeIDs": [fill.trade_id for fill in placed.fills],
        }
    return answer
