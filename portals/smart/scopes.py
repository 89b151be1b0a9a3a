"""Scopes, compared by meaning (SMART 2.2 "Scopes"): v1 `.read` is v2 `.rs`, order and spelling do not matter."""

import re
from dataclasses import dataclass

from portals.smart.discovery import SmartConfiguration

RESOURCE = re.compile(r"(patient|user|system)/([A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?\Z")
V1 = {"read": "rs", "write": "cud", "*": "cruds"}
IDENTITY = ("openid", "fhirUser")


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One clinical scope: `type` may be "*", `permissions` is a set of the letters c r u d s, `query` may be empty."""

    context: str
    type: str
    permissions: frozenset[str]
    query: str = ""

    def covers(self, other: "ResourceScope") -> bool:
        """Whether everything `other` permits is permitted by this one."""
        return (
            self.context == other.context
            and self.type in ("*", other.type)
            and self.permissions >= other.permissions
            and self.query in ("", other.query)
        )


def parse(scope: str) -> ResourceScope | None:
    """A clinical scope of either version; None for all others ("openid", "launch/patient") and for nonsense."""
    match = RESOURCE.match(scope)
    if not match or not match[3]:
        return None
    return ResourceScope(match[1], match[2], frozenset(V1.get(match[3], match[3])), match[4] or "")


def choose(configuration: SmartConfiguration, *, types: tuple[str, ...] = ("*",), version: str | None = None) -> str:
    """The scopes to ask for: as little as reading one patient's record over time needs, and never to write.

    version: "v1" or "v2" where a source is known to need one; otherwise v2 only if the portal lists permission-v2.
    """
    version = version or ("v2" if configuration.offers("permission-v2") else "v1")
    suffix = "rs" if version == "v2" else "read"
    clinical = [f"patient/{type_}.{suffix}" for type_ in types]
    return " ".join(["launch/patient", *_identity(configuration), *_lasting(configuration), *clinical])


def _identity(configuration: SmartConfiguration) -> tuple[str, ...]:
    known = configuration.capabilities or configuration.scopes_supported
    offered = configuration.offers("sso-openid-connect") or "openid" in configuration.scopes_supported
    return IDENTITY if offered or not known else ()


def _lasting(configuration: SmartConfiguration) -> tuple[str, ...]:
    """offline_access unless the portal clearly offers only online_access: it is what lets records keep coming."""
    offline = configuration.offers("permission-offline") or "offline_access" in configuration.scopes_supported
    online = configuration.offers("permission-online") or "online_access" in configuration.scopes_supported
    return ("online_access",) if online and not offline else ("offline_access",)


def missing(asked: str, granted: str) -> tuple[str, ...]:
    """The scopes asked for that no granted scope covers, as they were asked."""
    words = set(granted.split())
    clinical = [scope for scope in map(parse, words) if scope]
    return tuple(scope for scope in asked.split() if scope not in words and not _covered(scope, clinical))


def _covered(asked: str, granted: list[ResourceScope]) -> bool:
    wanted = parse(asked)
    return wanted is not None and any(scope.covers(wanted) for scope in granted)


def types_readable(granted: str) -> frozenset[str]:
    """The resource types the patient's token may read or search; "*" stands for all."""
    return frozenset(scope.type for scope in _readable(granted))


def search_filters(granted: str, type_: str) -> tuple[str, ...] | None:
    """How searches for `type_` are limited: () not at all, query strings (granular scopes), None not permitted."""
    fitting = [scope for scope in _readable(granted) if scope.type in ("*", type_)]
    if not fitting:
        return None
    if any(not scope.query for scope in fitting):
        return ()
    return tuple(dict.fromkeys(scope.query for scope in fitting))


def _readable(granted: str) -> list[ResourceScope]:
    found = (parse(scope) for scope in granted.split())
    return [scope for scope in found if scope and scope.context != "system" and scope.permissions & {"r", "s"}]
