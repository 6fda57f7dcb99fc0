"""People, their API keys, and what they are told."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey, BaseAPIKeyManager

from accounts.keys import KeyGenerator
from itomarkets.lib import clock


class User(AbstractUser):
    """A person. Administrators have `is_staff`; reviewers are members of the Reviewers group."""

    email = models.EmailField("email address", unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    @property
    def is_reviewer(self) -> bool:
        """Tell whether the person may decide suggestions, labels and overrides."""
        if not self.is_active:
            return False
        return self.is_superuser or self.groups.filter(name="Reviewers").exists()


class ApiKeyManager(BaseAPIKeyManager):
    # The same three methods with our form of key; the library names its own class.
    key_generator = KeyGenerator()  # type: ignore[assignment]


class ApiKey(AbstractAPIKey):
    """A program's key: what it may do, and how much of it. The secret itself is shown once and not kept."""

    class Environment(models.TextChoices):
        TEST = "test", "Test: paper and sandbox only"
        LIVE = "live", "Live"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    environment = models.CharField(max_length=4, choices=Environment, default=Environment.TEST)
    scopes = models.JSONField(default=list)
    rate_limit_per_hour = models.PositiveIntegerField(default=1000)
    # Networks that the key works from, such as 203.0.113.0/24; none named: from anywhere.
    allowed_networks = models.JSONField(default=list, blank=True)
    # The key that this one was made to follow; both work until the older one ends.
    replaces = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)
    use_count = models.BigIntegerField(default=0)

    objects = ApiKeyManager()  # type: ignore[misc, assignment]

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    @property
    def is_expired(self) -> bool:
        return self.expiry_date is not None and self.expiry_date <= clock.now()

    @property
    def state(self) -> str:
        """Say whether the key works: active, revoked or expired."""
        if self.revoked:
            return "revoked"
        return "expired" if self.is_expired else "active"

    def works_from(self, address: str) -> bool:
        """Tell whether the key may be used from this address; an address that is none fits no list."""
        if not self.allowed_networks:
            return True
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in ip_network(network) for network in self.allowed_networks)

    @property
    def shown_prefix(self) -> str:
        """What a list may show of a key."""
        return f"bkt_{self.environment}_{self.prefix}…"


class ApiKeyUsage(models.Model):
    """How many requests a key was let in with on one UTC day."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="usage")
    day = models.DateField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "day"], name="api_key_usage_day")]


class Notification(models.Model):
    """One thing that a person is told, in a sentence with a link: shown until it is read."""

    class Kind(models.TextChoices):
        SUGGESTION = "suggestion", "Suggestion"
        TRADE = "trade", "Trade"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=10, choices=Kind)
    # What happened, in the sender's words: a job that runs twice tells it once.
    key = models.CharField(max_length=100)
    text = models.CharField(max_length=400)
    # A path of ours.
    url = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="notification_told_once")]
        indexes = [
            # Query: a person's newest notices, and how many are unread, on every page.
            models.Index(fields=["user", "read_at", "created_at"], name="notification_of_person")
        ]

    def __str__(self) -> str:
        return self.text
