"""Picker Mode (contract 3.1), step by step."""

from patientflows.models import PatientFlow


def test_from_link_to_done(visitor, open_flow, source, api):
    flow = open_flow()
    outcome = visitor.connect(flow, source.pk)
    page = visitor.get(outcome["Location"])
    assert "You are connected to Mayo Clinic" in page.content.decode()
    assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "open"
    assert PatientFlow.objects.get().is_open
