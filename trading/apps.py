from django.apps import AppConfig
from django.core.checks import Tags, register


class TradingConfig(AppConfig):
    name = "trading"
    verbose_name = "Trading"

    def ready(self) -> None:
        from trading.checks import credential_keys_are_set
        from trading.credentials import require_fit_keys

        # A server without fit keys does not start: connecting an account would fail, or seal it badly.
        require_fit_keys()
        register(credential_keys_are_set, Tags.security, deploy=True)
