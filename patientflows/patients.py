"""What an app's backend asks of a patient: create, replace, disconnect, erase."""

from django.db import transaction

from connect.audit.actions import Actor, record
from connect.errors import ExternalIdAlreadyExists
from connect.organizations.models import Patient
from patientflows.models import PatientFlow
from portals import actions as portal_actions
from portals.models import Connection
from pulls.actions import cancel_pulls, erase_records
from webhooks.actions import forget_patient


@transaction.atomic
def create_patient(*, caller, by: Actor, patient_id: str, email=None, name=None, metadata=None) -> Patient:
    """Raises ExternalIdAlreadyExists when the organisation has this patient in this environment."""
    patient = Patient(
        organization_id=caller.organization_id, environment=caller.environment, patient_id=patient_id,
        email=email, name=name, metadata=metadata or {},
    )  # fmt: skip
    if not patient.add():
        raise ExternalIdAlreadyExists(param="patient_id")
    _audit("patient.created", patient, by)
    return patient


@transaction.atomic
def replace_patient(*, patient: Patient, by: Actor, patient_id: str, email=None, name=None, metadata=None) -> None:
    """PUT: the whole patient; what is omitted is cleared."""
    patient.replace(email=email, name=name, metadata=metadata or {})
    _audit("patient.replaced", patient, by)


@transaction.atomic
def import_patient(*, caller, by: Actor, patient_id: str, email=None, name=None, metadata=None) -> str:
    """Make the patient, or take over what is told of them (what is None stays): `made`, `changed` or `unchanged`."""
    told = {"email": email, "name": name, "metadata": metadata}
    patient = Patient.objects.of(caller).filter(patient_id=patient_id).first()
    if patient is None:
        create_patient(caller=caller, by=by, patient_id=patient_id, **told)
        return "made"
    merged = {field: getattr(patient, field) if value is None else value for field, value in told.items()}
    if all(getattr(patient, field) == value for field, value in merged.items()):
        return "unchanged"
    replace_patient(patient=patient, by=by, patient_id=patient_id, **merged)
    return "changed"


@transaction.atomic
def disconnect(*, connection: Connection, by: Actor) -> None:
    """Stop pulls, forget the tokens, have them revoked at the portal. Records stay. Twice is the same as once."""
    cancel_pulls(connection=connection, reason="disconnected")
    portal_actions.disconnect(connection=connection, by=by)


@transaction.atomic
def erase_patient(*, patient: Patient, by: Actor) -> None:
    """Erase everything of the patient (contract 2): the audit log keeps counts, and the data key is gone for good."""
    for connection in patient.connections.select_related("source", "registration"):
        cancel_pulls(connection=connection, reason="erased")
        portal_actions.queue_revocations(connection=connection)
    counts = {
        "records": erase_records(patient=patient),
        "events": forget_patient(tenant=patient.tenant, patient_id=patient.patient_id),
        "flows": PatientFlow.objects.filter(patient=patient).count(),
        "connections": patient.connections.count(),
    }
    _audit("patient.erased", patient, by, **counts)
    patient.delete()


def _audit(action: str, patient: Patient, by: Actor, **detail) -> None:
    record(
        action=action, by=by, organization_id=patient.organization_id, environment=patient.environment,
        object_type="patient", object_id=patient.pk, **detail,
    )  # fmt: skip
