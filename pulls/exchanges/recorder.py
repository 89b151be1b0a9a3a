"""Keeping the conversation while a pull runs: bounded, disguised at once, written only when the pull is not complete."""

import json

import msgspec
from django.db import transaction

from pulls.calls import Answer, Verdict
from pulls.exchanges.disguise import BASE, Disguise
from pulls.models import Exchange, Pull
from pulls.records import data_key

WORTH_KEEPING = (Pull.Status.PARTIAL, Pull.Status.FAILED, Pull.Status.WAITING)
FORMAT = "connect-exchange/1"
MOST_CALLS = 300
MOST_BYTES = 512 * 1024
# How many whole answers of one kind are looked into; of the others only status, size and time are kept.
BODIES_A_PATH = 2
GREATEST_BODY = 2 * 1024 * 1024


class Recorder:
    """One run's calls."""

    def __init__(self, pull: Pull):
        self.pull = pull
        self.base = pull.connection.source.fhir_base_url
        self.disguise: Disguise | None = None
        self.calls: list[dict] = []
        self.bodies: dict[str, int] = {}
        self.size = 0
        self.left_out = 0

    def note(self, url: str, answer: Answer) -> None:
        """Keep a call and its answer; past the bounds, only how many more there were."""
        if len(self.calls) >= MOST_CALLS or self.size > MOST_BYTES:
            self.left_out += 1
            return
        if self.disguise is None:
            self.disguise = Disguise(data_key(self.pull.patient), self.base)
        told = self.disguise.url(url)
        call = {
            "url": told.removeprefix(BASE), "verdict": str(answer.verdict), "status": answer.status, "reason": answer.reason,
            "content_type": answer.content_type.partition(";")[0][:60], "retry_after_seconds": answer.retry_after_seconds,
            "elapsed_ms": answer.elapsed_ms, "bytes": len(answer.body), **self._body(told, answer),
        }  # fmt: skip
        self.size += len(json.dumps(call))
        self.calls.append(call)

    def _body(self, url: str, answer: Answer) -> dict:
        """`body`: the same shape with other values; `unreadable` where it was no JSON: a web page, or something else."""
        path = url.split("?")[0]
        if not answer.body or len(answer.body) > GREATEST_BODY:
            return {"body": None}
        if answer.verdict == Verdict.OK:
            self.bodies[path] = self.bodies.get(path, 0) + 1
            if self.bodies[path] > BODIES_A_PATH:
                return {"body": None}
        try:
            return {"body": self.disguise.body(msgspec.json.decode(answer.body))}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {"body": None, "unreadable": "web_page" if answer.body.lstrip()[:1] == b"<" else "not_json"}

    @transaction.atomic
    def keep(self) -> None:
        """Write it down for the pull, in place of an earlier run's; nothing when every type could be had."""
        self.pull.refresh_from_db(fields=["status", "error", "waiting_for", "errors"])
        if not self.calls or self.pull.status not in WORTH_KEEPING:
            return
        exchange = Exchange(pull=self.pull, calls=len(self.calls))
        exchange.told = json.dumps(self._whole(), ensure_ascii=False)
        exchange.replace()

    def _whole(self) -> dict:
        connection, source = self.pull.connection, self.pull.connection.source
        return {
            "format": FORMAT, "status": self.pull.status, "error": self.pull.error or None,
            "waiting_for": self.pull.waiting_for or None, "trigger": self.pull.trigger, "scopes": connection.scopes,
            "vendor": source.vendor, "category": source.category, "overrides": source.overrides,
            "patient": self.disguise.word(connection.fhir_patient_id), "capabilities": source.capabilities,
            "calls_left_out": self.left_out, "calls": self.calls,
        }  # fmt: skip
