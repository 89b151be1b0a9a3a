"""The base of every API view: key, version, scope, rate limit, idempotency and pages, in that order."""

import functools
from typing import ClassVar

from django.conf import settings
from django.db import transaction
from django.utils import translation
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from connect import idempotency, throttling, versions
from connect.audit.actions import Actor
from connect.errors import InsufficientScope, PayloadTooLarge, ResourceNotFound
from connect.organizations import idempotent_answers, reads
from connect.organizations.models import Patient
from connect.pagination import PageQuery, list_envelope, newest_first

MAX_BODY_BYTES = 1024 * 1024


class ApiView(APIView):
    """A view of the public API.

    `scopes` names the scope each method needs. Writing handlers run inside one transaction, together with the answer
    that an `Idempotency-Key` keeps.
    """

    scopes: ClassVar[dict[str, str]] = {}
    http_method_names = ("get", "head", "post", "put", "patch", "delete")

    def dispatch(self, request, *args, **kwargs):
        with translation.override("en"):  # messages are for developers, whatever language their client names
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request, *args, **kwargs):
        _refuse_what_cannot_be(request, kwargs)
        super().initial(request, *args, **kwargs)
        allowance = throttling.spend(request.auth.pk, settings.API_RATE_LIMIT_PER_MINUTE)
        self.headers = {**self.headers, **allowance.headers}
        self.version = versions.resolve(request.headers.get(versions.HEADER), request.auth.version)
        self._require_scope(request)

    def _require_scope(self, request) -> None:
        needed = self.scopes.get("GET" if request.method == "HEAD" else request.method)
        if needed and needed not in request.auth.scopes:
            raise InsufficientScope(f"This operation needs the scope {needed}")

    @property
    def actor(self) -> Actor:
        """Who to name in the audit log."""
        return Actor("api_key", self.request.auth.pk, self.request.META.get("REMOTE_ADDR"))

    def note_read(self, action: str, patient: Patient | None = None) -> None:
        """Have this read of personal data in the audit log, once a key, patient and day. Call it before answering."""
        reads.note_read(action, key=self.request.auth, by=self.actor, patient=patient)

    def validated(self, serializer_class: type[serializers.Serializer], data=None, **context) -> dict:
        """The checked body (or `data`): unknown fields are refused, the first fault is raised as InvalidData.

        The serializer's context holds the caller's `environment`, and what else is given.
        """
        kept = _kept_serializer(serializer_class, self.request.auth.environment)
        if context:
            kept = serializer_class(context={**kept.context, **context})
        return kept.run_validation(self.request.data if data is None else data)

    def query(self, serializer_class: type[serializers.Serializer] = PageQuery) -> dict:
        """The checked query string."""
        return self.validated(serializer_class, data=self.request.query_params.dict())

    def page(self, queryset, serializer_class, *, query: dict) -> Response:
        """One page of `queryset`, newest first; everything in `query` but the page itself binds the cursor."""
        filters = {key: value for key, value in query.items() if key not in ("limit", "starting_after")}
        rows, cursor = newest_first(
            queryset, limit=query["limit"], starting_after=query.get("starting_after"), filters=filters
        )
        return Response(list_envelope(serializer_class(rows, many=True).data, cursor))


@functools.cache
def _kept_serializer(serializer_class: type[serializers.Serializer], environment: str) -> serializers.Serializer:
    """One serializer for all requests: to make one copies every field of it, and to check a body changes none."""
    return serializer_class(context={"environment": environment})


def _refuse_what_cannot_be(request, path_values: dict) -> None:
    """A body over the limit, and ids that no database could hold."""
    size = request.META.get("CONTENT_LENGTH") or "0"
    if size.isdigit() and int(size) > MAX_BODY_BYTES:
        raise PayloadTooLarge()
    if any("\x00" in value for value in path_values.values()):
        raise ResourceNotFound()


class WritingApiView(ApiView):
    """An ApiView whose POST can be repeated safely with an `Idempotency-Key`."""

    def initialize_request(self, request, *args, **kwargs):
        self.raw_request = request
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        handler = getattr(self, request.method.lower(), None)
        if request.method == "POST" and handler:
            self.post = self._once(handler)

    def _once(self, handler):
        """The POST handler, run at most once for a key."""

        def post(request, *args, **kwargs):
            key = idempotency.read_key(request.headers)
            if key is None:
                with transaction.atomic():
                    return handler(request, *args, **kwargs)
            mark = idempotency.fingerprint(request.method, request.path, self.raw_request.body)
            return idempotent_answers.answer_once(
                caller=request.auth,
                key=key,
                fingerprint=mark,
                request_id=request.request_id,
                handler=lambda: handler(request, *args, **kwargs),
            )

        return post


class StrictSerializer(serializers.Serializer):
    """A body in which unknown fields are refused: 400 `invalid_data`, `param` = the field (contract 1)."""

    refuses_unknown_fields = True

    def to_internal_value(self, data):
        if not isinstance(data, dict):
            raise serializers.ValidationError({"non_field_errors": ["Must be a JSON object"]})
        unknown = [name for name in data if name not in self.fields]
        if unknown:
            known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
            raise serializers.ValidationError({unknown[0]: [f"Unknown field; known: {known or 'none'}"]})
        try:
            found, faults = super().to_internal_value(data), {}
        except serializers.ValidationError as refusal:
            found, faults = None, refusal.detail
        faults = faults | {name: fault for name in data if (fault := _type_fault(self.fields[name], data[name]))}
        if faults:
            raise serializers.ValidationError({name: faults[name] for name in self.fields if name in faults} or faults)
        return found


class NoBody(StrictSerializer):
    """For operations that take nothing."""


def _type_fault(field: serializers.Field, value):
    """What is wrong with the JSON type: DRF would take 5 for "5" and "5" for 5; the API takes what its document says."""
    if value is None or isinstance(field, serializers.ChoiceField):
        return None
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return {index: fault for index, item in enumerate(value) if (fault := _type_fault(field.child, item))}
    if isinstance(field, serializers.CharField) and not isinstance(value, str):
        return ["Must be a string"]
    if isinstance(field, serializers.BooleanField) and not isinstance(value, bool):
        return ["Must be true or false"]
    if isinstance(field, serializers.IntegerField) and type(value) is not int:
        return [field.error_messages["invalid"]]
    return None
