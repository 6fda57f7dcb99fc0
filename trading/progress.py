"""How a trade stands, computed from its orders and fills: what is unknown is named as unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from accounts.models import Notification
from accounts.notices import notify
from itomarkets.lib.rounding import ZERO, quantize
from itomarkets.records import audit
from trading.legs import Leg, grouped
from trading.models import Fill, Order, Trade, TradeAction
from trading.positions import money_of

Status = Order.Status
# The words of the progress list.
WORDS = {
    Status.PLANNED: "Waiting to be sent",
    Status.DENIED: "Not sent",
    Status.SUBMITTING: "Sending",
    Status.OPEN: "At the venue",
    Status.FILLED: "Filled",
    Status.REJECTED: "Refused by the venue",
    Status.CANCELED: "Nothing filled",
    Status.EXPIRED: "Expired",
    Status.UNKNOWN: "Unknown: being looked up",
    Status.NOT_PLACED: "Never reached the venue",
    Status.PENDING_CANCEL: "Canceling the rest",
}


@dataclass(frozen=True, slots=True)
class LegProgress:
    """One leg as the progress list shows it, all its attempts together; `order_id` is the last one's.

    `price` is the average of its fills, None before the first.
    """

    leg_no: int
    order_id: int
    market_id: int
    title: str
    venue: str
    side: str
    count: Decimal
    limit_price: Decimal
    status: str
    words: str
    reason: str
    filled: Decimal
    price: Decimal | None
    cost: Decimal
    fee: Decimal
    is_final: bool
    # Filled, but the venue has not settled it on chain yet.
    is_settling: bool
    # Sells again what a leg of this trade bought.
    is_way_back: bool = False
    attempts: int = 1
    # An attempt that was held for absent has filled beside another one.
    is_doubled: bool = False

    @property
    def is_unknown(self) -> bool:
        return self.status == Status.UNKNOWN


@dataclass(frozen=True, slots=True)
class TradeProgress:
    """A trade as it stands: `cost` is what fills took or brought, before fees; `reserved` may still be taken.

    Of a trade that was unwound, `cost` is what remains after what the sales brought. `choice` names
    what its owner is asked: "ask", "unwind" or nothing.
    """

    trade_id: UUID
    status: str
    legs: tuple[LegProgress, ...]
    cost: Decimal
    fees: Decimal
    reserved: Decimal
    filled_legs: int
    is_final: bool
    needs_attention: bool
    sentence: str
    choice: str = ""

    @property
    def total(self) -> Decimal:
        return self.cost + self.fees


def trade_progress(trade: Trade) -> TradeProgress:
    """Compute how a trade stands. Three queries, whatever the number of legs."""
    orders = list(trade.orders.select_related("market", "market__event").prefetch_related("fills"))
    legs = tuple(_leg(leg, trade) for leg in grouped(orders))
    asked = tuple(leg for leg in legs if not leg.is_way_back)
    full = sum(leg.filled >= leg.count for leg in asked)
    is_final = all(leg.is_final for leg in legs) and not trade.is_held and not _owes_way_back(trade, asked)
    unknown = sum(leg.is_unknown for leg in legs)
    status = _status(trade, legs, is_final=is_final)
    return TradeProgress(
        trade_id=trade.pk,
        status=status,
        legs=legs,
        cost=sum((-leg.cost if leg.is_way_back else leg.cost for leg in legs), ZERO),
        fees=sum((leg.fee for leg in legs), ZERO),
        reserved=sum((order.reserved for order in orders), ZERO),
        filled_legs=full,
        is_final=is_final,
        needs_attention=status == Trade.Status.NEEDS_ATTENTION,
        sentence=_sentence(trade, legs, full=full, unknown=unknown, is_final=is_final),
        choice=trade.hold if trade.is_held and not unknown else "",
    )


def update_trade(*, trade_id: UUID, now: datetime) -> Trade:
    """Write the status that a trade's orders give it; the last one to end finishes it."""
    with transaction.atomic():
        trade = Trade.objects.select_for_update().get(pk=trade_id)
        progress = trade_progress(trade)
        if progress.needs_attention:
            _tell_owner(trade, progress, now)
        if progress.status == trade.status and progress.is_final == (trade.finished_at is not None):
            return trade
        before, trade.status = trade.status, progress.status
        trade.finished_at = now if progress.is_final else None
        trade.save(update_fields=["status", "finished_at"])
        if progress.is_final:
            audit.record(
                action="trade.finished",
                subject=f"trade:{trade.pk}",
                before={"status": before},
                after={"status": trade.status, "cost": str(progress.cost), "fees": str(progress.fees)},
                request_id=trade.request_id,
                at=now,
            )
    return trade


def _tell_owner(trade: Trade, progress: TradeProgress, now: datetime) -> None:
    """Tell a trade's owner what it waits for: once that they must choose, and once that it must be looked at."""
    notify(
        user=trade.user,
        kind=Notification.Kind.TRADE,
        key=f"trade:{trade.pk}:{progress.choice or 'attention'}",
        text=f"{trade.basket.name}: {progress.sentence}",
        url=reverse("trade-detail", args=[trade.pk]),
        now=now,
    )


