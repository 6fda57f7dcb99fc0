"""What upper apps and pages may use: approved pairs, with the prices of both sides."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from categorization.models import MarketPair
from itomarkets.lib.venues import Side
from markets.models import Market

Relation = MarketPair.Relation
# The rules shown of a partner; whoever wants all of them opens its page.
RULES_LENGTH = 6000


@dataclass(frozen=True, slots=True)
class Partner:
    """The other market of an approved pair, as one market sees it.

    `same_as_yes`: the partner's side that pays when YES pays here; empty where neither does for sure.
    `follows`: which way YES implies YES, "here" or "there", of a subset.
    """

    market: Market
    relation: str
    same_as_yes: str
    follows: str
    evidence: list[dict[str, object]]

    @property
    def ask(self) -> Decimal | None:
        """What the side that equals YES here costs there, in dollars; None where nobody sells it or none does."""
        return self._price("ask")

    @property
    def bid(self) -> Decimal | None:
        return self._price("bid")

    def _price(self, name: str) -> Decimal | None:
        if not self.same_as_yes:
            return None
        quote = getattr(self.market, "quote", None)
        if quote is not None:
            price: Decimal | None = getattr(quote, f"{self.same_as_yes}_{name}")
            return price
        if self.same_as_yes == Side.YES:
            return self.market.yes_ask if name == "ask" else self.market.yes_bid
        other = self.market.yes_bid if name == "ask" else self.market.yes_ask
        return None if other is None else 1 - other

    def says(self) -> str:
        """Say in words how the partner's answer hangs together with the one here."""
        there = self.market.get_venue_display()
        if self.relation == Relation.SUBSET:
            if self.follows == "there":
                return f"YES here means YES at {there}; the other way round it need not."
            return f"YES at {there} means YES here; the other way round it need not."
        return {
            Relation.IDENTICAL: f"The same question at {there}.",
            Relation.COMPLEMENT: f"NO at {there} is YES here.",
            Relation.OVERLAPS: f"Nearly the same at {there}: both can be YES, neither follows from the other.",
        }.get(Relation(self.relation), f"About the same thing at {there}.")


def pairs_of(market_ids: Collection[int]) -> dict[int, list[Partner]]:
    """Return each market's partners in approved pairs, the surest relation first, in one statement."""
    ids = set(market_ids)
    rows = MarketPair.objects.filter(
        Q(kalshi__in=ids) | Q(polymarket__in=ids),
        status=MarketPair.Status.APPROVED,
        kalshi__vanished_at__isnull=True,
        polymarket__vanished_at__isnull=True,
    ).select_related("kalshi__event", "kalshi__quote", "polymarket__event", "polymarket__quote")
    order = {value: at for at, value in enumerate(Relation.values)}
    found: dict[int, list[Partner]] = {}
    for row in sorted(rows, key=lambda one: (order[one.relation], one.pk)):
        for here, there in ((row.kalshi, row.polymarket), (row.polymarket, row.kalshi)):
            if here.pk in ids:
                found.setdefault(here.pk, []).append(_partner(row, here, there))
    return found


def _partner(row: MarketPair, here: Market, there: Market) -> Partner:
    same = {Relation.IDENTICAL: Side.YES.value, Relation.COMPLEMENT: Side.NO.value}.get(Relation(row.relation), "")
    follows = ""
    if row.relation == Relation.SUBSET:
        follows = "there" if row.narrower == here.venue else "here"
    return Partner(there, row.relation, same, follows, row.evidence)
