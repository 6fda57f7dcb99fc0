"""What every app writes and none owns: runs of jobs, leases, and the audit trail."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q


class JobRun(models.Model):
    """One run of a background job, for the admin and the health page."""

    class Status(models.TextChoices):
        # Asked for from outside; no worker has begun it yet.
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"

    name = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        # Query: the newest run of each job, on the status page.
        indexes = [models.Index(fields=["name", "-started_at"], name="jobrun_name_started")]
        # Two requests at once ask for one run.
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(status="queued"), name="jobrun_queued_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.started_at:%Y-%m-%d %H:%M:%S}"


class Lease(models.Model):
    """A named right to run, held for a while by one process; `fence` grows with each holder."""

    name = models.CharField(max_length=80, unique=True)
    holder = models.CharField(max_length=32, blank=True)
    fence = models.BigIntegerField(default=0)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class IdempotentRequest(models.Model):
    """One request that carried an `Idempotency-Key`: its answer is kept, and given again to the same request."""

    class Status(models.TextChoices):
        IN_FLIGHT = "in_flight", "In flight"
        DONE = "done", "Done"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # Method and path: one key may stand beside a quote and beside the trade that confirms it.
    operation = models.CharField(max_length=160)
    key = models.CharField(max_length=64)
    body_digest = models.CharField(max_length=64)
    status = models.CharField(max_length=9, choices=Status, default=Status.IN_FLIGHT)
    # Who may finish it; a request that takes over a dead one's row changes it.
    holder = models.CharField(max_length=32)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_body = models.JSONField(null=True, blank=True)
    # By the machine's clock: a run's clock may stand still.
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "operation", "key"], name="idempotent_request_once")]
        # Query: a person's answers that need not be kept any longer.
        indexes = [models.Index(fields=["user", "expires_at"], name="idempotent_expiry")]

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"


class AuditEntry(models.Model):
    """One line of the append-only, hash-chained audit trail; written by `audit.record` alone."""

    seq = models.BigIntegerField(unique=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="audit_entries"
    )
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-seq"]
        verbose_name_plural = "audit entries"
        # Query: what happened to one subject, newest first.
        indexes = [models.Index(fields=["subject", "-seq"], name="audit_subject_seq")]
        constraints = [models.CheckConstraint(condition=Q(seq__gt=0), name="audit_seq_positive")]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("An audit entry is never changed; record a new one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("An audit entry is never deleted.")
