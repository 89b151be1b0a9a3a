"""The pretend portals: one row each, from which the pages, `variants.json`, the catalogue and the docs are made.

A variant is data. Every rule of the sandbox reads the field named for it; nothing asks for a slug.
"""

from dataclasses import asdict, dataclass, replace

SECRET_METHODS = ("client_secret_basic", "client_secret_post")
ALL_METHODS = (*SECRET_METHODS, "private_key_jwt", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A pretend portal. Durations are seconds; a field's default is what a well-behaved portal does."""

    slug: str
    name: str
    description: str
    vendor: str = "sandbox"

    # Authorisation server
    auth_methods: tuple[str, ...] = ALL_METHODS
    pkce_methods: tuple[str, ...] = ("S256",)
    legacy: bool = False  # SMART 1.0: v1 scopes, no .well-known, no OpenID Connect, PKCE optional
    sends_iss: bool = True  # RFC 9207
    wrong_iss: bool = False
    patient_denies: bool = False
    callback_error: str = ""  # the OAuth error the patient always comes back with
    token_endpoint_fails: bool = False
    omits_patient: bool = False
    access_seconds: int = 3600
    issues_refresh: bool = True
    rotates: bool = False  # a refresh also ends the earlier access tokens, as Blue Button does
    refresh_limit: int | None = None
    hides_offline_scope: bool = False

    # FHIR server
    delay_seconds: int = 0
    rate_limit: tuple[int, int] | None = None  # requests, window in seconds; counted for each grant
    broken_pages_of: str = ""  # every second page of a search on this type is 500, always
    flaky: bool = False  # each page is 503 the first time a grant asks for it
    retry_after_seconds: int = 1  # what those 503s say in Retry-After
    pages_loop: bool = False  # page 2 links back to page 1
    dropped_page: int = 0  # this page of every search comes back empty, its total and next link as ever
    broken_documents: int = 0  # so many of the patient's first Binaries cannot be read: 404, then 500, and so on
    refused_types: tuple[str, ...] = ()
    outcome_types: tuple[str, ...] = ()  # a search on these answers 200 with a bare OperationOutcome
    needs_category: tuple[str, ...] = ()
    says_outcomes: bool = False  # searchsets carry OperationOutcome entries (no results, ignored parameters)
    huge: bool = False
    outage_after: int | None = None  # a new grant's so-many-th FHIR request starts an outage for it, once
    outage_seconds: int = 60
    writable: bool = False  # a FHIR server to export to, behind a fixed token; no patients, no OAuth

    def public(self) -> dict:
        """Every field, JSON-ready."""
        return asdict(self)


_TABLE = (
    Variant(
        slug="plain",
        name="Plain portal",
        description="Everything works: SMART 2.2, one-hour access, a refresh token that stays the same.",
    ),
    Variant(
        slug="patient-denies",
        name="Patient denies",
        description="The patient changes their mind: whatever is pressed on the consent page, the answer is no.",
        patient_denies=True,
    ),
    Variant(
        slug="callback-error",
        name="Portal sends an error back",
        description="After the login the patient returns with error=server_error and no code.",
        callback_error="server_error",
    ),
    Variant(
        slug="invalid-scope",
        name="Scopes refused",
        description="After the login the patient returns with error=invalid_scope.",
        callback_error="invalid_scope",
    ),
    Variant(
        slug="wrong-issuer",
        name="Wrong issuer",
        description="The callback's iss names another server than the one that was asked (RFC 9207).",
        wrong_iss=True,
    ),
    Variant(
        slug="token-endpoint-fails",
        name="Token endpoint fails",
        description="Login and consent work; the token endpoint answers every request with 500 server_error.",
        token_endpoint_fails=True,
    ),
    Variant(
        slug="no-patient",
        name="No patient in the answer",
        description="The token answer lacks the patient it was asked for, so nobody can know whose access it is.",
        omits_patient=True,
    ),
    Variant(
        slug="misconfigured",
        name="Misconfigured portal",
        description="Its discovery document offers PKCE with the method plain only, which SMART forbids.",
        pkce_methods=("plain",),
    ),
    Variant(
        slug="no-refresh-token",
        name="No refresh token",
        description="Access lives five minutes and nothing can renew it.",
        issues_refresh=False,
        access_seconds=300,
    ),
    Variant(
        slug="refresh-stops",
        name="Refresh stops after two uses",
        description="Access lives 60 seconds; the refresh token works twice, the third use is invalid_grant.",
        access_seconds=60,
        refresh_limit=2,
    ),
    Variant(
        slug="rotating-refresh",
        name="Rotating refresh token",
        description="Access lives five minutes; each refresh gives a new refresh token and ends the old access token; "
        "a refresh token used twice ends the whole grant.",
        access_seconds=300,
        rotates=True,
    ),
    Variant(
        slug="short-access",
        name="Access for one minute",
        description="Access tokens live 60 seconds, so a pull must refresh while it runs.",
        access_seconds=60,
    ),
    Variant(
        slug="slow",
        name="Slow portal",
        description="Every answer of its token endpoint and FHIR server takes 3 seconds.",
        delay_seconds=3,
    ),
    Variant(
        slug="rate-limited",
        name="Rate limited",
        description="At most 30 FHIR requests in 10 seconds for each patient, then 429 with Retry-After until the "
        "window ends.",
        rate_limit=(30, 10),
    ),
    Variant(
        slug="broken-pages",
        name="Half its Observation pages fail",
        description="Every second page of an Observation search (2, 4, 6, …) answers 500, however often it is tried.",
        broken_pages_of="Observation",
    ),
    Variant(
        slug="flaky",
        name="Every page fails once",
        description="Each page of a search answers 503 the first time it is asked for and works from then on.",
        flaky=True,
    ),
    Variant(
        slug="looping-pages",
        name="Paging loops",
        description="The next link of page 2 leads back to page 1.",
        pages_loop=True,
    ),
    Variant(
        slug="huge-history",
        name="Huge history",
        description="The patient has 20,000 Observations, made on the fly and always the same.",
        huge=True,
    ),
    Variant(
        slug="private-key-jwt",
        name="Needs private_key_jwt",
        description="The token endpoint takes signed assertions (RS384 or ES384) and nothing else.",
        auth_methods=("private_key_jwt",),
    ),
    Variant(
        slug="operation-outcome-200",
        name="OperationOutcome with 200",
        description="Searches on Condition, MedicationRequest and Procedure answer 200 with an OperationOutcome "
        "in place of a Bundle.",
        outcome_types=("Condition", "MedicationRequest", "Procedure"),
    ),
    Variant(
        slug="outage",
        name="Goes down for a minute",
        description="Answers 503 for one minute, once: on a new grant's sixth FHIR request, and whenever the button "
        "on this page is pressed.",
        outage_after=6,
    ),
    Variant(
        slug="incomplete",
        name="Incomplete portal",
        description="Refuses CarePlan (403), sends page 3 of every search empty, and cannot open the patient's first "
        "two documents (404 and 500).",
        refused_types=("CarePlan",),
        dropped_page=3,
        broken_documents=2,
    ),
    Variant(
        slug="legacy",
        name="Legacy SMART 1.0",
        description="Discovery by the CapabilityStatement only, v1 scopes (patient/*.read), no OpenID Connect, no iss.",
        legacy=True,
        sends_iss=False,
        auth_methods=(*SECRET_METHODS, "none"),
    ),
    Variant(
        slug="epic-like",
        name="Epic-like portal",
        description="Observation and CarePlan need a category; searchsets carry OperationOutcome entries; refresh "
        "tokens rotate, and offline_access is left out of the granted scopes though one is given.",
        vendor="epic",
        sends_iss=False,
        rotates=True,
        hides_offline_scope=True,
        needs_category=("Observation", "CarePlan"),
        says_outcomes=True,
    ),
    Variant(
        slug="fhir-server",
        name="FHIR server to export to",
        description="Takes PUT, POST, transactions and batches with conditional updates and keeps what it is sent; "
        "bearer token sandbox-export-token. Not a portal: nobody logs in here.",
        writable=True,
        auth_methods=(),
    ),
)

VARIANTS: dict[str, Variant] = {variant.slug: variant for variant in _TABLE}
PORTALS: tuple[Variant, ...] = tuple(variant for variant in _TABLE if not variant.writable)


def find(slug: str) -> Variant | None:
    """The variant of that slug. `at-<anything>` is a portal of its own that behaves like the plain one."""
    if slug.startswith("at-"):
        return replace(VARIANTS["plain"], slug=slug, name="Patient portal")
    return VARIANTS.get(slug)
