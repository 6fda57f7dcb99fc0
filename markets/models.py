"""The mirror of both venues: events, markets, quotes, prices, and the runs that fetched them."""

from decimal import Decimal

from django.db import models
from django.db.models import Case, F, Q, Value, When

from itomarkets.lib.fields import MoneyField, PriceField, SizeField
from itomarkets.lib.venues import Venue
from markets.querysets import EventQuerySet, MarketQuerySet

# A market maker's placeholder: a bid of a cent or less and an offer of 99 or more say nothing.
GHOST_BID = Decimal("0.01")
GHOST_ASK = Decimal("0.99")


class Event(models.Model):
    """A question's parent at a venue: a Kalshi event or a Polymarket event."""

    venue = models.CharField(max_length=12, choices=Venue)
    native_id = models.CharField(max_length=120)
    slug = models.CharField(max_length=300, blank=True)
    title = models.TextField(blank=True)
    subtitle = models.TextField(blank=True)
    series_key = models.CharField(max_length=120, blank=True)
    series_title = models.TextField(blank=True)
    category = models.CharField(max_length=80, blank=True)
    tags = models.JSONField(default=list, blank=True)
    mutually_exclusive = models.BooleanField(default=False)
    neg_risk = models.BooleanField(default=False)
    fee_type = models.CharField(max_length=40, blank=True)
    fee_multiplier = models.CharField(max_length=20, blank=True)
    digest = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField()
    last_changed_at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "native_id"], name="event_identity")]
        # Query: an event's siblings in its series, for grouping and expansion.
        indexes = [models.Index(fields=["venue", "series_key"], name="event_series")]

    def __str__(self) -> str:
        return self.title or self.native_id


