"""Documents of 50 MB: taken or left by the operator's limit, in bounded memory, and told in the manifest."""

import base64
import gc
import hashlib
import random
import tracemalloc

import msgspec
import pytest

from pulls.models import Record
from tests.portals.portal_double import Answer
from tests.pulls.scripted import observation

MIB = 1024 * 1024
SIZE = 50 * MIB
pytestmark = pytest.mark.django_db


class Binary(msgspec.Struct):
    id: str
    contentType: str
    data: str


@pytest.fixture(scope="module")
def document() -> bytes:
    """50 MB that cannot be compressed."""
    return random.Random(5).randbytes(SIZE)


@pytest.fixture
def listed(portal, document):
    """A portal with that document, as its own file and not as a Binary in JSON."""
    attachment = {"contentType": "application/pdf", "url": f"{portal.base}/Binary/scan", "size": SIZE}
    note = observation("d-1", content=[{"attachment": attachment}]) | {"resourceType": "DocumentReference"}
    portal.holds("DocumentReference", note)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {SIZE}\r\n\r\n"
    portal.on("/fhir/Binary/scan", Answer(raw=head.encode() + document))


@pytest.fixture
def memory():
    """A factory: run something; how much more memory than before it held at its peak, in MiB."""

    def memory(run) -> float:
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return (peak - before) / MIB

    return memory


def documents_of(api, pull) -> dict:
    return api.get(f"/pulls/{pull.pk}/manifest").json()["documents"]


def test_one_over_the_limit_is_skipped_and_named(api, settings, connected, pull, listed, memory):
    settings.DOCUMENT_MAX_BYTES = 20 * MIB
    connection, done = connected(), []
    peak = memory(lambda: done.append(pull(connection)))
    told = documents_of(api, done[0])
    assert (done[0].status, told["skipped"], told["fetched"]) == ("completed", 1, 0)
    assert told["lacking"] == [{"target": "Binary/scan", "status": "skipped", "reason": "too_large"}]
    assert not Record.objects.filter(resource_type="Binary").exists()
    assert peak < 30


def test_one_below_the_limit_arrives_whole(api, settings, connected, pull, listed, document, memory):
    settings.DOCUMENT_MAX_BYTES = 64 * MIB
    connection, done = connected(), []
    peak = memory(lambda: done.append(pull(connection)))
    assert (done[0].status, documents_of(api, done[0])["fetched"]) == ("completed", 1)
    answer = api.get("/patients/p-1/records/$export", {"type": "Binary"})
    found = msgspec.json.decode(b"".join(answer.streaming_content), type=Binary)
    assert (found.id, found.contentType) == ("scan", "application/pdf")
    assert hashlib.sha256(base64.b64decode(found.data)).digest() == hashlib.sha256(document).digest()
    assert peak < 6 * SIZE / MIB
