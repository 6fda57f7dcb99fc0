"""The double-entry ledger: every event moves cash and says what for, and the two are exactly zero together.

Fills and results are the facts; the ledger books, with each new fact, what it changes in the fold of
all of them (holdings.py). So its balances are always those that the facts give from empty, in whatever
order they came, and nothing is ever edited: what came late is booked late.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Sum

from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Venue
from markets.models import Market
from trading.holdings import Deal, Holder, Holding, Outcome, fold, money_of
from trading.models import CashEntry, Fill, LedgerLine, TradeAction, VenueAccount

Book, Kind = LedgerLine.Book, CashEntry.Kind
# A book of one holder, with its money and its contracts.
Place = tuple[int, str, str]
Balance = tuple[Decimal, Decimal]
NOTHING: Balance = (ZERO, ZERO)


class OutOfBalance(Exception):
    """An entry whose cash and lines are not zero together; nothing of it is stored."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to book."""

    book: str
    amount: Decimal
    count: Decimal = ZERO
    basket_id: int | None = None
    side: str = ""


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """An account's books at a moment; `total` is cash and all books together, which is zero."""

    cash: Decimal
    books: Mapping[str, Decimal]

    @property
    def total(self) -> Decimal:
        return self.cash + sum(self.books.values(), ZERO)


def trial_balance(account: VenueAccount, at: datetime | None = None) -> TrialBalance:
    """Sum an account's books as they stood at a moment, or as they stand."""
    entries = CashEntry.objects.filter(account=account)
    lines = LedgerLine.objects.filter(entry__account=account)
    if at is not None:
        entries, lines = entries.filter(at__lte=at), lines.filter(entry__at__lte=at)
    told = dict(lines.order_by("book").values_list("book").annotate(sum=Sum("amount")).values_list("book", "sum"))
    cash = entries.aggregate(sum=Sum("amount"))["sum"] or ZERO
    return TrialBalance(cash=cash, books={book.value: told.get(book.value, ZERO) for book in Book})


def post(
    *,
    account: VenueAccount,
    kind: str,
    amount: Decimal,
    reference: str,
    at: datetime,
    lines: Sequence[Line],
    fill: Fill | None = None,
    market: Market | None = None,
    payout: Decimal | None = None,
) -> CashEntry:
    """Append one entry with its lines. A reference is booked once an account; a second time raises IntegrityError."""
    total = amount + sum((line.amount for line in lines), ZERO)
    if total:
        raise OutOfBalance(f"{reference} is out by {total}: expected cash and lines to be zero together.")
    with transaction.atomic():
        entry = CashEntry.objects.create(
            account=account,
            kind=kind,
            amount=amount,
            fill=fill,
            market=market,
            payout=payout,
            reference=reference,
            at=at,
        )
        LedgerLine.objects.bulk_create(
            LedgerLine(
                entry=entry,
                book=line.book,
                amount=line.amount,
                count=line.count,
                basket_id=line.basket_id,
                side=line.side,
            )
            for line in lines
            if line.amount or line.count
        )
    return entry


def open_ledger(*, account: VenueAccount, cash: Decimal, now: datetime) -> None:
    """Book an account's opening balance, once; what comes second finds it there."""
    lines = [Line(Book.EQUITY, -cash)]
    if not CashEntry.objects.filter(account=account, reference="opening").exists():
        with suppress(IntegrityError):
            post(account=account, kind=Kind.OPENING, amount=cash, reference="opening", at=now, lines=lines)


def ledger_cash(account: VenueAccount) -> Decimal:
    """Return the cash that an account's ledger says is there."""
    return CashEntry.objects.filter(account=account).aggregate(sum=Sum("amount"))["sum"] or ZERO


def nets(market: Market) -> bool:
    """Tell whether its venue pays YES and NO together at once: Kalshi keeps one signed count a market."""
    return market.venue == Venue.KALSHI


def must_claim(account: VenueAccount, market: Market) -> bool:
    """Tell whether a result's money waits until its owner redeems it: on chain, at Polymarket."""
    return market.venue == Venue.POLYMARKET and not account.is_paper


def deal_of(fill: Fill) -> Deal:
    """Return a fill as the arithmetic needs it; read it with its order and trade."""
    order = fill.order
    return Deal(
        basket_id=order.trade.basket_id,
        side=order.side,
        is_buy=order.action == TradeAction.BUY,
        count=fill.count,
        price=fill.price,
        fee=fill.fee,
        at=fill.at,
        name=f"{order.client_id}:{fill.venue_trade_id}",
    )


