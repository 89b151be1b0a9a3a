"""The API's document as tests read it."""

import re

from jsonschema import Draft202012Validator, FormatChecker

METHODS = ("get", "post", "put", "patch", "delete")


def operations(document: dict) -> dict[str, dict]:
    """`POST /patients` → operation. Path parameters are all called `{}`, since their names are no promise."""
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}": item[method] | {"path": path, "method": method}
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def resolved(document: dict, node: dict) -> dict:
    """The node that a `$ref` means, or the node itself."""
    if "$ref" not in node:
        return node
    found = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def faults(document: dict, schema: dict, value) -> list[str]:
    """What of `value` the schema does not allow."""
    rooted = {"components": document["components"], **schema}
    validator = Draft202012Validator(rooted, format_checker=FormatChecker())
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(value)
    ]


def answer_schema(operation: dict) -> dict:
    """The schema of the 200 answer."""
    return next(iter(operation["responses"]["200"]["content"].values()))["schema"]


def properties(document: dict, schema: dict) -> set[str]:
    """The names of an object's fields."""
    return set(resolved(document, schema).get("properties", {}))
