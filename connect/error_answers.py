"""Turning exceptions into answers: DRF's hook, and the envelope for what happens outside DRF (contract 1.2)."""

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from connect.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    InternalError,
    InvalidData,
    MethodNotAllowed,
    MissingApiKey,
    PayloadTooLarge,
    ResourceNotFound,
    envelope,
)  # fmt: skip

log = structlog.get_logger(__name__)


def exception_handler(exception: Exception, context: dict) -> Response:
    """DRF's hook: any exception of a view becomes the envelope; what is not foreseen is logged and becomes a 500."""
    set_rollback()
    error = as_api_error(exception)
    if isinstance(error, InternalError):
        log.error("api.internal_error", exc_info=exception)
    body = envelope(error, getattr(context["request"], "request_id", None))
    return Response(body, status=error.status, headers=headers_of(error))


def headers_of(error: ApiError) -> dict:
    """The error's own headers; a 401 also names the scheme to authenticate with (RFC 9110 11.6.1)."""
    return {"WWW-Authenticate": "Bearer", **error.headers} if error.status == 401 else error.headers


def as_api_error(exception: Exception) -> ApiError:
    """Our own error for DRF's and Django's; InternalError for anything else."""
    match exception:
        case ApiError():
            return exception
        case exceptions.ValidationError():
            message, param = first_fault(exception.detail)
            return InvalidData(message, param=param)
        case exceptions.ParseError() | exceptions.UnsupportedMediaType():
            return BadRequest()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed()
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return MissingApiKey()
        case RequestDataTooBig():
            return PayloadTooLarge()
        case Http404() | exceptions.NotFound():
            return ResourceNotFound()
        case PermissionDenied() | exceptions.PermissionDenied():
            return Forbidden()
    return InternalError()


def first_fault(detail, path: str = "") -> tuple[str, str | None]:
    """The first message of a DRF error tree and the path of its field: `events[1]`, `metadata.plan`."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            if key == "non_field_errors":
                inner = path
            elif isinstance(key, int):
                inner = f"{path}[{key}]"
            else:
                inner = f"{path}.{key}" if path else str(key)
            if value:
                return first_fault(value, inner)
    if isinstance(detail, list):
        for index, value in enumerate(detail):
            if isinstance(value, (dict, list)) and value:
                return first_fault(value, f"{path}[{index}]")
            if value:
                return str(value), path or None
    return str(detail), path or None


def json_response(error: ApiError, request) -> JsonResponse:
    """The envelope outside DRF: unknown paths, middleware."""
    body = envelope(error, getattr(request, "request_id", None))
    return JsonResponse(body, status=error.status, headers=headers_of(error))
