"""The patient operations of contract section 2. They stand here because a patient's answer holds connections."""

from rest_framework.response import Response

from connect.errors import InvalidData
from connect.organizations.models import Patient
from connect.organizations.views import ApiView, WritingApiView
from patientflows import patients
from patientflows.patients_serializers import NewPatient, PatientBody, PatientQuery, connections_of
from portals.models import Connection


class Patients(WritingApiView):
    """Make a patient; list patients."""

    scopes = {"GET": "patients:read", "POST": "patients:write"}

    def post(self, request):
        patient = patients.create_patient(caller=request.auth, by=self.actor, **self.validated(NewPatient))
        return Response(PatientBody(patient).data)

    def get(self, request):
        query = self.query(PatientQuery)
        found = Patient.objects.of(request.auth)
        for name in ("patient_id", "email"):
            if name in query:
                found = found.filter(**{name: query[name]})
        return self.page(found, PatientBody, query=query)


class PatientDetail(ApiView):
    """One patient: read with connections, replace, erase."""

    scopes = {"GET": "patients:read", "PUT": "patients:write", "DELETE": "patients:write"}

    def get(self, request, patient_id):
        patient = Patient.objects.of(request.auth).get_or_404(patient_id=patient_id)
        return Response({**PatientBody(patient).data, "connections": connections_of(patient)})

    def put(self, request, patient_id):
        body = self.validated(NewPatient)
        patient = Patient.objects.of(request.auth).get_or_404(patient_id=patient_id)
        if body["patient_id"] != patient_id:
            raise InvalidData("Must equal the patient_id of the path: it cannot be changed", param="patient_id")
        patients.replace_patient(patient=patient, by=self.actor, **body)
        return Response(PatientBody(patient).data)

    def delete(self, request, patient_id):
        patient = Patient.objects.of(request.auth).get_or_404(patient_id=patient_id)
        patients.erase_patient(patient=patient, by=self.actor)
        return Response({"id": patient_id, "resource_type": "patient", "deleted": True})


class PatientConnection(ApiView):
    """Disconnect one connection."""

    scopes = {"DELETE": "patients:write"}

    def delete(self, request, patient_id, conn_id):
        connection = Connection.objects.of(request.auth).get_or_404(pk=conn_id, patient__patient_id=patient_id)
        patients.disconnect(connection=connection, by=self.actor)
        return Response({"id": conn_id, "resource_type": "connection", "disconnected": True})
