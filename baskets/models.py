"""What is held: baskets, their immutable compositions, their price history, and how they change."""

import secrets
import string
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from categorization.models import Theme
from itomarkets.lib.fields import DivisorField, PriceField, UnitsField, ValueField, WeightField
from itomarkets.lib.venues import Side
from markets.models import Market

PUBLIC_ID_ALPHABET = string.digits + string.ascii_letters
PUBLIC_ID_LENGTH = 14


def make_public_id() -> str:
    """Return a new id for the API: 83 random bits, which count nothing and are never given twice."""
    return "bas_" + "".join(secrets.choice(PUBLIC_ID_ALPHABET) for _ in range(PUBLIC_ID_LENGTH))


class Basket(models.Model):
    """A weighted set of markets under one name. A system basket is one theme."""

    class Kind(models.TextChoices):
        SYSTEM = "system", "System"
        CUSTOM = "custom", "Custom"

    class Visibility(models.TextChoices):
        PUBLIC = "public", "Public"
        LINK = "link", "By link"
        PRIVATE = "private", "Private"

    class Mode(models.TextChoices):
        """What a target weight means when units are set (methodology, section 3)."""

        DOLLAR = "dollar", "Share of the money"
        SHARE = "share", "Share of the contracts"
        RISK = "risk", "Share of the terminal risk"

    class Allocation(models.TextChoices):
        """How a purchase splits its money."""

        UNITS = "units", "By units: tracks the level"
        WEIGHTS = "weights", "By weights: splits the money"

    # What the API calls it. Row numbers would tell how many baskets there are; a slug is free again after a delete.
    public_id = models.CharField(max_length=24, unique=True, default=make_public_id, editable=False)
    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=8, choices=Kind)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    theme = models.OneToOneField(Theme, null=True, blank=True, on_delete=models.PROTECT, related_name="basket")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="baskets"
    )
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.DOLLAR)
    allocation = models.CharField(max_length=8, choices=Allocation, default=Allocation.UNITS)
    # Overrides of BASKET_DEFAULTS (caps, gates, roll policy); decimal strings.
    rules = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    # Under the policy `terminate`: when its last leg was decided, and the level that it ended at.
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_level = ValueField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="system", theme__isnull=False, owner__isnull=True)
                | Q(kind="custom", theme__isnull=True, owner__isnull=False),
                name="basket_system_has_theme_custom_has_owner",
            )
        ]
        indexes = [
            # Query: the API's list by age, from any place in it.
            models.Index(fields=["created_at", "public_id"], name="basket_created"),
            # Query: the API's list by name, from any place in it.
            models.Index(fields=["name", "public_id"], name="basket_name"),
        ]
        permissions = [("rebuild_basket", "Can rebuild system baskets")]

    def __str__(self) -> str:
        return self.name


class Composition(models.Model):
    """One immutable version of what a basket holds."""

    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="compositions")
    version = models.PositiveIntegerField()
    effective_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    method_version = models.CharField(max_length=20)
    # What it was computed from: mode, all rules in force, weights, marks with reasons; and the hash of it.
    inputs = models.JSONField(default=dict, blank=True)
    inputs_hash = models.CharField(max_length=64)
    # Level = value / divisor. Gross at mids; net also pays the spread and fees of each change.
    divisor = DivisorField()
    divisor_net = DivisorField()
    divisor_before = DivisorField(null=True, blank=True)
    divisor_net_before = DivisorField(null=True, blank=True)
    # Value of what was held just before (null at the first composition) and just after the change.
    value_before = ValueField(null=True, blank=True)
    value_after = ValueField()
    cash = ValueField(default=0)
    # Half the sum of the weights' changes, and what trading them costs at bids and asks with fees (null at the first).
    turnover = WeightField(null=True, blank=True)
    cost = ValueField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["basket", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["basket", "version"], name="composition_version_once"),
            models.CheckConstraint(condition=Q(divisor__gt=0, divisor_net__gt=0), name="composition_divisor_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.basket_id} v{self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A composition is never changed; make the next version.")
        super().save(*args, **kwargs)


class Constituent(models.Model):
    """One leg of a composition: a side of a market, its target weight and its units."""

    composition = models.ForeignKey(Composition, on_delete=models.CASCADE, related_name="constituents")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="constituents")
    side = models.CharField(max_length=3, choices=Side)
    weight = WeightField()
    units = UnitsField()
    # The held side's mark when units were set, and the rule of the waterfall that gave it.
    mark = PriceField()
    mark_reason = models.CharField(max_length=20)
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["composition", "market"], name="constituent_once"),
            models.CheckConstraint(condition=Q(weight__gt=0, weight__lte=1), name="constituent_weight_0_to_1"),
            models.CheckConstraint(condition=Q(units__gte=0), name="constituent_units_not_negative"),
        ]


