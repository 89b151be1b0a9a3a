"""SMART User-access Brands bundles (SMART App Launch 2.2) and the vendors' older Organization + Endpoint bundles.

One pass over the file keeps a few fields of each resource, a second joins them: references point both ways and a file
of 100 MB has no order. Rules: smart-fhir.md 3.2.
"""

from collections.abc import Iterator
from typing import BinaryIO

from portals.directory.addresses import PUBLIC_HTTPS, AddressPolicy, AddressRefused, normalise_base_url
from portals.directory.entries import BadEntry, DirectoryEntry, DirectoryUnreadable, Item, Warning
from portals.directory.readers.brands import Brand, Endpoint, brand_of, endpoint_of
from portals.directory.readers.references import References
from portals.directory.readers.rows import NO_NAME, NO_R4, is_dstu2
from portals.directory.readers.tables import whole_json
from portals.directory.vendors import vendor_slug

MAX_ANCESTORS = 20
DANGLING, UNUSED, NO_ENDPOINT, CYCLE = "dangling_reference", "endpoint_of_nobody", "no_endpoint", "part_of_cycle"
NO_USABLE_ENDPOINT = "no_usable_endpoint"


def read_bundle(file: BinaryIO, *, vendor: str = "", policy: AddressPolicy = PUBLIC_HTTPS) -> Iterator[Item]:
    """Entries of a bundle: one for each brand, portal of it and usable endpoint.

    `vendor` is the slug for all of them where the list is one vendor's. Raises DirectoryUnreadable when the JSON is
    broken, cut off, or holds no Endpoint at all.
    """
    bundle = _Bundle(vendor, policy)
    for position, entry in enumerate(whole_json(file, "entry.item")):
        yield from bundle.take(entry, position)
    if not bundle.endpoints:
        raise DirectoryUnreadable("A bundle without a single Endpoint is no endpoint list.")
    for brand in bundle.brands:
        yield from bundle.entries_of(brand)
    yield from bundle.left_over()


