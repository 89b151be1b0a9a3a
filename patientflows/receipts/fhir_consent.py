"""A receipt as a FHIR R4 Consent: the same facts where health software looks for them."""

import base64
import re

SCOPE = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
DISCLOSURE = {"system": "http://loinc.org", "code": "64292-6", "display": "Release of information consent"}
OPT_IN = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}
RECIPIENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
COLLECT = {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "collect"}
ACCESS = {"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
READING = re.compile(r"patient/([A-Za-z]+|\*)\.(?:read|\*|[cruds]*r[cruds]*)(?:\?.*)?\Z")


def consent_of(document: dict, *, active: bool) -> dict:
    """The FHIR resource for a receipt's document (`issuing.document_of`); `active`: the connection still stands."""
    claims, signed = document["receipt"], document["signed"]
    granted = claims["granted"]
    period = {"start": granted["at"]} | ({"end": granted["ends_at"]} if granted["ends_at"] else {})
    return {
        "resourceType": "Consent",
        "id": claims["jti"].replace("_", "-"),
        "language": (claims["shown"] or {}).get("language", "en"),
        "identifier": [{"system": claims["iss"], "value": claims["jti"]}],
        "status": "active" if active else "inactive",
        "scope": {"coding": [SCOPE]},
        "category": [{"coding": [DISCLOSURE]}],
        "patient": {"identifier": {"system": "urn:medblocks:patient-id", "value": claims["patient"]["id"]}},
        "dateTime": granted["at"],
        "organization": [{"display": claims["source"]["name"]}],
        "sourceAttachment": {
            "contentType": "application/jose",
            "data": base64.b64encode(signed.encode()).decode(),
            "title": "Signed receipt of consent",
            "creation": granted["at"],
        },
        "policyRule": {"coding": [OPT_IN]},
        "provision": {
            "type": "permit",
            "period": period,
            "actor": [{"role": {"coding": [RECIPIENT]}, "reference": {"display": claims["organization"]["name"]}}],
            "action": [{"coding": [COLLECT]}, {"coding": [ACCESS]}],
            **_classes(granted["scopes"]),
        },
    }


def _classes(scopes: list[str]) -> dict:
    """The resource types that may be read; none listed means all of them (FHIR R4 Consent.provision.class)."""
    types = {match[1] for scope in scopes if (match := READING.match(scope))}
    if not types or "*" in types:
        return {}
    return {"class": [{"system": RESOURCE_TYPES, "code": name} for name in sorted(types)]}
