"""Everything a receiver can do wrong: the attempt fails within 5 seconds, says why, and is tried again in a minute."""

import ssl
import time
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from tests.factories import make_endpoint
from tests.webhooks.receivers import closed_port_url, raw_server
from webhooks import outbox
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
ENDLESS = b"x" * 65536


def hold(connection, seconds: float = 8):
    time.sleep(seconds)


def drip_head(connection):
    for byte in HEAD:
        connection.sendall(bytes([byte]))
        time.sleep(0.4)


def drip_body(connection):
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(20):
        connection.sendall(b"x")
        time.sleep(0.4)


def stop_in_body(connection):
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nhalf")
    hold(connection)


def endless_body(connection):
    connection.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
    while True:
        connection.sendall(ENDLESS)


def hang_up(connection):
    connection.close()


def nonsense(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    hold(connection, 0.2)


def answered(status: int, headers: bytes = b"") -> object:
    def talk(connection):
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 4\r\n%b\r\nnope" % (status, headers))

    return talk


def attempt_of(event) -> Delivery:
    return Delivery.objects.get(event=event)


@pytest.mark.parametrize(
    ("talk", "error", "status"),
    [
        (answered(301, b"Location: https://example.org/\r\n"), "redirect", 301),
        (answered(307, b"Location: /elsewhere\r\n"), "redirect", 307),
        (answered(400), "status", 400),
        (answered(404), "status", 404),
        (answered(410), "status", 410),
        (answered(500), "status", 500),
        (answered(503), "status", 503),
        (hang_up, "reset", None),
        (nonsense, "bad_answer", None),
    ],
    ids=["301", "307", "400", "404", "410", "500", "503", "hangs up", "no HTTP"],
)
def test_a_bad_answer_is_a_failed_attempt(tenant, happen, deliver, talk, error, status):
    with raw_server(talk) as url:
        make_endpoint(tenant, url)
        event = happen()
        deliver()
    assert (attempt_of(event).error, attempt_of(event).status_code) == (error, status)
    assert_is_tried_again_in_a_minute(event)


def test_nothing_listens(tenant, happen, deliver):
    make_endpoint(tenant, closed_port_url())
    event = happen()
    deliver()
    assert attempt_of(event).error == "refused"
    assert_is_tried_again_in_a_minute(event)


def test_the_name_does_not_resolve(tenant, happen, deliver):
    make_endpoint(tenant, "https://receiver.invalid/hook")
    event = happen()
    deliver()
    assert attempt_of(event).error == "dns"
    assert_is_tried_again_in_a_minute(event)


def test_the_certificate_is_not_trusted(tenant, receiver, happen, deliver, self_signed):
    receiver.server.socket = self_signed.wrap_socket(receiver.server.socket, server_side=True)
    make_endpoint(tenant, receiver.url.replace("http:", "https:"))
    event = happen()
    deliver()
    assert attempt_of(event).error == "tls"
    assert receiver.received == [], "no byte of an event goes to whom we do not trust"
    assert_is_tried_again_in_a_minute(event)


def test_slow_receivers_are_cut_off_at_five_seconds_in_all(tenant, deliver):
    """Side by side, so that the test waits once. What has answered 2xx in time is delivered, however its body goes on."""
    with (
        raw_server(hold) as silent, raw_server(drip_head) as dripping, raw_server(drip_body) as dripping_body,
        raw_server(stop_in_body) as stopping, raw_server(endless_body) as endless,
    ):  # fmt: skip
        urls = {
            "silent": silent,
            "dripping": dripping,
            "dripping body": dripping_body,
            "stops": stopping,
            "huge": endless,
        }
        events = {name: event_for(tenant, url) for name, url in urls.items()}
        started = time.monotonic()
        deliver()
        assert time.monotonic() - started < 7
    attempts = {name: attempt_of(event) for name, event in events.items()}
    assert {name: attempt.error for name, attempt in attempts.items()} == {
        "silent": "deadline", "dripping": "deadline", "dripping body": "", "stops": "", "huge": "",
    }  # fmt: skip
    assert all(attempt.duration_ms < 5500 for attempt in attempts.values())
    assert attempts["huge"].duration_ms < 2000, "4 KB are read and the rest is not waited for"
    for event in events.values():
        event.refresh_from_db()
        assert len(event.last_response_body or "") <= 4096
    assert events["dripping body"].status == "delivered"
    assert_is_tried_again_in_a_minute(events["silent"])


def event_for(tenant, url):
    """An event for an endpoint of its own."""
    event = outbox.new_event(make_endpoint(tenant, url), type="records.sync.completed", object={"id": "x"})
    event.save(force_insert=True)
    return event


def assert_is_tried_again_in_a_minute(event):
    event.refresh_from_db()
    assert (event.status, event.attempts, event.tries_left, event.delivered_at) == ("pending", 1, 8, None)
    wait = event.next_attempt_at - attempt_of(event).started_at
    assert timedelta(seconds=60) <= wait <= timedelta(seconds=66 + 7)
    event.endpoint.refresh_from_db()
    assert event.endpoint.failing_since is not None


@pytest.fixture
def self_signed(tmp_path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = timezone.now()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ) + certificate.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
