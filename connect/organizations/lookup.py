"""Finding patients by the integrator's own id: the first thing that most requests do."""

from connect.errors import ResourceNotFound
from connect.organizations.models import Patient, Tenant
from connect.statements import Given, Select

CALLER = Tenant(Given("organization_id"), Given("environment"))
PATIENT = Select(lambda: Patient.objects.of(CALLER).filter(patient_id=Given("patient_id")).order_by())


def find_patient(caller, patient_id: str) -> Patient | None:
    """The caller's patient of this id; `caller` is what `TenantQuerySet.of` takes."""
    return PATIENT.first(organization_id=caller.organization_id, environment=caller.environment, patient_id=patient_id)


def patient_or_404(caller, patient_id: str) -> Patient:
    """The same; raises ResourceNotFound where there is none."""
    patient = find_patient(caller, patient_id)
    if patient is None:
        raise ResourceNotFound()
    return patient
