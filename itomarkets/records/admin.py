"""Runs, leases and the audit trail, to look at: jobs write them, nobody edits them."""

from django.contrib import admin

from itomarkets.lib import clock
from itomarkets.lib.admin import ReadOnly
from itomarkets.records.models import AuditEntry, JobRun, Lease


@admin.register(JobRun)
class JobRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "status", "started_at", "finished_at", "error"]
    list_filter = ["status"]
    search_fields = ["name"]
    date_hierarchy = "started_at"


@admin.register(Lease)
class LeaseAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "held", "until", "fence"]
    search_fields = ["name"]
    ordering = ["name"]

    @admin.display(description="held now", boolean=True)
    def held(self, lease: Lease) -> bool:
        return bool(lease.holder) and lease.until > clock.machine_now()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, admin.ModelAdmin):
    """The hash of each line covers the one before it; `manage.py verify_audit` walks the chain."""

    list_display = ["seq", "at", "actor", "action", "subject"]
    list_filter = ["action"]
    list_select_related = ["actor"]
    search_fields = ["action", "subject", "actor__username", "request_id"]
    date_hierarchy = "at"
