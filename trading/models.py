"""Trades: a click on a basket, its orders, what the venues did with them, and what is held since."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from baskets.models import Basket, Composition
from itomarkets.lib.fields import MoneyField, PriceField, SizeField, WeightField
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Side, Venue
from markets.models import Market
from trading.states import FINAL, LIVE, ForbiddenTransition, is_allowed


class VenueAccount(models.Model):
    """An account that can hold money and contracts: paper, sandbox, demo or live."""

    class Kind(models.TextChoices):
        PAPER = "paper", "Paper"
        KALSHI = "kalshi", "Kalshi"
        POLYMARKET = "polymarket", "Polymarket"

    class Mode(models.TextChoices):
        PAPER = "paper", "Paper"
        SANDBOX = "sandbox", "Sandbox"
        DEMO = "demo", "Demo"
        LIVE = "live", "Live"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="venue_accounts")
    kind = models.CharField(max_length=10, choices=Kind)
    mode = models.CharField(max_length=7, choices=Mode)
    label = models.CharField(max_length=60, blank=True)
    # Sealed by credentials.py; never shown, logged or serialised.
    sealed_credentials = models.BinaryField(null=True, blank=True, editable=False)
    # Which of CREDENTIAL_KEYS sealed them.
    key_version = models.CharField(max_length=16, blank=True)
    # The last four characters of the key's id, for people to tell accounts apart.
    key_hint = models.CharField(max_length=4, blank=True)
    is_enabled = models.BooleanField(default=True)
    # A live account trades only when its owner has switched it on as well as LIVE_TRADING.
    live_enabled = models.BooleanField(default=False)
    # What the venue last said; for paper, what the ledger says.
    cash = MoneyField(default=ZERO)
    checked_at = models.DateTimeField(null=True, blank=True)
    # Sentences: where the venue and our ledger said different things at `checked_at`.
    differences = models.JSONField(default=list, blank=True)
    # Kalshi keeps cash per shard: {exchange index: free dollars as a string}, read at `checked_at`.
    cash_by_shard = models.JSONField(default=dict, blank=True)
    # When the write budget would be whole again: every worker's claim moves it on, under this row's lock.
    budget_whole_at = models.DateTimeField(null=True, blank=True)
    # Orders placed on it elsewhere: {order, market, side, price, status, count}; none of them is ours.
    external = models.JSONField(default=list, blank=True)
    # What the doctor found: {check, status, says}, one each; never a secret.
    findings = models.JSONField(default=list, blank=True)
    examined_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "mode"], name="venue_account_once"),
            models.CheckConstraint(
                condition=(Q(kind="paper") & Q(mode="paper")) | (~Q(kind="paper") & ~Q(mode="paper")),
                name="venue_account_paper_is_paper",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_mode_display()})"

    @property
    def is_paper(self) -> bool:
        return self.kind == self.Kind.PAPER

    @property
    def health(self) -> str:
        """Return the worst that the doctor found: fail, warn or ok; empty before the first check."""
        found = {finding["status"] for finding in self.findings}
        return next((status for status in ("fail", "warn", "ok") if status in found), "")

    def cash_reserved(self) -> Decimal:
        """Return the cash that orders which have not ended may still take."""
        return sum(self.orders.filter(status__in=LIVE).values_list("reserved", flat=True), ZERO)

    def cash_available(self) -> Decimal:
        """Return the cash that a new order may reserve."""
        return self.cash - self.cash_reserved()


class TradeAction(models.TextChoices):
    BUY = "buy", "Buy"
    SELL = "sell", "Sell"


class TicketQuote(models.Model):
    """What a basket would cost now, walked through both books; it lives for seconds."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="ticket_quotes")
    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="+")
    composition = models.ForeignKey(Composition, on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=4, choices=TradeAction, default=TradeAction.BUY)
    side = models.CharField(max_length=3, choices=Side)
    mode = models.CharField(max_length=7, choices=VenueAccount.Mode)
    allocation = models.CharField(max_length=8, choices=Basket.Allocation)
    # Buying: the most that may leave the accounts. Selling: what was asked for, before fees.
    amount = MoneyField()
    # What QuotedLeg.to_json gives, one a leg, decimals as strings.
    legs = models.JSONField(default=list)
    # Sentences, each about one thing.
    warnings = models.JSONField(default=list)
    # Contracts times prices now: paid when buying, received when selling.
    cost = MoneyField()
    fees = MoneyField()
    # Buying: the most that can leave, fees included. Selling: the least that comes in, after fees, if all is sold.
    worst_cost = MoneyField()
    best_payout = MoneyField()
    worst_payout = MoneyField(default=ZERO)
    # What of the amount stays as cash at the prices of the quote, and why.
    left_over = MoneyField(default=ZERO)
    left_over_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]

    @property
    def total(self) -> Decimal:
        """What is paid with fees at the prices of the quote; for a sale, what comes in after fees."""
        return self.cost + self.fees if self.action == TradeAction.BUY else self.cost - self.fees

    @property
    def contracts(self) -> Decimal:
        return sum((Decimal(leg["count"]) for leg in self.legs), ZERO)

    def is_alive(self, now: datetime) -> bool:
        return now < self.expires_at


