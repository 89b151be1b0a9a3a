"""Moving in: patients and connections from CSV files, once or again, whatever else is in the files."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database

from connect.audit.models import Entry
from connect.organizations.models import Environment, Patient
from portals import refresh
from portals.models import Connection, Registration, Source
from pulls.actions import queue_pull
from pulls.models import Pull
from pulls.run import run_pull
from pulls.sweep import queue_scheduled
from tests.factories import make_endpoint
from tests.portals.portal_double import Answer
from tests.pulls.scripted import ScriptedPortal
from webhooks.models import Event

TOKEN = "rt-very-secret"


@pytest.fixture
def run(organization, tmp_path, capsys):
    """Imports the lines of a file; answers what was told, and whether rows were left out."""

    def run(command: str, *lines: str, **options):
        file = tmp_path / "in.csv"
        file.write_bytes("\n".join(lines).encode())
        try:
            call_command(command, str(file), organization=organization.slug, environment="sandbox", **options)
        except CommandError as error:
            return capsys.readouterr().out + str(error)
        return capsys.readouterr().out

    return run


# Patients -------------------------------------------------------------------------------------------
def test_patients_are_made_changed_and_left_alone(run, tenant):
    header = "patient_id,email,name,metadata"
    first = [header, 'p-1,ann@a.test,Ann,"{""plan"": ""x""}"', 'p-2,,"Bob, Jr",']
    assert run("import_patients", *first) == "2 made.\n"
    assert run("import_patients", *first) == "2 unchanged.\n"
    assert run("import_patients", header, "p-1,,Anna,", "p-2,bob@b.test,,") == "2 changed.\n"
    ann, bob = Patient.objects.of(tenant).order_by("patient_id")
    assert (ann.email, ann.name, ann.metadata) == ("ann@a.test", "Anna", {"plan": "x"})
    assert (bob.email, bob.name) == ("bob@b.test", "Bob, Jr")


def test_bad_rows_are_told_by_line_and_the_good_ones_taken(run, tenant):
    told = run(
        "import_patients", "patient_id,email,metadata", "p-1,,", "pf_1,,", ",a@b.test,", "p-2,no address,",
        "p-3,,{broken", "p-4,,[]", "p-5,,,,more", "p-6,,",
    )  # fmt: skip
    lines = told.splitlines()
    assert lines[0] == "2 made."
    assert [line.split(":")[0] for line in lines[1:7]] == [f"  line {number}" for number in (3, 4, 5, 6, 7, 8)]
    assert "6 rows were left out" in lines[7]
    assert {patient.patient_id for patient in Patient.objects.of(tenant)} == {"p-1", "p-6"}


def test_a_dry_run_writes_nothing(run):
    assert run("import_patients", "patient_id", "p-1", dry_run=True) == "Would be: 1 made.\n"
    assert (Patient.objects.count(), Entry.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["email"], "Columns missing: patient_id"),
        (["patient_id,colour"], "Columns unknown: colour"),
        ([], "Columns missing"),
        (["patient_id", '"open'], "No UTF-8 CSV"),
    ],
)
def test_another_file_is_refused_whole(run, lines, reason):
    assert reason in run("import_patients", *lines)
    assert Patient.objects.count() == 0


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_header(run):
    assert run("import_patients", "\ufeffpatient_id", "p-1") == "1 made.\n"


def test_the_environments_stay_apart(run, organization, tmp_path):
    run("import_patients", "patient_id", "p-1")
    call_command(
        "import_patients", str(tmp_path / "in.csv"), organization=organization.slug, environment="production"
    )  # fmt: skip
    assert sorted(Patient.objects.values_list("environment", flat=True)) == ["production", "sandbox"]


def test_an_unknown_organisation_is_refused(tmp_path, db):
    with pytest.raises(CommandError, match="No organisation"):
        call_command("import_patients", str(tmp_path / "x"), organization="nobody", environment="sandbox")


# Connections ----------------------------------------------------------------------------------------
HEADER = "patient_id,connection_id,fhir_patient_id,refresh_token,scopes,client_id,access_ends_at"


@pytest.fixture
def portal(settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = True
    with ScriptedPortal() as double:
        double.on("/fhir/.well-known/smart-configuration", Answer(json=double.configuration))
        yield double


@pytest.fixture
def source(db, portal):
    source = Source.objects.create(
        id="fhirsrc_1", environment=Environment.SANDBOX, fhir_base_url=portal.base, name="Valley Health"
    )
    Registration.objects.create(environment=Environment.SANDBOX, source=source, client_id="our-app")
    return source


def row(patient_id: str = "p-1", *, source: str = "fhirsrc_1", fhir_id: str = "pat-1", token: str = TOKEN, more=","):
    return f"{patient_id},{source},{fhir_id},{token},offline_access patient/*.rs,{more}"


def test_an_imported_connection_is_refreshed_and_its_records_fetched(run, source, portal):
    assert run("import_connections", HEADER, row(more="our-app,"), spread_minutes=0) == "1 made.\n"
    connection = Connection.objects.get()
    assert (connection.status, connection.renewable, connection.access_token) == ("active", True, None)
    assert refresh.refresh_connection(connection.pk)
    (asked,) = [request for request in portal.requests if request.path == "/token"]
    assert (asked.form["refresh_token"], asked.form["client_id"]) == (TOKEN, "our-app")
    queue_scheduled()
    run_pull(Pull.objects.get().pk)
    assert Pull.objects.get().status == Pull.Status.COMPLETED


def test_a_pull_that_comes_before_the_first_refresh_gets_itself_a_token(run, source, portal):
    run("import_connections", HEADER, row(), spread_minutes=60)
    pull = queue_pull(connection=Connection.objects.get(), trigger=Pull.Trigger.MANUAL)
    run_pull(pull.pk)
    assert Pull.objects.get().status == Pull.Status.COMPLETED
    assert Connection.objects.get().access_token == "at-2"


def test_a_pull_waits_while_the_portal_gives_no_token(run, source, portal):
    portal.on("/token", Answer(503))
    run("import_connections", HEADER, row(), spread_minutes=60)
    pull = queue_pull(connection=Connection.objects.get(), trigger=Pull.Trigger.MANUAL)
    run_pull(pull.pk)
    assert (Pull.objects.get().status, Connection.objects.get().status) == ("waiting", "active")


def test_tokens_are_sealed_and_repeated_nowhere(run, source):
    told = run("import_connections", HEADER, row(), row("p-2", fhir_id="not an id"), row("p-3", token="with space"))
    assert (Connection.objects.get().refresh_token, TOKEN in told) == (TOKEN, False)
    assert ("line 3: fhir_patient_id" in told, "line 4: refresh_token" in told) == (True, True)
    assert "with space" not in told
    with database.cursor() as cursor:
        cursor.execute("SELECT refresh_token FROM portals_connection")
        assert TOKEN.encode() not in bytes(cursor.fetchone()[0])
    assert TOKEN not in json.dumps(list(Entry.objects.values()), default=str)


def test_a_second_run_leaves_newer_tokens_alone(run, source):
    run("import_connections", HEADER, row())
    Connection.objects.get().amend(refresh_token="rotated-since")
    assert run("import_connections", HEADER, row(), row(fhir_id="Patient/child-2")) == "1 made, 1 there already.\n"
    assert {one.refresh_token for one in Connection.objects.all()} == {"rotated-since", TOKEN}


def test_a_source_may_be_named_by_its_url_and_the_patient_may_be_new(run, source, portal, tenant):
    run("import_connections", HEADER, row(source=f"{portal.base}/", more=",2030-01-01T00:00:00Z"))
    connection = Connection.objects.get()
    assert (connection.source_id, connection.patient.patient_id) == ("fhirsrc_1", "p-1")
    assert connection.access_ends_at.year == 2030
    assert len([request for request in portal.requests if "smart-configuration" in request.path]) == 1


def test_first_refreshes_are_spread(run, source):
    run("import_connections", HEADER, *[row(f"p-{number}") for number in range(20)])
    due = sorted(one.refresh_due_at for one in Connection.objects.all())
    assert 60 < (due[-1] - due[0]).total_seconds() < 600


def test_no_webhook_tells_of_what_the_integrator_brought(run, source, tenant):
    make_endpoint(tenant, "https://app.test/hooks")
    run("import_connections", HEADER, row())
    assert Event.objects.count() == 0
    assert Entry.objects.filter(action="connection.imported").count() == 1


def test_what_cannot_work_is_told_before_the_patient_finds_out(run, source, portal):
    silent = Source.objects.create(
        id="fhirsrc_2", environment=Environment.SANDBOX, fhir_base_url="http://127.0.0.1:9/fhir", name="Silent"
    )
    Source.objects.create(id="fhirsrc_3", environment=Environment.SANDBOX, fhir_base_url="http://x.test/f", name="New")
    Registration.objects.create(environment=Environment.SANDBOX, source=silent, client_id="our-app")
    told = run(
        "import_connections", HEADER, row(source="fhirsrc_9"), row(source="fhirsrc_2"), row(source="fhirsrc_3"),
        row(more="another-app,"),
    ).splitlines()  # fmt: skip
    assert "line 2: connection_id: no such source" in told[1]
    assert "line 3: connection_id: the portal could not be asked" in told[2]
    assert "line 4: connection_id: no app of ours" in told[3]
    assert "line 5: client_id: another app" in told[4]
    assert Connection.objects.count() == 0
