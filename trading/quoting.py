"""What a basket would cost now: fresh books of both venues, walked at the amount, leg by leg."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from functools import partial

from django.conf import settings
from django.db import transaction

from accounts.models import User
from baskets.compositions import current_composition
from baskets.models import Basket
from itomarkets.lib.rounding import ZERO, floor_to, quantize
from itomarkets.lib.venues import Side, Venue, VenueError
from itomarkets.records import audit
from markets.fees import taker_fee, worst_fee
from markets.models import Market
from markets.ticks import PriceGrid, count_step, minimum_count
from markets.venues.base import OrderBook
from trading.accounts import AccountSet, accounts_for, paper_account
from trading.ladders import Ladder
from trading.limits import (
    Buying,
    Denial,
    Limits,
    account_denial,
    amount_denial,
    dollars,
    last_minute_trade,
    limits_of,
    mode_denial,
    purchase_denial,
)
from trading.models import TicketQuote, TradeAction, VenueAccount
from trading.planning import (
    MONEY_PLACES,
    LegInput,
    QuotedLeg,
    Stake,
    band_edge,
    payouts,
    quoted,
    size_by_units,
    size_by_weights,
)
from trading.shards import lacking_on_shards
from trading.sides import HeldSide, sides_to_buy, sides_to_sell
from trading.switch import blocked_reason, blocked_venues
from trading.venues.clients import book_reader

BookReader = Callable[[Sequence[Market]], Mapping[int, OrderBook]]
Allocation = Basket.Allocation

# Kalshi rounds each fill's fee up and gives whole cents back, so an order's rounding stays near a cent
# (docs, 2026-06-01); Polymarket rounds each fill's fee to five places.
FEE_RESERVES = {Venue.KALSHI.value: Decimal("0.01"), Venue.POLYMARKET.value: Decimal("0.001")}
# "invalid amount for a marketable BUY order, min size: $1"
MINIMUM_COSTS = {Venue.KALSHI.value: ZERO, Venue.POLYMARKET.value: Decimal(1)}
SMALLEST_AMOUNT = Decimal(1)
# A leg is called thin when buying it moves the price by more than this.
THIN_MOVE = Decimal("0.03")
CLOSING_SOON = timedelta(days=7)
DEPTH_PLACES = 8


class QuoteRefused(Exception):
    """There is no quote; the text is a sentence for the person who asked."""


def quote_basket(
    *,
    user: User,
    basket: Basket,
    side: str,
    amount: Decimal | None,
    mode: str,
    allocation: str | None = None,
    action: str = "buy",
    now: datetime,
    read_books: BookReader | None = None,
    request_id: str = "",
) -> TicketQuote:
    """Quote a purchase or a sale of one side of a basket, and store it; it lives QUOTE_LIFE_SECONDS.

    Buying, `amount` is the most that can leave the accounts: price caps, fees and rounding included.
    Selling, it is about what should come in before fees; None sells all that is held. `read_books` is
    the mode's own exchange if left out. Raises QuoteRefused with a sentence that says what to change.
    """
    if side not in Side.values or action not in TradeAction.values:
        raise QuoteRefused(f"Expected YES or NO, to buy or to sell; found {side!r} and {action!r}.")
    is_buy = action == TradeAction.BUY
    if is_buy and amount is None:
        raise QuoteRefused("Say how much to buy for.")
    limits = limits_of(user.pk)
    if amount is not None:
        amount = _checked_amount(amount, limits)
    accounts = _accounts(user=user, mode=mode, now=now)
    composition = current_composition(basket)
    if composition is None or not _may_see(user, basket) or (is_buy and not basket.is_active):
        raise QuoteRefused("This basket cannot be traded now: it holds nothing yet, or is no longer kept.")
    blocked = blocked_reason(user_id=user.pk, action=action)
    if blocked:
        raise QuoteRefused(blocked)

    constituents = list(composition.constituents.select_related("market", "market__event").order_by("-weight", "id"))
    warnings: list[str] = []
    if is_buy:
        sides = sides_to_buy(constituents, side=side, accounts=accounts, now=now, warnings=warnings)
    else:
        sides = sides_to_sell(constituents, basket=basket, side=side, accounts=accounts, now=now, warnings=warnings)
    sides = _without_stopped_venues(sides, action, warnings)
    if not sides:
        raise QuoteRefused(" ".join(["There is nothing to trade here now.", *warnings]))
    books = _read(sides, read_books or book_reader(mode))
    chosen = allocation or basket.allocation
    if chosen not in Allocation.values:
        raise QuoteRefused(f"Expected an allocation by units or by weights; found {chosen!r}.")

    inputs = {
        held.market.pk: leg
        for held in sides
        if (leg := leg_input(held, books.get(held.market.pk), is_buy=is_buy, now=now, warnings=warnings)) is not None
    }
    sides = [held for held in sides if held.market.pk in inputs]
    if not sides:
        raise QuoteRefused(" ".join(["There is no price to trade at now.", *warnings]))
    if is_buy:
        assert amount is not None
        sizer = size_by_units if chosen == Allocation.UNITS else size_by_weights
        counts = sizer(list(inputs.values()), amount)
    else:
        counts = _sale_counts(sides, inputs, amount)
    legs = _quoted_legs(sides, inputs, counts, books, now=now, warnings=warnings)
    if not legs:
        raise QuoteRefused(
            " ".join(["No leg reaches what its venue accepts as an order; choose a larger amount.", *warnings[:3]])
        )
    return _store(
        user=user,
        basket=basket,
        composition_id=composition.pk,
        action=action,
        side=side,
        mode=mode,
        allocation=chosen,
        amount=amount,
        legs=legs,
        sides=sides,
        accounts=accounts,
        warnings=warnings,
        limits=limits,
        now=now,
        request_id=request_id,
    )


def _checked_amount(amount: Decimal, limits: Limits) -> Decimal:
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise QuoteRefused("Expected an amount in dollars, such as 250.00.")
    if amount != quantize(amount, 2):
        raise QuoteRefused(f"Expected an amount in whole cents; found {amount}.")
    if amount < SMALLEST_AMOUNT:
        raise QuoteRefused(f"Expected at least {dollars(SMALLEST_AMOUNT)}; found {dollars(amount)}.")
    _refuse(amount_denial(amount, limits))
    return amount


def _refuse(denial: Denial | None) -> None:
    if denial is not None:
        raise QuoteRefused(str(denial))


def _accounts(*, user: User, mode: str, now: datetime) -> AccountSet:
    if mode not in VenueAccount.Mode.values:
        raise QuoteRefused(f"Expected a mode of {', '.join(VenueAccount.Mode.values)}; found {mode!r}.")
    _refuse(mode_denial(mode))
    if mode == VenueAccount.Mode.PAPER:
        paper_account(user, now=now)
    accounts = accounts_for(user, mode)
    usable = tuple(account for account in accounts.accounts if account_denial(account) is None)
    if not usable:
        denials = [str(denial) for account in accounts.accounts if (denial := account_denial(account))]
        raise QuoteRefused(" ".join(denials) or "You have no account in this mode. Connect one in your profile.")
    return AccountSet(mode=mode, accounts=usable)


def _may_see(user: User, basket: Basket) -> bool:
    return basket.visibility != Basket.Visibility.PRIVATE or basket.owner_id in (None, user.pk)


def _without_stopped_venues(sides: Sequence[HeldSide], action: str, warnings: list[str]) -> list[HeldSide]:
    stopped = blocked_venues(action=action)
    for venue in sorted({held.market.venue for held in sides} & set(stopped)):
        warnings.append(f"Left out: the legs on {Venue(venue).label}. {stopped[venue]}")
    return [held for held in sides if held.market.venue not in stopped]


def _read(sides: Sequence[HeldSide], read_books: BookReader) -> Mapping[int, OrderBook]:
    try:
        return read_books([held.market for held in sides])
    except VenueError as error:
        venue = Venue(error.venue).label if error.venue in Venue.values else "A venue"
        raise QuoteRefused(
            f"{venue}'s order books cannot be read now, so there is no price to quote. Nothing was sent; try again."
        ) from error


def leg_input(
    held: HeldSide, book: OrderBook | None, *, is_buy: bool, now: datetime, warnings: list[str]
) -> LegInput | None:
    """Ready one side of one market for sizing; None, with a warning, where its book cannot be traded on."""
    market, limits = held.market, settings.TRADE_LIMITS
    if book is None:
        warnings.append(f"Left out: {market.question} has no order book now.")
        return None
    if (now - book.received_at).total_seconds() > limits["quote_age_seconds"]:
        warnings.append(f"Left out: the order book of {market.question} is stale.")
        return None
    side_book = book.side(held.side)
    action = TradeAction.BUY if is_buy else TradeAction.SELL
    ladder = Ladder.of(side_book, action=action)
    grid = PriceGrid.of(market)
    best = ladder.best
    if best is None:
        warnings.append(f"Left out: nobody {'offers' if is_buy else 'bids for'} {market.question} now.")
        return None
    # Of a one-sided book the best price is the only fresh mark.
    other = side_book.best_bid if is_buy else side_book.best_ask
    mid = (best + other.price) / 2 if other is not None else best
    edge = band_edge(mid, band=limits["price_band"], grid=grid, is_buy=is_buy)
    ladder = ladder.within(edge)
    if not ladder.levels:
        warnings.append(
            f"Left out: the best price of {market.question} is more than {limits['price_band']} from its middle."
        )
        return None
    return LegInput(
        market_id=market.pk,
        ladder=ladder,
        grid=grid,
        fee=partial(_fee, market),
        worst_fee=partial(_worst_fee, market),
        fee_reserve=FEE_RESERVES[market.venue],
        step=count_step(market),
        minimum=minimum_count(market) if is_buy else count_step(market),
        minimum_cost=MINIMUM_COSTS[market.venue] if is_buy else ZERO,
        band_edge=edge,
        slippage=limits["slippage"],
        weight=held.weight,
        units=held.units,
    )


def _fee(market: Market, price: Decimal, count: Decimal) -> Decimal:
    return taker_fee(market, price=price, count=count)


def _worst_fee(market: Market, price: Decimal, count: Decimal) -> Decimal:
    return worst_fee(market, price=price, count=count)


def _sale_counts(
    sides: Sequence[HeldSide], inputs: Mapping[int, LegInput], amount: Decimal | None
) -> dict[int, Decimal]:
    """Return how much of each leg is sold: all that is held, or the share that brings about the amount."""
    all_in = {
        held.market.pk: min(held.held, floor_to(inputs[held.market.pk].ladder.depth, inputs[held.market.pk].step))
        for held in sides
    }
    if amount is None:
        return all_in
    bids = sum((quoted(inputs[pk], count)[0].cost for pk, count in all_in.items() if count > 0), ZERO)
    if amount >= bids:
        return all_in
    return {pk: floor_to(count * amount / bids, inputs[pk].step) for pk, count in all_in.items()}


def _quoted_legs(
    sides: Sequence[HeldSide],
    inputs: Mapping[int, LegInput],
    counts: Mapping[int, Decimal],
    books: Mapping[int, OrderBook],
    *,
    now: datetime,
    warnings: list[str],
) -> list[QuotedLeg]:
    legs: list[QuotedLeg] = []
    for held in sides:
        leg, market = inputs[held.market.pk], held.market
        count = counts.get(market.pk, ZERO)
        if count <= 0:
            warnings.append(f"Left out: {market.question} would be too small for {market.get_venue_display()}.")
            continue
        found, limit, worst_cost = quoted(leg, count)
        if found.average is None or found.worst is None or leg.ladder.best is None:
            continue
        notes = _notes(leg, count, found.worst, market, now)
        book = books[market.pk]
        legs.append(
            QuotedLeg(
                leg_no=len(legs) + 1,
                market_id=market.pk,
                venue=market.venue,
                title=market.question,
                side=held.side,
                account_id=held.account.pk,
                account=str(held.account),
                weight=held.weight,
                count=count,
                best=leg.ladder.best,
                average=quantize(found.average, MONEY_PLACES),
                worst=found.worst,
                limit=limit,
                cost=quantize(found.cost, MONEY_PLACES),
                fee=quantize(found.fee, MONEY_PLACES, ROUND_CEILING),
                worst_cost=worst_cost,
                book_at=book.observed_at.isoformat(),
                book_age_seconds=max(0, int((now - book.received_at).total_seconds())),
                depth_share=quantize(count / leg.ladder.depth, DEPTH_PLACES),
                notes=notes,
            )
        )
    for quoted_leg in legs:
        warnings.extend(f"{quoted_leg.title}: {note}" for note in quoted_leg.notes)
    warnings.extend(_same_event(sides, counts))
    return legs


def _notes(leg: LegInput, count: Decimal, worst: Decimal, market: Market, now: datetime) -> tuple[str, ...]:
    notes = []
    best = leg.ladder.best
    if best is not None and abs(worst - best) > THIN_MOVE:
        notes.append(f"thin: this order moves the price from {best.normalize():f} to {worst.normalize():f}.")
    elif count == floor_to(leg.ladder.depth, leg.step):
        notes.append("thin: it takes all that is offered near the price.")
    if market.close_at is not None and market.close_at - now < CLOSING_SOON:
        notes.append(f"closes soon, on {market.close_at:%d %B %Y}.")
    return tuple(notes)


def _same_event(sides: Sequence[HeldSide], counts: Mapping[int, Decimal]) -> list[str]:
    events: dict[int, list[str]] = {}
    titles: dict[int, str] = {}
    for held in sides:
        if counts.get(held.market.pk) and held.market.event is not None:
            events.setdefault(held.market.event.pk, []).append(held.market.question)
            titles[held.market.event.pk] = held.market.event.title
    return [f"{len(found)} legs are of one event: {titles[pk]}." for pk, found in events.items() if len(found) > 1]


def _store(
    *,
    user: User,
    basket: Basket,
    composition_id: int,
    action: str,
    side: str,
    mode: str,
    allocation: str,
    amount: Decimal | None,
    legs: Sequence[QuotedLeg],
    sides: Sequence[HeldSide],
    accounts: AccountSet,
    warnings: list[str],
    limits: Limits,
    now: datetime,
    request_id: str,
) -> TicketQuote:
    is_buy = action == TradeAction.BUY
    cost = sum((leg.cost for leg in legs), ZERO)
    fees = sum((leg.fee for leg in legs), ZERO)
    worst_cost = sum((leg.worst_cost for leg in legs), ZERO)
    if is_buy:
        _require_cash(legs, accounts)
        _refuse(purchase_denial(user=user, mode=mode, legs=buyings_of(legs), limits=limits, now=now))
        assert amount is not None
        worst_payout, best_payout = payouts(_stakes(legs, sides))
        left_over = max(ZERO, amount - cost - fees)
    else:
        # What a sale pays is its proceeds: there is nothing left to win or lose.
        worst_payout, best_payout, left_over = worst_cost, cost - fees, ZERO
    if last_minute_trade(user=user, basket_id=basket.pk, mode=mode, now=now):
        warnings.append("You confirmed a trade on this basket less than a minute ago; confirming this is another one.")
    quote = TicketQuote(
        user=user,
        basket=basket,
        composition_id=composition_id,
        action=action,
        side=side,
        mode=mode,
        allocation=allocation,
        amount=amount if amount is not None else cost,
        legs=[leg.to_json() for leg in legs],
        warnings=list(dict.fromkeys(warnings)),
        cost=cost,
        fees=fees,
        worst_cost=worst_cost,
        best_payout=best_payout,
        worst_payout=worst_payout,
        left_over=left_over,
        left_over_reason=_left_over_reason(left_over, worst_cost - cost - fees, warnings) if is_buy else "",
        created_at=now,
        expires_at=now + timedelta(seconds=settings.QUOTE_LIFE_SECONDS),
    )
    with transaction.atomic():
        quote.save(force_insert=True)
        audit.record(
            action="trade.quoted",
            subject=f"quote:{quote.pk}",
            actor=user,
            after={
                "basket": basket.pk,
                "action": action,
                "side": side,
                "mode": mode,
                "amount": f"{quote.amount:f}",
                "worst_cost": f"{worst_cost:f}",
                "legs": len(legs),
            },
            request_id=request_id[:64],
            at=now,
        )
    return quote


def buyings_of(legs: Sequence[QuotedLeg]) -> list[Buying]:
    """Return a quote's legs as the limits ask for them."""
    return [Buying(leg.market_id, leg.account_id, leg.account, leg.title, leg.worst_cost) for leg in legs]


