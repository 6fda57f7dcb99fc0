"""Kalshi keeps cash per shard, and a market is paid from its own: what each lacks is found before anything is sent.

https://docs.kalshi.com, August 2026: a total that suffices does not help an order on a shard without cash.
"""

from collections.abc import Sequence
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from markets.models import Market
from trading.limits import dollars
from trading.models import Order, VenueAccount
from trading.planning import QuotedLeg
from trading.states import LIVE

SHARD_NAMES = {
    0: "the default shard",
    1: "shard 1 (combos)",
    2: "shard 2 (crypto and commodities)",
    3: "shard 3 (tennis, baseball, basketball)",
}


def shard_name(shard: int) -> str:
    return SHARD_NAMES.get(shard, f"shard {shard}")


def free_by_shard(account: VenueAccount) -> dict[int, Decimal]:
    """Return what each shard can still pay: what the venue told, moved by later fills, less what orders hold back.

    Empty where the venue told nothing of shards.
    """
    free = {int(shard): Decimal(cash) for shard, cash in account.cash_by_shard.items()}
    if not free:
        return {}
    later = account.cash_entries.filter(market__isnull=False, at__gt=account.checked_at) if account.checked_at else None
    if later is not None:
        for shard, amount in later.values_list("market__exchange_index", "amount"):
            free[shard] = free.get(shard, ZERO) + amount
    held = Order.objects.filter(account=account, status__in=LIVE)
    for shard, amount in held.values_list("market__exchange_index", "reserved"):
        free[shard] = free.get(shard, ZERO) - amount
    return free


def lacking_on_shards(*, account: VenueAccount, legs: Sequence[QuotedLeg]) -> list[str]:
    """Say for each shard that cannot pay its legs at worst what is missing, and from where to transfer it."""
    free = free_by_shard(account)
    if not free:
        return []
    own = [leg for leg in legs if leg.account_id == account.pk]
    shards = dict(Market.objects.filter(pk__in=[leg.market_id for leg in own]).values_list("pk", "exchange_index"))
    needed: dict[int, Decimal] = {}
    for leg in own:
        shard = shards[leg.market_id]
        needed[shard] = needed.get(shard, ZERO) + leg.worst_cost
    spare = {shard: cash - needed.get(shard, ZERO) for shard, cash in free.items()}
    richest = max(spare, key=lambda shard: spare[shard])
    return [
        f"{account} pays {shard_name(shard)} from that shard's own cash: {dollars(max(free.get(shard, ZERO), ZERO))} "
        f"is there and this takes up to {dollars(amount)}. Transfer {dollars(amount - free.get(shard, ZERO))} from "
        f"{shard_name(richest)} at Kalshi, check the account in your profile, then ask again."
        for shard, amount in sorted(needed.items())
        if amount > free.get(shard, ZERO)
    ]