class Market(models.Model):
    """One question with a YES and a NO side, as its venue last described it.

    Prices are dollars of one YES contract. An empty book side is null, never 0 or 1.
    """

    class Status(models.TextChoices):
        UNOPENED = "unopened", "Not open yet"
        OPEN = "open", "Open"
        PAUSED = "paused", "Paused"
        CLOSED = "closed", "Closed, not decided"
        DISPUTED = "disputed", "Disputed"
        RESOLVED = "resolved", "Resolved"
        VOID = "void", "Void"

    class Result(models.TextChoices):
        NONE = "", "None yet"
        YES = "yes", "YES"
        NO = "no", "NO"
        FRACTION = "fraction", "Fraction"

    venue = models.CharField(max_length=12, choices=Venue)
    # Kalshi: the ticker. Polymarket: the Gamma id.
    native_id = models.CharField(max_length=120)
    slug = models.CharField(max_length=300, blank=True)
    event = models.ForeignKey(Event, null=True, blank=True, on_delete=models.PROTECT, related_name="markets")
    title = models.TextField(blank=True)
    subtitle = models.TextField(blank=True)
    rules = models.TextField(blank=True)
    yes_label = models.CharField(max_length=200, default="Yes")
    no_label = models.CharField(max_length=200, default="No")
    # 2 for a question with YES and NO; 0 for one that pays anything between (Kalshi's scalar markets).
    outcome_count = models.PositiveSmallIntegerField(default=2)
    is_combo = models.BooleanField(default=False)
    category = models.CharField(max_length=80, blank=True)
    tags = models.JSONField(default=list, blank=True)

    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    result = models.CharField(max_length=8, choices=Result, default=Result.NONE, blank=True)
    # What one YES contract pays once resolved; NO pays one minus it.
    payout = PriceField(null=True, blank=True)
    open_at = models.DateTimeField(null=True, blank=True)
    close_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    # Seen missing from a complete run and not found by its id either; the row is kept.
    vanished_at = models.DateTimeField(null=True, blank=True)

    # Listing prices: what the venue's list said; it last said something new at `listed_at`. Books live in Quote.
    yes_bid = PriceField(null=True, blank=True)
    yes_ask = PriceField(null=True, blank=True)
    last_price = PriceField(null=True, blank=True)
    # Traded so far: dollars at Polymarket; at Kalshi contracts, each of which pays up to one dollar.
    volume = MoneyField(default=0)
    volume_24h = MoneyField(null=True, blank=True)
    liquidity = MoneyField(null=True, blank=True)
    open_interest = SizeField(null=True, blank=True)
    listed_at = models.DateTimeField(null=True, blank=True)

    # How it trades. Steps and rates are decimal strings, as the venue sends them.
    price_ranges = models.JSONField(default=list, blank=True)
    min_size = SizeField(null=True, blank=True)
    exchange_index = models.PositiveSmallIntegerField(default=0)
    condition_id = models.CharField(max_length=66, blank=True)
    yes_token = models.CharField(max_length=80, blank=True)
    no_token = models.CharField(max_length=80, blank=True)
    neg_risk = models.BooleanField(default=False)
    accepts_orders = models.BooleanField(default=True)
    # {"type": "quadratic", "rate": "0.07", "exponent": "1"}; empty where the venue gave none. See fees.py.
    fee_schedule = models.JSONField(default=dict, blank=True)

    # Two halves: of what the row says, and of its prices and volumes.
    digest = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField()
    # When what the row says last changed; prices do not count.
    last_changed_at = models.DateTimeField()

    objects = MarketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "native_id"], name="market_identity"),
            models.CheckConstraint(
                condition=Q(payout__isnull=True) | Q(payout__gte=0, payout__lte=1), name="market_payout_0_to_1"
            ),
        ]
        indexes = [
            # Query: open markets by closing time, for eligibility, search and the sync's second pass.
            models.Index(fields=["status", "close_at"], name="market_status_close"),
            # Query: what changed since categorization looked last.
            models.Index(fields=["last_changed_at"], name="market_changed"),
            # Query: a position or book that names only a token.
            models.Index(fields=["yes_token"], name="market_yes_token"),
            models.Index(fields=["no_token"], name="market_no_token"),
            # Query: the busiest markets first, on search pages.
            models.Index(fields=["-volume", "id"], name="market_volume"),
        ]

    def __str__(self) -> str:
        return f"{self.venue}:{self.native_id}"

    @property
    def question(self) -> str:
        """The question as a person reads it: the title, with the outcome that it is about."""
        title = self.title or (self.event.title if self.event else "") or self.native_id
        if self.subtitle and self.subtitle.lower() not in title.lower():
            return f"{title} ({self.subtitle})"
        return title

    @property
    def is_resolved(self) -> bool:
        return self.status in (self.Status.RESOLVED, self.Status.VOID) and self.payout is not None


class SearchDocument(models.Model):
    """What the search reads of one market, made from it after it was written: see `search_index`.

    Both texts hold words with a space at each end. The index proper stands beside it, made by a migration and kept
    by the database: on PostgreSQL a generated column `vector` under GIN, on SQLite an FTS5 table.
    """

    market = models.OneToOneField(Market, on_delete=models.CASCADE, related_name="search", primary_key=True)
    title = models.TextField()
    words = models.TextField()
    # The newest change of the market and its event that is in it.
    stamp = models.DateTimeField()


class SearchWord(models.Model):
    """A word that markets hold, for those who mistype it; `count` is about how many, and only ranks."""

    word = models.CharField(max_length=40, unique=True)
    count = models.PositiveIntegerField(default=0)


class MarketChange(models.Model):
    """One thing that a market's row said otherwise before: appended by the sync, never edited.

    `before` and `after` hold the field's value: text, number, list or null; decimals and instants as text.
    """

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="changes")
    field = models.CharField(max_length=40)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.label}: {self.was} → {self.became}"

    @property
    def label(self) -> str:
        return self.field.replace("_", " ").capitalize()

    @property
    def was(self) -> str:
        return _shown(self.before)

    @property
    def became(self) -> str:
        return _shown(self.after)


def _shown(value: object) -> str:
    """Write a kept value for a person."""
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_shown(part) for part in value)
    return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)


