"""`/patients` (contract 2)."""

from connect.audit.models import Entry
from connect.organizations.models import Patient


def test_a_patient_is_made_read_replaced_and_erased(api):
    made = api.create(
        "/patients", {"patient_id": "p-1", "email": "ann@example.org", "metadata": {"plan": "gold"}}
    ).json()
    assert made == {
        "id": "p-1", "resource_type": "patient", "email": "ann@example.org", "name": None,
        "metadata": {"plan": "gold"}, "created_at": made["created_at"],
    }  # fmt: skip
    assert api.get("/patients/p-1").json() == {**made, "connections": []}
    replaced = api.put("/patients/p-1", {"patient_id": "p-1", "name": "Ann"}, content_type="application/json").json()
    assert (replaced["name"], replaced["email"], replaced["metadata"]) == ("Ann", None, {})
    assert api.delete("/patients/p-1").json() == {"id": "p-1", "resource_type": "patient", "deleted": True}
    assert api.get("/patients/p-1").status_code == 404
    assert not Patient.objects.exists()
    assert Entry.objects.filter(action="patient.erased").count() == 1


def test_a_second_patient_of_one_id_is_a_conflict(api, production):
    assert api.create("/patients", {"patient_id": "p-1"}).status_code == 200
    answer = api.create("/patients", {"patient_id": "p-1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "external_id_already_exists")
    assert production.create("/patients", {"patient_id": "p-1"}).status_code == 200


def test_the_id_of_the_path_cannot_be_changed(api):
    api.create("/patients", {"patient_id": "p-1"})
    answer = api.put("/patients/p-1", {"patient_id": "p-2"}, content_type="application/json")
    assert answer.json()["error"]["param"] == "patient_id"


def test_filters_are_exact(api):
    for n in range(3):
        api.create("/patients", {"patient_id": f"p-{n}", "email": f"{n}@example.org"})
    found = api.get("/patients", {"email": "1@example.org"}).json()["data"]
    assert [patient["id"] for patient in found] == ["p-1"]
    assert [p["id"] for p in api.get("/patients", {"patient_id": "p-2"}).json()["data"]] == ["p-2"]


def test_an_id_may_hold_what_a_url_must_escape(api):
    for odd in ("a b", "ümlaut", "a/b", "50%", "x?y#z"):
        assert api.create("/patients", {"patient_id": odd}).status_code == 200
    for path, odd in (("a%20b", "a b"), ("%C3%BCmlaut", "ümlaut"), ("a%2Fb", "a/b"), ("50%25", "50%")):
        assert api.get(f"/patients/{path}").json()["id"] == odd


def test_strangers_find_nothing(api, stranger):
    api.create("/patients", {"patient_id": "p-1"})
    assert stranger.get("/patients/p-1").status_code == 404
    assert stranger.delete("/patients/p-1").status_code == 404
    assert stranger.get("/patients").json()["data"] == []
    assert Patient.objects.count() == 1
