"""What must hold whatever an exchange does: our rows against the sandbox's own ledger, to the last digit."""

from collections import defaultdict
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.model import KALSHI, POLYMARKET, YES
from itomarkets.sandbox.store import Order as VenueOrder
from trading.models import CashEntry, Fill, Order, OrderEvent, VenueAccount
from trading.positions import hold, settlements_of
from trading.reconciliation import ledger_cash, net_count, netted_cash
from trading.states import ALLOWED, AT_VENUE, FINAL

ONE = Decimal(1)


def nothing_doubled(account: VenueAccount, there: list[VenueOrder]) -> None:
    """I1: an order's ids bring at most one venue order, and no more contracts than asked for or flagged."""
    by_id: dict[str, list[VenueOrder]] = defaultdict(list)
    for each in there:
        by_id[each.client_id or each.id].append(each)
    for order in account.orders.all():
        own = by_id.get(str(order.client_id), []) + by_id.get(order.order_hash or "-", [])
        assert len(own) <= 1, f"{order}: {len(own)} orders at the venue"
        filled = sum((each.filled for each in own), ZERO)
        flagged = order.events.filter(reason__contains="more than was asked for").exists()
        assert filled <= order.count or flagged, f"{order}: {filled} of {order.count} filled, and nothing says so"


def nothing_lost(account: VenueAccount, there: list[VenueOrder]) -> None:
    """I2: every venue order is one of ours, as no test trades by hand; at rest no order is still sending."""
    for each in there:
        owners = account.orders.filter(client_id=each.client_id) if each.client_id else account.orders.none()
        owners = owners | account.orders.filter(order_hash=each.id)
        assert owners.count() == 1, f"venue order {each.id} belongs to {owners.count()} of our orders"
    assert not account.orders.filter(status=Order.Status.SUBMITTING).exists()


def equal_at_rest(account: VenueAccount, world: World, holder: str, there: list[VenueOrder]) -> None:
    """I3: contracts, costs, fees, net positions and cash are the venue's, exactly."""
    for each in there:
        order = account.orders.filter(venue_order_id=each.id).first()
        fills = list(order.fills.all()) if order is not None else []
        live = [fill for fill in fills if fill.settlement != Fill.Settlement.FAILED]
        failed = sum((fill.count for fill in fills if fill.settlement == Fill.Settlement.FAILED), ZERO)
        assert sum((fill.count for fill in live), ZERO) + failed == each.filled, f"{order}: {each.filled} there"
        if failed == 0:
            told = sum((fill.fee for fill in world.fills(holder, each.venue, order_id=each.id)), ZERO)
            assert sum((fill.fee for fill in live), ZERO) == told, f"{order}: the fees differ from {told}"
    positions = list(account.positions.filter(count__gt=0))
    theirs: dict[str, Decimal] = defaultdict(Decimal)
    for held in world.positions(holder, account.kind):
        theirs[held.market_key] += held.quantity if held.token in ("net", YES) else -held.quantity
    ours = {p.market.native_id: net_count(positions, p.market_id) for p in account.positions.select_related("market")}
    assert {key: count for key, count in ours.items() if count} == {k: c for k, c in theirs.items() if c}
    cash = sum(world.ledger.shards(holder, account.kind).values(), ZERO)
    assert ledger_cash(account) + netted_cash(account, positions) == cash, f"{account}: cash is {cash} there"


def fills_are_a_set(account: VenueAccount) -> None:
    """I5: positions computed from the fills alone, from empty, are the positions stored."""
    for position in account.positions.select_related("market"):
        fills = Fill.objects.filter(
            account=account,
            order__trade__basket_id=position.basket_id,
            order__market=position.market,
            order__side=position.side,
        ).select_related("order")
        paid = settlements_of(account=account, basket_id=position.basket_id, market=position.market, side=position.side)
        again = hold(((fill.order.action, fill) for fill in fills), [(last, payout) for last, payout, _ in paid])
        assert (again.count, again.cost, again.fees, again.realised) == (
            position.count, position.cost, position.fees, position.realised
        )  # fmt: skip


def steps_are_legal(account: VenueAccount) -> None:
    """I6: each order's events walk the table from planned to where it stands, and none walks on from an end."""
    for order in account.orders.all():
        at = Order.Status.PLANNED.value
        for event in OrderEvent.objects.filter(order=order).exclude(old_status=""):
            if event.old_status == event.new_status:
                continue
            assert event.old_status == at, f"{order}: {event.old_status} after {at}"
            assert event.new_status in ALLOWED[at], f"{order}: {at} to {event.new_status}"
            at = event.new_status
        assert at == order.status


def money_is_conserved(account: VenueAccount) -> None:
    """I7: each fill has its cash and fee once, a failed one its way back; nothing is held for what has ended."""
    for fill in account.fills.select_related("order"):
        money = fill.count * fill.price * (-1 if fill.order.action == "buy" else 1)
        entries = sum(fill.cash_entries.values_list("amount", flat=True), ZERO)
        failed = fill.settlement == Fill.Settlement.FAILED
        assert abs(entries - (ZERO if failed else money - fill.fee)) <= Decimal("0.000001")
    references = list(CashEntry.objects.filter(account=account).values_list("reference", flat=True))
    assert len(references) == len(set(references))
    assert not account.orders.filter(reserved__lt=0).exists()
    assert not account.orders.filter(status__in=FINAL, reserved__gt=0).exists()


def assert_invariants(world: World, holder_name: str, *, at_rest: bool = True) -> None:
    """Check I1, I2, I5, I6 and I7, and at rest I3, on both accounts of a holder.

    `holder_name` is the sandbox account's name. At rest means: nothing stands at a venue any more.
    """
    holder = world.accounts.by_name(holder_name)
    assert holder is not None
    for kind in (KALSHI, POLYMARKET):
        account = VenueAccount.objects.get(kind=kind, mode=VenueAccount.Mode.SANDBOX)
        there = world.orders(holder.id, kind)
        nothing_doubled(account, there)
        fills_are_a_set(account)
        steps_are_legal(account)
        money_is_conserved(account)
        if at_rest:
            assert not account.orders.filter(status__in=AT_VENUE).exists()
            nothing_lost(account, there)
            equal_at_rest(account, world, holder.id, there)
