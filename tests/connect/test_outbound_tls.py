"""TLS is verified, always (SMART requirement 230)."""

import datetime as dt
import ipaddress
import socket
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connect import outbound
from connect.outbound import OutboundError
from tests.portals.portal_double import Answer, PortalDouble

DAY = dt.timedelta(days=1)


def certificate(folder, *, host, expired=False):
    """A self-signed certificate and its key on disk, for `host`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now - DAY if expired else now + DAY)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(cert_file), str(key_file)


@pytest.fixture(autouse=True)
def local(settings, monkeypatch):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = False
    settings.OUTBOUND_ALLOW_PRIVATE = True
    settings.OUTBOUND_PROXY_URL = ""
    settings.OUTBOUND_CA_BUNDLE = ""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *args, **kw: real("127.0.0.1" if host == "portal.example.com" else host, *args, **kw),
    )
    return settings


def test_a_trusted_certificate_for_the_name_is_accepted_though_we_connect_by_address(local, tmp_path):
    files = certificate(tmp_path, host="portal.example.com")
    local.OUTBOUND_CA_BUNDLE = files[0]
    with PortalDouble(certificate=files) as server:
        server.on("/", Answer(body=b"hello"))
        url = f"https://portal.example.com:{server.port}/"
        for _ in range(3):
            assert outbound.request("GET", url, policy=outbound.PROBE).body == b"hello"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("host", "expired", "trusted"),
    [
        ("portal.example.com", False, False),
        ("portal.example.com", True, True),
        ("other.example.com", False, True),
        ("127.0.0.1", False, True),
    ],
    ids=["self-signed", "expired", "wrong-host", "right-address-wrong-name"],
)
def test_sec_tls_verify(local, tmp_path, host, expired, trusted):
    files = certificate(tmp_path, host=host, expired=expired)
    local.OUTBOUND_CA_BUNDLE = files[0] if trusted else ""
    with PortalDouble(certificate=files) as server:
        with pytest.raises(OutboundError) as caught:
            outbound.request("POST", f"https://portal.example.com:{server.port}/", body=b"x", policy=outbound.PROBE)
        assert (caught.value.reason, caught.value.sent, caught.value.retry_safe) == ("tls", False, False)
        assert server.requests == []


def test_through_a_proxy_the_tunnel_carries_tls_to_the_name(local, tmp_path):
    files = certificate(tmp_path, host="portal.example.com")
    local.OUTBOUND_CA_BUNDLE = files[0]
    with PortalDouble(certificate=files) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        server.on("/", Answer(body=b"tunnelled"))
        asked = []
        threading.Thread(target=tunnel, args=(listener, server.port, asked), daemon=True).start()
        local.OUTBOUND_PROXY_URL = f"http://127.0.0.1:{listener.getsockname()[1]}"
        url = f"https://portal.example.com:{server.port}/"
        assert outbound.request("GET", url, policy=outbound.PROBE).body == b"tunnelled"
    assert asked[0].startswith(f"CONNECT portal.example.com:{server.port} HTTP/1.")


def tunnel(listener, port, asked):
    """A proxy good for one tunnel."""
    near, _ = listener.accept()
    asked.append(near.recv(4096).decode())
    near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
    far = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=relay, args=(far, near), daemon=True).start()
    relay(near, far)


def relay(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)


def test_a_server_that_speaks_no_tls_gets_nothing(local):
    with PortalDouble() as server:
        with pytest.raises(OutboundError) as caught:
            outbound.request("POST", f"https://127.0.0.1:{server.port}/", body=b"x", policy=outbound.PROBE)
        assert (caught.value.reason, caught.value.sent) == ("tls", False)


def test_a_server_that_never_finishes_the_handshake_is_a_connect_timeout(local):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        policy = outbound.Policy("test", 0.2, 5, 5, 1000)
        with pytest.raises(OutboundError) as caught:
            outbound.request("POST", f"https://127.0.0.1:{listener.getsockname()[1]}/", body=b"x", policy=policy)
    assert (caught.value.reason, caught.value.sent, caught.value.retry_safe) == ("connect_timeout", False, True)
