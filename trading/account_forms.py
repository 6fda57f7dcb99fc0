"""What a person types to connect an account. What was typed as a secret is never written back into a page."""

from collections.abc import Sequence
from typing import Any

from django import forms

from trading.connecting import SIGNATURE_TYPES
from trading.models import VenueAccount

WRITE_ONLY = {"autocomplete": "off", "spellcheck": "false"}


class SecretLines(forms.Textarea):
    """A box for a key of several lines; shown again, it is empty."""

    def format_value(self, value: Any) -> str:
        return ""


class ConnectForm(forms.Form):
    """What every venue asks: in which mode."""

    mode = forms.ChoiceField(label="Exchange")

    def __init__(self, *args: Any, modes: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["mode"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(mode, VenueAccount.Mode(mode).label) for mode in modes]

    def credentials(self) -> dict[str, str]:
        return {name: value for name, value in self.cleaned_data.items() if name != "mode"}


class KalshiForm(ConnectForm):
    key_id = forms.CharField(max_length=100, label="Key ID", widget=forms.TextInput(attrs=WRITE_ONLY))
    private_key_pem = forms.CharField(
        max_length=8000,
        label="Private key",
        strip=False,
        widget=SecretLines(attrs={**WRITE_ONLY, "rows": 6, "placeholder": "-----BEGIN PRIVATE KEY-----"}),
        help_text="The whole PEM file that Kalshi let you download: RSA or Ed25519.",
    )


class PolymarketForm(ConnectForm):
    private_key = forms.CharField(
        max_length=80,
        label="Private key",
        widget=forms.PasswordInput(attrs=WRITE_ONLY),
        help_text="It signs each order, so the API key alone is not enough.",
    )
    signature_type = forms.ChoiceField(choices=SIGNATURE_TYPES, label="Signature type")
    wallet = forms.CharField(
        max_length=60,
        label="Funder wallet",
        widget=forms.TextInput(attrs=WRITE_ONLY),
        help_text="The address that Polymarket's deposit page shows.",
    )
    api_key = forms.CharField(max_length=100, required=False, label="API key", widget=forms.TextInput(attrs=WRITE_ONLY))
    api_secret = forms.CharField(
        max_length=200, required=False, label="API secret", widget=forms.PasswordInput(attrs=WRITE_ONLY)
    )
    api_passphrase = forms.CharField(
        max_length=200,
        required=False,
        label="API passphrase",
        widget=forms.PasswordInput(attrs=WRITE_ONLY),
        help_text="Leave all three empty to have them derived from the private key.",
    )


class ExternalCashForm(forms.Form):
    """A difference in cash, as it was shown."""

    amount = forms.DecimalField(max_digits=20, decimal_places=6)
    number = forms.IntegerField(min_value=1)


FORMS: dict[str, type[ConnectForm]] = {
    VenueAccount.Kind.KALSHI.value: KalshiForm,
    VenueAccount.Kind.POLYMARKET.value: PolymarketForm,
}
