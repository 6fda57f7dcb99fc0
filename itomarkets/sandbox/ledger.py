"""Accounts' cash and positions: what one fill, settlement or transfer does to them. Exact Decimals throughout."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from .model import KALSHI, NET, NO, ONE, YES, ZERO, SandboxMarket, ceil_money, floor_money
from .store import Fill, Order, Position, Settlement, Store, Transfer

CENTI_CENT = Decimal("0.0001")
FIFTH_PLACE = Decimal("0.00001")
PositionKey = tuple[str, str, str, str]


class Ledger:
    """The cash per (account, venue, shard) and the positions, in memory, written through to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cash: dict[tuple[str, str], dict[int, Decimal]] = {}
        self._positions: dict[PositionKey, Position] = {}
        for account_id, venue, shard, amount in store.cash():
            self._cash.setdefault((account_id, venue), {})[shard] = amount
        for position in store.rows(Position):
            self._positions[_key(position)] = position

    def shards(self, account_id: str, venue: str) -> dict[int, Decimal]:
        """Return an account's cash per shard, reserved or not."""
        return dict(sorted(self._cash.get((account_id, venue), {}).items()))

    def credit(self, account_id: str, venue: str, shard: int, amount: Decimal) -> None:
        """Add cash (a negative amount takes it)."""
        shards = self._cash.setdefault((account_id, venue), {})
        shards[shard] = shards.get(shard, ZERO) + amount
        self._store.save_cash(account_id, venue, shard, shards[shard])

    def transfer(self, transfer: Transfer, venue: str) -> None:
        """Move cash between shards, once a client id."""
        with self._store.transaction():
            self._store.save(transfer)
            self.credit(transfer.account_id, venue, transfer.source, -transfer.amount)
            self.credit(transfer.account_id, venue, transfer.destination, transfer.amount)

    def position(self, account_id: str, venue: str, market_key: str, token: str) -> Position | None:
        return self._positions.get((account_id, venue, market_key, token))

    def open_positions(self) -> list[Position]:
        """Return every position with a quantity."""
        return [position for position in self._positions.values() if position.quantity != 0]

    def apply(
        self,
        order: Order,
        market: SandboxMarket,
        price: Decimal,
        size: Decimal,
        now: datetime,
        *,
        is_taker: bool,
        pays: Decimal,
    ) -> tuple[Decimal, Decimal]:
        """Book one fill on its owner's cash and position; return (fee, dollars that the contracts cost).

        A net buy first closes NO (each pair is worth $1), then opens YES; a net sell the reverse.
        """
        key = (order.account_id, order.venue, order.market_key, order.token)
        position = self._positions.get(key) or _empty(order, market, pays, now)
        if order.token == NET:
            signed = size if order.side == "buy" else -size
            cash, each = self._net(position, signed, price)
        else:
            each = price if order.token == YES else ONE - price
            buys = (order.side == "buy") == (order.token == YES)
            cash = self._token(position, size if buys else -size, each)
        fee, cash = _charge(order.venue, market, price, size, cash, is_taker=is_taker)
        position.fees += fee
        position.traded += each * size
        position.updated_at = now
        position.settled_at = None
        self._positions[key] = position
        self._store.save(position)
        self.credit(order.account_id, order.venue, order.exchange_index, cash)
        return fee, each * size

    def undo(self, fill: Fill, order: Order, now: datetime) -> None:
        """Take one fill of a token back, fee and all: its match failed on chain."""
        position = self._positions[(fill.account_id, fill.venue, fill.market_key, fill.token)]
        each = fill.price if fill.token == YES else ONE - fill.price
        signed = fill.size if order.spends_cash else -fill.size
        # What was bought at a price goes at the same price: nothing is realised.
        if signed > 0 and position.quantity:
            position.cost -= position.cost * min(ONE, signed / position.quantity)
        elif signed < 0:
            position.cost -= signed * each
        position.quantity -= signed
        position.fees -= fill.fee
        position.traded -= each * fill.size
        position.updated_at = now
        self._store.save(position)
        self.credit(fill.account_id, fill.venue, fill.exchange_index, -floor_money(-signed * each - fill.fee))

    def settle(self, position: Position, outcome: Decimal, at: datetime) -> None:
        """Pay a position what YES (or NO: one less that) is worth and close it."""
        held = position.quantity
        short = position.token == NO or held < 0
        payout = abs(held) * (ONE - outcome if short else outcome)
        payout = floor_money(payout)
        self._store.save(
            Settlement(
                account_id=position.account_id,
                venue=position.venue,
                market_key=position.market_key,
                event_key=position.event_key,
                token=position.token,
                exchange_index=position.exchange_index,
                quantity=held,
                cost=position.cost,
                payout=payout,
                value=outcome,
                fees=position.fees,
                at=at,
            )
        )
        position.realized += payout - position.cost
        position.quantity = ZERO
        position.cost = ZERO
        position.settled_at = at
        position.updated_at = at
        self._store.save(position)
        self.credit(position.account_id, position.venue, position.exchange_index, payout)

    @staticmethod
    def _net(position: Position, signed: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
        """Move a signed YES count; return (cash before fees, dollars of one contract on the side bought)."""
        held = position.quantity
        each = price if signed > 0 else ONE - price
        closing = min(abs(held), abs(signed)) if held * signed < 0 else ZERO
        cash = closing * (ONE - each)
        if closing:
            freed = position.cost * closing / abs(held)
            position.cost -= freed
            position.realized += cash - freed
        opening = abs(signed) - closing
        position.cost += opening * each
        position.quantity += signed
        if position.quantity == 0:
            position.cost = ZERO
        return cash - opening * each, each

    @staticmethod
    def _token(position: Position, signed: Decimal, each: Decimal) -> Decimal:
        """Move units of a token; return the cash before fees."""
        if signed < 0:
            freed = position.cost * -signed / position.quantity
            position.cost -= freed
            position.realized += -signed * each - freed
        else:
            position.cost += signed * each
        position.quantity += signed
        if position.quantity == 0:
            position.cost = ZERO
        return -signed * each


def _charge(
    venue: str, market: SandboxMarket, price: Decimal, size: Decimal, cash: Decimal, *, is_taker: bool
) -> tuple[Decimal, Decimal]:
    """Return (fee, the balance change with it), rounded as the venue rounds."""
    raw = market.fee.raw(price, size, taker=is_taker)
    if venue == KALSHI:
        change = floor_money(cash - ceil_money(raw, CENTI_CENT), CENTI_CENT)
        return cash - change, change
    fee = max(raw.quantize(FIFTH_PLACE, rounding=ROUND_HALF_EVEN), FIFTH_PLACE) if raw > 0 else ZERO
    change = floor_money(cash - fee)
    return fee, change


def _empty(order: Order, market: SandboxMarket, pays: Decimal, now: datetime) -> Position:
    return Position(
        account_id=order.account_id,
        venue=order.venue,
        market_key=order.market_key,
        event_key=order.event_key,
        token=order.token,
        exchange_index=order.exchange_index,
        quantity=ZERO,
        cost=ZERO,
        realized=ZERO,
        fees=ZERO,
        traded=ZERO,
        updated_at=now,
        settles_at=market.settle_at,
        pays=pays,
    )


def _key(position: Position) -> PositionKey:
    return position.account_id, position.venue, position.market_key, position.token
