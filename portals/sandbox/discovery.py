"""What a portal says about itself: SMART configuration, OpenID configuration, CapabilityStatement."""

from portals.sandbox import elements
from portals.sandbox.addresses import Site
from portals.sandbox.client_authentication import ASSERTION_ALGORITHMS
from portals.sandbox.holdings import Holdings
from portals.sandbox.keys import ALGORITHMS

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
INCLUDES = {
    "MedicationRequest": ["MedicationRequest:medication"],
    "MedicationDispense": ["MedicationDispense:medication"],
}
REVINCLUDE = "Provenance:target"
ALWAYS_SEARCHABLE = {"_id": "token", "_lastUpdated": "date"}


def smart_configuration(site: Site) -> dict:
    """`.well-known/smart-configuration` (SMART App Launch 2.2, conformance)."""
    variant = site.variant
    return {
        "issuer": site.issuer,
        "jwks_uri": site.url("jwks"),
        "authorization_endpoint": site.url("authorize"),
        "token_endpoint": site.url("token"),
        "revocation_endpoint": site.url("revoke"),
        "introspection_endpoint": site.url("introspect"),
        "registration_endpoint": site.url("register"),
        "management_endpoint": site.url("manage"),
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "response_types_supported": ["code"],
        "scopes_supported": [
            "openid", "fhirUser", "launch/patient", "offline_access", "online_access", "patient/*.rs", "patient/*.read",
        ],
        "code_challenge_methods_supported": list(variant.pkce_methods),
        "token_endpoint_auth_methods_supported": list(variant.auth_methods),
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "authorization_response_iss_parameter_supported": variant.sends_iss,
        "capabilities": _capabilities(variant.auth_methods, offline=variant.issues_refresh),
    }  # fmt: skip


def openid_configuration(site: Site) -> dict:
    """`.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §3)."""
    return {
        "issuer": site.issuer,
        "authorization_endpoint": site.url("authorize"),
        "token_endpoint": site.url("token"),
        "jwks_uri": site.url("jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
    }


def capability_statement(site: Site, held: Holdings) -> dict:
    """`/metadata`. The types and search parameters are those the holdings really have."""
    types = [type_ for type_ in held.types if type_ not in site.variant.refused_types]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "Connect sandbox portal"},
        "implementation": {"description": site.variant.name, "url": site.fhir},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": _security(site),
                "resource": [_resource(type_, held) for type_ in types],
            }
        ],
    }


def _capabilities(auth_methods: tuple[str, ...], *, offline: bool) -> list[str]:
    kinds = {
        "none": "client-public",
        "client_secret_basic": "client-confidential-symmetric",
        "private_key_jwt": "client-confidential-asymmetric",
    }
    return [
        "launch-standalone",
        *(kinds[method] for method in auth_methods if method in kinds),
        "context-standalone-patient",
        "permission-patient",
        "permission-v1",
        "permission-v2",
        *(["permission-offline", "permission-online"] if offline else []),
        "authorize-post",
        "sso-openid-connect",
    ]


def _security(site: Site) -> dict:
    uris = {"authorize": "authorize", "token": "token", "revoke": "revoke", "register": "register", "manage": "manage"}
    return {
        "cors": True,
        "service": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                 "code": "SMART-on-FHIR"}]}],
        "extension": [{
            "url": OAUTH_URIS,
            "extension": [{"url": said, "valueUri": site.url(name)} for said, name in uris.items()],
        }],
    }  # fmt: skip


def _resource(type_: str, held: Holdings) -> dict:
    parameters = ALWAYS_SEARCHABLE | held.search_parameters[type_]
    if type_ != "Patient" and type_ not in elements.SHARED_TYPES:
        parameters |= {"patient": "reference"}
    offered = {
        "type": type_,
        "interaction": [{"code": "read"}] if type_ == "Binary" else [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "searchInclude": INCLUDES.get(type_, []),
        "searchRevInclude": [REVINCLUDE],
        "searchParam": [{"name": name, "type": kind} for name, kind in sorted(parameters.items())],
    }
    if type_ == "Patient":
        definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
        offered["operation"] = [{"name": "everything", "definition": definition}]
    return {name: value for name, value in offered.items() if value != []}
