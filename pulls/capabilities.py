"""What a portal's CapabilityStatement offers: the few facts a plan needs, small enough to cache on the source."""

import json
from dataclasses import dataclass, field

UNPARSEABLE = (ValueError, RecursionError)


class NotACapabilityStatement(ValueError):
    """The body of `/metadata` is something else: HTML, an OperationOutcome, a cut-off document."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the portal offers for one resource type."""

    parameters: frozenset[str] = frozenset()
    includes: frozenset[str] = frozenset()
    revincludes: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    can_search: bool = True
    can_read: bool = True


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Offers by resource type. `is_known` is False where the portal published no statement: then anything may work."""

    types: dict[str, Offer] = field(default_factory=dict)
    is_known: bool = True

    def lists(self, resource_type: str) -> bool:
        """Whether the portal says that this type can be searched for."""
        offer = self.types.get(resource_type)
        return offer is not None and offer.can_search

    def searches_by(self, resource_type: str, parameter: str) -> bool:
        offer = self.types.get(resource_type)
        return offer is not None and offer.can_search and parameter in offer.parameters

    def to_dict(self) -> dict:
        """JSON-ready, for `Source.remember_capabilities`."""
        return {name: _packed(offer) for name, offer in sorted(self.types.items())}

    @classmethod
    def from_dict(cls, document: dict) -> "Capabilities":
        """The inverse of `to_dict`."""
        return cls({name: _unpacked(offer) for name, offer in document.items()})


UNKNOWN = Capabilities({}, is_known=False)
_SETS = ("parameters", "includes", "revincludes", "operations")


def read_statement(body: bytes) -> Capabilities:
    """A CapabilityStatement's server side, read leniently. Raises NotACapabilityStatement."""
    try:
        statement = json.loads(body)
    except UNPARSEABLE:
        raise NotACapabilityStatement("not JSON") from None
    if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
        raise NotACapabilityStatement("another resource")
    servers = [rest for rest in _dicts(statement.get("rest")) if rest.get("mode", "server") == "server"]
    resources = [each for rest in servers for each in _dicts(rest.get("resource"))]
    return Capabilities({each["type"]: _offer(each) for each in resources if isinstance(each.get("type"), str)})


def _offer(resource: dict) -> Offer:
    interactions = {each.get("code") for each in _dicts(resource.get("interaction"))}
    return Offer(
        parameters=_names(resource.get("searchParam")),
        includes=_strings(resource.get("searchInclude")),
        revincludes=_strings(resource.get("searchRevInclude")),
        operations=_names(resource.get("operation")),
        # Statements that list no interactions at all say nothing against them.
        can_search=not interactions or "search-type" in interactions,
        can_read=not interactions or "read" in interactions,
    )


def _packed(offer: Offer) -> dict:
    return {
        **{name: sorted(getattr(offer, name)) for name in _SETS},
        "can_search": offer.can_search,
        "can_read": offer.can_read,
    }


def _unpacked(offer: dict) -> Offer:
    sets = {name: frozenset(offer.get(name, ())) for name in _SETS}
    return Offer(**sets, can_search=offer.get("can_search", True), can_read=offer.get("can_read", True))


def _names(value) -> frozenset[str]:
    return _strings([each.get("name") for each in _dicts(value)])


def _dicts(value) -> list[dict]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _strings(value) -> frozenset[str]:
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()
