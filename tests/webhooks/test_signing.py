"""Signatures (contract 6.2): the contract's vector, a library that knows nothing of us, and secrets that overlap."""

import hashlib
import hmac
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks import signing

SECRET = "whsec_01J9YR9N3X4VZ6P2K5RH7M3LMPabcdef0123456789abcdef0123456789"
VECTOR = "2bd2924f7208f294e68e153699bfd8ec4db38874f04bcad54be3a1eebf2a3053"


def medblocks_values(header: str) -> tuple[str, list[str]]:
    parts = [part.partition("=")[::2] for part in header.split(",")]
    return dict(parts)["t"], [value for name, value in parts if name == "v1"]


def is_signed(received, secret: str) -> bool:
    """What a receiver of the first form does."""
    t, values = medblocks_values(received.headers["Medblocks-Signature"])
    expected = hmac.new(secret.encode(), f"{t}.".encode() + received.body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(value, expected) for value in values)


def test_the_contracts_vector():
    header = signing.medblocks_signature([SECRET], 1714060800, b'{"id":"evt_test","object":"event"}')
    assert header == f"t=1714060800,v1={VECTOR}"


def test_a_new_secret_is_what_both_kinds_of_receiver_take():
    secret = signing.new_secret()
    assert secret.startswith("whsec_")
    Webhook(secret)


@pytest.mark.django_db
def test_a_delivery_is_verified_by_both_kinds_of_receiver(endpoint, receiver, happen, deliver):
    happen(name="Zoë", n=1.5)
    deliver()
    [received] = receiver.received
    assert Webhook(endpoint.secret).verify(received.body, received.headers) == received.event
    assert is_signed(received, endpoint.secret)


@pytest.mark.django_db
def test_a_changed_body_is_not(endpoint, receiver, happen, deliver):
    happen()
    deliver()
    [received] = receiver.received
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(received.body.replace(b"pf_1", b"pf_2"), received.headers)


@pytest.mark.django_db
def test_while_secrets_overlap_both_verify_and_afterwards_the_new_one_alone(
    api, endpoint, receiver, happen, deliver, time_machine
):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    old = endpoint.secret
    new = api.create(f"/webhooks/{endpoint.pk}/rotate-secret", {"overlap_seconds": 3600}).json()["secret"]
    assert new != old
    happen()
    deliver()
    time_machine.shift(timedelta(seconds=3601))
    happen()
    deliver()
    during, after = receiver.received
    assert is_signed(during, old)
    assert is_signed(during, new)
    assert len(during.headers["webhook-signature"].split(" ")) == 2
    assert is_signed(after, new)
    assert not is_signed(after, old)


@pytest.mark.django_db
def test_without_an_overlap_the_old_secret_ends_at_once(api, endpoint, receiver, happen, deliver):
    old = endpoint.secret
    new = api.create(f"/webhooks/{endpoint.pk}/rotate-secret").json()["secret"]
    happen()
    deliver()
    [received] = receiver.received
    assert is_signed(received, new)
    assert not is_signed(received, old)
