"""`ContractSchema`: an operation as drf-spectacular sees it, and everything that holds for all of them (contract 1)."""

import inspect

from drf_spectacular.openapi import AutoSchema

from connect import errors, idempotency, request_id, versions
from connect.openapi.components import API_KEY, PATH_PARAMETERS, reference

WITH_BODY = ("POST", "PUT", "PATCH")
MEANINGS = {
    400: "The request cannot be understood or is not acceptable.",
    401: "The API key is missing, unknown, revoked or expired.",
    403: "The API key may not do this.",
    404: "There is no such object in this organisation and environment.",
    409: "The request contradicts the present state.",
    413: "The body is larger than 1 MiB.",
    429: "Too many requests: ask again after `Retry-After` seconds.",
    500: "A fault of ours: nothing of the request was kept.",
    502: "A portal or a destination failed.",
}


class ContractSchema(AutoSchema):
    """Adds scope, shared headers and parameters, and every error that the operation can answer."""

    @property
    def handler(self):
        return getattr(self.view, self.method.lower())

    @property
    def is_public(self) -> bool:
        return not self.view.authentication_classes

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "tag", None) or super().get_tags()[0]]

    def get_summary(self) -> str:
        return (inspect.getdoc(self.handler) or "").partition("\n")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        text = inspect.getdoc(self.handler) or ""
        scope = getattr(self.view, "scopes", {}).get(self.method)
        return f"{text}\n\nScope: `{scope}`" if scope else text

    def get_auth(self) -> list[dict]:
        return [] if self.is_public else [{API_KEY: []}]

    def get_operation(self, *args, **kwargs):
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        operation["security"] = self.get_auth()
        operation["parameters"] = [self._told(parameter) for parameter in operation.get("parameters", [])]
        if not self.is_public:
            operation["parameters"] += self._shared_parameters()
        for response in operation["responses"].values():
            response |= {"description": "Success.", "headers": self._headers(200)}
        operation["responses"] |= self._error_responses(operation)
        return operation

    def _map_basic_serializer(self, serializer, direction):
        schema = super()._map_basic_serializer(serializer, direction)
        if getattr(serializer, "refuses_unknown_fields", False):
            schema["additionalProperties"] = False
        return schema

    def _told(self, parameter: dict) -> dict:
        if parameter["in"] == "path" and parameter["name"] in PATH_PARAMETERS:
            description, example = PATH_PARAMETERS[parameter["name"]]
            return {**parameter, "description": description, "example": example}
        return parameter

    def _shared_parameters(self) -> list[dict]:
        names = [versions.HEADER] + ([idempotency.HEADER] if self.method == "POST" else [])
        return [reference("parameters", name) for name in names]

    def _headers(self, status: int) -> dict:
        names = [request_id.HEADER]
        if not self.is_public and status not in (401, 413):
            names += ["RateLimit", "RateLimit-Policy"]
        if self.method == "POST" and status in (200, 400, 404, 409):
            names.append(idempotency.REPLAYED_HEADER)
        names += {401: ["WWW-Authenticate"], 409: ["Retry-After"], 429: ["Retry-After"]}.get(status, [])
        return {name: reference("headers", name) for name in names}

    def _error_responses(self, operation: dict) -> dict:
        by_status: dict[int, list[str]] = {}
        for error in self._refusals(operation):
            by_status.setdefault(error.status, []).append(error.code)
        return {str(status): self._error_response(status, by_status[status]) for status in sorted(by_status)}

    def _error_response(self, status: int, codes: list[str]) -> dict:
        examples = {code: reference("examples", code) for code in dict.fromkeys(codes)}
        content = {"schema": reference("schemas", "Error"), "examples": examples}
        return {
            "description": MEANINGS[status],
            "headers": self._headers(status),
            "content": {"application/json": content},
        }

    def _refusals(self, operation: dict) -> list[type[errors.ApiError]]:
        """Every error of contract 1.2 that this operation can answer."""
        found: list[type[errors.ApiError]] = [errors.BadRequest, errors.InternalError]
        if not self.is_public:
            found += [
                errors.MissingApiKey, errors.InvalidApiKey, errors.ExpiredApiKey, errors.InsufficientScope,
                errors.Throttled, errors.UnsupportedApiVersion,
            ]  # fmt: skip
        if self.method in WITH_BODY:
            found += [errors.InvalidData, errors.PayloadTooLarge]
        if self.method == "POST":
            found.append(errors.ResourceConflict)
        if any(parameter.get("in") == "query" for parameter in operation["parameters"]):
            found.append(errors.InvalidData)
        if any(parameter.get("in") == "path" for parameter in operation["parameters"]):
            found.append(errors.ResourceNotFound)
        return found + list(getattr(self.handler, "refusals", ()))
