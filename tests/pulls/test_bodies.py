"""Bodies at rest: what is sealed comes back byte for byte, whichever way it was compressed."""

import hashlib

import pytest
import zstandard

from connect.crypto import CannotOpen, seal_with
from pulls.read import StoredRecord
from pulls.records import DICTIONARY_FILE, open_body, seal_body

KEY = b"k" * 32
RAW = b'{"resourceType": "Observation", "id": "o-1", "status": "final", "valueQuantity": {"value": 1.50}}'
NAME = {"connection_id": "conn_1", "resource_type": "Observation", "resource_id": "o-1"}


def stored(body: bytes, **other) -> StoredRecord:
    told = {**dict.fromkeys(StoredRecord._fields), **NAME, "body": body, **other}
    return StoredRecord(**told)


@pytest.mark.parametrize("raw", [RAW, b"{}", b"", RAW * 10_000], ids=["a resource", "empty object", "nothing", "1 MB"])
def test_the_very_bytes_come_back(raw):
    assert open_body(KEY, stored(seal_body(KEY, raw, **NAME))) == raw


def test_a_body_compressed_without_the_dictionary_opens():
    plain = seal_with(KEY, zstandard.ZstdCompressor().compress(RAW), b"conn_1/Observation/o-1")
    assert open_body(KEY, stored(plain)) == RAW


def test_a_body_of_another_resource_does_not_open():
    with pytest.raises(CannotOpen):
        open_body(KEY, stored(seal_body(KEY, RAW, **NAME), resource_id="o-2"))


def test_the_dictionary_never_changes():
    """Records that were sealed with it could not be read with another: a new one gets an id and a file of its own."""
    content = DICTIONARY_FILE.read_bytes()
    assert zstandard.ZstdCompressionDict(content).dict_id() == 1
    assert hashlib.sha256(content).hexdigest() == "b4d2b83008ddd7e9b9edd5dd7baaaefb0291f997f3521fd45718c6c1c34aaa08"


def test_the_dictionary_saves_room():
    assert len(seal_body(KEY, RAW, **NAME)) < len(seal_with(KEY, zstandard.ZstdCompressor().compress(RAW), b"")) * 0.7
