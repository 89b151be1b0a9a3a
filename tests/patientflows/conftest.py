"""A flow's surroundings: a hospital's portal that is a real HTTP server, listed in the catalogue, and a browser."""

from collections.abc import Callable

import pytest

from portals.models import Source
from tests.factories import make_endpoint
from tests.patientflows.hospital import Hospital
from tests.patientflows.visitor import Visitor
from webhooks.models import Event


@pytest.fixture
def hospital():
    with Hospital() as portal:
        yield portal


@pytest.fixture
def source(db, hospital) -> Source:
    return hospital.enter_catalogue("Mayo Clinic", locations=[{"city": "Rochester", "state": "MN"}])


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.fixture
def open_flow(api, hospital) -> Callable[..., dict]:
    """A factory of flows over the API."""

    def opened(**more) -> dict:
        body = {"patient_id": "p-1", "return_url": hospital.return_url, "return_button_label": "Trials"}
        answer = api.create("/patient-flows", body | more)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    return opened


@pytest.fixture
def told(tenant) -> Callable[[], list[str]]:
    """The types of the events told so far; an endpoint wants them all."""
    make_endpoint(tenant, "https://app.example.org/hooks")
    return lambda: list(Event.objects.order_by("id").values_list("type", flat=True))
