"""Errors of the FHIR server as OperationOutcome (R4 http.html#errors)."""

import json

from django.http import HttpResponse

FHIR_JSON = "application/fhir+json; charset=utf-8"


class Refusal(Exception):
    """A request the FHIR server does not fulfil. `code` is of the FHIR value set issue-type."""

    def __init__(self, status: int, code: str, text: str, headers: dict[str, str] | None = None, detail: str = ""):
        super().__init__(text)
        self.status, self.code, self.text, self.headers, self.detail = status, code, text, headers or {}, detail

    def response(self) -> HttpResponse:
        body = json.dumps(outcome("error", self.code, self.text, self.detail))
        return HttpResponse(body, status=self.status, content_type=FHIR_JSON, headers=self.headers)


def outcome(severity: str, code: str, text: str, detail: str = "") -> dict:
    """An OperationOutcome of one issue; `detail` is a vendor's own error number, if it has one."""
    issue: dict = {"severity": severity, "code": code, "diagnostics": text}
    if detail:
        system = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
        issue["details"] = {"coding": [{"system": system, "code": detail, "display": text}], "text": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
