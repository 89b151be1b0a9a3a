"""What a portal says about itself (SMART 2.2 "Conformance"; SMART 1.0's CapabilityStatement as the fallback)."""

from dataclasses import asdict, dataclass, fields
from urllib.parse import urljoin, urlsplit

from connect import outbound
from portals.smart.documents import below, fetch_object
from portals.smart.errors import PortalUnavailable, SmartError

WELL_KNOWN = ".well-known/smart-configuration"
OPENID_WELL_KNOWN = ".well-known/openid-configuration"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

REFUSALS = {
    "no_authorization_endpoint": "The portal publishes no authorization endpoint, so patients cannot sign in there.",
    "no_token_endpoint": "The portal publishes no token endpoint, so a sign-in cannot become access.",
    "no_authorization_code": "The portal does not offer the authorization code grant.",
    "pkce_plain_only": "The portal offers PKCE only with the unsafe method 'plain'.",
    "insecure_endpoint": "The portal's authorization or token endpoint is plain http.",
    "endpoint_not_allowed": "The portal's authorization or token endpoint is not a public address.",
    "issuer_mismatch": "The issuer in the portal's OpenID metadata is not the one in its SMART configuration.",
}
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "introspection_endpoint")
LINKS = (*ENDPOINTS, "registration_endpoint", "management_endpoint", "jwks_uri", "user_access_brand_bundle")
LISTS = (
    "capabilities",
    "scopes_supported",
    "grant_types_supported",
    "code_challenge_methods_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
)


@dataclass(frozen=True, slots=True)
class SmartConfiguration:
    """A portal's discovery document, read leniently. Kept as JSON (`to_dict`) in caches and pinned to attempts.

    `refusal` is None, or the slug (REFUSALS) of why a patient must not be sent there.
    """

    fhir_base_url: str
    found_in: str = "smart-configuration"
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    registration_endpoint: str | None = None
    management_endpoint: str | None = None
    issuer: str | None = None
    jwks_uri: str | None = None
    user_access_brand_bundle: str | None = None
    capabilities: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    refusal: str | None = None

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict) -> "SmartConfiguration":
        """The inverse of to_dict; members of other versions of this class are ignored."""
        known = {field.name for field in fields(cls)} & document.keys()
        return cls(**{name: _frozen(document[name]) for name in known})

    def offers(self, capability: str) -> bool:
        """Whether the portal lists `capability`. Many under-report: use it to choose, never to refuse."""
        return capability in self.capabilities

    def moved_from(self, pinned: "SmartConfiguration") -> tuple[str, ...]:
        """The endpoints that are now on another host than when access was granted.

        Such a change is for an operator's eyes: secrets keep going to the pinned endpoint only (RFC 9700 2.1).
        """
        moved = ((name, getattr(pinned, name), getattr(self, name)) for name in ENDPOINTS)
        return tuple(name for name, before, now in moved if before and now and _origin(before) != _origin(now))


def discover(fhir_base_url: str) -> SmartConfiguration:
    """Read what the portal at `fhir_base_url` offers. A portal that cannot serve us comes back with its `refusal`.

    Raises PortalUnavailable (nothing usable answered now) or PortalMisconfigured (TLS, address, redirect elsewhere).
    """
    document = fetch_object(below(fhir_base_url, WELL_KNOWN))
    if document is not None:
        configuration = _from_well_known(fhir_base_url, document)
    else:
        statement = fetch_object(below(fhir_base_url, "metadata"), accept="application/fhir+json")
        if statement is None:
            raise PortalUnavailable("no_discovery_document")
        configuration = _from_statement(fhir_base_url, statement)
    return _judged(configuration)


def _from_well_known(base: str, document: dict) -> SmartConfiguration:
    values: dict = {name: _link(base, document.get(name)) for name in LINKS}
    values |= {name: _strings(document.get(name)) for name in LISTS}
    issuer = document.get("issuer")
    return SmartConfiguration(
        fhir_base_url=base,
        issuer=issuer if isinstance(issuer, str) and issuer else None,
        authorization_response_iss_parameter_supported=document.get("authorization_response_iss_parameter_supported")
        is True,
        **values,
    )


def _from_statement(base: str, statement: dict) -> SmartConfiguration:
    """SMART 1.0: the oauth-uris extension of rest.security. It says nothing of PKCE; we send S256 all the same."""
    uris = {
        part.get("url"): part.get("valueUri")
        for security in _securities(statement)
        for extension in _dicts(security.get("extension"))
        if extension.get("url") == OAUTH_URIS
        for part in _dicts(extension.get("extension"))
    }
    return SmartConfiguration(
        fhir_base_url=base,
        found_in="capability-statement",
        authorization_endpoint=_link(base, uris.get("authorize")),
        token_endpoint=_link(base, uris.get("token")),
        revocation_endpoint=_link(base, uris.get("revoke")),
        introspection_endpoint=_link(base, uris.get("introspect")),
        registration_endpoint=_link(base, uris.get("register")),
        management_endpoint=_link(base, uris.get("manage")),
    )


def _judged(configuration: SmartConfiguration) -> SmartConfiguration:
    configuration, refusal = _with_openid(configuration)
    refusal = refusal or _refusal(configuration)
    return SmartConfiguration.from_dict(configuration.to_dict() | {"refusal": refusal})


def _refusal(found: SmartConfiguration) -> str | None:
    if not found.authorization_endpoint:
        return "no_authorization_endpoint"
    if not found.token_endpoint:
        return "no_token_endpoint"
    if found.grant_types_supported and "authorization_code" not in found.grant_types_supported:
        return "no_authorization_code"
    if found.code_challenge_methods_supported and "S256" not in found.code_challenge_methods_supported:
        return "pkce_plain_only"
    try:
        outbound.check_url(found.authorization_endpoint, resolve=False)
        outbound.check_url(found.token_endpoint, resolve=False)
    except outbound.OutboundError as error:
        return "insecure_endpoint" if error.reason == "insecure" else "endpoint_not_allowed"
    return None


def _with_openid(found: SmartConfiguration) -> tuple[SmartConfiguration, str | None]:
    """Compare issuers before any patient is sent there, and learn `jwks_uri` where SMART's document omits it."""
    if not found.issuer or not found.offers("sso-openid-connect"):
        return found, None
    try:
        metadata = fetch_object(below(found.issuer, OPENID_WELL_KNOWN))
    except SmartError:
        metadata = None  # the ID token is checked against the issuer in any case
    if metadata is None or "issuer" not in metadata:
        return found, None
    if metadata["issuer"] != found.issuer:
        return found, "issuer_mismatch"
    jwks_uri = found.jwks_uri or _link(found.issuer, metadata.get("jwks_uri"))
    return SmartConfiguration.from_dict(found.to_dict() | {"jwks_uri": jwks_uri}), None


def _securities(statement: dict) -> list[dict]:
    return [rest["security"] for rest in _dicts(statement.get("rest")) if isinstance(rest.get("security"), dict)]


def _dicts(value) -> list[dict]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(value) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value


def _link(base: str, value) -> str | None:
    """An absolute URL; relative ones (legacy servers) are resolved against the FHIR base (SMART requirement 379)."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        return urljoin(f"{base.rstrip('/')}/", value.strip())
    except ValueError:
        return None


def _origin(url: str) -> tuple:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
