"""What must hold whatever an exchange does: our rows against the sandbox's own ledger, to the last digit.

I1 to I7 and I12 read one account, or one trade, and the sandbox's ledger; I8 to I11 judge what arrived
at the exchanges and stand in `venue_invariants`. Each raises AssertionError with what it found.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.model import KALSHI, NET, POLYMARKET, YES
from itomarkets.sandbox.store import Fill as VenueFill
from itomarkets.sandbox.store import Order as VenueOrder
from trading.ledger_checks import (
    Facts,
    entries_are_zero,
    facts_give_the_books,
    fills_have_moved_their_money,
    nothing_is_held_for_nothing,
    read_facts,
)
from trading.models import Fill, Order, OrderEvent, Trade, VenueAccount
from trading.progress import trade_progress
from trading.reconciliation import net_count
from trading.states import ALLOWED, AT_VENUE, FINAL

Status = Order.Status
Settlement = Fill.Settlement
# What must be cited for each way in which an order can end.
EVIDENCE: dict[str, tuple[str, ...]] = {
    Status.FILLED: ("venue_order_id",),
    Status.CANCELED: ("venue_order_id",),
    Status.EXPIRED: ("venue_order_id",),
    Status.REJECTED: ("status", "code"),
    Status.NOT_PLACED: ("listing", "placement"),
    Status.DENIED: ("sent",),
}


@dataclass(frozen=True, slots=True)
class Books:
    """One account as it stands here and at its exchange, read at once; `holder` is its id there."""

    facts: Facts
    # Each order's steps, by its id.
    steps: Mapping[int, list[OrderEvent]]
    there: tuple[VenueOrder, ...]
    world: World
    holder: str

    @classmethod
    def read(cls, holders: Mapping[VenueAccount, str], world: World) -> "list[Books]":
        """Read accounts, each with its holder, in as many queries as one account takes."""
        steps: dict[int, list[OrderEvent]] = defaultdict(list)
        for step in OrderEvent.objects.filter(order__account__in=[account.pk for account in holders]).order_by("pk"):
            steps[step.order_id].append(step)
        facts = read_facts(list(holders))
        return [
            cls(facts[account.pk], steps, tuple(world.orders(holder, account.kind)), world, holder)
            for account, holder in holders.items()
        ]

    @property
    def account(self) -> VenueAccount:
        return self.facts.account

    @property
    def orders(self) -> list[Order]:
        return self.facts.orders

    def owner_of(self, each: VenueOrder) -> list[Order]:
        """Return our orders whose client id or hash an order at the exchange carries."""
        return [order for order in self.orders if each.client_id == str(order.client_id) or each.id == order.order_hash]

    def external(self) -> list[VenueOrder]:
        return [each for each in self.there if not self.owner_of(each)]

    def failed(self, fill: VenueFill) -> bool:
        """Tell whether a match has failed on chain by now."""
        return self.world.chain.state(fill, self.world.now())[0] == "FAILED"


def nothing_doubled(books: Books) -> None:
    """I1: an order's ids bring at most one venue order, a leg no more contracts than asked for or flagged."""
    by_id: dict[str, list[VenueOrder]] = defaultdict(list)
    for each in books.there:
        by_id[each.client_id or each.id].append(each)
    legs: dict[tuple[object, int], list[tuple[Order, Decimal]]] = defaultdict(list)
    for order in books.orders:
        own = by_id.get(str(order.client_id), []) + by_id.get(order.order_hash or "-", [])
        assert len(own) <= 1, f"{order}: {len(own)} orders at the venue"
        legs[order.trade_id, order.leg_no].append((order, sum((each.filled for each in own), ZERO)))
    for attempts in legs.values():
        first, filled = attempts[0][0], sum((filled for _, filled in attempts), ZERO)
        # Until it is looked up nobody here can know of more than was asked for.
        flagged = any(order.status in AT_VENUE or _says_more(books, order) for order, _ in attempts)
        assert filled <= first.count or flagged, f"{first}: {filled} of {first.count} filled, and nothing says so"


