"""Every operation of the API as its OpenAPI schema lists it, with paths filled from a world's own rows."""

import logging
import re
from dataclasses import dataclass

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from tests.world import World

PARAMETER = re.compile(r"\{[^}]+\}")
# Bodies that pass every check, so that a refusal is about whose the row is. Empty is enough for the rest.
BODIES = {
    ("put", "/patients/{}"): lambda world: {"patient_id": world.patient.patient_id, "name": "Somebody Else"},
    ("patch", "/webhooks/{}"): lambda world: {"description": "changed"},
    ("post", "/webhooks/{}/recover"): lambda world: {"since": "2026-01-01T00:00:00.000Z"},
    ("post", "/sandbox/webhooks/{}/advance"): lambda world: {"seconds": 60},
    ("post", "/sandbox/connections/{}/advance"): lambda world: {"seconds": 60},
}
OPEN = {"/health", "/openapi.json", "/openapi.yaml"}


@dataclass(frozen=True)
class Operation:
    """`template` has `{}` for every parameter."""

    method: str
    template: str

    @property
    def names_a_row(self) -> bool:
        """Whether its path names something of one tenant; catalogue entries are shared by all."""
        return "{}" in self.template and not self.template.startswith("/connections/")

    def path(self, world: World) -> str:
        parts = self.template.split("/")
        for place, part in enumerate(parts):
            if part == "{}":
                parts[place] = id_after("/".join(parts[:place]), world)
        return "/".join(parts)

    def body(self, world: World) -> dict:
        return BODIES.get((self.method, self.template), lambda _: {})(world)

    def call(self, client, world: World):
        """The answer to this operation on the world's own rows, asked by `client`."""
        sends = self.method in ("post", "put", "patch")
        body = {"data": self.body(world), "content_type": "application/json"} if sends else {}
        return getattr(client, self.method)(self.path(world), **body)

    def __str__(self):
        return f"{self.method.upper()} {self.template}"


def id_after(path: str, world: World) -> str:
    """The id of the world's row that stands after this part of a path."""
    collection = path.rpartition("/")[2]
    if path == "/connections":
        return world.connection.source_id
    return {
        "patients": world.patient.patient_id,
        "connections": world.connection.pk,
        "patient-flows": world.flow.pk,
        "pulls": world.pull.pk,
        "webhooks": world.endpoint.pk,
        "events": world.event.pk,
        "exports": world.export.pk,
        "export-destinations": world.destination.pk,
    }[collection]


def every_operation() -> list[Operation]:
    """All that the schema lists and that needs a key."""
    logging.disable(logging.CRITICAL)
    with GENERATOR_STATS.silence():
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    logging.disable(logging.NOTSET)
    return [
        Operation(method, PARAMETER.sub("{}", path))
        for path, methods in paths.items()
        for method in methods
        if path not in OPEN and method in ("get", "post", "put", "patch", "delete")
    ]
