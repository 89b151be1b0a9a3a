"""A webhook's surroundings: a receiver that is a real HTTP server, an endpoint for it, and a worker to run."""

import pytest
from django.db import transaction

from tests.factories import make_endpoint
from tests.webhooks.receivers import Receiver
from webhooks.actions import emit
from webhooks.deliver import drain


@pytest.fixture(autouse=True)
def loopback_allowed(settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = True
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def receiver():
    receiver = Receiver()
    receiver.start()
    yield receiver
    receiver.stop()


@pytest.fixture
def endpoint(tenant, receiver):
    return make_endpoint(tenant, receiver.url)


@pytest.fixture
def happen(tenant):
    """Something happens that endpoints are told of: returns the one event."""

    def happen(type="patient_flow.completed", patient_id="p-1", **object):
        with transaction.atomic():
            events = emit(tenant=tenant, type=type, object={"id": "pf_1", **object}, patient_id=patient_id)
        return events[0] if events else None

    return happen


@pytest.fixture
def deliver():
    """Run the delivery worker until nothing is due."""
    return lambda: drain(hot_seconds=0)
