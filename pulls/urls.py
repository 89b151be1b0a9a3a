"""Records, pulls and exports."""

from django.urls import path

from pulls import api
from pulls.exports import api as exports_api

app_name = "pulls"

urlpatterns = [
    path("pulls", api.Pulls.as_view(), name="pulls"),
    path("pulls/<str:pull_id>", api.PullDetail.as_view(), name="pull"),
    path("pulls/<str:pull_id>/manifest", api.PullManifest.as_view(), name="manifest"),
    path("pulls/<str:pull_id>/retry", api.PullRetry.as_view(), name="retry"),
    path("export-destinations", exports_api.Destinations.as_view(), name="destinations"),
    path("export-destinations/<str:destination_id>", exports_api.DestinationDetail.as_view(), name="destination"),
    path("exports", exports_api.Exports.as_view(), name="exports"),
    path("exports/<str:export_id>", exports_api.ExportDetail.as_view(), name="export"),
    path("patients/<path:patient_id>/records", api.Records.as_view(), name="records"),
    path("patients/<path:patient_id>/records/$export", api.RecordsExport.as_view(), name="records-export"),
    path("patients/<path:patient_id>/completeness", api.Completeness.as_view(), name="completeness"),
    path("patients/<path:patient_id>/connections/<str:conn_id>/pull", api.PullNow.as_view(), name="pull-now"),
]
