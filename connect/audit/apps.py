from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "connect.audit"
    label = "audit"
