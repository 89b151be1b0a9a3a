"""`@operation`: the name of an operation, what it takes and what it answers."""

import functools
from collections.abc import Callable, Sequence

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from connect.errors import ApiError
from connect.fields import ConstantField

JSON = "application/json"


def operation(
    name: str,
    *,
    answers: type[serializers.BaseSerializer] | serializers.BaseSerializer | dict,
    body: type[serializers.Serializer] | None = None,
    query: type[serializers.Serializer] | None = None,
    errors: Sequence[type[ApiError]] = (),
    media_type: str = JSON,
) -> Callable:
    """Describe a view's method: `name` is the operationId, `errors` what it refuses beside what every operation may.

    The method's docstring is the text: its first line the summary, the rest the description.
    """
    described = extend_schema(
        operation_id=name,
        parameters=[query] if query else [],
        request=body,
        responses={(200, media_type): answers},
    )

    def decorate(method):
        method.refusals = tuple(errors)
        return described(method)

    return decorate


@functools.cache
def page_of(body: type[serializers.Serializer], name: str, **more: serializers.Field) -> serializers.Serializer:
    """The list envelope of contract 1.1 around `body`, as the component `name`."""
    fields = {
        "resource_type": ConstantField("list", help_text="What this object is."),
        "data": body(many=True, help_text="The page's items."),
        "has_more": serializers.BooleanField(help_text="Whether a next page exists."),
        "next_cursor": serializers.CharField(
            allow_null=True, help_text="Send it as `starting_after` for the next page; null on the last."
        ),
        **more,
    }
    return type(name, (serializers.Serializer,), {"__doc__": "A page of a list.", **fields})()
