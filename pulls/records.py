"""A record's body at rest: compressed, then sealed with the patient's own data key (DESIGN law 7).

The compressor knows FHIR from a dictionary (bench/dictionary.py), because one resource is too small to learn it from:
bodies take half the room and open in half the time. A frame made without the dictionary opens as well.
"""

import base64
import threading
from pathlib import Path

import zstandard

from connect.crypto import open_with, seal_with
from connect.organizations.models import Patient

LEVEL = 3
MAX_BODY_BYTES = 256 * 1024 * 1024
DICTIONARY_FILE = Path(__file__).with_name("fhir_r4.zdict")
DICTIONARY = zstandard.ZstdCompressionDict(DICTIONARY_FILE.read_bytes())
DICTIONARY.precompute_compress(level=LEVEL)
_local = threading.local()


def data_key(patient: Patient) -> bytes:
    """The 32 bytes that seal this patient's records; without them even a backup is unreadable."""
    return base64.b64decode(patient.data_key)


def seal_body(key: bytes, raw: bytes, *, connection_id: str, resource_type: str, resource_id: str) -> bytes:
    """What is stored for a resource's bytes, bound to the resource it belongs to."""
    bound_to = f"{connection_id}/{resource_type}/{resource_id}".encode()
    return seal_with(key, _compressor().compress(raw), bound_to)


def open_body(key: bytes, record) -> bytes:
    """The very bytes the portal sent. Raises CannotOpen."""
    bound_to = f"{record.connection_id}/{record.resource_type}/{record.resource_id}".encode()
    return _decompressor().decompress(open_with(key, record.body, bound_to), max_output_size=MAX_BODY_BYTES)


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=DICTIONARY)
    return _local.compressor


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor(dict_data=DICTIONARY)
    return _local.decompressor
