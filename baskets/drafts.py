"""A basket that is being put together: what it would cost, and what a careful person would ask about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from baskets.arithmetic import gauge
from baskets.compositions import listed_quote
from baskets.legs import books_of
from baskets.marks import LegMark
from baskets.method import CUSTOM_MAX_LEGS, DEFAULTS
from categorization.pairs.partners import Partner, pairs_of
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Side
from markets.models import Market, Quote

# The stake whose price a preview names.
STAKE = Decimal(1000)
CLOSING_SOON = timedelta(days=1)
# A side that trades less than this many dollars at its best price is thin for the stake.
THIN_SHARE = Decimal("0.5")
SHOWN_TITLE = 70


@dataclass(frozen=True, slots=True)
class LegDraft:
    """A leg that somebody proposes; weights are positive parts of a whole."""

    market_id: int
    side: str
    weight: Decimal


@dataclass(frozen=True, slots=True)
class DraftLeg:
    """One leg of a preview: prices of the held side, and the contracts on offer at the best ask."""

    market_id: int
    side: str
    share: Decimal
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    reason: str


@dataclass(frozen=True, slots=True)
class DraftPreview:
    """A draft at the prices of now.

    gauge, bid and ask: dollars of one dollar, None where a leg lacks the price. worst_price: what one dollar of payoff
    costs when 1,000 dollars are spread by weight and each leg finds its share at the best ask; None where the book at
    the best price is too small or unknown. conflicts: sentences.
    """

    gauge: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    worst_price: Decimal | None
    legs: list[DraftLeg]
    conflicts: tuple[str, ...]


def preview(legs: Sequence[LegDraft], now: datetime) -> DraftPreview:
    """Price a draft and list its conflicts, in four statements; unknown markets are left out."""
    ids = [leg.market_id for leg in legs]
    markets = Market.objects.select_related("event").in_bulk(ids)
    books = books_of(ids)
    sizes = {quote.market_id: quote for quote in Quote.objects.filter(market__in=ids)}
    known = [leg for leg in legs if leg.market_id in markets and leg.weight > 0]
    total = sum((leg.weight for leg in known), ZERO)
    lines = []
    for leg in known:
        market = markets[leg.market_id]
        mark = books[leg.market_id].mark(leg.side, now, None, listing=listed_quote(market, leg.side, now))
        lines.append(_line(leg, mark, sizes.get(leg.market_id), leg.weight / total))
    shares = [line.share for line in lines]
    return DraftPreview(
        gauge=_weighted(shares, [line.price for line in lines]),
        bid=_weighted(shares, [line.bid for line in lines]),
        ask=_weighted(shares, [line.ask for line in lines]),
        worst_price=_weighted(shares, [line.ask for line in lines]) if all(map(_holds_stake, lines)) else None,
        legs=lines,
        conflicts=tuple(conflicts_of(legs, markets=markets, lines=lines, partners=pairs_of(ids), now=now)),
    )


def conflicts_of(
    legs: Sequence[LegDraft],
    *,
    markets: dict[int, Market],
    lines: Sequence[DraftLeg],
    partners: Mapping[int, Sequence[Partner]],
    now: datetime,
) -> list[str]:
    """Say what in a draft works against itself, cannot be bought, or is not what it seems."""
    found = []
    sides: dict[int, set[str]] = {}
    for leg in legs:
        sides.setdefault(leg.market_id, set()).add(leg.side)
    for market_id, held in sides.items():
        if len(held) > 1 and market_id in markets:
            found.append(f"Both sides of “{_title(markets[market_id])}” are in: together they always pay one dollar.")
    repeated = [market_id for market_id, n in Counter((leg.market_id, leg.side) for leg in legs).items() if n > 1]
    if repeated:
        found.append("A market is in more than once; hold it once with the whole weight.")
    if len(legs) > CUSTOM_MAX_LEGS:
        found.append(f"{len(legs)} legs are too many; a basket holds at most {CUSTOM_MAX_LEGS}.")
    found += _event_conflicts(lines, markets)
    found += _pair_conflicts(sides, markets, partners)
    for line in lines:
        market = markets[line.market_id]
        if market.status != Market.Status.OPEN or (market.close_at is not None and market.close_at <= now):
            found.append(f"“{_title(market)}” does not trade any more.")
        elif market.close_at is not None and market.close_at <= now + CLOSING_SOON:
            found.append(f"“{_title(market)}” closes within a day.")
        elif line.price is None:
            found.append(f"“{_title(market)}” has no usable price now.")
        elif line.ask is None:
            found.append(f"Nobody offers {Side(line.side).label} on “{_title(market)}” now.")
        elif line.ask_size is not None and line.ask_size * line.ask < STAKE * line.share * THIN_SHARE:
            found.append(f"“{_title(market)}” is thin: {line.ask_size * line.ask:,.0f} dollars at the best price.")
    return found


def _event_conflicts(lines: Sequence[DraftLeg], markets: dict[int, Market]) -> list[str]:
    found = []
    by_event: dict[int, list[DraftLeg]] = {}
    for line in lines:
        event_id = markets[line.market_id].event_id
        if event_id is not None:
            by_event.setdefault(event_id, []).append(line)
    for members in by_event.values():
        event = markets[members[0].market_id].event
        if event is None or len(members) < 2:
            continue
        name = _short(event.title or event.native_id)
        yes = sum(1 for line in members if line.side == Side.YES)
        if yes > 1 and (event.mutually_exclusive or event.neg_risk):
            found.append(f"{yes} outcomes of “{name}” exclude each other: at most one of them pays.")
        share = sum((line.share for line in members), ZERO)
        if share > DEFAULTS.event_cap:
            found.append(f"{share:.0%} of the weight hangs on one event, “{name}”.")
    return found


def _pair_conflicts(
    sides: Mapping[int, set[str]], markets: dict[int, Market], partners: Mapping[int, Sequence[Partner]]
) -> list[str]:
    """Say where two legs of different venues ask the same question; each pair once."""
    found = []
    for market_id, held in sides.items():
        for partner in partners.get(market_id, ()):
            other = partner.market.pk
            if not partner.same_as_yes or other not in sides or other < market_id or market_id not in markets:
                continue
            names = (
                f"“{_title(markets[market_id])}” and “{_title(partner.market)}” ask the same question on both venues"
            )
            # The partner's side that pays together with YES here.
            alike = {Side.YES.value: partner.same_as_yes, Side.NO.value: Side(partner.same_as_yes).opposite.value}
            if any(alike[side] in sides[other] for side in held):
                found.append(
                    f"{names}: hold the cheaper one with the whole weight, or know that its weight counts twice."
                )
            if any(alike[Side(side).opposite.value] in sides[other] for side in held):
                found.append(f"{names}, and their sides are opposite: together they always pay one dollar.")
    return found


def _line(leg: LegDraft, mark: LegMark, quote: Quote | None, share: Decimal) -> DraftLeg:
    size = None
    if quote is not None:
        size = quote.yes_ask_size if leg.side == Side.YES else quote.no_ask_size
    price, bid, ask = (
        None if value is None else Decimal(value).scaleb(-6) for value in (mark.price, mark.bid, mark.ask)
    )
    return DraftLeg(leg.market_id, leg.side, share, price, bid, ask, size, mark.reason.value)


def _holds_stake(line: DraftLeg) -> bool:
    """Tell whether the leg's part of the stake fits at the best ask."""
    return line.ask is not None and line.ask_size is not None and line.ask_size * line.ask >= STAKE * line.share


def _weighted(shares: Sequence[Decimal], prices: Sequence[Decimal | None]) -> Decimal | None:
    known = [price for price in prices if price is not None]
    return gauge(shares, known) if prices and len(known) == len(prices) else None


def _title(market: Market) -> str:
    return _short(market.question)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_TITLE else text[: SHOWN_TITLE - 1].rstrip() + "…"
