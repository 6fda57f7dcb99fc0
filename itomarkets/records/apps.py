from django.apps import AppConfig


class RecordsConfig(AppConfig):
    name = "itomarkets.records"
    label = "records"
    verbose_name = "Records"
