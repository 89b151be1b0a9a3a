"""Reading what the portal only referenced: practitioners, places, medications, and the content of documents."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.db import transaction

from connect import outbound
from portals.smart import scopes as smart_scopes
from pulls.calls import ACCEPT, Answer, Verdict
from pulls.fhir.heads import Head
from pulls.fhir.pages import Entry, NotFhir, digest_of, read_page
from pulls.fhir.references import origin_of
from pulls.models import Pull, Record, Reference
from pulls.searching import references_to_follow
from pulls.store import Arrived, url_hash
from pulls.targets import Fetched, Target

CHUNK_BYTES = 3 * 1024 * 1024  # divisible by three, so that pieces of base64 make a whole

STATUSES = {
    Verdict.REFUSED: Reference.Status.SKIPPED,
    Verdict.TOO_LARGE: Reference.Status.SKIPPED,
    Verdict.UNSAFE: Reference.Status.SKIPPED,
}


class ReferenceTarget(Target):
    """One thing to read by itself."""

    def __init__(self, pull: Pull, reference: Reference):
        base = pull.connection.source.fhir_base_url.rstrip("/")
        super().__init__(pull, reference.target if "://" in reference.target else f"{base}/{reference.target}")
        self.reference = reference
        if reference.is_document:
            self.accept = f"{ACCEPT}, */*;q=0.5"
            self.policy = replace(outbound.PORTAL_BINARY, max_body_bytes=settings.DOCUMENT_MAX_BYTES)

    def read(self, fetched: Fetched) -> Arrived | Callable[[], None]:
        """Judge the answer: the resource, or a call that notes why it is not here."""
        answer = fetched.answer
        if answer.verdict != Verdict.OK:
            status = STATUSES.get(answer.verdict, Reference.Status.FAILED)
            return lambda: self._settle(status, answer.reason)
        entry = self._entry(answer)
        if entry is None:
            return lambda: self._settle(Reference.Status.FAILED, "unreadable")
        further = references_to_follow([entry.raw], self.pull.connection.source.fhir_base_url)
        return Arrived([entry], further, reference=self.reference)

    def _settle(self, status: str, reason: str) -> None:
        """Note why it is not here, unless the pull is another's by now. Raises LeaseLost."""
        with transaction.atomic():
            self.pull.hold()
            self.reference.settle(status, reason)

    def _entry(self, answer: Answer) -> Entry | None:
        """The resource as it came; a document's plain bytes become the Binary that they are the content of."""
        try:
            page = read_page(answer.body)
        except NotFhir:
            return binary(self.reference, answer) if self.reference.is_document else None
        if page.kind != "resource" or not page.entries:
            return None
        entry = page.entries[0]
        is_asked = self.reference.target in (f"{entry.head.type}/{entry.head.id}", self.url)
        return entry if is_asked or self.reference.is_document else None


def binary(reference: Reference, answer: Answer) -> Entry:
    """A FHIR Binary around a document that came in its own format."""
    binary_id = (
        reference.target.removeprefix("Binary/") if "://" not in reference.target else url_hash(reference.target).hex()
    )
    content_type = answer.content_type.partition(";")[0] or "application/octet-stream"
    raw = _around(answer.body, {"resourceType": "Binary", "id": binary_id, "contentType": content_type})
    return Entry(Head("Binary", binary_id), raw, digest_of(raw))


def _around(content: bytes, head: dict) -> bytes:
    """The JSON of a Binary, its data written in pieces: a large document is in memory once, not five times."""
    raw = io.BytesIO()
    raw.write(json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"data":"')
    for start in range(0, len(content), CHUNK_BYTES):
        raw.write(base64.b64encode(content[start : start + CHUNK_BYTES]))
    raw.write(b'"}')
    return raw.getvalue()


def skip_what_is_not_to_be_fetched(pull: Pull) -> None:
    """Settle references that need no call: what is not granted, what we hold already, and what is on another host (no
    token goes there)."""
    pending = pull.references.filter(status=Reference.Status.PENDING)
    types = set(pending.filter(is_document=False).values_list("resource_type", flat=True))
    granted = " ".join(pull.connection.scopes)
    if withheld := [type_ for type_ in types if smart_scopes.search_filters(granted, type_) is None]:
        pending.filter(is_document=False, resource_type__in=withheld).update(
            status=Reference.Status.SKIPPED, reason="not_granted"
        )
    base = pull.connection.source.fhir_base_url
    for reference in pending.filter(target__contains="://").iterator():
        if origin_of(reference.target) != origin_of(base):
            reference.settle(Reference.Status.SKIPPED, "other_host")
    for chunk in batches(pending.exclude(target__contains="://")):
        held = _held(pull, chunk)
        Reference.objects.filter(pk__in=[r.pk for r in chunk if r.target in held]).update(
            status=Reference.Status.SKIPPED, reason="held"
        )


def batches(rows, size: int = 500):
    last = 0
    while chunk := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield chunk
        last = chunk[-1].pk


def _held(pull: Pull, references: list[Reference]) -> set[str]:
    held: set[str] = set()
    by_type: dict[str, list[str]] = {}
    for reference in references:
        by_type.setdefault(reference.resource_type, []).append(reference.target.partition("/")[2])
    for resource_type, ids in by_type.items():
        rows = Record.objects.filter(connection_id=pull.connection_id, resource_type=resource_type, resource_id__in=ids)
        held |= {f"{resource_type}/{found}" for found in rows.values_list("resource_id", flat=True)}
    return held
