"""The few fields of an Organization and an Endpoint that matter, read from JSON that may hold anything."""

from dataclasses import dataclass

from portals.directory.documents import Location
from portals.directory.entries import Category
from portals.directory.places import state_code, state_of_zip, zip5
from portals.directory.readers.references import base_of
from portals.directory.readers.rows import MAX_NAME, tidy, web_url

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
BRAND, PORTAL = _EXTENSION + "organization-brand", _EXTENSION + "organization-portal"
FHIR_VERSION, DATA_ABSENT = _EXTENSION + "endpoint-fhir-version", _EXTENSION + "data-absent-reason"
NPI = "http://hl7.org/fhir/sid/us-npi"

_CATEGORIES = {
    "prov": Category.PROVIDER, "ins": Category.PAYER, "laboratory": Category.LABORATORY, "imaging": Category.IMAGING,
    "pharmacy": Category.PHARMACY, "health-information-network": Category.NETWORK,
    "health-data-aggregator": Category.AGGREGATOR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Portal:
    """A page where patients of a brand log in, with the endpoints it opens; without any it opens all of the brand's."""

    name: str = ""
    url: str = ""
    logo_url: str = ""
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Brand:
    """An Organization. References are as written; `base` is what relative ones start from."""

    place: str
    base: str
    name: str
    name_absent: str
    active: bool
    aliases: tuple[str, ...]
    category: str
    npi: str
    logo_url: str
    locations: tuple[Location, ...]
    part_of: str
    endpoints: tuple[str, ...]
    portals: tuple[Portal, ...]

    @property
    def has_endpoints(self) -> bool:
        return bool(self.endpoints or any(portal.endpoints for portal in self.portals))

    def portals_with_endpoints(self) -> list[Portal]:
        """Every portal with its endpoints, and the endpoints that none of them names under a portal without a name."""
        named = {reference for portal in self.portals for reference in portal.endpoints}
        own = [
            portal if portal.endpoints else Portal(portal.name, portal.url, portal.logo_url, self.endpoints)
            for portal in self.portals
        ]
        rest = tuple(reference for reference in self.endpoints if reference not in named)
        covered = any(not portal.endpoints for portal in self.portals)
        return own + ([Portal(endpoints=rest)] if rest and not covered else [])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An Endpoint: `versions` as its extension declares them, empty where it says nothing."""

    place: str
    base: str
    name: str
    address: str
    status: str
    versions: tuple[str, ...]
    managed_by: str


def brand_of(resource: dict, full_url: object, place: str) -> Brand:
    """An Organization of a Brands bundle, or of a vendor's older list, which has none of the extensions."""
    extensions = _objects(resource.get("extension"))
    return Brand(
        place=_place(resource, place), base=base_of(full_url), name=tidy(resource.get("name"))[:MAX_NAME],
        name_absent=_absent(resource.get("_name")), active=resource.get("active") is not False,
        aliases=tuple(tidy(a)[:MAX_NAME] for a in _listed(resource.get("alias")) if isinstance(a, str) and tidy(a)),
        category=_category(resource), npi=_npi(resource), logo_url=_logo(extensions),
        locations=tuple(dict.fromkeys(filter(any, map(_location, _objects(resource.get("address")))))),
        part_of=_reference(resource.get("partOf")), endpoints=_references(resource.get("endpoint")),
        portals=tuple(_portal(extension) for extension in extensions if extension.get("url") == PORTAL),
    )  # fmt: skip


def endpoint_of(resource: dict, full_url: object, place: str) -> Endpoint:
    """An Endpoint; one without a name of its own takes its managing organisation's."""
    manager = resource.get("managingOrganization")
    manager = manager if isinstance(manager, dict) else {}
    contained = {f"#{one.get('id')}": tidy(one.get("name")) for one in _objects(resource.get("contained"))}
    reference = _reference(manager)
    name = contained.get(reference) or tidy(resource.get("name")) or tidy(manager.get("display"))
    versions = [one.get("valueCode") for one in _objects(resource.get("extension")) if one.get("url") == FHIR_VERSION]
    return Endpoint(
        place=_place(resource, place), base=base_of(full_url), name=name[:MAX_NAME],
        address=tidy(resource.get("address")), status=tidy(resource.get("status")),
        versions=tuple(v for v in versions if isinstance(v, str)),
        managed_by="" if reference.startswith("#") else reference,
    )  # fmt: skip


def _portal(extension: dict) -> Portal:
    parts = _objects(extension.get("extension"))
    told = {part.get("url"): part for part in parts}
    endpoints = [_reference(part.get("valueReference")) for part in parts if part.get("url") == "portalEndpoint"]
    return Portal(
        name=tidy(told.get("portalName", {}).get("valueString"))[:MAX_NAME],
        url=web_url(told.get("portalUrl", {}).get("valueUrl")),
        logo_url=web_url(told.get("portalLogo", {}).get("valueUrl")),
        endpoints=tuple(filter(None, endpoints)),
    )  # fmt: skip


def _logo(extensions: list[dict]) -> str:
    for extension in extensions:
        for part in _objects(extension.get("extension")) if extension.get("url") == BRAND else ():
            if part.get("url") == "brandLogo":
                return web_url(part.get("valueUrl"))
    return ""


def _category(resource: dict) -> str:
    codings = [coding for type in _objects(resource.get("type")) for coding in _objects(type.get("coding"))]
    return next((_CATEGORIES[c["code"]] for c in codings if c.get("code") in _CATEGORIES), Category.PROVIDER)


def _npi(resource: dict) -> str:
    numbers = [one.get("value") for one in _objects(resource.get("identifier")) if one.get("system") == NPI]
    return next((n for n in numbers if isinstance(n, str) and len(n) == 10 and n.isdigit()), "")


def _location(address: dict) -> Location:
    postal_code = zip5(tidy(address.get("postalCode")))[:12]
    state = state_code(tidy(address.get("state"))) or state_of_zip(postal_code)
    return Location(tidy(address.get("city"))[:120], state[:40], postal_code)


def _absent(companion: object) -> str:
    """The data-absent-reason standing in for a value (`asked-declined`, `asked-unknown`)."""
    extensions = _objects(companion.get("extension")) if isinstance(companion, dict) else []
    return next((tidy(one.get("valueCode")) for one in extensions if one.get("url") == DATA_ABSENT), "")


def _place(resource: dict, otherwise: str) -> str:
    return f"{resource['resourceType']}/{resource['id']}" if isinstance(resource.get("id"), str) else otherwise


def _reference(value: object) -> str:
    return tidy(value.get("reference")) if isinstance(value, dict) else ""


def _references(value: object) -> tuple[str, ...]:
    return tuple(filter(None, map(_reference, _objects(value))))


def _listed(value: object) -> list:
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[dict]:
    return [one for one in _listed(value) if isinstance(one, dict)]
