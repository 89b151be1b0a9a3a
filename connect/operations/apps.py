from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "connect.operations"
    label = "operations"
