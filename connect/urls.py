"""Every URL. The API has no prefix (contract 1)."""

from django.urls import path

urlpatterns: list[path] = []
