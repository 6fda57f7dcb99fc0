"""Facts about what a market bears on, how we came to them, and who confirmed them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from itomarkets.lib.venues import Venue
from markets.models import Market


class Theme(models.Model):
    """A family of risk factors; the taxonomy file is the source, this is its copy for relations."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    about = models.TextField(blank=True)
    # What "up" means for the whole theme; empty where the theme has no axis.
    up = models.CharField(max_length=200, blank=True)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name


class RiskFactor(models.Model):
    """One of the things that markets bear on."""

    class Sign(models.IntegerChoices):
        MORE = 1, "more of the theme"
        NEITHER = 0, "neither"
        LESS = -1, "less of the theme"

    slug = models.SlugField(unique=True)
    theme = models.ForeignKey(Theme, on_delete=models.PROTECT, related_name="factors")
    name = models.CharField(max_length=120)
    up = models.CharField(max_length=200, blank=True)
    sign = models.SmallIntegerField(choices=Sign)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """What decided: the rules, examples and models of a run, by the hash of all that they depend on."""

    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    is_active = models.BooleanField(default=False)
    measures = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.digest[:12]


class Classification(models.Model):
    """What one market bears on, in which direction, how sure we are, and why."""

    class Status(models.TextChoices):
        ASSIGNED = "assigned", "Assigned by the pipeline"
        WAITING = "waiting", "Waiting for review"
        CONFIRMED = "confirmed", "Confirmed by a reviewer"
        CORRECTED = "corrected", "Corrected by a reviewer"
        UNCLASSIFIED = "unclassified", "No factor fits"
        SKIPPED = "skipped", "Skipped"

    class Direction(models.IntegerChoices):
        MORE = 1, "YES means more"
        NEITHER = 0, "Neither"
        LESS = -1, "YES means less"

    market = models.OneToOneField(Market, on_delete=models.CASCADE, related_name="classification")
    factor = models.ForeignKey(
        RiskFactor, null=True, blank=True, on_delete=models.PROTECT, related_name="classifications"
    )
    runner_up = models.ForeignKey(RiskFactor, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    direction = models.SmallIntegerField(choices=Direction, default=Direction.NEITHER)
    confidence = models.FloatField(default=0.0)
    # 0 to 1, written by baskets: uncertainty × liquidity × how heavily it is held. Reviewers start at the top.
    importance = models.FloatField(default=0.0)
    # Stages that spoke clearly named different factors: these come first in the queue.
    is_disputed = models.BooleanField(default=False)
    status = models.CharField(max_length=12, choices=Status)
    skip_reason = models.CharField(max_length=40, blank=True)
    # One entry a stage, in order: {"stage": "...", "says": "...", ...}.
    trail = models.JSONField(default=list)
    input_digest = models.CharField(max_length=32, blank=True)
    model_version = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [
            # Query: the members of a factor, for baskets.
            models.Index(fields=["factor", "status"], name="classification_factor"),
            # Query: what changed since baskets looked last.
            models.Index(fields=["changed_at"], name="classification_changed"),
            # Query: the review queue: where stages disagree first, then the most important.
            models.Index(fields=["status", "-is_disputed", "-importance"], name="classification_review"),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}: {self.factor_id or self.status}"


class Review(models.Model):
    """One decision of a reviewer about one classification. Appended, never changed."""

    classification = models.ForeignKey(Classification, on_delete=models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="label_reviews")
    at = models.DateTimeField()
    old_factor = models.ForeignKey(RiskFactor, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    old_direction = models.SmallIntegerField()
    new_factor = models.ForeignKey(RiskFactor, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    new_direction = models.SmallIntegerField()
    # Blank on reviews that were written before statuses were kept.
    old_status = models.CharField(max_length=12, choices=Classification.Status, blank=True, default="")
    new_status = models.CharField(max_length=12, choices=Classification.Status, blank=True, default="")
    # Set where this review takes an earlier one back.
    undoes = models.OneToOneField("self", null=True, blank=True, on_delete=models.CASCADE, related_name="undone_by")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        # Query: what a reviewer did last, to take it back.
        indexes = [models.Index(fields=["reviewer", "-id"], name="review_by_reviewer")]

    def __str__(self) -> str:
        factor = self.new_factor.slug if self.new_factor else "no factor"
        return f"{factor}, {self.at:%Y-%m-%d %H:%M}"


class MarketPair(models.Model):
    """A market of each venue that ask the same or nearly the same, and what a person decided about using the pair."""

    class Relation(models.TextChoices):
        IDENTICAL = "identical", "The same question"
        COMPLEMENT = "complement", "YES of one is NO of the other"
        SUBSET = "subset", "YES of one means YES of the other"
        OVERLAPS = "overlaps", "Can both be YES, neither follows"
        RELATED = "related", "About the same thing"

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting for review"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"

    kalshi = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="pairs_from_kalshi")
    polymarket = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="pairs_from_polymarket")
    relation = models.CharField(max_length=10, choices=Relation)
    # Of a subset: the venue whose YES means YES at the other.
    narrower = models.CharField(max_length=12, choices=Venue, blank=True)
    confidence = models.FloatField()
    # 0 to 1: confidence × liquidity. Reviewers start at the top.
    importance = models.FloatField(default=0.0)
    # One entry a stage: {"stage": "time", "says": "...", "agrees": [...], "kalshi": [...], "polymarket": [...]}.
    evidence = models.JSONField(default=list)
    # Of both texts as the evidence read them; a page sends it back, so that nobody decides on what they did not see.
    texts_digest = models.CharField(max_length=32)
    found_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="pair_reviews"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    notes = models.TextField(blank=True)
    # The texts that were approved, by venue; a later change is shown against them.
    approved_texts = models.JSONField(default=dict, blank=True)
    # Why an approved pair waits again.
    reopened = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kalshi", "polymarket"], name="market_pair_once"),
            models.CheckConstraint(
                condition=Q(status="pending", reviewer=None, reviewed_at=None)
                | Q(status__in=["approved", "rejected"], reviewed_at__isnull=False, reviewer__isnull=False),
                name="market_pair_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(relation="subset") | Q(narrower=""), name="market_pair_narrower_of_subsets_alone"
            ),
        ]
        # Query: the review queue, the most important first.
        indexes = [models.Index(fields=["status", "-importance"], name="market_pair_review")]

    def __str__(self) -> str:
        return f"{self.kalshi_id} and {self.polymarket_id}: {self.relation}"
