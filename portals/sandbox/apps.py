from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "portals.sandbox"
    label = "sandbox"