class Quote(models.Model):
    """The best prices of one market now, from its order book. Null means nobody quotes that side."""

    class Freshness(models.TextChoices):
        LIVE = "live", "Live"
        STALE = "stale", "Stale"
        DEAD = "dead", "Dead"

    class Source(models.TextChoices):
        POLLED = "polled", "Polled"
        STREAMED = "streamed", "Streamed"

    class Condition(models.TextChoices):
        """What a quote is worth as a source of a price."""

        TWO_SIDED = "two_sided", "Two-sided"
        ONE_SIDED = "one_sided", "One-sided"
        EMPTY = "empty", "Empty"
        CROSSED = "crossed", "Crossed"
        GHOST = "ghost", "Ghost"

    market = models.OneToOneField(Market, on_delete=models.CASCADE, related_name="quote", primary_key=True)
    yes_bid = PriceField(null=True)
    yes_bid_size = SizeField(null=True)
    yes_ask = PriceField(null=True)
    yes_ask_size = SizeField(null=True)
    no_bid = PriceField(null=True)
    no_bid_size = SizeField(null=True)
    no_ask = PriceField(null=True)
    no_ask_size = SizeField(null=True)
    last_price = PriceField(null=True)
    last_at = models.DateTimeField(null=True)
    # When the venue says the book stood like this, and when we received it.
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField()
    # By which of the venue's doors it came: asked for over HTTP, or told over a socket.
    source = models.CharField(max_length=8, choices=Source, default=Source.POLLED, db_default=Source.POLLED)
    # Named by the database from the two prices, so that no writer can forget it. `quotes.condition` says the same.
    condition = models.GeneratedField(
        expression=Case(
            When(yes_bid__isnull=True, yes_ask__isnull=True, then=Value("empty")),
            When(Q(yes_bid__isnull=True) | Q(yes_ask__isnull=True), then=Value("one_sided")),
            When(yes_bid__gte=F("yes_ask"), then=Value("crossed")),
            When(yes_bid__lte=GHOST_BID, yes_ask__gte=GHOST_ASK, then=Value("ghost")),
            default=Value("two_sided"),
        ),
        output_field=models.CharField(max_length=10, choices=Condition),
        db_persist=True,
    )

    class Meta:
        # Query: quotes that are getting old, on the status strip.
        indexes = [models.Index(fields=["received_at"], name="quote_received")]

    @property
    def reason(self) -> str:
        """Say why the book is called what it is; empty where it is an ordinary one."""
        match self.condition:
            case self.Condition.EMPTY:
                return "Nobody bids and nobody offers."
            case self.Condition.ONE_SIDED:
                return f"Nobody {'bids' if self.yes_bid is None else 'offers'}."
            case self.Condition.CROSSED:
                return f"The bid of {self.yes_bid:.4f} is not below the offer of {self.yes_ask:.4f}."
            case self.Condition.GHOST:
                return f"A bid of {self.yes_bid:.4f} and an offer of {self.yes_ask:.4f} say nothing of the price."
        return ""


class QuoteDemand(models.Model):
    """An upper app's wish: keep this market quoted until then."""

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="demands")
    source = models.CharField(max_length=40)
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["market", "source"], name="demand_once_a_source")]


class QuoteStream(models.Model):
    """How one venue's quotes come just now, as the process that streams them last said; no row where none runs."""

    class State(models.TextChoices):
        STREAMING = "streaming", "Streaming"
        POLLING = "polling", "Polling"
        DOWN = "down", "Down"

    venue = models.CharField(max_length=12, choices=Venue, unique=True)
    state = models.CharField(max_length=9, choices=State)
    # Why it is not streaming, or what is polled although it streams.
    reason = models.TextField(blank=True)
    since = models.DateTimeField()
    # When the venue last sent anything that is a price; pings do not count.
    data_at = models.DateTimeField(null=True, blank=True)
    # The process says all this anew every few seconds; an old row is that of a process that was killed.
    told_at = models.DateTimeField()
    markets = models.PositiveIntegerField(default=0)
    connections = models.PositiveIntegerField(default=0)
    # Books asked for anew since the process began: gaps, misfits, new tick sizes.
    reasked = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.venue} {self.state}"


