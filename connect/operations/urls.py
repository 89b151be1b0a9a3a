"""Health and metrics. The admin site itself is mounted by `connect.urls`."""

from django.urls import path

from connect.operations import views

urlpatterns = [
    path("health", views.Health.as_view(), name="health"),
    path("health/ready", views.ready, name="health-ready"),
    path("metrics", views.prometheus, name="metrics"),
]
