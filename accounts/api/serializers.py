"""What the key endpoints read and show; never a hash, and the secret only in the answer that made it."""

from rest_framework import serializers

from accounts.models import ApiKey
from itomarkets.lib.api_fields import StrictSerializer
from itomarkets.lib.scopes import Scope


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry_date")

    class Meta:
        model = ApiKey
        fields = [
            "prefix",
            "name",
            "environment",
            "scopes",
            "state",
            "rate_limit_per_hour",
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
