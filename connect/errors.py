"""The API's errors (contract 1.2): a class per code, and the envelope they are told in."""

from django.conf import settings


class ApiError(Exception):
    """An answer that is not a success. `headers` are sent along; `param` names the offending field with its path."""

    status = 500
    type = "api_error"
    code = "internal_error"
    message = "Something went wrong on our side"
    do_not_call_in_templates = True  # pages show the class

    def __init__(self, message: str | None = None, *, param: str | None = None, headers: dict | None = None):
        self.message = message or self.message
        self.param = param
        self.headers = headers or {}
        super().__init__(self.message)


class MissingApiKey(ApiError):
    status, type, code = 401, "authentication_error", "missing_api_key"
    message = "Send your API key as `Authorization: Bearer mb_sk_…`"


class InvalidApiKey(ApiError):
    status, type, code, message = 401, "authentication_error", "invalid_api_key", "API key invalid"


class ExpiredApiKey(ApiError):
    status, type, code, message = 401, "authentication_error", "expired_api_key", "API key expired"


class InsufficientScope(ApiError):
    status, type, code, message = 403, "permission_error", "insufficient_scope", "The API key lacks a scope"


class Forbidden(ApiError):
    status, type, code, message = 403, "permission_error", "forbidden", "Not allowed"


class BadRequest(ApiError):
    status, type, code, message = 400, "invalid_request_error", "bad_request", "The request body must be JSON"


class InvalidData(ApiError):
    status, type, code, message = 400, "invalid_request_error", "invalid_data", "Invalid data"


class UnsupportedApiVersion(ApiError):
    status, type, code, message = 400, "invalid_request_error", "unsupported_api_version", "Unknown API version"


class OAuthStateExpired(ApiError):
    status, type, code = 400, "invalid_request_error", "oauth_state_expired"
    message = "The authorisation took too long; start again"


class PayloadTooLarge(ApiError):
    status, type, code, message = 413, "invalid_request_error", "payload_too_large", "The body may be 1 MiB at most"


class ResourceNotFound(ApiError):
    status, type, code, message = 404, "not_found_error", "resource_not_found", "Not found"


class MethodNotAllowed(ApiError):
    status, type, code, message = 405, "invalid_request_error", "method_not_allowed", "Method not allowed"


class ResourceConflict(ApiError):
    status, type, code, message = 409, "conflict_error", "resource_conflict", "Conflict"


class ExternalIdAlreadyExists(ApiError):
    status, type, code = 409, "conflict_error", "external_id_already_exists"
    message = "A patient with this patient_id exists already"


class Throttled(ApiError):
    status, type, code, message = 429, "rate_limit_error", "throttled", "Too many requests"

    def __init__(self, retry_after_seconds: int, message: str | None = None):
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after_seconds))})


class EhrError(ApiError):
    status, type, code, message = 502, "ehr_error", "fhir_error", "The portal's FHIR server failed"


class OAuthFailed(EhrError):
    code, message = "oauth_error", "The portal's authorisation server failed"


class TokenExchangeFailed(EhrError):
    code, message = "token_exchange_failed", "The portal refused the authorisation code"


class TokenUnavailable(EhrError):
    code, message = "token_unavailable", "The connection has no valid access token"


class StorageError(EhrError):
    code, message = "storage_error", "The export destination could not be written"


class InternalError(ApiError):
    pass


ALL_ERRORS: tuple[type[ApiError], ...] = (
    MissingApiKey, InvalidApiKey, ExpiredApiKey, InsufficientScope, Forbidden, BadRequest, InvalidData,
    UnsupportedApiVersion, OAuthStateExpired, PayloadTooLarge, ResourceNotFound, MethodNotAllowed, ResourceConflict,
    ExternalIdAlreadyExists, Throttled, EhrError, OAuthFailed, TokenExchangeFailed, TokenUnavailable, StorageError,
    InternalError,
)  # fmt: skip
CODES = {error.code: error for error in ALL_ERRORS}


def envelope(error: ApiError, request_id: str | None) -> dict:
    """The error body of contract 1.2."""
    return {
        "error": {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "doc_url": f"{settings.BASE_URL}/docs/errors/{error.code}",
            "request_id": request_id,
        }
    }