def places_of(outcome: Outcome) -> dict[Place, Balance]:
    """Return the balances that an outcome means, book by book."""
    found: dict[Place, Balance] = {}
    for (basket_id, side), holding in outcome.holdings.items():
        for book, amount, count in (
            (Book.POSITION, holding.paid, holding.count),
            (Book.CARRIED, holding.carried, ZERO),
            (Book.FEES, holding.spent, ZERO),
            (Book.REALISED, -holding.proceeds, ZERO),
        ):
            if amount or count:
                found[basket_id, side, book.value] = (amount, count)
    return found


def holdings_in(balances: Mapping[Place, Balance]) -> dict[Holder, Holding]:
    """Return the holdings that balances mean: what `places_of` does, the other way."""
    found: dict[Holder, Holding] = {}
    for basket_id, side in {(basket_id, side) for basket_id, side, _ in balances}:
        paid, count = balances.get((basket_id, side, Book.POSITION.value), NOTHING)
        found[basket_id, side] = Holding(
            count=count,
            paid=paid,
            carried=balances.get((basket_id, side, Book.CARRIED.value), NOTHING)[0],
            proceeds=-balances.get((basket_id, side, Book.REALISED.value), NOTHING)[0],
            spent=balances.get((basket_id, side, Book.FEES.value), NOTHING)[0],
        )
    return found


