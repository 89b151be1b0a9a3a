"""The sandbox alone, so that its tests need nothing of the product."""

from django.urls import include, path

urlpatterns = [path("sandbox/", include("portals.sandbox.urls"))]