def _stakes(legs: Sequence[QuotedLeg], sides: Sequence[HeldSide]) -> list[Stake]:
    markets = {held.market.pk: held.market for held in sides}
    stakes = []
    for leg in legs:
        event = markets[leg.market_id].event
        exclusive = event is not None and (event.mutually_exclusive or event.neg_risk)
        stakes.append(Stake(leg.market_id, leg.side, leg.count, event.pk if event is not None and exclusive else None))
    return stakes


def _require_cash(legs: Sequence[QuotedLeg], accounts: AccountSet) -> None:
    """Refuse a purchase that an account cannot pay at worst, naming what each lacks."""
    lacking = []
    for account in accounts.accounts:
        needed = sum((leg.worst_cost for leg in legs if leg.account_id == account.pk), ZERO)
        free = account.cash_available()
        if needed > free:
            lacking.append(
                f"{account} has {dollars(free)} free and this takes up to {dollars(needed)}: "
                f"{dollars(needed - free)} is missing."
            )
        else:
            lacking += lacking_on_shards(account=account, legs=legs)
    if lacking:
        raise QuoteRefused(" ".join(lacking))


def _left_over_reason(left_over: Decimal, headroom: Decimal, warnings: Sequence[str]) -> str:
    if left_over <= 0:
        return ""
    parts = [f"{dollars(headroom)} is held until the orders end, in case prices move up to their caps"]
    if any(warning.startswith("Left out") for warning in warnings):
        parts.append("legs were left out")
    if any(": thin" in warning for warning in warnings):
        parts.append("a thin leg takes no more")
    parts.append("counts are rounded down to the venues' steps")
    return f"{dollars(left_over)} stays as cash: {'; '.join(parts)}."


def legs_of(quote: TicketQuote) -> list[QuotedLeg]:
    """Return a stored quote's legs."""
    return [QuotedLeg.from_json(row) for row in quote.legs]