class Interval(models.IntegerChoices):
    """How long a bucket of time is, in seconds."""

    MINUTE = 60, "Minute"
    FIVE_MINUTES = 300, "Five minutes"
    HOUR = 3600, "Hour"
    DAY = 86400, "Day"


class PricePoint(models.Model):
    """The price of one YES contract in a bucket of time; the bucket's start is its key.

    On PostgreSQL the table is partitioned by month, so its primary key there is (id, at); see `lib/partitions.py`.
    Minutes are rolled up into five minutes and those into hours: `pruning.py`.
    """

    Interval = Interval

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="price_points")
    interval = models.PositiveIntegerField(choices=Interval)
    at = models.DateTimeField()
    # The bucket's last; and its mean, where the venue says it or several prices of the bucket are known.
    price = PriceField()
    average = PriceField(null=True)
    bid = PriceField(null=True)
    ask = PriceField(null=True)
    volume = SizeField(null=True)
    # Where it came from; the words stand in venues/past.py.
    source = models.CharField(max_length=24)
    # When the venue says that the price stood, and when we received it.
    observed_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["market", "interval", "at"], name="price_point_once"),
            models.CheckConstraint(condition=Q(price__gte=0, price__lte=1), name="price_point_0_to_1"),
        ]
        # Query: what is fine enough to be rolled up, oldest first. Hours and days, most of the table, are not in it.
        indexes = [models.Index(fields=["interval", "at"], condition=Q(interval__lt=3600), name="price_point_fine")]


class HistoryWindow(models.Model):
    """How far one stretch of a market's past has been fetched: a backfill that was cut off goes on from here."""

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="history_windows")
    interval = models.PositiveIntegerField(choices=Interval)
    # The stretch's start on the grid of its venue and interval.
    start_at = models.DateTimeField()
    # The buckets that were asked for and answered: from the first to before the second.
    covered_from = models.DateTimeField()
    covered_to = models.DateTimeField()
    checked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["market", "interval", "start_at"], name="history_window_once")]


class HistoryGap(models.Model):
    """Buckets that were asked for and have no price: the first, the last, how many, and why."""

    class Reason(models.TextChoices):
        EMPTY = "empty", "The venue has no price there"
        UNPRICED = "unpriced", "The venue's quotes there make no price"
        UNREADABLE = "unreadable", "The venue's answer could not be read"

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="history_gaps")
    interval = models.PositiveIntegerField(choices=Interval)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    missing = models.PositiveIntegerField()
    reason = models.CharField(max_length=10, choices=Reason)
    detail = models.CharField(max_length=300, blank=True)
    found_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["market", "interval", "start_at"], name="history_gap_once")]


class PriceConflict(models.Model):
    """Two answers for one bucket: the price that stands, and another one that came later and was not taken."""

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="price_conflicts")
    interval = models.PositiveIntegerField(choices=Interval)
    at = models.DateTimeField()
    price = PriceField()
    source = models.CharField(max_length=24)
    other_price = PriceField()
    other_source = models.CharField(max_length=24)
    found_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["market", "interval", "at", "other_source", "other_price"], name="price_conflict_once"
            )
        ]


class SyncRun(models.Model):
    """One run of a venue's sync: what it saw, and whether it may say that something is gone."""

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        COMPLETE = "complete", "Complete"
        INCOMPLETE = "incomplete", "Incomplete"
        QUARANTINED = "quarantined", "Quarantined"
        FAILED = "failed", "Failed"

    venue = models.CharField(max_length=12, choices=Venue)
    is_full = models.BooleanField(default=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    pages = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    # What the row says changed, or only its prices and volumes.
    updated = models.PositiveIntegerField(default=0)
    repriced = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    quarantined = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.venue} {self.started_at:%Y-%m-%d %H:%M:%S}"


class QuarantinedRow(models.Model):
    """A row that could not be read: kept as it came, with the reason."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="quarantined_rows")
    venue = models.CharField(max_length=12, choices=Venue)
    native_id = models.CharField(max_length=120, blank=True)
    raw = models.JSONField()
    error = models.TextField()

    def __str__(self) -> str:
        return f"{self.venue}:{self.native_id}"
