"""People's own baskets: made, and deleted while nothing hangs on them."""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.text import slugify
from kombu.exceptions import OperationalError

from baskets.backfill_runs import BackfillRefused, abandon, ask_for_backfill
from baskets.compositions import CompositionRefused, TargetLeg, create_composition
from baskets.demand import demand_held, refresh_markets
from baskets.drafts import LegDraft
from baskets.method import CUSTOM_MAX_LEGS
from baskets.models import Basket, PriceHistory
from baskets.rebuild import Refresh
from baskets.tasks import run_backfill
from itomarkets.lib import clock
from itomarkets.lib.rounding import quantize, shares_of_one
from itomarkets.lib.venues import Side
from itomarkets.records.audit import record
from markets.models import Market

BACKFILL_DAYS = 365
MOST_BASKETS = 100
NAME_LENGTH, DESCRIPTION_LENGTH = 120, 2_000
WEIGHT_PLACES = 8
log = logging.getLogger(__name__)


class EditRefused(ValueError):
    """A basket cannot be made or changed like this; the text says why and what to do."""


def create_custom_basket(
    *,
    user: Any,
    name: str,
    description: str,
    legs: Sequence[LegDraft],
    now: datetime,
    visibility: str = Basket.Visibility.PRIVATE,
    refresh: Refresh = refresh_markets,
) -> Basket:
    """Make a person's basket with its first composition, and have its past filled in afterwards.

    The weights are parts of a whole and become shares of exactly one. Quotes are fetched first; a venue that does not
    answer is no obstacle while its list had a price. Raises EditRefused.
    """
    if Basket.objects.filter(owner=user, is_active=True).count() >= MOST_BASKETS:
        raise EditRefused(f"You have {MOST_BASKETS} baskets already; delete one that you no longer need.")
    check_legs(legs, now=now)
    refresh([leg.market_id for leg in legs], now)
    with transaction.atomic():
        return make_custom_basket(
            owner=user, name=name, description=description, legs=legs, visibility=visibility, now=now
        )


def change_custom_basket(
    *,
    user: Any,
    basket: Basket,
    now: datetime,
    name: str | None = None,
    description: str | None = None,
    legs: Sequence[LegDraft] | None = None,
    refresh: Refresh = refresh_markets,
) -> Basket:
    """Change a person's own basket: its words, and with `legs` what it holds, as its next version.

    What is None stays. The slug stays too: links to it go on working. Raises EditRefused, changing nothing.
    """
    if basket.kind != Basket.Kind.CUSTOM or basket.owner_id != user.pk:
        raise EditRefused("Only its owner may change a basket.")
    title = None if name is None else checked_name(name, description or "")
    if legs is not None:
        check_legs(legs, now=now)
        refresh([leg.market_id for leg in legs], now)
    with transaction.atomic():
        row = Basket.objects.select_for_update().get(pk=basket.pk)
        if not row.is_active:
            raise EditRefused("This basket was deleted; make a new one.")
        before = {"name": row.name}
        row.name = row.name if title is None else title
        row.description = row.description if description is None else description.strip()
        checked_name(row.name, row.description)
        row.save(update_fields=["name", "description"])
        after: dict[str, Any] = {"name": row.name}
        if legs is not None:
            try:
                version = create_composition(
                    basket=row, legs=target_legs(legs), reason="Changed by its owner", now=now, actor=user
                )
            except CompositionRefused as error:
                raise EditRefused(str(error)) from error
            after["version"] = version.version
            demand_held(now=now)
        record(action="basket.changed", subject=f"basket:{row.pk}", actor=user, before=before, after=after, at=now)
    return row


def share_basket(*, user: Any, basket: Basket, visibility: str, now: datetime) -> Basket:
    """Have a person's own basket seen by whoever has its link, or by its owner alone.

    Each time that it is shared it gets an address that nobody can guess; the address from before leads nowhere then.
    Raises EditRefused.
    """
    if basket.kind != Basket.Kind.CUSTOM or basket.owner_id != user.pk:
        raise EditRefused("Only its owner may share a basket.")
    if visibility not in (Basket.Visibility.LINK, Basket.Visibility.PRIVATE):
        raise EditRefused("Choose whether whoever has the link may see it, or only you.")
    with transaction.atomic():
        row = Basket.objects.select_for_update().get(pk=basket.pk)
        if not row.is_active:
            raise EditRefused("This basket was deleted; make a new one.")
        if row.visibility == Basket.Visibility.PUBLIC:
            raise EditRefused("This basket is public: others hold on to it, so it stays so.")
        if row.visibility != visibility:
            before = {"visibility": row.visibility, "slug": row.slug}
            row.visibility = visibility
            if visibility == Basket.Visibility.LINK:
                row.slug = f"{(slugify(row.name)[:40] or 'basket')}-{secrets.token_hex(10)}"
            row.save(update_fields=["visibility", "slug"])
            record(
                action="basket.shared",
                subject=f"basket:{row.pk}",
                actor=user,
                before=before,
                after={"visibility": row.visibility, "slug": row.slug},
                at=now,
            )
    return row


