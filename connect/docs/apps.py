from django.apps import AppConfig


class DocsConfig(AppConfig):
    name = "connect.docs"
    label = "docs"
