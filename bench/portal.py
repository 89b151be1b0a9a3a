"""A portal that costs next to nothing: ready-made pages of FHIR and ready-made tokens, from a process of its own."""

import asyncio
import contextlib
import json
import multiprocessing
from urllib.parse import parse_qs, urlsplit

PAGE = 100
TYPES = (
    "Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Immunization", "DiagnosticReport", "Procedure",
    "Encounter", "CarePlan", "CareTeam", "Goal", "Device", "Coverage", "ServiceRequest",
)  # fmt: skip


def resource(type_: str, number: int) -> dict:
    """About 1 KB, as US Core resources are."""
    return {
        "resourceType": type_,
        "id": f"{type_.lower()}-{number:07d}",
        "meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z", "profile": [f"http://hl7.org/fhir/us/core/{type_}"]},
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                  "code": "laboratory", "display": "Laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": f"{1000 + number % 9000}-1",
                             "display": "Glucose [Mass/volume] in Serum or Plasma"}], "text": f"Measurement {number}"},
        "subject": {"reference": "Patient/pat-1"},
        "effectiveDateTime": f"20{10 + number % 15}-0{1 + number % 9}-1{number % 10}T08:{number % 60:02d}:00+00:00",
        "issued": "2026-01-01T08:00:00.000+00:00",
        "valueQuantity": {"value": round(60 + number % 97 * 1.01, 2), "unit": "mg/dL",
                          "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        "referenceRange": [{"low": {"value": 60.0, "unit": "mg/dL"}, "high": {"value": 100.00, "unit": "mg/dL"}}],
        "note": [{"text": "Fasting sample, drawn at the outpatient laboratory; reviewed by the ordering clinician."}],
    }  # fmt: skip


class Holdings:
    """Every answer of the portal, made once: `counts` resources of each type, in pages."""

    def __init__(self, root: str, counts: dict[str, int]):
        self.answers: dict[str, bytes] = {}
        self.base = f"{root}/fhir"
        parameters = [{"name": "patient"}, {"name": "_count"}]
        offers = [
            {"type": name, "interaction": [{"code": "search-type"}], "searchParam": parameters} for name in counts
        ]
        self.keep(
            "/fhir/metadata", {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": offers}]}
        )
        self.keep("/fhir/Patient/pat-1", {"resourceType": "Patient", "id": "pat-1", "name": [{"family": "Bench"}]})
        for name, count in counts.items():
            self.keep_pages(name, count)

    def keep_pages(self, name: str, count: int) -> None:
        for page, start in enumerate(range(0, max(count, 1), PAGE)):
            numbers = range(start, min(start + PAGE, count))
            entries = [
                {
                    "fullUrl": f"{self.base}/{name}/{number}",
                    "resource": resource(name, number),
                    "search": {"mode": "match"},
                }
                for number in numbers
            ]
            links = [{"relation": "next", "url": self.page_url(name, page + 1)}] if start + PAGE < count else []
            bundle = {"resourceType": "Bundle", "type": "searchset", "total": count, "link": links, "entry": entries}
            self.keep(f"/fhir/{name}#{page}", bundle)

    def page_url(self, name: str, page: int) -> str:
        return f"{self.base}/{name}?patient=pat-1&page={page}"

    def keep(self, key: str, document: dict) -> None:
        self.answers[key] = _answer(200, json.dumps(document).encode(), b"application/fhir+json")

    def answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        page = parse_qs(parts.query).get("page", ["0"])[0]
        return self.answers.get(f"{parts.path}#{page}") or self.answers.get(parts.path) or EMPTY


def _answer(status: int, body: bytes, kind: bytes) -> bytes:
    return b"HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body)) + body


EMPTY = _answer(200, b'{"resourceType":"Bundle","type":"searchset","total":0}', b"application/fhir+json")
TOKENS = _answer(
    200, b'{"access_token":"at-2","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-2"}', b"application/json"
)


class _Serving(asyncio.Protocol):
    def __init__(self, holdings: Holdings, seconds: float):
        self.holdings, self.seconds, self.buffer = holdings, seconds, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            size = _body_size(head)
            if len(self.buffer) < end + 4 + size:
                return
            self.buffer = self.buffer[end + 4 + size :]
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            answer = TOKENS if method == b"POST" else self.holdings.answer(target.decode())
            asyncio.get_running_loop().call_later(self.seconds, self.transport.write, answer)


def _body_size(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _serve(pipe, counts: dict[str, int], seconds: float) -> None:
    async def main():
        holder: list[Holdings] = []
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Serving(holder[0], seconds), "127.0.0.1", 0, backlog=512)
        root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        holder.append(Holdings(root, counts))
        pipe.send(root)
        await asyncio.Event().wait()

    asyncio.run(main())


@contextlib.contextmanager
def portal(counts: dict[str, int], *, seconds: float = 0.0):
    """Serve so many resources of each type, each answer `seconds` late; yields the root URL."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, counts, seconds), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()
