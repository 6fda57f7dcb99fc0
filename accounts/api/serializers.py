"""What the key endpoints read and show; never a hash, and the secret only in the answer that made it."""

from typing import Any

from rest_framework import serializers

from accounts.api_keys import HOUR, LONGEST_OVERLAP, MOST_NETWORKS, OVERLAP
from accounts.models import ApiKey
from itomarkets.lib.api_fields import StrictSerializer
from itomarkets.lib.scopes import Scope


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry_date", allow_null=True)

    last_used_at = serializers.DateTimeField(allow_null=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    allowed_networks = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=["active", "revoked", "expired"])
    replaces = serializers.CharField(source="replaces.prefix", default=None, allow_null=True)

    class Meta:
        model = ApiKey
        fields = [
            "prefix",
            "name",
            "environment",
            "scopes",
            "state",
            "rate_limit_per_hour",
            "allowed_networks",
            "replaces",
            "use_count",
            "last_used_at",
            "created_at",
            "expires_at",
        ]
        read_only_fields = fields


class NewKeySerializer(StrictSerializer):
    name = serializers.CharField(max_length=50)
    environment = serializers.ChoiceField(choices=ApiKey.Environment.choices, default=ApiKey.Environment.TEST)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False, max_length=20
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    rate_limit_per_hour = serializers.IntegerField(min_value=1, allow_null=True, default=None)
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=MOST_NETWORKS, default=list
    )


class RotationSerializer(StrictSerializer):
    overlap_hours = serializers.IntegerField(min_value=0, max_value=LONGEST_OVERLAP // HOUR, default=OVERLAP // HOUR)


class NewKeyShape(ApiKeySerializer):
    """A key with its secret: the only answer that ever shows it."""

    key = serializers.CharField()

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
        read_only_fields = fields


class DayOfUseShape(serializers.Serializer[Any]):
    day = serializers.DateField()
    count = serializers.IntegerField()


class UsageShape(serializers.Serializer[Any]):
    """How often a key was let in: in all, and on each of the last days that it was used, the newest first."""

    prefix = serializers.CharField()
    total = serializers.IntegerField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    days = DayOfUseShape(many=True)