class Trade(models.Model):
    """One click on a basket: a set of orders that no venue knows as one."""

    class Status(models.TextChoices):
        CONFIRMED = "confirmed", "Confirmed"
        EXECUTING = "executing", "Executing"
        COMPLETE = "complete", "Complete"
        PARTIAL = "partial", "Partly filled"
        ABORTED = "aborted", "Nothing filled"
        UNWOUND = "unwound", "Unwound"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"

    class Policy(models.TextChoices):
        BEST_EFFORT = "best_effort", "Best effort"
        HOLD_AND_ASK = "hold_and_ask", "Hold and ask"
        ALL_OR_UNWIND = "all_or_unwind", "All or unwind"

    class Hold(models.TextChoices):
        NONE = "", "Not held"
        # A leg fell short and the rest waits for its owner.
        ASK = "ask", "Continue or stop?"
        # The way back costs more than may be taken without asking.
        UNWIND = "unwind", "Unwind or keep?"
        DECIDED = "decided", "Decided"

    Action = TradeAction

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="trades")
    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, related_name="trades")
    composition = models.ForeignKey(Composition, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=4, choices=TradeAction, default=TradeAction.BUY)
    side = models.CharField(max_length=3, choices=Side)
    mode = models.CharField(max_length=7, choices=VenueAccount.Mode)
    policy = models.CharField(max_length=14, choices=Policy, default=Policy.BEST_EFFORT)
    amount = MoneyField()
    worst_cost = MoneyField()
    status = models.CharField(max_length=16, choices=Status, default=Status.CONFIRMED)
    idempotency_key = models.CharField(max_length=64)
    quote_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    # Each step is taken by a conditional update, so that two clicks or two workers take it once.
    hold = models.CharField(max_length=7, choices=Hold, default=Hold.NONE, blank=True)
    held_at = models.DateTimeField(null=True, blank=True)
    # The owner sent the rest after all: its deadline counts from here.
    continued_at = models.DateTimeField(null=True, blank=True)
    # The way back as it was last priced: what WayBack.to_json gives.
    way_back = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="trade_once_a_key"),
            # A quote is confirmed once, whatever key the second click carries.
            models.UniqueConstraint(fields=["quote_id"], name="trade_once_a_quote"),
        ]
        # Query: a person's trades, newest first.
        indexes = [models.Index(fields=["user", "-created_at"], name="trade_user_created")]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.side} {self.basket_id}"

    @property
    def is_held(self) -> bool:
        """Tell whether it waits for its owner's choice."""
        return self.hold in (self.Hold.ASK, self.Hold.UNWIND)


