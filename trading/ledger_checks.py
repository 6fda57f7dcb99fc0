"""Does the ledger hold? Entries against zero, fills against entries, books against facts, positions against books."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import Coalesce

from itomarkets.lib.rounding import ZERO
from trading.holdings import Holder, Holding, fold, money_of
from trading.ledger import NOTHING, Balance, Book, Kind, Place, deal_of, holdings_in, nets, places_of, trial_balance
from trading.models import CashEntry, Fill, LedgerLine, Position, TradeAction, VenueAccount
from trading.states import FINAL

OF_A_FILL = (Kind.FILL, Kind.FEE, Kind.REVERSAL)


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What verifying found: how much was looked at, and the imbalances as sentences, the first one first."""

    accounts: int
    entries: int
    imbalances: tuple[str, ...]


def verify_ledger() -> LedgerReport:
    """Verify every account's ledger."""
    imbalances: list[str] = []
    accounts = VenueAccount.objects.order_by("pk")
    for account in accounts:
        imbalances += verify_account(account)
    return LedgerReport(len(accounts), CashEntry.objects.count(), tuple(imbalances))


def verify_account(account: VenueAccount) -> list[str]:
    """Say what does not hold in one account's ledger; empty where all of it holds. A fixed number of queries.

    1. Cash and lines of each entry are zero together, and so are all books.
    2. Each fill has moved its price and its fee once, a failed one nothing.
    3. Folding all facts from empty gives the books, and the books give the positions.
    4. Nothing is reserved below zero, or for an order that has ended; a paper account's cash is its ledger's.
    """
    return [f"{account} ({account.pk}): {sentence}" for check in CHECKS for sentence in check(account)]


def entries_are_zero(account: VenueAccount) -> Iterator[str]:
    entries = CashEntry.objects.filter(account=account).order_by("pk")
    totals = entries.annotate(
        total=Coalesce(Sum("lines__amount"), ZERO, output_field=CashEntry._meta.get_field("amount"))
    )
    for pk, reference, amount, total in totals.values_list("pk", "reference", "amount", "total"):
        if amount + total:
            yield f"entry {pk} ({reference}) is out by {amount + total}."
    total = trial_balance(account).total
    if total:
        yield f"cash and all books together are {total}; expected exactly zero."


def fills_have_moved_their_money(account: VenueAccount) -> Iterator[str]:
    moved = dict(
        CashEntry.objects.filter(account=account, fill__isnull=False, kind__in=OF_A_FILL)
        .order_by("fill")
        .values_list("fill")
        .annotate(sum=Sum("amount"))
        .values_list("fill", "sum")
    )
    for fill in Fill.objects.filter(account=account).select_related("order").order_by("pk"):
        money = money_of(fill.count, fill.price)
        money = (-money if fill.order.action == TradeAction.BUY else money) - fill.fee
        expected = ZERO if fill.settlement == Fill.Settlement.FAILED else money
        found = moved.get(fill.pk)
        if found != expected and (found is not None or expected):
            yield f"fill {fill.pk} ({fill.venue_trade_id}) has moved {found} of cash; expected {expected}."


def facts_give_the_books(account: VenueAccount) -> Iterator[str]:
    markets: dict[int, list[Fill]] = {}
    payouts: dict[int, Decimal | None] = {}
    fills = Fill.objects.filter(account=account).exclude(settlement=Fill.Settlement.FAILED)
    for fill in fills.select_related("order__trade", "order__market"):
        markets.setdefault(fill.order.market_id, []).append(fill)
    told = CashEntry.objects.filter(account=account, payout__isnull=False).order_by("pk")
    for market_id, payout in told.values_list("market_id", "payout"):
        payouts[market_id] = payout
    books = _books(account)
    holdings: dict[tuple[int, Holder], Holding] = {}
    for market_id in sorted({*markets, *books}):
        own = markets.get(market_id, [])
        netted = bool(own) and nets(own[0].order.market)
        wanted = places_of(fold(map(deal_of, own), nets=netted, payout=payouts.get(market_id)))
        there = books.get(market_id, {})
        for place in sorted({*wanted, *there}):
            if wanted.get(place, NOTHING) != there.get(place, NOTHING):
                yield (
                    f"market {market_id}, basket {place[0]} {place[1]}: the book {place[2]} holds "
                    f"{there.get(place, NOTHING)}; its fills give {wanted.get(place, NOTHING)}."
                )
        holdings |= {(market_id, holder): holding for holder, holding in holdings_in(there).items()}
    for row in Position.objects.filter(account=account).order_by("pk"):
        held = holdings.pop((row.market_id, (row.basket_id, row.side)), Holding())
        if (row.count, row.cost, row.fees, row.realised) != (held.count, held.cost, held.fees, held.realised):
            yield (
                f"position {row.pk} says {row.count} for {row.cost}, realised {row.realised}; "
                f"the books {held.count} for {held.cost}, realised {held.realised}."
            )
    for (market_id, (basket_id, side)), holding in holdings.items():
        if holding != Holding():
            yield f"market {market_id}, basket {basket_id} {side}: in the books, but there is no position."


def _books(account: VenueAccount) -> dict[int, dict[Place, Balance]]:
    found: dict[int, dict[Place, Balance]] = {}
    lines = LedgerLine.objects.filter(entry__account=account, book__in=LedgerLine.OF_A_POSITION).order_by()
    for market_id, basket_id, side, book, money, contracts in lines.values_list(
        "entry__market", "basket", "side", "book"
    ).annotate(money=Sum("amount"), contracts=Sum("count")):
        if money or contracts:
            found.setdefault(market_id, {})[basket_id, side, book] = (money, contracts)
    return found


def nothing_is_held_for_nothing(account: VenueAccount) -> Iterator[str]:
    for order in account.orders.filter(reserved__lt=0):
        yield f"order {order.pk} reserves {order.reserved}, which is below zero."
    for order in account.orders.filter(status__in=FINAL, reserved__gt=0):
        yield f"order {order.pk} has ended and still reserves {order.reserved}."
    claimable = trial_balance(account).books[Book.CLAIMABLE]
    if claimable < 0:
        yield f"{claimable} is claimable: more was redeemed than was won."
    if account.is_paper:
        cash = trial_balance(account).cash
        told = VenueAccount.objects.values_list("cash", flat=True).get(pk=account.pk)
        if cash != told:
            yield f"the account says {told} of cash, its ledger {cash}."


CHECKS = (
    entries_are_zero,
    fills_have_moved_their_money,
    facts_give_the_books,
    nothing_is_held_for_nothing,
)
