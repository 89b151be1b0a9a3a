"""Small lists written as the world publishes them."""

import io
import json

EXTENSION = "http://hl7.org/fhir/StructureDefinition/"


def bundle(*entries: dict, **more) -> io.BytesIO:
    """A Brands bundle as an open file; entries are resources, or whole entries with a fullUrl."""
    wrapped = [entry if "resource" in entry else {"resource": entry} for entry in entries]
    return io.BytesIO(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": wrapped, **more}).encode())


def organization(id: str = "a", name: str | None = "Alpha Health", endpoints=(), **more) -> dict:
    resource = {"resourceType": "Organization", "id": id, "endpoint": [{"reference": one} for one in endpoints], **more}
    return resource | ({"name": name} if name else {})


def endpoint(id: str = "e", address: str = "https://fhir.alpha.org/r4", versions=("4.0.1",), **more) -> dict:
    extension = [{"url": EXTENSION + "endpoint-fhir-version", "valueCode": version} for version in versions]
    return {
        "resourceType": "Endpoint",
        "id": id,
        "status": "active",
        "address": address,
        "extension": extension,
        **more,
    }


def portal(name: str, url: str, *endpoints: str) -> dict:
    """The organization-portal extension."""
    parts = [{"url": "portalName", "valueString": name}, {"url": "portalUrl", "valueUrl": url}]
    parts += [{"url": "portalEndpoint", "valueReference": {"reference": one}} for one in endpoints]
    return {"url": EXTENSION + "organization-portal", "extension": parts}


def logo(url: str) -> dict:
    return {"url": EXTENSION + "organization-brand", "extension": [{"url": "brandLogo", "valueUrl": url}]}


def csv_of(*lines: str) -> io.BytesIO:
    return io.BytesIO(("\n".join(lines) + "\n").encode())
