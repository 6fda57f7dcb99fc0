from django.apps import AppConfig
from django.core.checks import Tags, register


class TradingConfig(AppConfig):
    name = "trading"
    verbose_name = "Trading"

    def ready(self) -> None:
        from trading.checks import credential_keys_are_set

        register(credential_keys_are_set, Tags.security, deploy=True)
