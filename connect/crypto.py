"""Sealing at rest: AES-256-GCM under a list of keys; the first key seals, every key opens.

A sealed value is `version (1) | key id (4) | nonce (12) | ciphertext and tag`, bound by its associated data to the row
and column it was sealed for: moved to another row it does not open.
"""

import base64
import functools
import hashlib
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

VERSION = b"\x01"
NONCE_BYTES = 12
HEADER_BYTES = 1 + 4


class CannotOpen(Exception):
    """The value was sealed under a key that is not in SEALING_KEYS, for another row, or was changed."""


def seal_with(key: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    """`nonce | ciphertext` under a 32-byte key, for values that name their key elsewhere."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, plaintext, bound_to)


def open_with(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """The plaintext of `seal_with`; raises CannotOpen."""
    try:
        return _cipher(key).decrypt(bytes(sealed[:NONCE_BYTES]), bytes(sealed[NONCE_BYTES:]), bound_to)
    except InvalidTag:
        raise CannotOpen("sealed for another row, under another key, or changed") from None


@functools.lru_cache(maxsize=4096)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


class Keyring:
    """The installation's sealing keys, newest first."""

    def __init__(self, specs: list[str]):
        """`specs`: `<8 hex digits>:<base64 of 32 bytes>`, the first of which seals."""
        self.keys: dict[bytes, bytes] = {}
        for spec in specs:
            key_id, _, encoded = spec.partition(":")
            key = base64.b64decode(encoded)
            if len(key) != 32:
                raise ValueError("a sealing key is 32 bytes")
            self.keys[bytes.fromhex(key_id)] = key
        self.newest = next(iter(self.keys))

    def seal(self, plaintext: bytes, bound_to: bytes) -> bytes:
        return VERSION + self.newest + seal_with(self.keys[self.newest], plaintext, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        sealed = bytes(sealed)
        key = self.keys.get(sealed[1:HEADER_BYTES])
        if sealed[:1] != VERSION or key is None:
            raise CannotOpen("the key that sealed this value is not in SEALING_KEYS")
        return open_with(key, sealed[HEADER_BYTES:], bound_to)

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed this value (what `manage.py reseal` looks for)."""
        return bytes(sealed[1:HEADER_BYTES]) == self.newest


@functools.lru_cache(maxsize=1)
def _keyring(specs: tuple[str, ...]) -> Keyring:
    return Keyring(list(specs))


def keyring() -> Keyring:
    """The keyring of `settings.SEALING_KEYS`."""
    return _keyring(tuple(settings.SEALING_KEYS))


def new_data_key() -> str:
    """A fresh 32-byte data key in base64, to be kept in a SealedField."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def new_token(bits: int = 128) -> str:
    """An unguessable URL-safe token."""
    return secrets.token_urlsafe(bits // 8)


def token_hash(token: str) -> str:
    """How a token that is only ever compared is stored: hex SHA-256 (tokens carry 128 random bits or more)."""
    return hashlib.sha256(token.encode()).hexdigest()


class SealedBytes(bytes):
    """Ciphertext on its way to the database; the only thing a SealedField writes."""


class _SealedAttribute:
    """Seals on assignment, opens on reading: the row itself never holds the plaintext."""

    def __init__(self, field):
        self.field = field

    def __get__(self, row, owner=None):
        if row is None:
            return self
        if self.field.attname not in row.__dict__:
            row.refresh_from_db(fields=[self.field.attname])
        sealed = row.__dict__[self.field.attname]
        if sealed is None:
            return None
        return keyring().open(sealed, self.field.bound_to(row)).decode()

    def __set__(self, row, value):
        if value is None or isinstance(value, (SealedBytes, memoryview, bytes)):
            row.__dict__[self.field.attname] = None if value is None else SealedBytes(value)
        else:
            row.__dict__[self.field.attname] = SealedBytes(keyring().seal(value.encode(), self.field.bound_to(row)))


class SealedField(models.BinaryField):
    """Text that is sealed at rest, bound to its table, column and primary key.

    Assign a string and it is sealed at once; read the attribute and it is opened. The row's primary key must be known
    before (ids are made in Python). It is never shown in forms, and cannot be searched.
    """

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, self.attname, _SealedAttribute(self))

    def get_default(self) -> None:
        """Nothing: BinaryField's own default, b"", would pass for a sealed value."""

    def bound_to(self, row) -> bytes:
        return f"{self.model._meta.db_table}.{self.attname}:{row.pk}".encode()

    def sealed(self, row) -> SealedBytes | None:
        """The ciphertext that the row holds, without opening it."""
        return row.__dict__[self.attname]

    def pre_save(self, model_instance, add):
        return model_instance.__dict__[self.attname]

    def value_from_object(self, obj):
        return obj.__dict__[self.attname]

    def get_db_prep_value(self, value, connection, prepared=False):
        if value is not None and not isinstance(value, SealedBytes):
            raise TypeError(f"{self.name} takes sealed bytes only: assign it on the row")
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value, expression, connection):
        return None if value is None else SealedBytes(value)
