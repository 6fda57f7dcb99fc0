"""What fills and a result leave of one market on one account: pure arithmetic, the same however the facts were told."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from itomarkets.lib.rounding import ONE, ZERO, quantize
from itomarkets.lib.venues import Side

MONEY_PLACES = 6
# The basket and the side that contracts are held for.
Holder = tuple[int, str]


def money_of(count: Decimal, price: Decimal) -> Decimal:
    """Return contracts times price, to the millionth of a dollar."""
    return quantize(count * price, MONEY_PLACES)


@dataclass(frozen=True, slots=True)
class Holding:
    """The contracts of one side that one basket holds, at average cost, and what came of those that are gone.

    `paid` and `carried` are the price and the fees of what is held; `proceeds` and `spent` the gain
    before fees and the fees of what is gone.
    """

    count: Decimal = ZERO
    paid: Decimal = ZERO
    carried: Decimal = ZERO
    proceeds: Decimal = ZERO
    spent: Decimal = ZERO

    @property
    def cost(self) -> Decimal:
        """What the contracts held cost, fees included."""
        return self.paid + self.carried

    @property
    def fees(self) -> Decimal:
        return self.carried + self.spent

    @property
    def realised(self) -> Decimal:
        """What came of the contracts that are gone, after fees."""
        return self.proceeds - self.spent

    def bought(self, count: Decimal, price: Decimal, fee: Decimal) -> "Holding":
        return self.opened(count, money_of(count, price), fee)

    def opened(self, count: Decimal, money: Decimal, fee: Decimal) -> "Holding":
        return replace(self, count=self.count + count, paid=self.paid + money, carried=self.carried + fee)

    def closed(self, count: Decimal, price: Decimal, fee: Decimal) -> "Holding":
        return self.gone(count, money_of(count, price), fee)

    def gone(self, count: Decimal, money: Decimal, fee: Decimal = ZERO) -> "Holding":
        """Let contracts go for money; their cost leaves in proportion, and wholly with the last one."""
        paid, carried = self.paid, self.carried
        if count < self.count:
            paid = quantize(paid * count / self.count, MONEY_PLACES)
            carried = quantize(carried * count / self.count, MONEY_PLACES)
        return Holding(
            count=max(ZERO, self.count - count),
            paid=self.paid - paid,
            carried=self.carried - carried,
            proceeds=self.proceeds + money - paid,
            spent=self.spent + fee + carried,
        )


@dataclass(frozen=True, slots=True)
class Deal:
    """A fill as the arithmetic needs it. `name` tells apart what one venue tells of one moment."""

    basket_id: int
    side: str
    is_buy: bool
    count: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    name: str

    @property
    def moment(self) -> tuple[datetime, bool, str]:
        """The order of things at the venue: within one moment what is sold had been bought."""
        return self.at, not self.is_buy, self.name


@dataclass(slots=True)
class Outcome:
    """What the deals of one market leave. Money in is positive.

    `pairs` is what the venue paid for YES and NO together, `won` what the result paid.
    """

    holdings: dict[Holder, Holding] = field(default_factory=dict)
    pairs: Decimal = ZERO
    won: Decimal = ZERO


def fold(deals: Iterable[Deal], *, nets: bool, payout: Decimal | None = None) -> Outcome:
    """Fold a market's deals, in the venue's order whatever order they come in; `payout` is what YES pays, once known.

    Where the venue nets, a purchase closes the account's opposite contracts at 1.00 the pair: those of
    its own basket first, then those held longest. The closed ones go at one minus the new price, as
    if sold there, and the new ones at their own price: the pair's dollar is split as the market split it.
    Sales, too, take their own basket's contracts first, then those held longest.
    """
    folding = _Folding(nets=nets)
    for deal in sorted(deals, key=lambda deal: deal.moment):
        if deal.is_buy:
            folding.buy(deal)
        else:
            folding.sell(deal)
    if payout is not None:
        folding.pay(payout)
    return folding.outcome


class _Folding:
    """The state of a fold: holdings in the order in which they were opened."""

    def __init__(self, *, nets: bool) -> None:
        self.outcome = Outcome()
        self._nets = nets
        self._opened: list[Holder] = []
        # Contracts sold that no purchase has brought: one that failed on chain after its sale.
        self._missing: dict[str, Decimal] = {}

    def buy(self, deal: Deal) -> None:
        holder = (deal.basket_id, deal.side)
        self._open(holder, deal.count, money_of(deal.count, deal.price), deal.fee)
        covered = min(deal.count, self._missing.get(deal.side, ZERO))
        if covered:
            self._missing[deal.side] -= covered
            self._close(holder, covered, ZERO)
        if self._nets:
            self._net(deal)

    def sell(self, deal: Deal) -> None:
        left, seller = deal.count, (deal.basket_id, deal.side)
        money_left = money_of(deal.count, deal.price)
        self._change(seller, self._held(seller).gone(ZERO, ZERO, deal.fee))
        for holder in self._holders(deal.side, first=deal.basket_id):
            part = min(left, self._held(holder).count)
            money = money_left if part == left else money_of(part, deal.price)
            self._close(holder, part, money)
            left, money_left = left - part, money_left - money
            if not left:
                return
        if self._nets:
            # Sold beyond what is held: the venue gives a pair for a dollar and keeps one half of it sold.
            self.outcome.pairs -= left
            self._open((deal.basket_id, Side(deal.side).opposite.value), left, left - money_left, ZERO)
        else:
            self._missing[deal.side] = self._missing.get(deal.side, ZERO) + left
            self._change(seller, self._held(seller).gone(ZERO, money_left))

    def pay(self, payout: Decimal) -> None:
        """Close everything at what it pays, rounded down once a side, as venues do."""
        for side, each in ((Side.YES.value, payout), (Side.NO.value, ONE - payout)):
            count = given = ZERO
            for holder in self._holders(side):
                count += self._held(holder).count
                amount = quantize(count * each, MONEY_PLACES, ROUND_FLOOR) - given
                given += amount
                self._close(holder, self._held(holder).count, amount)
            self.outcome.won += given

    def _net(self, deal: Deal) -> None:
        bought = (deal.basket_id, deal.side)
        for holder in self._holders(Side(deal.side).opposite.value, first=deal.basket_id):
            part = min(self._held(holder).count, self._held(bought).count)
            if not part:
                return
            own = money_of(part, deal.price)
            self._close(bought, part, own)
            self._close(holder, part, part - own)
            self.outcome.pairs += part

    def _holders(self, side: str, first: int | None = None) -> list[Holder]:
        own = [holder for holder in self._opened if holder[1] == side]
        return sorted(own, key=lambda holder: holder[0] != first)

    def _held(self, holder: Holder) -> Holding:
        return self.outcome.holdings.get(holder, Holding())

    def _change(self, holder: Holder, holding: Holding) -> None:
        self.outcome.holdings[holder] = holding

    def _open(self, holder: Holder, count: Decimal, money: Decimal, fee: Decimal) -> None:
        self._change(holder, self._held(holder).opened(count, money, fee))
        if holder not in self._opened:
            self._opened.append(holder)

    def _close(self, holder: Holder, count: Decimal, money: Decimal) -> None:
        self._change(holder, self._held(holder).gone(count, money))
        if not self._held(holder).count:
            self._opened.remove(holder)