def _leg(leg: Leg, trade: Trade) -> LegProgress:
    order, fills, filled = leg.last, leg.fills, leg.filled
    cost = sum((money_of(fill.count, fill.price) for fill in fills), ZERO)
    return LegProgress(
        leg_no=leg.leg_no,
        order_id=order.pk,
        market_id=order.market_id,
        title=order.market.question,
        venue=order.market.venue,
        side=order.side,
        count=leg.count,
        limit_price=order.limit_price,
        status=leg.status,
        words=_words(leg),
        reason=order.reason,
        filled=filled,
        price=quantize(cost / filled, 6) if filled else None,
        cost=cost,
        fee=sum((fill.fee for fill in fills), ZERO),
        is_final=leg.has_ended,
        is_settling=any(fill.settlement == Fill.Settlement.MATCHED for fill in fills),
        is_way_back=leg.action != trade.action,
        attempts=len(leg.attempts),
        is_doubled=leg.is_doubled,
    )


def _words(leg: Leg) -> str:
    if leg.has_ended and leg.failed and not leg.is_whole:
        return "Failed on chain, its money is back"
    if leg.status in (Status.CANCELED, Status.EXPIRED, Status.NOT_PLACED, Status.DENIED) and leg.filled:
        return "Partly filled"
    return WORDS[Status(leg.status)]


def _owes_way_back(trade: Trade, asked: Sequence[LegProgress]) -> bool:
    """Tell whether the trade promised a way back that was not priced yet."""
    return (
        trade.policy == Trade.Policy.ALL_OR_UNWIND
        and trade.hold == Trade.Hold.NONE
        and any(leg.filled for leg in asked)
        and any(leg.is_final and leg.filled < leg.count for leg in asked)
    )


def _status(trade: Trade, legs: Sequence[LegProgress], *, is_final: bool) -> str:
    asked = [leg for leg in legs if not leg.is_way_back]
    back = [leg for leg in legs if leg.is_way_back]
    if trade.is_held or any(leg.is_unknown for leg in legs):
        return Trade.Status.NEEDS_ATTENTION
    if not is_final:
        untouched = all(leg.status == Status.PLANNED for leg in legs)
        return Trade.Status.CONFIRMED if untouched else Trade.Status.EXECUTING
    if any(leg.is_doubled for leg in legs):
        return Trade.Status.NEEDS_ATTENTION
    if back:
        return Trade.Status.NEEDS_ATTENTION if _left(legs) else Trade.Status.UNWOUND
    if all(leg.filled >= leg.count for leg in asked):
        return Trade.Status.COMPLETE
    return Trade.Status.PARTIAL if any(leg.filled for leg in asked) else Trade.Status.ABORTED


def _left(legs: Sequence[LegProgress]) -> Decimal:
    """Return the contracts that a way back has not sold again."""
    return sum((-leg.filled if leg.is_way_back else leg.filled for leg in legs), ZERO)


def _sentence(trade: Trade, legs: Sequence[LegProgress], *, full: int, unknown: int, is_final: bool) -> str:
    verb = "bought" if trade.action == TradeAction.BUY else "sold"
    asked = [leg for leg in legs if not leg.is_way_back]
    if unknown:
        return (
            f"{unknown} of {len(legs)} legs {'is' if unknown == 1 else 'are'} unknown: the venue did not answer. "
            "It is being asked; nothing is sent twice."
        )
    if trade.is_held:
        return _held_sentence(trade, asked, verb=verb, full=full)
    if not is_final:
        if len(asked) < len(legs):
            return "Not every leg could be had, so what was bought is being sold again."
        return f"{sum(leg.is_final for leg in legs)} of {len(legs)} legs have ended."
    doubled = [leg for leg in legs if leg.is_doubled]
    if doubled:
        more = sum((leg.filled - leg.count for leg in doubled), ZERO)
        return (
            f"The venue had an order that it did not list when it was asked, and the leg was sent again: "
            f"{more.normalize():f} contracts more than you asked for were {verb}. They are yours; sell or keep them."
        )
    if len(asked) < len(legs):
        left = _left(legs)
        if left:
            return f"The way back is incomplete: {left.normalize():f} contracts are still yours. Sell or keep them."
        return "Not every leg could be had, so what was bought was sold again."
    if full == len(asked):
        return f"Every leg was {verb} whole."
    if any(leg.filled for leg in asked):
        return f"{full} of {len(asked)} legs were {verb} whole; what did not fill was not paid for."
    return "Nothing was filled, and nothing was paid."


def _held_sentence(trade: Trade, asked: Sequence[LegProgress], *, verb: str, full: int) -> str:
    """Say what a held trade's owner must choose."""
    short = sum(leg.is_final and leg.filled < leg.count for leg in asked)
    if trade.hold == Trade.Hold.UNWIND:
        return (
            f"{full} of {len(asked)} legs were {verb} whole. Selling again what was bought would lose more than may "
            "be lost without asking: choose below."
        )
    waiting = sum(leg.status == Status.PLANNED for leg in asked)
    if not short:
        return f"{waiting} of {len(asked)} legs wait unsent, as their venue takes no orders now: choose below."
    return (
        f"{short} of {len(asked)} legs ended without all that was asked for, so {waiting} "
        f"{'waits' if waiting == 1 else 'wait'} unsent: choose below."
    )
