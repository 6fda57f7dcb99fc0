"""What people type about their account and keys."""

from datetime import timedelta
from typing import Any

from django import forms

from accounts.api_keys import KeyRefused, read_networks
from accounts.models import ApiKey
from itomarkets.lib import clock
from itomarkets.lib.scopes import Scope


class ApiKeyForm(forms.Form):
    LIVES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Until revoked"))

    name = forms.CharField(
        max_length=50, label="Name", help_text="So that you know it again: research notebook, price bot …"
    )
    environment = forms.ChoiceField(choices=ApiKey.Environment.choices, label="Environment", initial="test")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        label="May",
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.BASKETS_READ, Scope.MARKETS_READ],
        error_messages={"required": "A key without a scope can do nothing; choose at least one."},
    )
    life_days = forms.ChoiceField(choices=LIVES, required=False, initial="90", label="Ends after")

    rate_limit_per_hour = forms.IntegerField(
        min_value=1, required=False, label="Requests an hour", help_text="Empty: as many as there may be."
    )
    allowed_networks = forms.CharField(
        max_length=1_000,
        required=False,
        label="Only from",
        help_text="Addresses or networks, by commas: 203.0.113.7, 198.51.100.0/24. Empty: from anywhere.",
    )

    def clean_allowed_networks(self) -> list[str]:
        try:
            return read_networks([text for text in self.cleaned_data["allowed_networks"].split(",") if text.strip()])
        except KeyRefused as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        days = values.get("life_days")
        values["expires_at"] = clock.now() + timedelta(days=int(days)) if days else None
        return values


class ProfileForm(forms.Form):
    first_name = forms.CharField(max_length=150, required=False, label="First name")
    last_name = forms.CharField(max_length=150, required=False, label="Last name")
