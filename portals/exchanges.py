"""A request for a new access token, and what came of it: the one call to the portal, without the database."""

from dataclasses import dataclass, field

import structlog

from portals.models import Connection
from portals.smart import tokens
from portals.smart.assertions import ClientCredentials
from portals.smart.errors import OutcomeUncertain, SmartError
from portals.smart.tokens import TokenResponse

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """All it takes to ask the portal. `connection` is the row as it was claimed; `has_circuit`: there is a circuit that
    an answer closes."""

    connection: Connection
    token_endpoint: str
    credentials: ClientCredentials
    refresh_token: str = field(repr=False)
    has_circuit: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: tokens, or the error; both when the tokens are not to be used (for another patient)."""

    request: Request
    tokens: TokenResponse | None = None
    error: SmartError | None = None

    @property
    def is_granted(self) -> bool:
        """Whether it brought tokens that are to be used."""
        return self.tokens is not None and self.error is None

    @property
    def connection(self) -> Connection:
        return self.request.connection


def ask(request: Request) -> Answer:
    """Ask once. Never raises: many answers come in side by side, and one thread's surprise must not lose the others'."""
    try:
        answer = tokens.refresh(
            token_endpoint=request.token_endpoint, credentials=request.credentials, refresh_token=request.refresh_token
        )
    except SmartError as error:
        return Answer(request, error=error)
    except Exception as error:  # noqa: BLE001 (what it was is in the log; whether it was sent is not known)
        log.error("refresh.surprise", connection_id=request.connection.pk, error=type(error).__name__)
        return Answer(request, error=OutcomeUncertain("internal_error"))
    return _checked(request, answer)


def _checked(request: Request, answer: TokenResponse) -> Answer:
    try:
        answer.require_same_patient(request.connection.fhir_patient_id)
    except SmartError as error:
        return Answer(request, tokens=answer, error=error)
    return Answer(request, tokens=answer)
