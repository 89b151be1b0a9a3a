"""A FHIR portal that does what it is told: searches answered from a table, one type at a time."""

import json

from tests.portals.portal_double import Answer, PortalDouble, Received

FHIR_JSON = {"Content-Type": "application/fhir+json"}


class ScriptedPortal(PortalDouble):
    """Knows `Patient/pat-1`; every other type is empty until it is told otherwise.

    portal.holds("Observation", observation("o-1"))            # one page
    portal.pages("Observation", page_1, page_2)                # several, with next links
    portal.on("/fhir/Observation", Answer(403), …)             # anything at all, as PortalDouble has it
    """

    def __init__(self):
        super().__init__()
        self.base = f"{self.url}/fhir"
        self.configuration = {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token"}
        self.offers()
        self.on("/fhir/Patient/pat-1", fhir({"resourceType": "Patient", "id": "pat-1"}))
        self.on("/token", Answer(json={"access_token": "at-2", "token_type": "bearer", "expires_in": 3600}))

    def offers(self, *types: str, **parameters: list[str]) -> None:
        """What the CapabilityStatement lists: these types by patient, `name=[more parameters]`."""
        listed = {**{name: [] for name in types}, **parameters}
        resources = [
            {"type": name, "searchParam": [{"name": each} for each in ("patient", *more)]}
            for name, more in listed.items()
        ]
        self.on("/fhir/metadata", fhir({"resourceType": "CapabilityStatement", "rest": [{"resource": resources}]}))

    def answer(self, request: Received) -> Answer:
        is_search = request.path.startswith("/fhir/") and request.path.count("/") == 2
        if is_search and request.path not in self.scripts:
            with self.lock:
                self.requests.append(request)
            return fhir(bundle())
        return super().answer(request)

    def holds(self, type_: str, *resources) -> None:
        """One page of these resources, whatever is asked."""
        self.on(f"/fhir/{type_}", fhir(bundle(*resources, total=len(resources))))

    def pages(self, type_: str, *pages: list) -> None:
        """Pages that lead to one another by `page=`; a page may be an Answer."""
        total = sum(len(page) for page in pages if not isinstance(page, Answer))

        def answer(request: Received) -> Answer:
            number = int(request.parameters.get("page", ["1"])[0])
            page = pages[number - 1]
            if isinstance(page, Answer):
                return page
            following = f"{self.base}/{type_}?page={number + 1}" if number < len(pages) else None
            return fhir(bundle(*page, total=total, following=following))

        self.on(f"/fhir/{type_}", answer)

    def searches(self, type_: str) -> list[Received]:
        return self.to(f"/fhir/{type_}")


def fhir(body, status: int = 200) -> Answer:
    """A FHIR answer of a dict, or of text as it stands."""
    raw = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return Answer(status, body=raw.encode() if isinstance(raw, str) else raw, headers=FHIR_JSON)


def bundle(*resources, total: int | None = None, following: str | None = None) -> str:
    """A searchset. A resource is a dict, or its own text."""
    entries = [
        f'{{"resource":{each if isinstance(each, str) else json.dumps(each)},"search":{{"mode":"match"}}}}'
        for each in resources
    ]
    head = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        head["total"] = total
    if following:
        head["link"] = [{"relation": "next", "url": following}]
    return json.dumps(head)[:-1] + f',"entry":[{",".join(entries)}]}}'


def outcome(*codes: str, severity: str = "warning", code: str = "processing") -> dict:
    """An OperationOutcome with one issue that carries a vendor's codes."""
    details = {"coding": [{"code": each} for each in codes]}
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, "details": details}]}


def observation(id_: str, *, patient: str = "pat-1", **more) -> dict:
    return {"resourceType": "Observation", "id": id_, "subject": {"reference": f"Patient/{patient}"}, **more}