def _says_more(books: Books, order: Order) -> bool:
    return any("more than was asked for" in step.reason for step in books.steps[order.pk])


def nothing_lost(books: Books) -> None:
    """I2: every venue order is one of ours, or listed as placed elsewhere; at rest no order is still sending."""
    listed = {row["order"] for row in VenueAccount.objects.values_list("external", flat=True).get(pk=books.account.pk)}
    for each in books.there:
        owners = books.owner_of(each)
        seen = each.id in listed or not (each.filled or each.live)
        assert len(owners) == 1 or (not owners and seen), (
            f"venue order {each.id} belongs to {len(owners)} of our orders and is not listed as another's"
        )
    sending = [str(order) for order in books.orders if order.status == Status.SUBMITTING]
    assert not sending, f"still sending: {', '.join(sending)}"


def equal_at_rest(books: Books) -> None:
    """I3: contracts, fees, net positions and cash are the venue's, exactly; what was placed elsewhere is left out."""
    account, holder, world = books.account, books.holder, books.world
    by_order: dict[str, list[VenueFill]] = defaultdict(list)
    told = world.fills(holder, account.kind)
    for fill_there in told:
        by_order[fill_there.order_id].append(fill_there)
    live: dict[int, list[Fill]] = defaultdict(list)
    for fill_here in books.facts.fills:
        if fill_here.settlement != Settlement.FAILED:
            live[fill_here.order_id].append(fill_here)
    theirs_only = {each.id: each for each in books.external()}
    for each in books.there:
        if each.id in theirs_only:
            continue
        (order,) = books.owner_of(each)
        stands = [fill for fill in by_order[each.id] if not books.failed(fill)]
        filled = sum((fill.size for fill in stands), ZERO)
        assert sum((fill.count for fill in live[order.pk]), ZERO) == filled, f"{order}: {filled} filled there"
        fees = sum((fill.fee for fill in stands), ZERO)
        assert sum((fill.fee for fill in live[order.pk]), ZERO) == fees, f"{order}: the fees differ from {fees}"
    positions = [position for position in books.facts.positions if position.count > 0]
    keys = {order.market_id: order.market.native_id for order in books.orders}
    theirs: dict[str, Decimal] = defaultdict(Decimal)
    elsewhere = {each.market_key for each in theirs_only.values()}
    for held in world.positions(holder, account.kind):
        if held.market_key not in elsewhere:
            theirs[held.market_key] += held.quantity if held.token in (NET, YES) else -held.quantity
    nets = {keys[p.market_id]: net_count(positions, p.market_id) for p in positions}
    ours = {key: count for key, count in nets.items() if count}
    there = {key: count for key, count in theirs.items() if count}
    apart = sorted(key for key in ours.keys() | there.keys() if ours.get(key) != there.get(key))
    assert not apart, "; ".join(
        f"{account}: {key} is {there.get(key, ZERO)} there, {ours.get(key, ZERO)} here" for key in apart
    )
    cash = sum(world.ledger.shards(holder, account.kind).values(), ZERO) - _cash_of(told, set(theirs_only))
    here = books.facts.cash
    assert here == cash, f"{account}: cash is {cash} there, {here} here"


def _cash_of(told: list[VenueFill], order_ids: set[str]) -> Decimal:
    """Return what orders from elsewhere have brought or taken, where nothing of ours nets against them."""
    total = ZERO
    for fill in told:
        if fill.order_id in order_ids:
            each = fill.price if fill.side == "buy" or fill.token == YES else 1 - fill.price
            sells = fill.token != NET and (fill.side == "buy") != (fill.token == YES)
            total += (each * fill.size if sells else -each * fill.size) - fill.fee
    return total


def fills_are_a_set(books: Books) -> None:
    """I5: books and positions computed from the fills and results alone, from empty, are those stored."""
    out = list(facts_give_the_books(books.facts))
    assert not out, f"{books.account}: {out[0]}"


