"""Patients from a CSV file: `patient_id,email,name,metadata` (metadata is a JSON object)."""

import json
from collections.abc import Callable
from functools import partial

from connect.audit.actions import Actor
from connect.operations.importing.rows import Row, RowRefused
from patientflows.patients import import_patient
from patientflows.patients_serializers import NewPatient

REQUIRED = {"patient_id"}
KNOWN = REQUIRED | {"email", "name", "metadata"}


class PatientImport:
    """Takes rows for one organisation's environment. An empty cell leaves what is known alone."""

    def __init__(self, *, caller, by: Actor):
        self.caller, self.by = caller, by

    def check(self, row: Row) -> Callable[[], str]:
        """What writes the row and answers `made`, `changed` or `unchanged`. Raises ValidationError and RowRefused."""
        cells = dict(row.cells)
        if "metadata" in cells:
            cells["metadata"] = _json(cells["metadata"])
        checked = NewPatient(data=cells)
        checked.is_valid(raise_exception=True)
        return partial(import_patient, caller=self.caller, by=self.by, **checked.validated_data)


def _json(text: str):
    try:
        return json.loads(text)
    except ValueError:
        raise RowRefused("metadata: no JSON") from None
