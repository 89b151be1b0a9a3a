"""Code exchange and refresh (RFC 6749 4.1.3 and 6, SMART 2.2). One call is one request: retrying is the caller's.

`requests_oauthlib.OAuth2Session` builds the requests and sends them through our guarded adapter; what comes back is
judged here, by the JSON `error`, before the library can trip over it (changed scopes, odd `expires_in`).
"""

import logging
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import requests
from django.conf import settings
from oauthlib.oauth2 import OAuth2Error
from requests_oauthlib import OAuth2Session

from connect import outbound
from portals.smart.assertions import ClientAuthentication, ClientCredentials, authenticate
from portals.smart.documents import parse_object
from portals.smart.errors import PatientChanged, PatientMissing, PortalMisconfigured, ProtocolFault, from_outbound
from portals.smart.judgement import judge
from portals.smart.scopes import missing

# At DEBUG this logger writes tokens and secrets; no log level may ever switch that on.
logging.getLogger("requests_oauthlib.oauth2_session").disabled = True

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

    def fetch(session: OAuth2Session, client: ClientAuthentication) -> None:
        session.redirect_uri = redirect_uri
        session.fetch_token(
            token_endpoint,
            code=code,
            code_verifier=verifier,
            auth=_leave_as_is,
            include_client_id=False,
            headers=FORM_HEADERS | client.headers,
            body=urlencode(client.fields),
        )

    return _ask(token_endpoint, credentials, "code", fetch)


def refresh(
    *, token_endpoint: str, credentials: ClientCredentials, refresh_token: str, scope: str | None = None
) -> TokenResponse:
    """Turn a refresh token into a new access token. The caller holds the grant's lease: this takes no lock.

    scope: leave out, unless less than granted is wanted. Raises as exchange_code, and GrantSuspect.
    """

    def fetch(session: OAuth2Session, client: ClientAuthentication) -> None:
        session.scope = scope
        session.refresh_token(
            token_endpoint,
            refresh_token=refresh_token,
            auth=_leave_as_is,
            headers=FORM_HEADERS | client.headers,
            body=urlencode(client.fields),
        )

    return _ask(token_endpoint, credentials, "refresh", fetch)


class _TokenSession(OAuth2Session):
    """A session that follows nothing: a redirect from a token endpoint would carry the secrets elsewhere."""

    def get_redirect_target(self, resp):
        return None


def _ask(token_endpoint: str, credentials: ClientCredentials, purpose: str, fetch: Callable) -> TokenResponse:
    """One request, judged before the library parses it."""
    answers: list[TokenResponse] = []

    def receive(response: requests.Response) -> requests.Response:
        error = judge(response.status_code, response.headers, response.content, purpose=purpose)
        if error:
            raise error
        answers.append(_token_response(response.content))
        response._content = b'{"access_token": "judged", "token_type": "Bearer"}'  # nothing for it to trip over
        return response

    session = _new_session(credentials.client_id)
    session.register_compliance_hook("access_token_response", receive)
    session.register_compliance_hook("refresh_token_response", receive)
    try:
        fetch(session, authenticate(credentials, token_endpoint=token_endpoint))
    except outbound.OutboundError as error:
        raise from_outbound(error) from error
    except (OAuth2Error, requests.RequestException, ValueError) as error:
        # Before anything is sent these libraries refuse what is no https URL.
        raise PortalMisconfigured("bad_url") from error
    return answers[0]


def _new_session(client_id: str) -> OAuth2Session:
    if getattr(settings, "OUTBOUND_ALLOW_INSECURE_HTTP", False):
        # Whether http is allowed is the outbound door's to say; oauthlib knows no switch but this one.
        os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    session = _TokenSession(client_id)
    session.trust_env = False
    adapter = outbound.GuardedAdapter(outbound.PORTAL_TOKEN, route="token")
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _leave_as_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands where requests-oauthlib would put Basic credentials of its own, not form-encoded as RFC 6749 wants."""
    return request


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
