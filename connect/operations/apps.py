"""The operators' side, and the admin site it is."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps

from connect import checks  # noqa: F401 - its checks register themselves


class OperationsConfig(AppConfig):
    default = True
    name = "connect.operations"
    label = "operations"


class OperationsAdminConfig(admin_apps.AdminConfig):
    """Stands for `django.contrib.admin` in INSTALLED_APPS: `admin.site` is ours."""

    default = False
    default_site = "connect.operations.site.OperationsSite"
