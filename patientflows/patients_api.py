"""The patient operations of contract section 2. They stand here because a patient's answer holds connections."""

from rest_framework.response import Response

from connect.errors import ExternalIdAlreadyExists, InvalidData
from connect.openapi import operation, page_of
from connect.organizations.lookup import patient_or_404
from connect.organizations.models import Patient
from connect.organizations.views import ApiView, WritingApiView
from patientflows import patients
from patientflows.patients_serializers import (
    DeletedPatientBody,
    DisconnectedBody,
    NewPatient,
    PatientBody,
    PatientQuery,
    PatientWithConnectionsBody,
    connections_of,
)  # fmt: skip
from portals.models import Connection


class Patients(WritingApiView):
    """`/patients`"""

    tag = "Patients"
    scopes = {"GET": "patients:read", "POST": "patients:write"}

    @operation("create_patient", body=NewPatient, answers=PatientBody, errors=[ExternalIdAlreadyExists])
    def post(self, request):
        """Create a patient.

        You need not: `POST /patient-flows` makes the patient of an id that is new.
        """
        patient = patients.create_patient(caller=request.auth, by=self.actor, **self.validated(NewPatient))
        return Response(PatientBody(patient).data)

    @operation("list_patients", query=PatientQuery, answers=page_of(PatientBody, "PatientList"))
    def get(self, request):
        """List patients, newest first."""
        query = self.query(PatientQuery)
        self.note_read("patients.listed")
        found = Patient.objects.of(request.auth)
        for name in ("patient_id", "email"):
            if name in query:
                found = found.filter(**{name: query[name]})
        return self.page(found, PatientBody, query=query)


class PatientDetail(ApiView):
    """`/patients/{id}`"""

    tag = "Patients"
    scopes = {"GET": "patients:read", "PUT": "patients:write", "DELETE": "patients:write"}

    @operation("get_patient", answers=PatientWithConnectionsBody)
    def get(self, request, patient_id):
        """Retrieve a patient with its connections."""
        patient = patient_or_404(request.auth, patient_id)
        self.note_read("patient.read", patient)
        return Response({**PatientBody(patient).data, "connections": connections_of(patient)})

    @operation("replace_patient", body=NewPatient, answers=PatientBody)
    def put(self, request, patient_id):
        """Replace a patient.

        The whole patient is replaced: what is omitted is cleared. `patient_id` must equal the path's.
        """
        body = self.validated(NewPatient)
        patient = patient_or_404(request.auth, patient_id)
        if body["patient_id"] != patient_id:
            raise InvalidData("Must equal the patient_id of the path: it cannot be changed", param="patient_id")
        patients.replace_patient(patient=patient, by=self.actor, **body)
        return Response(PatientBody(patient).data)

    @operation("delete_patient", answers=DeletedPatientBody)
    def delete(self, request, patient_id):
        """Erase a patient.

        Flows, connections, tokens (revoked at the portal where it offers that), records and the personal data in
        stored events are erased for good.
        """
        patient = patient_or_404(request.auth, patient_id)
        patients.erase_patient(patient=patient, by=self.actor)
        return Response(DeletedPatientBody({"id": patient_id}).data)


class PatientConnection(ApiView):
    """`/patients/{id}/connections/{conn_id}`"""

    tag = "Patients"
    scopes = {"DELETE": "patients:write"}

    @operation("disconnect_connection", answers=DisconnectedBody)
    def delete(self, request, patient_id, conn_id):
        """Disconnect a connection.

        Tokens are revoked at the portal (in the background, with retries) and forgotten here; pulls stop; records stay.
        Twice is the same as once.
        """
        connection = Connection.objects.of(request.auth).get_or_404(pk=conn_id, patient__patient_id=patient_id)
        patients.disconnect(connection=connection, by=self.actor)
        return Response(DisconnectedBody({"id": conn_id}).data)
