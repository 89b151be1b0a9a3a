"""Sealing at rest: what is sealed opens only where it was sealed, under any key of the list."""

import base64
import os

import pytest

from connect.crypto import CannotOpen, Keyring, keyring, open_with, seal_with
from connect.organizations.models import DataKey, Environment, Organization, Patient


def a_key(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


OLD, NEW = a_key("00000001"), a_key("00000002")


def test_what_is_sealed_opens_again():
    ring = Keyring([NEW])
    assert ring.open(ring.seal(b"a token", b"row 1"), b"row 1") == b"a token"


def test_a_value_moved_to_another_row_does_not_open():
    ring = Keyring([NEW])
    sealed = ring.seal(b"a token", b"row 1")
    with pytest.raises(CannotOpen):
        ring.open(sealed, b"row 2")


def test_a_changed_value_does_not_open():
    sealed = bytearray(Keyring([NEW]).seal(b"a token", b"row 1"))
    sealed[-1] ^= 1
    with pytest.raises(CannotOpen):
        Keyring([NEW]).open(bytes(sealed), b"row 1")


def test_the_newest_key_seals_and_every_key_opens():
    sealed_before = Keyring([OLD]).seal(b"a token", b"row 1")
    rotated = Keyring([NEW, OLD])
    assert rotated.open(sealed_before, b"row 1") == b"a token"
    assert not rotated.is_current(sealed_before)
    assert rotated.is_current(rotated.seal(b"a token", b"row 1"))


def test_a_value_under_a_forgotten_key_does_not_open():
    sealed = Keyring([OLD]).seal(b"a token", b"row 1")
    with pytest.raises(CannotOpen):
        Keyring([NEW]).open(sealed, b"row 1")


def test_the_same_text_is_sealed_differently_each_time():
    key = os.urandom(32)
    assert seal_with(key, b"text", b"") != seal_with(key, b"text", b"")
    assert open_with(key, seal_with(key, b"text", b""), b"") == b"text"


@pytest.fixture
def patient(db) -> Patient:
    organization = Organization.objects.create(name="Org", slug="org")
    return Patient.objects.create(organization=organization, environment=Environment.SANDBOX, patient_id="p-1")


def test_a_sealed_column_never_holds_the_plaintext(patient):
    stored = DataKey.objects.get(pk=patient.pk)
    sealed = bytes(stored.__dict__["key"])
    assert stored.key.encode() not in sealed
    assert keyring().open(sealed, f"organizations_datakey.key:{patient.pk}".encode()).decode() == patient.data_key


def test_plaintext_cannot_be_written_past_the_seal(patient):
    with pytest.raises(TypeError):
        DataKey.objects.filter(pk=patient.pk).update(key="in the clear")


def test_every_patient_has_a_key_of_their_own_that_goes_with_them(patient):
    other = Patient.objects.create(organization=patient.organization, environment="sandbox", patient_id="p-2")
    assert patient.data_key != other.data_key
    Patient.objects.filter(pk=patient.pk).delete()
    assert [key.pk for key in DataKey.objects.all()] == [other.pk]
    with pytest.raises(CannotOpen):
        _ = patient.data_key
