"""`manage.py import_patients patients.csv --organization trials --environment production`"""

from connect.operations.importing import patients
from connect.operations.importing.command import ImportCommand


class Command(ImportCommand):
    help = "Import an organisation's patients from CSV. Can be run again: what is there is changed or left alone."
    required, known = patients.REQUIRED, patients.KNOWN

    def taker(self, caller, by, options):
        return patients.PatientImport(caller=caller, by=by)