class Order(models.Model):
    """One leg of a trade at one venue. The row is the queue and the truth; messages are nudges."""

    class Status(models.TextChoices):
        PLANNED = "planned", "Planned"
        DENIED = "denied", "Denied here"
        SUBMITTING = "submitting", "Sending"
        OPEN = "open", "Open at the venue"
        FILLED = "filled", "Filled"
        REJECTED = "rejected", "Rejected by the venue"
        CANCELED = "canceled", "Canceled"
        EXPIRED = "expired", "Expired"
        UNKNOWN = "unknown", "Unknown"
        NOT_PLACED = "not_placed", "Proven not placed"
        PENDING_CANCEL = "pending_cancel", "Cancel sent"

    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="orders")
    leg_no = models.PositiveSmallIntegerField()
    attempt_no = models.PositiveSmallIntegerField(default=1)
    account = models.ForeignKey(VenueAccount, on_delete=models.PROTECT, related_name="orders")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="orders")
    side = models.CharField(max_length=3, choices=Side)
    action = models.CharField(max_length=4, choices=TradeAction)
    count = SizeField()
    # The held side's price: the most to pay when buying, the least to take when selling.
    limit_price = PriceField()
    # What the order may cost at worst: count × limit + fee; held back from cash until it ends.
    reserved = MoneyField()
    # The share that it takes of what is offered inside the price band: the largest is the thinnest leg.
    depth_share = WeightField(default=ZERO)
    status = models.CharField(max_length=14, choices=Status, default=Status.PLANNED)
    reason = models.CharField(max_length=300, blank=True)
    client_id = models.UUIDField(unique=True)
    venue_order_id = models.CharField(max_length=80, blank=True)
    # Polymarket: the hash of the signed order, known before it is sent.
    order_hash = models.CharField(max_length=66, blank=True)
    signed_payload = models.TextField(blank=True)
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["trade", "leg_no", "attempt_no"]
        constraints = [
            models.UniqueConstraint(fields=["trade", "leg_no", "attempt_no"], name="order_attempt_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="order_count_positive"),
            models.CheckConstraint(condition=Q(limit_price__gt=0, limit_price__lt=1), name="order_limit_inside_0_1"),
        ]
        indexes = [
            # Query: what reconciliation must look at.
            models.Index(fields=["status", "submitted_at"], name="order_status_submitted"),
            # Query: find the order that a venue's fill names.
            models.Index(fields=["account", "venue_order_id"], name="order_venue_id"),
        ]

    def __str__(self) -> str:
        return f"{self.trade_id}/{self.leg_no}.{self.attempt_no}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def filled_count(self) -> Decimal:
        """Return the contracts that fills have brought, those that failed on chain left out."""
        return sum(
            self.fills.exclude(settlement=Fill.Settlement.FAILED).values_list("count", flat=True),
            ZERO,
        )

    def transition_to(self, status: str, *, reason: str, at: datetime, evidence: dict[str, Any] | None = None) -> bool:
        """Take one step of the table, and append its event. Returns False where the order already stands there.

        The row is locked and read again first. A final step frees what was reserved. Raises
        ForbiddenTransition, changing nothing, for a step that the table does not have.
        """
        with transaction.atomic():
            row = Order.objects.select_for_update().get(pk=self.pk)
            old = row.status
            moved = old != status
            if moved and not is_allowed(old, status):
                raise ForbiddenTransition(old, status)
            if moved:
                row.status, row.reason = status, reason[:300]
                if status == Order.Status.SUBMITTING:
                    row.submitted_at = at
                if status in FINAL:
                    row.finished_at, row.reserved = at, ZERO
                row.save(update_fields=["status", "reason", "submitted_at", "finished_at", "reserved"])
                OrderEvent.objects.create(
                    order=row, at=at, old_status=old, new_status=status, reason=reason[:300], evidence=evidence or {}
                )
        self.status, self.reason, self.reserved = row.status, row.reason, row.reserved
        self.submitted_at, self.finished_at = row.submitted_at, row.finished_at
        return moved


class OrderEvent(models.Model):
    """One step in an order's life, with the evidence for it."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    old_status = models.CharField(max_length=14, choices=Order.Status)
    new_status = models.CharField(max_length=14, choices=Order.Status)
    reason = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["id"]


class Fill(models.Model):
    """A trade that happened at a venue. Inserted once, never overwritten."""

    class Settlement(models.TextChoices):
        MATCHED = "matched", "Matched"
        CONFIRMED = "confirmed", "Confirmed"
        FAILED = "failed", "Failed on chain"

    account = models.ForeignKey(VenueAccount, on_delete=models.PROTECT, related_name="fills")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    venue_trade_id = models.CharField(max_length=100)
    count = SizeField()
    # The held side's price.
    price = PriceField()
    fee = MoneyField(default=ZERO)
    settlement = models.CharField(max_length=10, choices=Settlement, default=Settlement.CONFIRMED)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "order", "venue_trade_id"], name="fill_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="fill_count_positive"),
        ]


class Position(models.Model):
    """What an account holds of one side of one market. Computed from fills and settlements, by positions.py alone."""

    account = models.ForeignKey(VenueAccount, on_delete=models.PROTECT, related_name="positions")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="positions")
    basket = models.ForeignKey(Basket, on_delete=models.PROTECT, related_name="positions")
    side = models.CharField(max_length=3, choices=Side)
    count = SizeField(default=ZERO)
    # What the contracts still held cost, fees included.
    cost = MoneyField(default=ZERO)
    fees = MoneyField(default=ZERO)
    realised = MoneyField(default=ZERO)
    settled_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "basket", "market", "side"], name="position_once"),
            models.CheckConstraint(condition=Q(count__gte=0), name="position_not_negative"),
        ]


class CashEntry(models.Model):
    """One event in an account's ledger, and what it moved in cash. Appended, never changed.

    Its lines say what the cash was for: cash and lines together are exactly zero. Written by ledger.py alone.
    """

    class Kind(models.TextChoices):
        OPENING = "opening", "Opening balance"
        FILL = "fill", "Fill"
        FEE = "fee", "Fee"
        NETTING = "netting", "Pairs paid out"
        SETTLEMENT = "settlement", "Settlement"
        CORRECTION = "correction", "Corrected result"
        REDEMPTION = "redemption", "Redeemed"
        REVERSAL = "reversal", "Reversal"
        EXTERNAL = "external", "Moved outside Itô"
        RESTATED = "restated", "Restated"

    account = models.ForeignKey(VenueAccount, on_delete=models.PROTECT, related_name="cash_entries")
    kind = models.CharField(max_length=10, choices=Kind)
    amount = MoneyField()
    fill = models.ForeignKey(Fill, null=True, blank=True, on_delete=models.PROTECT, related_name="cash_entries")
    market = models.ForeignKey(Market, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # What one YES contract paid, on settlements and corrections.
    payout = PriceField(null=True, blank=True)
    # Names the cause once: fill:17, fee:17, netting:17, settlement:<market>:<how often before> …
    reference = models.CharField(max_length=120)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "cash entries"
        constraints = [models.UniqueConstraint(fields=["account", "reference"], name="cash_entry_once")]
        # Query: what the ledger says of one market on one account, each time a fill is booked.
        indexes = [models.Index(fields=["account", "market"], name="cash_entry_market")]

    def __str__(self) -> str:
        return self.reference

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("A ledger entry is never changed; book what corrects it.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("A ledger entry is never deleted.")


class LedgerLine(models.Model):
    """What an entry's cash was for: an amount in one book, positive for what is owned, negative for what was earned."""

    class Book(models.TextChoices):
        POSITION = "position", "Contracts held, at what was paid for them"
        CARRIED = "carried", "Fees of the contracts held"
        FEES = "fees", "Fees of the contracts that are gone"
        REALISED = "realised", "Realised, before fees"
        CLAIMABLE = "claimable", "Won and not yet redeemed"
        EQUITY = "equity", "Opening balance"
        EXTERNAL = "external", "Moved outside Itô"

    # The books that belong to one side of the entry's market, held for one basket.
    OF_A_POSITION = (Book.POSITION, Book.CARRIED, Book.FEES, Book.REALISED)

    entry = models.ForeignKey(CashEntry, on_delete=models.PROTECT, related_name="lines")
    book = models.CharField(max_length=9, choices=Book)
    basket = models.ForeignKey(Basket, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    side = models.CharField(max_length=3, choices=Side, blank=True)
    amount = MoneyField(default=ZERO)
    # Contracts, in the book of positions.
    count = SizeField(default=ZERO)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint("entry", "book", Coalesce("basket_id", Value(0)), "side", name="ledger_line_once"),
            models.CheckConstraint(condition=~Q(amount=0) | ~Q(count=0), name="ledger_line_moves_something"),
            models.CheckConstraint(condition=Q(count=0) | Q(book="position"), name="ledger_line_counts_positions"),
            models.CheckConstraint(
                condition=(
                    Q(
                        book__in=["position", "carried", "fees", "realised"],
                        basket__isnull=False,
                        side__in=["yes", "no"],
                    )
                    | Q(book__in=["claimable", "equity", "external"], basket__isnull=True, side="")
                ),
                name="ledger_line_in_its_book",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book} {self.amount}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("A ledger line is never changed; book what corrects it.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("A ledger line is never deleted.")


class TradingSwitch(models.Model):
    """The kill switch of everybody, of one venue or of one person. Read in the transaction that claims an order."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        REDUCING = "reducing", "Reducing only"
        HALTED = "halted", "Halted"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="trading_switch",
        error_messages={"unique": "This person has a switch already: open it and change its state."},
    )
    venue = models.CharField(max_length=10, choices=Venue, blank=True, default="")
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    reason = models.CharField(max_length=200, blank=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "trading switches"
        constraints = [
            # A unique key on a nullable user would let two global switches stand.
            models.UniqueConstraint(
                # By the field's name: validation in forms knows no other.
                Coalesce("user", Value(0)),
                "venue",
                name="trading_switch_once_a_scope",
                violation_error_message="There is a switch of this scope already: open it and change its state.",
            ),
            models.CheckConstraint(
                condition=Q(user=None) | Q(venue=""),
                name="trading_switch_one_scope",
                violation_error_message="A switch is for everybody, for one exchange or for one person: choose a "
                "person or an exchange, not both.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.get_state_display()}"

    @property
    def scope(self) -> str:
        """Name whom it stops."""
        return str(self.user) if self.user is not None else self.get_venue_display() or "everybody"


class PersonalLimit(models.Model):
    """One limit of one person that staff has set lower than the server's; a higher one changes nothing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="personal_limits")
    # A name of trading/limits.py.
    name = models.CharField(max_length=20)
    most = MoneyField()
    reason = models.CharField(max_length=200, blank=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                name="personal_limit_once",
                violation_error_message="This person has this limit already: open it and change it.",
            ),
            models.CheckConstraint(condition=Q(most__gte=0), name="personal_limit_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.name} {self.most}"


class VenueState(models.Model):
    """What a venue takes now, as it last said. Written by venue_state.py alone, read in the transaction that claims."""

    class Mode(models.TextChoices):
        OPEN = "open", "Takes orders"
        POST_ONLY = "post_only", "Takes only orders that rest"
        CANCEL_ONLY = "cancel_only", "Takes only cancels"
        RESTARTING = "restarting", "Restarts"
        DISABLED = "disabled", "Takes nothing"

    venue = models.CharField(max_length=10, choices=Venue)
    # Of which of its exchanges: the sandbox's pause says nothing of the real one.
    environment = models.CharField(max_length=7, choices=VenueAccount.Mode)
    mode = models.CharField(max_length=11, choices=Mode, default=Mode.OPEN)
    # Kalshi: the exchange indexes that it is about; empty means the whole venue.
    shards = models.JSONField(default=list, blank=True)
    # Until when it lasts, as far as the venue or its documents say.
    until = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    # What the venue answered.
    evidence = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "environment"], name="venue_state_once")]

    def __str__(self) -> str:
        return f"{self.get_venue_display()} ({self.get_environment_display()}): {self.get_mode_display().lower()}"
