"""Fields of API bodies that are about form and not about health: constants, words to choose from, whole numbers."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class ConstantField(serializers.Field):
    """A field of an answer that always says the same: `resource_type`, `deleted`."""

    def __init__(self, value, **kwargs):
        self.value = value
        extend_schema_field({"type": "boolean" if value is True else "string", "const": value})(self)
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, row):
        return self.value


class OneOfField(serializers.ChoiceField):
    """One of some words; the refusal lists them."""

    def __init__(self, choices, **kwargs):
        words = ", ".join(str(choice) for choice in choices)
        kwargs.setdefault("error_messages", {"invalid_choice": f"Must be one of: {words}"})
        super().__init__(choices=list(choices), **kwargs)


class WholeNumberField(serializers.IntegerField):
    """A whole number within limits; the refusal names them."""

    def __init__(self, least: int, most: int, **kwargs):
        message = f"Must be a whole number from {least} to {most}"
        messages = dict.fromkeys(("invalid", "min_value", "max_value", "max_string_length"), message)
        super().__init__(min_value=least, max_value=most, error_messages=messages, **kwargs)
