"""What can go wrong, a class each. `except ConnectError` catches all of it."""

from typing import Any


class ConnectError(Exception):
    """The base of every error of this package."""


class NoAnswer(ConnectError):
    """The server could not be reached, or the connection broke before the answer was whole; retries included."""


class UnreadableAnswer(ConnectError):
    """The server's answer is not what the API says: a proxy's page, or another server at this base URL."""


class SignatureInvalid(ConnectError):
    """A webhook is not to be believed: its signature is missing, wrong or too old."""


class ApiError(ConnectError):
    """An answer in the API's error envelope.

    `code` is what to branch on, `param` names the offending field with its path, `doc_url` opens a page that says
    what to do, `request_id` is what to tell the operators; `retry_after_seconds` is set where the server named a wait.
    """

    def __init__(
        self, message: str, *, status: int, type: str = "", code: str = "", param: str | None = None,
        doc_url: str | None = None, request_id: str | None = None, retry_after_seconds: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.message, self.status, self.type, self.code = message, status, type, code
        self.param, self.doc_url, self.request_id = param, doc_url, request_id
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        where = f" ({self.param})" if self.param else ""
        request = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.status} {self.code}: {self.message}{where}{request}"


class AuthenticationError(ApiError):
    """401: the key is missing, unknown, revoked or expired."""


class PermissionDenied(ApiError):
    """403: the key lacks a scope."""


class InvalidRequest(ApiError):
    """400, 405 or 413: the request is wrong; `param` names the field."""


class NotFound(ApiError):
    """404: no such object in this organisation and environment."""


class Conflict(ApiError):
    """409: it exists already, or its state does not allow this."""


class RateLimited(ApiError):
    """429: too many requests, retries included; `retry_after_seconds` says when to come back."""


class EhrFailed(ApiError):
    """502: the patient's portal, or an export destination, failed."""


class ServerFailed(ApiError):
    """5xx: a fault of the server; tell its operators the `request_id`."""


BY_TYPE: dict[str, type[ApiError]] = {
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDenied,
    "invalid_request_error": InvalidRequest,
    "not_found_error": NotFound,
    "conflict_error": Conflict,
    "rate_limit_error": RateLimited,
    "ehr_error": EhrFailed,
    "api_error": ServerFailed,
}


def api_error(status: int, envelope: dict[str, Any], *, retry_after_seconds: float | None = None) -> ApiError:
    """The error that an envelope's `error` object tells of; a type of a later version is a plain ApiError."""
    kind = BY_TYPE.get(str(envelope.get("type")), ServerFailed if status >= 500 else ApiError)
    told = {name: envelope.get(name) for name in ("param", "doc_url", "request_id")}
    return kind(
        str(envelope.get("message", "")), status=status, type=str(envelope.get("type", "")),
        code=str(envelope.get("code", "")), retry_after_seconds=retry_after_seconds, **told,
    )  # fmt: skip
