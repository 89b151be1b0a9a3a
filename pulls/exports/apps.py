from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "pulls.exports"
    label = "exports"
