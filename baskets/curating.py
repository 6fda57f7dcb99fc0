"""A reviewer's own hand on a system basket: what the builder saves becomes overrides, which every rebuild keeps."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from baskets.compositions import CompositionRefused, current_composition
from baskets.demand import refresh_markets
from baskets.drafts import LegDraft
from baskets.editing import EditRefused, check_legs, target_legs
from baskets.models import Basket, Composition, Override
from baskets.proposals import supersede
from baskets.rebuild import Refresh, compose_with_overrides
from itomarkets.lib.rounding import ONE
from itomarkets.records.audit import record

PERMISSIONS = ("baskets.add_override", "baskets.change_override", "baskets.rebuild_basket")
REASON_LENGTH = 2_000
# The builder knows tenths of a percent, and balances them to a whole: a smaller difference is nobody's wish.
SAME_WEIGHT = Decimal("0.0015")


def save_as_overrides(
    *,
    basket: Basket,
    legs: Sequence[LegDraft],
    reason: str,
    reviewer: Any,
    now: datetime,
    refresh: Refresh = refresh_markets,
) -> Composition:
    """Store how a draft differs from what a system basket holds as overrides, and make the composition of it.

    What is missing is kept out; what is new, turned or weighed otherwise is pinned with its side and weight. All in one
    transaction. Raises EditRefused, changing nothing.
    """
    if not reviewer.has_perms(PERMISSIONS):
        raise EditRefused("Only a reviewer may change a system basket; send a suggestion instead.")
    if basket.kind != Basket.Kind.SYSTEM or not basket.is_active:
        raise EditRefused("Choose the system basket that should change.")
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise EditRefused(f"Say why, in at most {REASON_LENGTH:,} characters: the basket's page shows it.")
    check_legs(legs, now=now)
    refresh([leg.market_id for leg in legs], now)
    with transaction.atomic():
        Basket.objects.select_for_update().get(pk=basket.pk)
        words = _words(basket, legs)
        for market_id, word in words.items():
            Override.objects.update_or_create(
                market_id=market_id,
                basket=basket,
                defaults={
                    "target": None,
                    "until": None,
                    "reason": reason.strip(),
                    "created_by": reviewer,
                    "created_at": now,
                    **word,
                },
            )
        many = "s" if len(words) != 1 else ""
        try:
            version = compose_with_overrides(
                basket=basket, reason=f"{len(words)} market{many} changed by a reviewer", now=now, actor=reviewer
            )
        except (CompositionRefused, ValueError) as error:
            raise EditRefused(f"Not saved: {error}") from error
        supersede(basket=basket, now=now)
        record(
            action="basket.curated",
            subject=f"basket:{basket.slug}",
            actor=reviewer,
            after={
                "version": version.version,
                "reason": reason.strip(),
                "words": {str(market_id): f"{word['action']} {word['side']}" for market_id, word in words.items()},
            },
            at=now,
        )
        return version


def _words(basket: Basket, legs: Sequence[LegDraft]) -> dict[int, dict[str, Any]]:
    """Return what must be said of each market for the draft to be held; raises EditRefused if nothing must."""
    newest = current_composition(basket)
    rows = newest.constituents.select_related("market") if newest else ()
    # Decided legs leave by themselves with the next composition.
    held = {row.market_id: (row.side, row.weight) for row in rows if not row.market.is_resolved}
    wanted = {leg.market_id: leg for leg in target_legs(legs)}
    words: dict[int, dict[str, Any]] = {
        market_id: {"action": Override.Action.EXCLUDE, "side": "", "weight": None}
        for market_id in held.keys() - wanted.keys()
    }
    for market_id, leg in wanted.items():
        side, weight = held.get(market_id, ("", ONE))
        if side != leg.side or abs(weight - leg.weight) > SAME_WEIGHT:
            words[market_id] = {
                "action": Override.Action.PIN,
                "side": leg.side,
                "weight": leg.weight if leg.weight < 1 else None,
            }
    if not words:
        raise EditRefused(f"{basket.name} holds this already; nothing was changed.")
    return words
