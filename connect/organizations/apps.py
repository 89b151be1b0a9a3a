from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "connect.organizations"
    label = "organizations"