def checked_name(name: str, description: str) -> str:
    """Return a basket's name with its spaces in order; raises EditRefused for one that is empty or too long."""
    title = " ".join(name.split())
    if not title:
        raise EditRefused("The basket has no name; give it one.")
    if len(title) > NAME_LENGTH or len(description) > DESCRIPTION_LENGTH:
        raise EditRefused(
            f"The name may have {NAME_LENGTH} characters and the description {DESCRIPTION_LENGTH:,}; shorten them."
        )
    return title


def make_custom_basket(
    *, owner: Any, name: str, description: str, legs: Sequence[LegDraft], visibility: str, now: datetime
) -> Basket:
    """Write the basket, its composition and its audit line; call it inside a transaction. Raises EditRefused."""
    title = checked_name(name, description)
    basket = _new_row(
        name=title,
        description=description.strip(),
        kind=Basket.Kind.CUSTOM,
        visibility=visibility,
        owner=owner,
        allocation=Basket.Allocation.WEIGHTS,
        created_at=now,
    )
    try:
        create_composition(basket=basket, legs=target_legs(legs), reason="First composition", now=now, actor=owner)
    except CompositionRefused as error:
        raise EditRefused(str(error)) from error
    demand_held(now=now)
    record(action="basket.created", subject=f"basket:{basket.pk}", actor=owner, after={"name": title}, at=now)
    transaction.on_commit(lambda: nudge_backfill(basket.pk))
    return basket


def target_legs(legs: Sequence[LegDraft], why: str = "") -> list[TargetLeg]:
    """Turn proposed parts into weights of exactly one."""
    weights = shares_of_one([leg.weight for leg in legs], WEIGHT_PLACES)
    return [TargetLeg(leg.market_id, leg.side, weight, why) for leg, weight in zip(legs, weights, strict=True)]


def check_legs(legs: Sequence[LegDraft], *, now: datetime, must_trade: bool = True) -> None:
    """Refuse what no basket may hold: too many or no legs, unknown or closed markets, doubles, weights of nothing."""
    if not 1 <= len(legs) <= CUSTOM_MAX_LEGS:
        raise EditRefused(f"A basket holds 1 to {CUSTOM_MAX_LEGS} legs; this one has {len(legs)}.")
    ids = [leg.market_id for leg in legs]
    if len(set(ids)) != len(ids):
        raise EditRefused("A market is in twice; hold each market once, on one side.")
    if any(leg.side not in Side.values for leg in legs):
        raise EditRefused("A leg is on neither YES nor NO; choose one.")
    total = sum(leg.weight for leg in legs)
    if any(leg.weight <= 0 for leg in legs) or any(quantize(leg.weight / total, 4) == 0 for leg in legs):
        raise EditRefused("Each leg needs a weight of at least 0.01 %; take out what weighs nothing.")
    allowed = Market.objects.open(now) if must_trade else Market.objects.all()
    gone = len(set(ids) - set(allowed.filter(pk__in=ids).values_list("pk", flat=True)))
    if gone:
        problem = "do not trade now" if must_trade else "are not known"
        raise EditRefused(f"{gone} of the markets {problem}; take them out.")


def delete_custom_basket(*, user: Any, basket: Basket, now: datetime) -> None:
    """Delete a person's own basket; one that was traded is hidden instead, since trades point at it.

    Raises EditRefused when it is not theirs.
    """
    if basket.kind != Basket.Kind.CUSTOM or basket.owner_id != user.pk:
        raise EditRefused("Only its owner may delete a basket.")
    with transaction.atomic():
        record(
            action="basket.deleted",
            subject=f"basket:{basket.pk}",
            actor=user,
            before={"name": basket.name, "slug": basket.slug},
            at=now,
        )
        try:
            with transaction.atomic():
                PriceHistory.objects.filter(basket=basket).delete()
                Basket.objects.get(pk=basket.pk).delete()
        except ProtectedError:
            Basket.objects.filter(pk=basket.pk).update(is_active=False)
        demand_held(now=now)


def nudge_backfill(basket_id: int) -> None:
    """Ask a worker to fill in a basket's past; its page shows how far that is, or that no worker could be told."""
    basket, now = Basket.objects.select_related("owner").get(pk=basket_id), clock.now()
    try:
        run, is_new = ask_for_backfill(user=basket.owner, basket=basket, days=BACKFILL_DAYS, now=now)
    except BackfillRefused as error:
        log.warning("the backfill of basket %s was refused: %s", basket_id, error)
        return
    if not is_new:
        return
    try:
        run_backfill.delay(str(run.pk))
    except (OperationalError, OSError) as error:
        log.warning("the backfill of basket %s could not be queued: %s", basket_id, error)
        abandon(run=run, now=now)


def _new_row(**fields: Any) -> Basket:
    """Create the row under the first free slug of its name; two at once cannot take the same."""
    stem = slugify(fields["name"])[:60] or "basket"
    for number in range(1, 1_000):
        slug = stem if number == 1 else f"{stem}-{number}"
        if Basket.objects.filter(slug=slug).exists():
            continue
        try:
            with transaction.atomic():
                return Basket.objects.create(slug=slug, **fields)
        except IntegrityError:
            continue
    raise EditRefused(f"Too many baskets are called “{fields['name']}”; choose another name.")
