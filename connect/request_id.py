"""A UUID for every request: on the response, in the error envelope and in every log line (contract 1)."""

import uuid

import structlog

HEADER = "X-Request-Id"


class RequestIdMiddleware:
    """Gives `request.request_id` and the `X-Request-Id` header of every answer, errors included."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.request_id = str(uuid.uuid4())
        with structlog.contextvars.bound_contextvars(request_id=request.request_id):
            response = self.get_response(request)
        response[HEADER] = request.request_id
        return response
