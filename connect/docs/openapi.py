"""The finishing of `/openapi.json`: what only the whole of the API can say."""

from connect.openapi.components import COMPONENTS


def preprocess(endpoints):
    """`$` is part of `/records/$export`; drf-spectacular takes it for the end of a regular expression."""
    return [
        (path.replace("/export", "/$export") if "$export" in regex else path, regex, method, view)
        for path, regex, method, view in endpoints
    ]


def postprocess(result: dict, generator, request, public: bool) -> dict:
    """Shared components, tags, servers, webhooks and examples."""
    for kind, components in COMPONENTS.items():
        result["components"].setdefault(kind, {}).update(components)
    return result