class MarketLedger:
    """One market on one account: its facts, and what the ledger has booked of them. Use it under the account's lock."""

    def __init__(self, account: VenueAccount, market: Market) -> None:
        self.account = account
        self.market = market
        fills = Fill.objects.filter(account=account, order__market=market).select_related("order__trade")
        self._deals = {fill.pk: deal_of(fill) for fill in fills.exclude(settlement=Fill.Settlement.FAILED)}
        told = CashEntry.objects.filter(account=account, market=market, payout__isnull=False).order_by("id")
        # What YES pays, once a settlement or a correction said so; the last one holds.
        self.results: list[Decimal] = [payout for payout in told.values_list("payout", flat=True) if payout is not None]
        lines = LedgerLine.objects.filter(entry__account=account, entry__market=market).order_by()
        self.balances: dict[Place, Balance] = {}
        self.claimable = ZERO
        for basket_id, side, book, amount, count in lines.values_list("basket_id", "side", "book").annotate(
            money=Sum("amount"), contracts=Sum("count")
        ):
            if book == Book.CLAIMABLE:
                self.claimable = amount
            elif basket_id is not None:
                self.balances[basket_id, side, book] = (amount, count)

    @property
    def payout(self) -> Decimal | None:
        """What YES pays, as it was last booked."""
        return self.results[-1] if self.results else None

    def holdings(self) -> dict[Holder, Holding]:
        return holdings_in(self.balances)

    def facts(self) -> Outcome:
        """Fold all facts from empty."""
        return fold(self._deals.values(), nets=nets(self.market), payout=self.payout)

    def add_fill(self, fill: Fill, *, at: datetime) -> Decimal:
        """Book a new fill and its fee, then what else it changes; returns the fill's own cash, fee included.

        What else: pairs that the venue pays out, or, where the market has settled, what it pays.
        """
        deal = deal_of(fill)
        self._deals[fill.pk] = deal
        rest = self._rest()
        holder = (deal.basket_id, deal.side)
        if deal.fee:
            fee = {(*holder, (Book.CARRIED if deal.is_buy else Book.FEES).value): (deal.fee, ZERO)}
            self._book(Kind.FEE, -deal.fee, f"fee:{fill.pk}", fee, at=fill.at, fill=fill)
            rest = _less(rest, fee)
        money = money_of(deal.count, deal.price)
        cash = -money if deal.is_buy else money
        alone = -cash == sum((amount for amount, _ in rest.values()), ZERO)
        if alone:
            own = rest
        elif deal.is_buy:
            own = {(*holder, Book.POSITION.value): (money, deal.count)}
        else:
            own = {
                (*holder, Book.POSITION.value): (ZERO, -deal.count),
                (*holder, Book.REALISED.value): (-money, ZERO),
            }
        self._book(Kind.FILL, cash, f"fill:{fill.pk}", own, at=fill.at, fill=fill)
        if not alone:
            self._book_rest(_less(rest, own), reference=f"netting:{fill.pk}", at=at)
        return cash - deal.fee

    def take_back(self, fill: Fill, *, at: datetime) -> Decimal:
        """Book that a fill failed after all: its cash comes back, and what followed from it is undone."""
        deal = self._deals.pop(fill.pk)
        money = money_of(deal.count, deal.price)
        cash = (money if deal.is_buy else -money) + deal.fee
        rest = self._rest()
        holder = (deal.basket_id, deal.side)
        own = rest
        if -cash != sum((amount for amount, _ in rest.values()), ZERO):
            book = Book.POSITION if deal.is_buy else Book.REALISED
            own = {
                (*holder, book.value): (-cash + deal.fee, -deal.count if deal.is_buy else ZERO),
                (*holder, (Book.CARRIED if deal.is_buy else Book.FEES).value): (-deal.fee, ZERO),
            }
        self._book(Kind.REVERSAL, cash, f"reversal:{fill.pk}", own, at=at, fill=fill)
        if own is not rest:
            self._book_rest(_less(rest, own), reference=f"netting:reversal:{fill.pk}", at=at)
        return cash

    def settle(self, payout: Decimal, *, at: datetime) -> Decimal | None:
        """Book what a result pays beyond what was booked; None where that is nothing. A second run books nothing."""
        is_corrected = bool(self.results) and payout != self.payout
        self.results.append(payout)
        rest = self._rest()
        if not rest:
            return None
        return self._pay(rest, at=at, is_corrected=is_corrected)

    def restate(self, *, at: datetime) -> Decimal:
        """Bring the books to the facts, where rows from before this ledger differ; returns the cash that moved."""
        rest = self._rest()
        cash = -sum((amount for amount, _ in rest.values()), ZERO)
        if rest:
            count = CashEntry.objects.filter(account=self.account, kind=Kind.RESTATED).count()
            self._book(Kind.RESTATED, cash, f"restated:{self.market.pk}:{count + 1}", rest, at=at)
        return cash

    def redeem(self, *, at: datetime) -> Decimal:
        """Book that what was claimable has become cash."""
        amount, self.claimable = self.claimable, ZERO
        count = CashEntry.objects.filter(account=self.account, market=self.market, kind=Kind.REDEMPTION).count()
        self._post(
            Kind.REDEMPTION, amount, f"redemption:{self.market.pk}:{count + 1}", [Line(Book.CLAIMABLE, -amount)], at=at
        )
        return amount

    def _rest(self) -> dict[Place, Balance]:
        """Return what is still to book so that the books are what the facts give."""
        return _less(places_of(self.facts()), self.balances)

    def _book_rest(self, rest: dict[Place, Balance], *, reference: str, at: datetime) -> None:
        """Book what a fact changed besides itself: pairs, or in a settled market its payout."""
        if self.results:
            self._pay(rest, at=at, is_corrected=False)
            return
        cash = -sum((amount for amount, _ in rest.values()), ZERO)
        self._book(Kind.NETTING, cash, reference, rest, at=at)

    def _pay(self, rest: dict[Place, Balance], *, at: datetime, is_corrected: bool) -> Decimal:
        paid = -sum((amount for amount, _ in rest.values()), ZERO)
        lines = _lines(rest)
        cash = paid
        if must_claim(self.account, self.market):
            cash, self.claimable = ZERO, self.claimable + paid
            lines.append(Line(Book.CLAIMABLE, paid))
        before = CashEntry.objects.filter(account=self.account, market=self.market, payout__isnull=False).count()
        kind = Kind.CORRECTION if is_corrected else Kind.SETTLEMENT
        self._post(kind, cash, f"settlement:{self.market.pk}:{before + 1}", lines, at=at, payout=self.payout)
        self._take(rest)
        return paid

    def _book(
        self, kind: str, amount: Decimal, reference: str, places: dict[Place, Balance], *, at: datetime,
        fill: Fill | None = None,
    ) -> None:  # fmt: skip
        self._post(kind, amount, reference, _lines(places), at=at, fill=fill)
        self._take(places)

    def _post(
        self, kind: str, amount: Decimal, reference: str, lines: Sequence[Line], *, at: datetime,
        fill: Fill | None = None, payout: Decimal | None = None,
    ) -> None:  # fmt: skip
        post(
            account=self.account,
            kind=kind,
            amount=amount,
            reference=reference,
            at=at,
            lines=lines,
            fill=fill,
            market=self.market,
            payout=payout,
        )
        self.account.cash += amount

    def _take(self, places: dict[Place, Balance]) -> None:
        for place, (amount, count) in places.items():
            has_amount, has_count = self.balances.get(place, NOTHING)
            self.balances[place] = (has_amount + amount, has_count + count)


def _less(wanted: Mapping[Place, Balance], there: Mapping[Place, Balance]) -> dict[Place, Balance]:
    """Return wanted less there, without what is nothing."""
    found: dict[Place, Balance] = {}
    for place in sorted({*wanted, *there}):
        amount, count = wanted.get(place, NOTHING)
        less_amount, less_count = there.get(place, NOTHING)
        if amount != less_amount or count != less_count:
            found[place] = (amount - less_amount, count - less_count)
    return found


def _lines(places: Mapping[Place, Balance]) -> list[Line]:
    return [
        Line(book=book, amount=amount, count=count, basket_id=basket_id, side=side)
        for (basket_id, side, book), (amount, count) in places.items()
    ]
