"""Does the ledger hold? Entries against zero, fills against entries, books against facts, positions against books."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from trading.holdings import Holder, Holding, fold, money_of
from trading.ledger import NOTHING, Balance, Book, Kind, Place, deal_of, holdings_in, nets, places_of
from trading.models import CashEntry, Fill, LedgerLine, Order, Position, TradeAction, VenueAccount
from trading.states import FINAL

OF_A_FILL = (Kind.FILL, Kind.FEE, Kind.REVERSAL)


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What verifying found: how much was looked at, and the imbalances as sentences, the first one first."""

    accounts: int
    entries: int
    imbalances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an account's ledger, with the sum of its lines."""

    pk: int
    reference: str
    kind: str
    amount: Decimal
    fill_id: int | None
    market_id: int | None
    payout: Decimal | None
    lines: Decimal


@dataclass(slots=True)
class Facts:
    """All that one account's ledger must agree with, read at once: each list in the order in which it was written."""

    account: VenueAccount
    orders: list[Order] = field(default_factory=list)
    # Each with its order, trade and market.
    fills: list[Fill] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    # Its books, by their names, and those of positions by market and holder.
    books: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    balances: dict[int, dict[Place, Balance]] = field(default_factory=dict)
    positions: list[Position] = field(default_factory=list)

    @property
    def cash(self) -> Decimal:
        return sum((entry.amount for entry in self.entries), ZERO)


def read_facts(accounts: Sequence[VenueAccount]) -> dict[int, Facts]:
    """Read what accounts' ledgers are checked against, by account id. Five queries for any number of them."""
    found = {account.pk: Facts(account) for account in accounts}
    orders: dict[int, Order] = {}
    for order in Order.objects.filter(account__in=found).select_related("trade", "market").order_by("pk"):
        orders[order.pk] = order
        found[order.account_id].orders.append(order)
    for fill in Fill.objects.filter(account__in=found).order_by("pk"):
        fill.order = orders[fill.order_id]
        found[fill.account_id].fills.append(fill)
    lines = _read_lines(found)
    told = CashEntry.objects.filter(account__in=found).order_by("pk")
    for account_id, pk, reference, kind, amount, fill_id, market_id, payout in told.values_list(
        "account", "pk", "reference", "kind", "amount", "fill", "market", "payout"
    ):
        entry = Entry(pk, reference, kind, amount, fill_id, market_id, payout, lines=lines.get(pk, ZERO))
        found[account_id].entries.append(entry)
    for position in Position.objects.filter(account__in=found).order_by("pk"):
        found[position.account_id].positions.append(position)
    return found


def _read_lines(found: Mapping[int, Facts]) -> dict[int, Decimal]:
    """Add up accounts' lines, book by book; returns the sum of each entry's."""
    sums: dict[int, Decimal] = {}
    lines = LedgerLine.objects.filter(entry__account__in=found).order_by()
    for account_id, market_id, entry_id, basket_id, side, book, amount, count in lines.values_list(
        "entry__account", "entry__market", "entry", "basket", "side", "book", "amount", "count"
    ):
        sums[entry_id] = sums.get(entry_id, ZERO) + amount
        facts = found[account_id]
        facts.books[book] += amount
        if book in LedgerLine.OF_A_POSITION:
            balances = facts.balances.setdefault(market_id, {})
            money, contracts = balances.get((basket_id, side, book), NOTHING)
            balances[basket_id, side, book] = (money + amount, contracts + count)
    return sums


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
    (facts,) = read_facts([account]).values()
    return [f"{account} ({account.pk}): {sentence}" for check in CHECKS for sentence in check(facts)]


def entries_are_zero(facts: Facts) -> Iterator[str]:
    for entry in facts.entries:
        if entry.amount + entry.lines:
            yield f"entry {entry.pk} ({entry.reference}) is out by {entry.amount + entry.lines}."
    total = facts.cash + sum(facts.books.values(), ZERO)
    if total:
        yield f"cash and all books together are {total}; expected exactly zero."


def fills_have_moved_their_money(facts: Facts) -> Iterator[str]:
    moved: dict[int | None, Decimal] = {}
    for entry in facts.entries:
        if entry.kind in OF_A_FILL:
            moved[entry.fill_id] = moved.get(entry.fill_id, ZERO) + entry.amount
    for fill in facts.fills:
        money = money_of(fill.count, fill.price)
        money = (-money if fill.order.action == TradeAction.BUY else money) - fill.fee
        expected = ZERO if fill.settlement == Fill.Settlement.FAILED else money
        found = moved.get(fill.pk)
        if found != expected and (found is not None or expected):
            yield f"fill {fill.pk} ({fill.venue_trade_id}) has moved {found} of cash; expected {expected}."


def facts_give_the_books(facts: Facts) -> Iterator[str]:
    markets: dict[int, list[Fill]] = {}
    for fill in facts.fills:
        if fill.settlement != Fill.Settlement.FAILED:
            markets.setdefault(fill.order.market_id, []).append(fill)
    payouts = {entry.market_id: entry.payout for entry in facts.entries if entry.payout is not None}
    books = {market_id: _not_empty(balances) for market_id, balances in facts.balances.items()}
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
    for row in facts.positions:
        held = holdings.pop((row.market_id, (row.basket_id, row.side)), Holding())
        if (row.count, row.cost, row.fees, row.realised) != (held.count, held.cost, held.fees, held.realised):
            yield (
                f"position {row.pk} says {row.count} for {row.cost}, realised {row.realised}; "
                f"the books {held.count} for {held.cost}, realised {held.realised}."
            )
    for (market_id, (basket_id, side)), holding in holdings.items():
        if holding != Holding():
            yield f"market {market_id}, basket {basket_id} {side}: in the books, but there is no position."


def _not_empty(balances: Mapping[Place, Balance]) -> dict[Place, Balance]:
    return {place: (money, contracts) for place, (money, contracts) in balances.items() if money or contracts}


def nothing_is_held_for_nothing(facts: Facts) -> Iterator[str]:
    for order in facts.orders:
        if order.reserved < 0:
            yield f"order {order.pk} reserves {order.reserved}, which is below zero."
        if order.status in FINAL and order.reserved > 0:
            yield f"order {order.pk} has ended and still reserves {order.reserved}."
    claimable = facts.books.get(Book.CLAIMABLE, ZERO)
    if claimable < 0:
        yield f"{claimable} is claimable: more was redeemed than was won."
    account = facts.account
    if account.is_paper:
        told = VenueAccount.objects.values_list("cash", flat=True).get(pk=account.pk)
        if facts.cash != told:
            yield f"the account says {told} of cash, its ledger {facts.cash}."


CHECKS = (
    entries_are_zero,
    fills_have_moved_their_money,
    facts_give_the_books,
    nothing_is_held_for_nothing,
)