class Mark(models.Model):
    """One side of a market that some basket holds or held: each of them is priced each minute.

    The price is the last good one when a composition with it was made, if there was any; the minutes' own follow it.
    """

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="marks")
    side = models.CharField(max_length=3, choices=Side)
    price = PriceField(null=True)
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["market", "side"], name="mark_once"),
            models.CheckConstraint(condition=Q(price__gte=0, price__lte=1), name="mark_price_0_to_1"),
        ]

    def __str__(self) -> str:
        return f"{self.market_id} {self.side} {self.price}"


class MinuteMark(models.Model):
    """What one side of a market was worth in one minute, by which rule: all fixings of the minute are sums of these."""

    at = models.DateTimeField()
    # Without a constraint, an index or a cascade: the row is history, and is written for each held side each minute.
    market = models.ForeignKey(
        Market, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="minute_marks"
    )
    side = models.CharField(max_length=3, choices=Side)
    price = PriceField(null=True)
    reason = models.CharField(max_length=10)
    age_seconds = models.PositiveIntegerField()
    bid = PriceField(null=True)
    ask = PriceField(null=True)
    # What is carried on from here when no usable quote comes, and the instant that it was good at.
    good_price = PriceField(null=True)
    good_at = models.DateTimeField(null=True)

    class Meta:
        # Led by the instant: a minute's rows lie together, and new ones are appended.
        constraints = [models.UniqueConstraint(fields=["at", "market", "side"], name="minute_mark_once")]

    def __str__(self) -> str:
        return f"{self.market_id} {self.side} {self.price} at {self.at:%Y-%m-%d %H:%M}"


class MarketResult(models.Model):
    """What a decided market pays, as we saw it; a venue's correction is the next version, and edits nothing."""

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="results")
    version = models.PositiveIntegerField()
    # What one YES contract pays.
    payout = PriceField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["market", "version"], name="market_result_once")]

    def __str__(self) -> str:
        return f"{self.market_id} v{self.version}: {self.payout}"


class OfficialFixing(models.Model):
    """A basket's fixing of one day (UTC): each leg at the time-weighted median of its mids over the last hour."""

    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="official_fixings")
    composition = models.ForeignKey(Composition, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    value = ValueField()
    gauge_sum = ValueField()
    divisor = DivisorField()
    divisor_net = DivisorField()
    # How many of the hour's minutes were fixed, and the target weight of legs that had to be carried.
    minutes = models.PositiveSmallIntegerField()
    stale_weight = WeightField()
    # One entry a leg: [market id, side, price in millionths of a dollar, reason, seconds that it rests on].
    marks = models.JSONField(default=list)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["basket", "-day"]
        constraints = [models.UniqueConstraint(fields=["basket", "day"], name="official_fixing_once")]

    def __str__(self) -> str:
        return f"{self.basket_id} {self.day}"


class PriceHistory(models.Model):
    """One fixing of a basket: exact sums, divided by the composition's divisor on reading."""

    class Interval(models.IntegerChoices):
        MINUTE = 60, "Minute"
        DAY = 86400, "Day"

    class Source(models.TextChoices):
        LIVE = "live", "Recorded as it happened"
        BACKFILL = "backfill", "Recomputed from market history"
        SIMULATED = "simulated", "Before the first composition"

    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="history")
    composition = models.ForeignKey(Composition, on_delete=models.PROTECT, related_name="history")
    interval = models.PositiveIntegerField(choices=Interval, default=Interval.MINUTE)
    at = models.DateTimeField()
    # Σ units × price + settled value + cash, at mids, bids and asks.
    value = ValueField()
    value_bid = ValueField(null=True)
    value_ask = ValueField(null=True)
    # Σ weight × price: the gauge is 100 times this.
    gauge_sum = ValueField()
    gauge_bid_sum = ValueField(null=True)
    gauge_ask_sum = ValueField(null=True)
    divisor = DivisorField()
    divisor_net = DivisorField()
    legs = models.PositiveSmallIntegerField()
    legs_priced = models.PositiveSmallIntegerField()
    worst_age_seconds = models.PositiveIntegerField(null=True)
    # complete, partial, carried, wide ...
    quality = models.CharField(max_length=60)
    # One entry a leg: [market id, side, price in millionths of a dollar, reason of the waterfall]. A day keeps its own;
    # a minute's stand once for all baskets in MinuteMark, save in rows from before those were kept.
    marks = models.JSONField(default=list)
    source = models.CharField(max_length=10, choices=Source)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["basket", "interval", "at"], name="fixing_once")]
        verbose_name = "fixing"
        verbose_name_plural = "price history"