def ends_cite_evidence(books: Books) -> None:
    """I4: each order that has ended cites a record of its venue, or a denial here that provably sent nothing."""
    for order in books.orders:
        if order.status not in FINAL:
            continue
        told = [
            step.evidence
            for step in books.steps[order.pk]
            if step.new_status == order.status and step.old_status != step.new_status
        ]
        assert told, f"{order} is {order.status} and no event says why"
        wanted = EVIDENCE[order.status]
        assert any(told[-1].get(name) not in (None, "") for name in wanted), (
            f"{order} is {order.status} and cites none of {', '.join(wanted)}: {told[-1]}"
        )
        if order.status == Status.DENIED:
            assert told[-1]["sent"] is False, f"{order} was denied and may have been sent"
            assert order.submitted_at is None, f"{order} was denied after it was sent"


def steps_are_legal(books: Books) -> None:
    """I6: each order's events walk the table from planned to where it stands, and none walks on from an end."""
    for order in books.orders:
        at = Status.PLANNED.value
        for event in books.steps[order.pk]:
            if not event.old_status or event.old_status == event.new_status:
                continue
            assert event.old_status == at, f"{order}: {event.old_status} after {at}"
            assert event.new_status in ALLOWED[at], f"{order}: {at} to {event.new_status}"
            at = event.new_status
        assert at == order.status, f"{order} stands at {order.status}; its events lead to {at}"


def money_is_conserved(books: Books) -> None:
    """I7: cash and books are zero together, each fill moved its price and fee once, nothing is held for what ended."""
    facts = books.facts
    out = [*entries_are_zero(facts), *fills_have_moved_their_money(facts), *nothing_is_held_for_nothing(facts)]
    assert not out, f"{books.account}: {out[0]}"


def came_to_rest(trade: Trade) -> None:
    """I12: a trade has ended, or it needs its owner, who is told so and asked."""
    progress = trade_progress(trade)
    assert progress.is_final or progress.needs_attention, f"trade is {progress.status}: {progress.sentence}"
    assert progress.status == trade.status, f"trade is stored as {trade.status} and stands at {progress.status}"
    assert progress.sentence, "nothing is said to its owner"
    if progress.is_final:
        assert trade.finished_at is not None, "the trade has ended and has no end"
    else:
        assert progress.choice, f"its owner is asked nothing: {progress.sentence}"


ALWAYS = (nothing_doubled, ends_cite_evidence, fills_are_a_set, steps_are_legal, money_is_conserved)
AT_REST = (nothing_lost, equal_at_rest)


def check_accounts(holders: Mapping[VenueAccount, str], world: World, *, at_rest: bool) -> None:
    """Check I1 and I4 to I7 on accounts, and at rest I2 and I3. `holders` names each account at the sandbox."""
    for books in Books.read(holders, world):
        for invariant in ALWAYS:
            invariant(books)
        if at_rest:
            standing = [f"{order} is {order.status}" for order in books.orders if order.status in AT_VENUE]
            assert not standing, f"not at rest: {', '.join(standing)}"
            for invariant in AT_REST:
                invariant(books)


def assert_invariants(world: World, holder_name: str, *, at_rest: bool = True) -> None:
    """Check I1 and I4 to I7, and at rest I2 and I3, on both accounts of a holder.

    `holder_name` is the sandbox account's name. At rest means: nothing stands at a venue any more.
    """
    holder = world.accounts.by_name(holder_name)
    assert holder is not None
    accounts = VenueAccount.objects.filter(mode=VenueAccount.Mode.SANDBOX, kind__in=(KALSHI, POLYMARKET))
    found = dict.fromkeys(accounts.order_by("kind"), holder.id)
    assert [account.kind for account in found] == [KALSHI, POLYMARKET]
    check_accounts(found, world, at_rest=at_rest)
