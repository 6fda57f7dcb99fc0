"""Results into money: a resolved market pays once, a corrected one the difference; what is won on chain is claimed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Side, Venue
from itomarkets.records import audit
from markets.models import Market
from markets.quotes import demand_quotes
from trading.ledger import MarketLedger, ledger_cash
from trading.models import CashEntry, LedgerLine, Order, Position, VenueAccount
from trading.positions import write_positions
from trading.states import AT_VENUE

DEMAND_SOURCE = "trading:positions"
# Each pass asks for the quotes of what is held until well after the next one.
DEMAND_LIFE = timedelta(minutes=15)
DECIDED = (Market.Status.RESOLVED, Market.Status.VOID)


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What one pass paid. `waiting` positions are resolved but have an order that may still fill."""

    settled: int
    paid: Decimal
    waiting: int
    demanded: int
    corrected: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What a market's result paid an account: how many positions it closed, and whether it corrects an earlier one."""

    positions: int
    paid: Decimal
    is_correction: bool = False


def settle_positions(*, now: datetime) -> SettleReport:
    """Pay out every position in a resolved market, and keep asking for the quotes of the others.

    Safe to run twice or beside itself: what was paid is in the ledger, and only the rest is booked.
    """
    for account_id, market_id in _pairs_from_before():
        _net(account_id=account_id, market_id=market_id, now=now)
    settled = waiting = corrected = 0
    paid = ZERO
    for account_id, market_id in _due():
        done = settle(account_id=account_id, market_id=market_id, now=now)
        if done is None:
            waiting += Position.objects.filter(account=account_id, market=market_id, count__gt=0).count()
        else:
            settled += done.positions
            corrected += done.is_correction
            paid += done.paid
    held = sorted(set(Position.objects.filter(count__gt=0).values_list("market_id", flat=True)))
    if held:
        demand_quotes(market_ids=held, source=DEMAND_SOURCE, until=now + DEMAND_LIFE)
    return SettleReport(settled=settled, paid=paid, waiting=waiting, demanded=len(held), corrected=corrected)


def settle(*, account_id: int, market_id: int, now: datetime) -> Settled | None:
    """Pay out what an account holds of one market; returns None while an order on it may still fill.

    A result that was paid already and reads otherwise now is booked as a correction: the difference.
    """
    with transaction.atomic():
        account = VenueAccount.objects.select_for_update().get(pk=account_id)
        market = Market.objects.get(pk=market_id)
        if market.payout is None or market.status not in DECIDED:
            return Settled(0, ZERO)
        # One that was never sent cannot fill any more: its claim locks this account and asks for an open market.
        if Order.objects.filter(account=account, market=market, status__in=AT_VENUE).exists():
            return None
        ledger = MarketLedger(account, market)
        before = ledger.payout
        held = {holder: holding for holder, holding in ledger.holdings().items() if holding.count}
        paid = ledger.settle(market.payout, at=now)
        if paid is None:
            return Settled(0, ZERO)
        account.save(update_fields=["cash"])
        write_positions(ledger, now=now, settled_at=now)
        is_correction = before is not None and before != market.payout
        audit.record(
            action="market.corrected" if is_correction else "market.settled",
            subject=f"account:{account.pk}",
            before={"payout": str(before)} if is_correction else {},
            after={
                "market": str(market),
                "payout": str(market.payout),
                "paid": str(paid),
                "closed": {f"{basket_id}:{side}": str(held[basket_id, side].count) for basket_id, side in sorted(held)},
            },
            at=now,
        )
    return Settled(len(held), paid, is_correction)


def claims_of(accounts: Sequence[VenueAccount]) -> dict[tuple[int, int], Decimal]:
    """Return what accounts have won and not redeemed yet, by (account, market), oldest first."""
    lines = LedgerLine.objects.filter(entry__account__in=accounts, book=LedgerLine.Book.CLAIMABLE)
    sums: dict[tuple[int, int], Decimal] = {}
    for account_id, market_id, amount in lines.order_by("entry_id").values_list(
        "entry__account_id", "entry__market_id", "amount"
    ):
        sums[account_id, market_id] = sums.get((account_id, market_id), ZERO) + amount
    return {key: amount for key, amount in sums.items() if amount > 0}


def book_redemptions(
    *, account: VenueAccount, told_cash: Decimal, told: Mapping[int, Decimal], now: datetime
) -> Decimal:
    """Turn claims into cash where the venue shows both: no contract of the market left, and the money there.

    `told_cash` and `told` are the venue's cash and net counts, read together. Returns what was redeemed.
    """
    redeemed = ZERO
    with transaction.atomic():
        row = VenueAccount.objects.select_for_update().get(pk=account.pk)
        room = told_cash - ledger_cash(row)
        for (_, market_id), amount in claims_of([row]).items():
            if amount > room or told.get(market_id):
                continue
            taken = MarketLedger(row, Market.objects.get(pk=market_id)).redeem(at=now)
            room -= taken
            redeemed += taken
        if redeemed:
            audit.record(
                action="account.redeemed", subject=f"account:{row.pk}", after={"redeemed": str(redeemed)}, at=now
            )
    return redeemed


def _due() -> list[tuple[int, int]]:
    """Return (account, market) of what is resolved and still held, and of what was paid by another result."""
    resolved = Position.objects.filter(count__gt=0, market__payout__isnull=False, market__status__in=DECIDED)
    paid = CashEntry.objects.filter(payout__isnull=False, market__payout__isnull=False, market__status__in=DECIDED)
    otherwise = paid.exclude(payout=F("market__payout"))
    return sorted({
        *resolved.values_list("account_id", "market_id"),
        *((account_id, market_id) for account_id, market_id in otherwise.values_list("account_id", "market_id")),
    })  # fmt: skip


def _pairs_from_before() -> list[tuple[int, int]]:
    """Return (account, market) with both sides where the venue nets: booked before the ledger did the same."""
    held = Position.objects.filter(count__gt=0, market__venue=Venue.KALSHI)
    yes = set(held.filter(side=Side.YES).values_list("account_id", "market_id"))
    return sorted(yes & set(held.filter(side=Side.NO).values_list("account_id", "market_id"))) if yes else []


def _net(*, account_id: int, market_id: int, now: datetime) -> None:
    with transaction.atomic():
        account = VenueAccount.objects.select_for_update().get(pk=account_id)
        ledger = MarketLedger(account, Market.objects.get(pk=market_id))
        if ledger.restate(at=now) and account.is_paper:
            account.save(update_fields=["cash"])
        write_positions(ledger, now=now)