class BackfillRun(models.Model):
    """One asked-for backfill of a basket: how far it is, and what it made. The row is the queue."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="backfill_runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField()
    status = models.CharField(max_length=7, choices=Status, default=Status.QUEUED)
    # What it did last, in a sentence.
    says = models.CharField(max_length=300, blank=True)
    written = models.PositiveIntegerField(default=0)
    standing = models.PositiveIntegerField(default=0)
    gaps = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # By the machine's clock: when a process last said that it is at work.
    alive_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["basket"], condition=Q(status__in=["queued", "running"]), name="backfill_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.basket_id}: {self.days} days, {self.status}"


class Proposal(models.Model):
    """A change of a system basket that is larger than what is applied by itself; a reviewer decides."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        SUPERSEDED = "superseded", "Superseded"

    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="proposals")
    # What was held when it was proposed; it can be applied only to that.
    base = models.ForeignKey(Composition, on_delete=models.CASCADE, related_name="+")
    # [{"market": id, "side": "yes", "weight": "0.25", "why": ""}]
    legs = models.JSONField()
    # Why the basket was looked at, and which limit its change passes.
    reason = models.CharField(max_length=200)
    limit = models.CharField(max_length=200)
    # Half the sum of the weights' changes, and the cost at bids and asks with fees: shares of the value then.
    turnover = WeightField()
    cost = WeightField()
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    notes = models.TextField(blank=True)
    result = models.ForeignKey(Composition, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["basket"], condition=Q(status="pending"), name="proposal_one_waits")
        ]
        permissions = [("review_proposal", "Can approve and reject proposals")]

    def __str__(self) -> str:
        return f"{self.basket_id}: {self.reason}"


class Suggestion(models.Model):
    """A user's wish to change what everybody sees; a reviewer decides."""

    class Type(models.TextChoices):
        NEW = "new", "New basket"
        ADD = "add", "Add markets"
        REMOVE = "remove", "Remove markets"

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    # What the API calls it: it says nothing of how many there are.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="suggestions")
    type = models.CharField(max_length=6, choices=Type)
    basket = models.ForeignKey(Basket, null=True, blank=True, on_delete=models.CASCADE, related_name="suggestions")
    name = models.CharField(max_length=120, blank=True)
    description = models.TextField(blank=True)
    # [{"market": id, "side": "yes", "weight": "0.25"}]
    legs = models.JSONField(default=list)
    reason = models.TextField()
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    notes = models.TextField(blank=True)
    result = models.ForeignKey(Basket, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        # Query: the reviewers' queue, oldest first.
        indexes = [models.Index(fields=["status", "created_at"], name="suggestion_queue")]
        constraints = [
            models.CheckConstraint(
                condition=(Q(type="new", basket__isnull=True) & ~Q(name=""))
                | (Q(type__in=["add", "remove"]) & Q(basket__isnull=False)),
                name="suggestion_names_its_target",
            )
        ]
        permissions = [("review_suggestion", "Can approve and reject suggestions")]

    def __str__(self) -> str:
        return f"{self.get_type_display()}: {self.name or self.basket_id}"


class Override(models.Model):
    """A reviewer's word about one market in system baskets; it survives every rebuild and touches no label."""

    class Action(models.TextChoices):
        EXCLUDE = "exclude", "Do not hold"
        PIN = "pin", "Always hold"
        MOVE = "move", "Hold in another basket"

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="overrides")
    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="overrides")
    target = models.ForeignKey(Basket, null=True, blank=True, on_delete=models.CASCADE, related_name="moved_here")
    action = models.CharField(max_length=8, choices=Action)
    side = models.CharField(max_length=3, choices=Side, blank=True)
    weight = WeightField(null=True, blank=True)
    reason = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["market", "basket"], name="override_once"),
            models.CheckConstraint(
                condition=Q(action="move", target__isnull=False) | (~Q(action="move") & Q(target__isnull=True)),
                name="override_move_has_target",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.market_id}"
