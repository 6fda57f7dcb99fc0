from django.apps import AppConfig


class RoofConfig(AppConfig):
    name = "itomarkets"
    verbose_name = "Itô Markets"