class _Bundle:
    """What was read so far, and how its parts refer to each other."""

    def __init__(self, vendor: str, policy: AddressPolicy):
        self.vendor, self.policy = vendor, policy
        self.brands: list[Brand] = []
        self.endpoints: list[Endpoint] = []
        self._brand_by, self._endpoint_by = References(), References()
        self._used: set[int] = set()

    def take(self, entry: object, position: int) -> Iterator[Item]:
        """Keep an Organization or Endpoint; anything else is reported."""
        place = f"entry[{position}]"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if kind == "Organization":
            brand = brand_of(resource, entry.get("fullUrl"), place)
            self._brand_by.add(brand, entry.get("fullUrl"), "Organization", resource.get("id"))
            self.brands.append(brand)
        elif kind == "Endpoint":
            endpoint = endpoint_of(resource, entry.get("fullUrl"), place)
            self._endpoint_by.add(endpoint, entry.get("fullUrl"), "Endpoint", resource.get("id"))
            self.endpoints.append(endpoint)
        else:
            yield BadEntry(place, "unexpected_resource", str(kind))

    def entries_of(self, brand: Brand) -> Iterator[Item]:
        """A brand's portals, or its parent's where it has none of its own (brand-facility-inherits)."""
        if not brand.active:
            yield BadEntry(brand.place, "inactive", brand.name)
            return
        if not brand.name:
            yield BadEntry(brand.place, NO_NAME, brand.name_absent)
            return
        ancestors, cycle = self._ancestors(brand)
        if cycle:
            yield Warning(brand.place, CYCLE, brand.name)
        giver = next((one for one in [brand, *ancestors] if one.has_endpoints), None)
        if giver is None:
            yield BadEntry(brand.place, NO_ENDPOINT, brand.name)
            return
        usable = False
        for portal in giver.portals_with_endpoints():
            for reference in portal.endpoints:
                for item in self._entry(brand, giver, ancestors, portal, reference):
                    usable = usable or isinstance(item, DirectoryEntry)
                    yield item
        if not usable:
            yield BadEntry(brand.place, NO_USABLE_ENDPOINT, brand.name)

    def _ancestors(self, brand: Brand) -> tuple[list[Brand], bool]:
        """Up the `partOf` chain, and whether it ran in a circle."""
        ancestors: list[Brand] = []
        current = brand
        while current.part_of and len(ancestors) < MAX_ANCESTORS:
            parent = self._brand_by.find(current.part_of, current.base)
            if parent is None:
                return ancestors, False
            if parent is brand or parent in ancestors:
                return ancestors, True
            ancestors.append(parent)
            current = parent
        return ancestors, False

    def _entry(self, brand, giver, ancestors, portal, reference) -> Iterator[Item]:
        endpoint = self._endpoint_by.find(reference, giver.base)
        if endpoint is None:
            yield Warning(brand.place, DANGLING, reference[:200])
            return
        first_time = id(endpoint) not in self._used
        self._used.add(id(endpoint))
        usable = self._usable(endpoint)
        if isinstance(usable, BadEntry):
            if first_time:
                yield usable
            return
        top = ancestors[-1] if ancestors else None
        yield DirectoryEntry(
            name=brand.name, fhir_base_url=usable, published_url=endpoint.address, brand=top.name if top else "",
            aliases=_aliases(brand, portal.name), vendor=self.vendor or vendor_slug("", _host(usable)),
            category=brand.category, portal_url=portal.url, locations=brand.locations, npi=brand.npi, place=brand.place,
            logo_url=brand.logo_url or portal.logo_url or next((one.logo_url for one in ancestors if one.logo_url), ""),
        )  # fmt: skip

    def _usable(self, endpoint: Endpoint) -> str | BadEntry:
        """The endpoint's base URL, or why it cannot be used."""
        if endpoint.status not in ("", "active"):
            return BadEntry(endpoint.place, "endpoint_not_active", endpoint.status)
        try:
            base_url = normalise_base_url(endpoint.address, self.policy)
        except AddressRefused as refused:
            return BadEntry(endpoint.place, refused.reason, endpoint.address[:200])
        says_r4 = any(version.startswith("4.") for version in endpoint.versions)
        if (endpoint.versions and not says_r4) or (not endpoint.versions and is_dstu2(base_url)):
            return BadEntry(endpoint.place, NO_R4, ",".join(endpoint.versions))
        return base_url

    def left_over(self) -> Iterator[Item]:
        """Endpoints that no organisation points to: the lenient lists name them themselves."""
        for endpoint in self.endpoints:
            if id(endpoint) in self._used:
                continue
            owner = self._brand_by.find(endpoint.managed_by, endpoint.base) if endpoint.managed_by else None
            usable = self._usable(endpoint)
            if isinstance(usable, BadEntry):
                yield usable
            elif (owner and owner.name) or endpoint.name:
                yield self._named_by_itself(endpoint, owner, usable)
            else:
                yield BadEntry(endpoint.place, UNUSED, endpoint.address[:200])

    def _named_by_itself(self, endpoint: Endpoint, owner: Brand | None, base_url: str) -> DirectoryEntry:
        return DirectoryEntry(
            name=owner.name if owner and owner.name else endpoint.name, fhir_base_url=base_url,
            published_url=endpoint.address, aliases=owner.aliases if owner else (),
            vendor=self.vendor or vendor_slug("", _host(base_url)), category=owner.category if owner else "provider",
            logo_url=owner.logo_url if owner else "", locations=owner.locations if owner else (),
            npi=owner.npi if owner else "", place=endpoint.place,
        )  # fmt: skip


def _aliases(brand: Brand, portal_name: str) -> tuple[str, ...]:
    """Former names, and what the brand calls this portal of it."""
    told = [*brand.aliases, portal_name]
    return tuple(dict.fromkeys(alias for alias in told if alias and alias != brand.name))


def _host(base_url: str) -> str:
    return base_url.split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]
