"""Receipts of consent (contract 8): what they state, that they are signed, and that a change is found."""

import json

import pytest

from patientflows.models import PatientFlow, Receipt, ReceiptKey
from patientflows.receipts import signing, verify
from patientflows.receipts.fhir_consent import consent_of
from patientflows.receipts.issuing import document_of
from tests.patientflows.visitor import path_of


@pytest.fixture
def connected(visitor, open_flow, source, organization):
    type(organization).objects.update(purpose="to find clinical trials", purpose_es="para encontrar estudios clínicos")
    return lambda **more: visitor.connect(open_flow(**more), source.pk)


def latest() -> dict:
    return document_of(Receipt.objects.latest("id"))


def test_it_states_who_what_when_and_in_which_words(connected, source, organization):
    connected(locale="es")
    claims = latest()["receipt"]
    assert claims["organization"]["name"] == organization.name
    assert claims["source"]["fhir_base_url"] == source.fhir_base_url
    assert claims["patient"] == {"id": "p-1"}
    assert claims["asked"]["scopes"] == ["launch/patient", "offline_access", "patient/*.read"]
    assert claims["granted"]["scopes"] == ["launch/patient", "offline_access", "patient/*.read"]
    assert claims["granted"]["missing"] == []
    assert claims["shown"]["language"] == "es"
    assert claims["shown"]["sentences"][0].endswith(
        "una copia de su historial médico para encontrar estudios clínicos."
    )


def test_in_direct_mode_no_page_of_ours_was_shown(visitor, open_flow, source):
    visitor.connect(open_flow(connection_id=source.pk))
    assert latest()["receipt"]["shown"] is None


def test_each_authorisation_has_its_own(connected):
    connected()
    connected()
    assert Receipt.objects.count() == 2
    assert len(set(Receipt.objects.values_list("attempt_id", flat=True))) == 2


def test_it_can_be_checked_with_the_published_keys_after_they_are_retired(connected, client, db):
    connected()
    first = latest()
    ReceiptKey.objects.get().retire()
    connected(patient_id="p-2")
    keys = client.get("/.well-known/consent-receipt-keys.json").json()
    assert len(keys["keys"]) == 2
    assert all("d" not in key for key in keys["keys"])
    assert verify.check(first, keys) == first["receipt"]
    assert verify.check(latest(), keys) == latest()["receipt"]


@pytest.mark.parametrize("part", ["receipt", "signed"])
def test_a_change_is_found(connected, part):
    connected()
    document, keys = latest(), signing.published_keys()
    if part == "receipt":
        document["receipt"]["granted"]["scopes"].append("patient/*.write")
    else:
        header, payload, signature = document["signed"].split(".")
        document["signed"] = ".".join([header, payload[:-4] + "AAAA", signature])
    with pytest.raises(verify.ReceiptInvalid):
        verify.check(document, keys)


@pytest.mark.parametrize("document", [{}, {"signed": "a.b.c"}, {"signed": None, "receipt": {}}, {"signed": "e30.e30."}])
def test_nonsense_is_invalid_and_no_crash(db, document):
    with pytest.raises(verify.ReceiptInvalid):
        verify.check(document, {"keys": [signing.new_key().public_jwk]})


def test_a_receipt_signed_by_somebody_else_is_invalid(connected):
    connected()
    document = latest()
    ReceiptKey.objects.all()
    stranger = signing.new_key().public_jwk
    with pytest.raises(verify.ReceiptInvalid):
        verify.check(document, {"keys": [stranger]})


@pytest.mark.parametrize(("name", "status"), [("receipt.json", 0), ("missing.json", 2)])
def test_the_command_says_it_with_its_exit_status(connected, tmp_path, capsys, name, status):
    connected()
    (tmp_path / "receipt.json").write_text(json.dumps(latest()))
    (tmp_path / "keys.json").write_text(json.dumps(signing.published_keys()))
    assert verify.main([str(tmp_path / name), str(tmp_path / "keys.json")]) == status
    assert capsys.readouterr().out.startswith("Valid." if status == 0 else "Cannot read it")


def test_the_fhir_consent_says_the_same(connected):
    connected()
    document = latest()
    consent = consent_of(document, active=True)
    claims = document["receipt"]
    assert (consent["resourceType"], consent["status"]) == ("Consent", "active")
    assert consent["patient"]["identifier"] == {"system": "urn:medblocks:patient-id", "value": "p-1"}
    assert consent["dateTime"] == claims["granted"]["at"]
    assert consent["provision"]["type"] == "permit"
    assert "class" not in consent["provision"]  # patient/*.read: everything
    assert consent_of(document, active=False)["status"] == "inactive"


def test_the_files_are_served_on_the_patients_page(connected, visitor):
    connected()
    receipt = Receipt.objects.get()
    link = receipt.patient.links.get()
    for name, kind in (("receipt.json", "application/json"), ("consent.json", "application/fhir+json")):
        answer = visitor.get(f"/my/{link.token}/receipts/{receipt.pk}/{name}")
        assert answer["Content-Type"] == kind
        assert "attachment" in answer["Content-Disposition"]
        assert answer.json()


def test_the_page_shows_the_words_in_the_language_they_were_read_in(connected, visitor):
    connected(locale="es")
    receipt = Receipt.objects.get()
    page = visitor.get(f"/my/{receipt.patient.links.get().token}/receipts/{receipt.pk}").content.decode()
    assert '<ul lang="es">' in page
    assert "una copia de su historial médico" in page
    assert path_of(PatientFlow.objects.get().token) not in page
