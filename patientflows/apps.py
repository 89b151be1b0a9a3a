from django.apps import AppConfig


class PatientFlowsConfig(AppConfig):
    name = "patientflows"
