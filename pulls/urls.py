"""Records and pulls."""

from django.urls import path

from pulls import api

app_name = "pulls"

urlpatterns = [
    path("pulls", api.Pulls.as_view(), name="pulls"),
    path("pulls/<str:pull_id>", api.PullDetail.as_view(), name="pull"),
    path("pulls/<str:pull_id>/manifest", api.PullManifest.as_view(), name="manifest"),
    path("patients/<path:patient_id>/records", api.Records.as_view(), name="records"),
    path("patients/<path:patient_id>/records/$export", api.RecordsExport.as_view(), name="records-export"),
    path("patients/<path:patient_id>/completeness", api.Completeness.as_view(), name="completeness"),
    path("patients/<path:patient_id>/connections/<str:conn_id>/pull", api.PullNow.as_view(), name="pull-now"),
]
