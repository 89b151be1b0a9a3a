"""TrialFinder's addresses."""

from django.urls import path, re_path

from connect.example import views

app_name = "example"

urlpatterns = [
    path("", views.home, name="home"),
    path("connect", views.connect, name="connect"),
    path("return", views.come_back, name="return"),
    path("live", views.live, name="live"),
    path("start-over", views.start_over, name="start-over"),
    re_path(r"^connections/(?P<connection_id>conn_\w+)/(?P<action>pull|disconnect)$", views.act, name="act"),
    path("webhooks", views.webhooks, name="webhooks"),
]
