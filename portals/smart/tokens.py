"""Code exchange and refresh (RFC 6749 4.1.3 and 6, SMART 2.2). One call is one request: retrying is the caller's.

The request is a form of four fields, sent through the one door out; what comes back is judged by the JSON `error`, and read
leniently (changed scopes, odd `expires_in`), where OAuth libraries give up (docs/decisions/0008).
"""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from connect import outbound
from portals.smart.assertions import ClientCredentials, authenticate
from portals.smart.documents import parse_object
from portals.smart.errors import PatientChanged, PatientMissing, ProtocolFault, from_outbound
from portals.smart.judgement import judge
from portals.smart.scopes import missing

USABLE_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
FHIR_ID = re.compile(r"(?:Patient/)?([A-Za-z0-9._~-]{1,200})\Z")
FORM_HEADERS = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
MAX_LIFETIME_SECONDS = 400 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A portal's answer, read leniently. Tokens are kept out of repr.

    expires_in_seconds: None if not told (rely on 401 then). scope: as granted, None if the same as asked.
    refresh_token: None on refresh means the old one stays valid. patient: FHIR id. grant_ends_at: a known end of
    consent (CMS Blue Button).
    """

    access_token: str = field(repr=False)
    expires_in_seconds: int | None = None
    scope: str | None = None
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    patient: str | None = field(default=None, repr=False)
    grant_ends_at: datetime | None = None

    def granted(self, asked: str) -> str:
        """The scopes in force: an answer without `scope` grants what was asked (RFC 6749 5.1)."""
        return asked if self.scope is None else self.scope

    def scopes_missing(self, asked: str) -> tuple[str, ...]:
        """What was asked and not granted. What evidently came (a refresh token, a patient) was granted, listed or not."""
        came = {
            "offline_access": self.refresh_token,
            "online_access": self.refresh_token,
            "launch/patient": self.patient,
            "openid": self.id_token,
            "fhirUser": self.id_token,
        }
        return tuple(scope for scope in missing(asked, self.granted(asked)) if not came.get(scope))

    def require_patient(self) -> str:
        """The FHIR id of the patient; raises PatientMissing rather than guess."""
        if self.patient is None:
            raise PatientMissing
        return self.patient

    def require_same_patient(self, patient_id: str) -> None:
        """Raise PatientChanged if a refresh names somebody else than `patient_id`."""
        if self.patient is not None and self.patient != patient_id:
            raise PatientChanged


def exchange_code(
    *, token_endpoint: str, credentials: ClientCredentials, code: str, redirect_uri: str, verifier: str
) -> TokenResponse:
    """Turn a code into tokens. `token_endpoint` and `redirect_uri` are those pinned to the attempt.

    Raises GrantRefused, PortalMisconfigured, PortalUnavailable, OutcomeUncertain (never send this code again),
    ProtocolFault.
    """
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
    }  # fmt: skip
    return _ask(token_endpoint, credentials, "code", form)


def refresh(
    *, token_endpoint: str, credentials: ClientCredentials, refresh_token: str, scope: str | None = None
) -> TokenResponse:
    """Turn a refresh token into a new access token. The caller holds the grant's lease: this takes no lock.

    scope: leave out, unless less than granted is wanted. Raises as exchange_code, and GrantSuspect.
    """
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | ({"scope": scope} if scope else {})
    return _ask(token_endpoint, credentials, "refresh", form)


def _ask(token_endpoint: str, credentials: ClientCredentials, purpose: str, form: dict[str, str]) -> TokenResponse:
    """One request, and its answer judged. A redirect is an answer too: followed, it would carry the secrets elsewhere."""
    client = authenticate(credentials, token_endpoint=token_endpoint)
    try:
        answer = outbound.request(
            "POST", token_endpoint, headers=FORM_HEADERS | client.headers, body=urlencode(form | client.fields).encode(),
            policy=outbound.PORTAL_TOKEN, route="token",
        )  # fmt: skip
    except outbound.OutboundError as error:
        raise from_outbound(error) from error
    refusal = judge(answer.status, answer.headers, answer.body, purpose=purpose)
    if refusal:
        raise refusal
    return _token_response(answer.body)


def _token_response(body: bytes) -> TokenResponse:
    document = parse_object(body) or {}
    access_token = _text(document.get("access_token"))
    if not access_token or not USABLE_TOKEN.match(access_token):
        raise ProtocolFault("no_access_token")
    if str(document.get("token_type", "Bearer")).lower() != "bearer":
        raise ProtocolFault("token_type_not_bearer")
    return TokenResponse(
        access_token=access_token,
        expires_in_seconds=_seconds(document.get("expires_in")),
        scope=_scope(document.get("scope")),
        refresh_token=_text(document.get("refresh_token")),
        id_token=_text(document.get("id_token")),
        patient=_patient(document.get("patient")),
        grant_ends_at=_time(document.get("access_grant_expiration")),
    )


def _text(value) -> str | None:
    return value if isinstance(value, str) and value else None


def _scope(value) -> str | None:
    if isinstance(value, list):
        return " ".join(item for item in value if isinstance(item, str)) or None
    return " ".join(value.split()) or None if isinstance(value, str) else None


def _patient(value) -> str | None:
    match = FHIR_ID.match(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    return match[1] if match else None


def _seconds(value) -> int | None:
    """A number or a numeric string; anything else is as good as not told."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return int(min(max(seconds, 0), MAX_LIFETIME_SECONDS)) if math.isfinite(seconds) else None


def _time(value) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
