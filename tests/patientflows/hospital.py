"""A hospital's portal for flows: SMART discovery, a sign-in page with Allow and Deny, a token endpoint, a FHIR server.

Real HTTP. Browsers reach it as `localhost`, our server is `127.0.0.1`: two sites, as in life.
"""

import html
from itertools import count
from urllib.parse import urlencode

from connect import ids
from portals.directory import catalogue
from portals.models import CatalogueVersion, Listing, Registration, Source
from tests.portals.portal_double import Answer, PortalDouble, Received

SCOPES = "launch/patient offline_access patient/*.read"
_numbers = count(1)


class Hospital(PortalDouble):
    """Use as a context manager. `fhir_patient` is whose record is shared; scripts of PortalDouble bend everything."""

    fhir_patient = "fhir-patient-1"

    def __init__(self):
        super().__init__()
        self.browser_url = self.url.replace("127.0.0.1", "localhost")
        self.on("/authorize", self.sign_in_page)
        self.on("/token", self.token)
        self.on("/back", self.app_page)
        self.serve_fhir("/fhir")

    def serve_fhir(self, path: str) -> None:
        """A FHIR server below `path` with a patient of 37 observations."""
        self.on(f"{path}/.well-known/smart-configuration", Answer(json=self.configuration()))
        self.on(f"{path}/metadata", Answer(json=STATEMENT))
        self.on(f"{path}/Patient/fhir-patient-1", Answer(json={"resourceType": "Patient", "id": "fhir-patient-1"}))
        self.on(f"{path}/Observation", Answer(json=observations(37)))

    def configuration(self) -> dict:
        return {
            "authorization_endpoint": f"{self.browser_url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "revocation_endpoint": f"{self.url}/revoke",
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": SCOPES.split(),
            "capabilities": ["launch-standalone", "permission-offline", "permission-patient"],
        }

    @property
    def fhir_base_url(self) -> str:
        return f"{self.url}/fhir"

    @property
    def return_url(self) -> str:
        """The app that sent the patient, played by the same server."""
        return f"{self.browser_url}/back?from=connect"

    def sign_in_page(self, request: Received) -> Answer:
        asked = {name: values[0] for name, values in request.parameters.items()}
        allow = callback_url(asked, code=f"code-{next(_numbers)}")
        deny = callback_url(asked, error="access_denied")
        return _page("Sign in", f'<a href="{html.escape(allow)}">Allow</a> <a href="{html.escape(deny)}">Deny</a>')

    def token(self, request: Received) -> Answer:
        return Answer(
            json={
                "access_token": f"access-{next(_numbers)}", "token_type": "Bearer", "expires_in": 3600,
                "refresh_token": f"refresh-{next(_numbers)}", "scope": SCOPES, "patient": self.fhir_patient,
            }
        )  # fmt: skip

    def app_page(self, request: Received) -> Answer:
        return _page("Welcome back", html.escape(request.query))

    def enter_catalogue(self, name: str, path: str = "/fhir", **more) -> Source:
        """List the portal under a name; `path` tells several entries of one server apart."""
        url = f"{self.url}{path}"
        if f"{path}/metadata" not in self.scripts:
            self.serve_fhir(path)
        source = Source.objects.create(
            id=ids.source_id("sandbox", url), environment="sandbox", fhir_base_url=url, name=name,
            **{"vendor": "epic", **more},
        )  # fmt: skip
        place = source.locations[0] if source.locations else {}
        Listing.objects.create(source=source, name=name, brand=source.brand or "", **place)
        Registration.objects.get_or_create(
            id="epic-tests", defaults={"environment": "sandbox", "vendor": "epic", "client_id": "connect"}
        )
        CatalogueVersion.move("sandbox")
        catalogue.forget_indexes()
        return source


def callback_url(asked: dict[str, str], **said: str) -> str:
    """Where the portal sends the browser: `asked` are the parameters of the authorisation request."""
    return f"{asked['redirect_uri']}?{urlencode(said | {'state': asked['state']})}"


def observations(number: int) -> dict:
    """One page of a search."""
    resources = [{"resourceType": "Observation", "id": f"o-{n}", "status": "final"} for n in range(number)]
    return {
        "resourceType": "Bundle", "type": "searchset", "total": number,
        "entry": [{"resource": resource, "search": {"mode": "match"}} for resource in resources],
    }  # fmt: skip


STATEMENT = {
    "resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "status": "active", "kind": "instance",
    "format": ["json"],
    "rest": [{"mode": "server", "resource": [
        {"type": "Patient", "interaction": [{"code": "read"}]},
        {"type": "Observation", "interaction": [{"code": "search-type"}, {"code": "read"}],
         "searchParam": [{"name": "patient", "type": "reference"}]},
    ]}],
}  # fmt: skip


def _page(title: str, body: str) -> Answer:
    text = f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1>{body}'
    return Answer(body=text.encode(), headers={"Content-Type": "text/html; charset=utf-8"})
