"""The checks themselves: the same requests a patient's connection makes, with a code that does not exist.

A portal that authenticates us answers a made-up code with `invalid_grant`; one that does not says `invalid_client`. One
that takes our redirect URI shows a login, or sends its complaint back there.
"""

from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from connect import outbound
from portals.diagnoses import of_error
from portals.preflight.facts import Facts
from portals.smart import authorization, scopes, tokens
from portals.smart.discovery import SmartConfiguration, discover
from portals.smart.documents import below, fetch_object, parse_object
from portals.smart.errors import GrantRefused, PortalMisconfigured, SmartError

# Where it goes is what we want to know.
STAY = replace(outbound.PROBE, redirects=0)
REDIRECTS = frozenset({301, 302, 303, 307, 308})
COMPLAINTS = {
    "invalid_scope": "scope_refused", "unauthorized_client": "client_not_enabled", "access_denied": "client_not_enabled",
    "invalid_client": "client_refused", "invalid_request": "request_refused",
    "unsupported_response_type": "request_refused", "redirect_uri_mismatch": "redirect_uri_refused",
    "invalid_redirect_uri": "redirect_uri_refused", "server_error": "portal_down",
    "temporarily_unavailable": "portal_down",
}  # fmt: skip
SWITCHED_OFF = frozenset({400, 401, 403, 404, 410})


@dataclass
class Findings:
    """What each check found, in order. `diagnosis` is the first thing that is wrong, "" if nothing."""

    checks: list[dict] = field(default_factory=list)
    configuration: SmartConfiguration | None = None

    def note(self, check: str, diagnosis: str) -> str:
        self.checks.append({"check": check, "ok": not diagnosis, "diagnosis": diagnosis})
        return diagnosis

    @property
    def diagnosis(self) -> str:
        return next((check["diagnosis"] for check in self.checks if not check["ok"]), "")


def check(facts: Facts) -> Findings:
    """Ask the portal everything that can be asked without a patient. Touches no database."""
    found = Findings()
    if found.note("discovery", _discovery(facts, found)):
        return found
    found.note("keys", _keys(facts))
    found.note("api", _api(facts))
    client = found.note("client", _client(facts, found.configuration))
    if not client:
        found.note("authorization", _authorization(facts, found.configuration))
    found.note("renewal", "never_renewable" if facts.never_renewable else "")
    return found


def _discovery(facts: Facts, found: Findings) -> str:
    try:
        found.configuration = discover(facts.fhir_base_url)
    except SmartError as error:
        return of_error(error)
    return found.configuration.refusal or ""


def _keys(facts: Facts) -> str:
    """Whether the portal can verify what we sign: by the key set it reads, or by the keys it was given."""
    if facts.missing:
        return facts.missing
    key = facts.credentials.signing_key if facts.credentials else None
    if key is None:
        return ""
    if facts.key_ids:
        return "" if key.kid in facts.key_ids else "key_not_registered"
    try:
        published = fetch_object(facts.jwks_uri) or {}
    except SmartError:
        return "keys_unreachable"
    return "" if key.kid in {jwk.get("kid") for jwk in published.get("keys", [])} else "keys_unreachable"


def _api(facts: Facts) -> str:
    try:
        answer = outbound.request(
            "GET", below(facts.fhir_base_url, "metadata"), headers={"Accept": "application/fhir+json"},
            policy=outbound.PROBE, route="/metadata",
        )  # fmt: skip
    except outbound.OutboundError:
        return "portal_down"
    if answer.status in SWITCHED_OFF:
        return "api_switched_off"
    if answer.status != 200:
        return "portal_down"
    statement = parse_object(answer.body) or {}
    return "" if statement.get("resourceType") == "CapabilityStatement" else "api_not_fhir"


def _client(facts: Facts, configuration: SmartConfiguration) -> str:
    if facts.credentials is None:
        return ""
    try:
        tokens.exchange_code(
            token_endpoint=configuration.token_endpoint or "", credentials=facts.credentials, code="preflight",
            redirect_uri=facts.redirect_uri, verifier=authorization.new_verifier(),
        )  # fmt: skip
    except GrantRefused:
        return ""
    except PortalMisconfigured as error:
        return _refused(error.reason, facts)
    except SmartError:
        return "portal_down"
    return ""


def _refused(reason: str, facts: Facts) -> str:
    if reason == "unauthorized_client":
        return "client_not_enabled"
    if reason == "invalid_client":
        return "client_not_yet_known" if facts.is_fresh else "client_refused"
    return of_error(PortalMisconfigured(reason)) if reason in ("tls", "redirect", "bad_url") else "client_refused"


def _authorization(facts: Facts, configuration: SmartConfiguration) -> str:
    """The portal's answer to the very request a patient's browser would bring."""
    scope = facts.own_scope or scopes.choose(configuration, version=facts.smart_version)
    url = authorization.authorization_request(
        configuration, client_id=facts.credentials.client_id if facts.credentials else "", scope=scope,
        redirect_uri=facts.redirect_uri, state=authorization.new_state(), verifier=authorization.new_verifier(),
        nonce=authorization.new_nonce(), extra=facts.extra,
    )  # fmt: skip
    try:
        answer = outbound.request("GET", url, headers={"Accept": "text/html"}, policy=STAY, route="authorize")
    except outbound.OutboundError as error:
        return "tls" if error.reason == "tls" else "portal_down"
    return _complaint(answer)


def _complaint(answer: outbound.Response) -> str:
    if answer.status in REDIRECTS:
        query = parse_qs(urlsplit(answer.headers.get("Location", "")).query)
        errors = query.get("error")
        return COMPLAINTS.get(errors[0], "request_refused") if errors and not _is_login(errors[0]) else ""
    if answer.status >= 500 or answer.status == 429:
        return "portal_down"
    if answer.status < 400:
        return ""
    # It knows our app (the token endpoint said so), shows an error to the person and does not send them back: the one
    # thing it must not trust is the redirect URI (RFC 6749 4.1.2.1).
    error = (parse_object(answer.body) or {}).get("error")
    return COMPLAINTS.get(error, "redirect_uri_refused") if isinstance(error, str) else "redirect_uri_refused"


def _is_login(error: str) -> bool:
    """What a portal says of a browser without a session is no complaint about us."""
    return error in ("login_required", "interaction_required", "consent_required")
