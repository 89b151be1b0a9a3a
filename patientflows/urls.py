"""The flow's API operations and hosted pages."""

from django.urls import path

from patientflows import api, branding, callback, pages, patients_api, personal_pages

app_name = "patientflows"

urlpatterns = [
    path("patient-flows", api.PatientFlows.as_view(), name="flows"),
    path("patient-flows/<str:flow_id>", api.PatientFlowDetail.as_view(), name="flow"),
    path("patient-flows/<str:flow_id>/expire", api.PatientFlowExpiry.as_view(), name="flow-expire"),
    path("patient-flows/<str:flow_id>/timeline", api.PatientFlowTimeline.as_view(), name="flow-timeline"),
    path("patients", patients_api.Patients.as_view(), name="patients"),
    path("patients/<path:patient_id>/patient-flows", api.FlowsOfPatient.as_view(), name="patient-flows"),
    path(
        "patients/<path:patient_id>/connections/<str:conn_id>",
        patients_api.PatientConnection.as_view(),
        name="patient-connection",
    ),
    path("patients/<path:patient_id>", patients_api.PatientDetail.as_view(), name="patient"),
    path("oauth/callback/<str:registration_id>", callback.callback, name="callback"),
    path("brand/<slug:slug>.css", branding.brand_css, name="brand-css"),
    path("brand/<slug:slug>/logo", branding.brand_logo, name="brand-logo"),
    path("brand/<slug:slug>/preview", branding.brand_preview, name="brand-preview"),
    path("logos/<str:logo_id>.png", branding.source_logo, name="source-logo"),
    path("c/<str:token>", pages.start, name="start"),
    path("c/<str:token>/search", pages.search, name="search"),
    path("c/<str:token>/portal/<str:source_id>", pages.portal, name="portal"),
    path("c/<str:token>/outcome/<str:attempt_id>", pages.outcome, name="outcome"),
    path("c/<str:token>/outcome/<str:attempt_id>/progress", pages.outcome_progress, name="progress"),
    path("c/<str:token>/code", pages.code, name="code"),
    path("c/<str:token>/done", pages.done, name="done"),
    path("c/<str:token>/missing", pages.missing, name="missing"),
    path("c/<str:token>/missing/thanks", pages.missing_thanks, name="missing-thanks"),
    path("c/<str:token>/language", pages.language, name="language"),
    path("c/<str:token>/qr.svg", pages.qr_code, name="qr-code"),
    path("my/<str:token>", personal_pages.overview, name="my"),
    path("my/<str:token>/connections/<str:conn_id>/disconnect", personal_pages.disconnect, name="my-disconnect"),
    path("my/<str:token>/receipts/<str:receipt_id>", personal_pages.receipt, name="my-receipt"),
    path(
        "my/<str:token>/receipts/<str:receipt_id>/receipt.json",
        personal_pages.receipt_file,
        {"form": "receipt"},
        name="my-receipt-file",
    ),
    path(
        "my/<str:token>/receipts/<str:receipt_id>/consent.json",
        personal_pages.receipt_file,
        {"form": "consent"},
        name="my-receipt-consent",
    ),
    path("my/<str:token>/records.ndjson", personal_pages.download, name="my-download"),
    path("my/<str:token>/email", personal_pages.email, name="my-email"),
    path("my/<str:token>/turn-off", personal_pages.turn_off, name="my-turn-off"),
    path("my/<str:token>/language", personal_pages.language, name="my-language"),
    path(".well-known/consent-receipt-keys.json", personal_pages.receipt_keys, name="receipt-keys"),
]
