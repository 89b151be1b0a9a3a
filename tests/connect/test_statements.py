"""Statements whose SQL is built once: the same rows as the querysets they are made of."""

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from connect.audit.actions import SYSTEM, entry
from connect.audit.models import Entry
from connect.organizations.lookup import find_patient
from connect.organizations.models import DataKey, Organization, Patient, Tenant
from connect.statements import Given, Select, Update, insert
from patientflows.models import PatientFlow

NAMED = Select(lambda: Organization.objects.filter(slug=Given("slug")).values_list("name", "slug"))
WHOLE = Select(lambda: Patient.objects.filter(patient_id=Given("patient_id")).order_by("pk"))
RENAME = Update(lambda: Patient.objects.filter(patient_id=Given("patient_id"), name=None), "name", "metadata")


@pytest.fixture
def patient(organization) -> Patient:
    return Patient.objects.create(
        organization=organization, environment="sandbox", patient_id="p-1", metadata={"plan": ["a"]}
    )


def test_it_gives_the_rows_of_its_queryset_each_time_with_other_values(organization):
    Organization.objects.create(name="Other", slug="other")
    assert NAMED.rows(slug="other") == [("Other", "other")]
    assert NAMED.rows(slug=organization.slug) == [(organization.name, organization.slug)]
    assert NAMED.rows(slug="nobody' OR '1'='1") == []


def test_an_instance_is_what_the_model_would_give(patient):
    found, expected = WHOLE.first(patient_id="p-1"), Patient.objects.get()
    assert found == expected
    assert {f.attname: getattr(found, f.attname) for f in Patient._meta.fields} == {
        f.attname: getattr(expected, f.attname) for f in Patient._meta.fields
    }
    found.learn(name="Ada")
    assert Patient.objects.get().name == "Ada"


def test_an_update_tells_how_many_rows_it_changed(patient):
    assert RENAME.run(patient_id="p-1", new_name="Ada", new_metadata={"plan": None}) == 1
    assert RENAME.run(patient_id="p-1", new_name="Eve", new_metadata={}) == 0
    patient.refresh_from_db()
    assert (patient.name, patient.metadata) == ("Ada", {"plan": None})


def test_rows_of_two_models_are_inserted_together_or_not_at_all(organization, patient, transactional_db):
    def flow(token_hash: str) -> PatientFlow:
        made = PatientFlow(
            organization=organization, environment="sandbox", patient=patient, token_hash=token_hash,
            return_url="https://app.example.org", expires_at=patient.created_at,
        )  # fmt: skip
        made.token = "t"
        return made

    insert(flow("h"), entry(action="patient_flow.created", by=SYSTEM))
    assert (PatientFlow.objects.get().token, Entry.objects.count()) == ("t", 1)
    with pytest.raises(IntegrityError):
        insert(flow("h"), entry(action="patient_flow.created", by=SYSTEM))
    assert (PatientFlow.objects.count(), Entry.objects.count()) == (1, 1)


def test_an_inserted_row_is_known_by_the_key_the_database_gave_it(db):
    row = entry(action="patient.created", by=SYSTEM)
    assert insert(row)
    assert row.pk == Entry.objects.get().pk
    assert not row._state.adding


def test_a_row_that_is_there_is_left_alone(organization, patient):
    twin = Patient(organization=organization, environment="sandbox", patient_id="p-1", name="Twin")
    assert not twin.add()
    assert (Patient.objects.get().name, DataKey.objects.count()) == (None, 1)


def test_a_stranger_finds_no_patient(organization, patient):
    assert find_patient(Tenant(organization.pk, "sandbox"), "p-1") == patient
    assert find_patient(Tenant(organization.pk, "production"), "p-1") is None
    assert find_patient(Tenant("org_other", "sandbox"), "p-1") is None


def test_its_sql_is_built_once(patient, monkeypatch):
    WHOLE.first(patient_id="p-1")
    monkeypatch.setattr("django.db.models.sql.compiler.SQLCompiler.as_sql", None)
    with CaptureQueriesContext(connection) as queries:
        assert WHOLE.first(patient_id="p-1") == patient
    assert len(queries) == 1
