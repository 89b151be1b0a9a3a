"""Finding sources by what integrators write: a `fhirsrc_` id, or the source's raw FHIR base URL (contract 3 and 4)."""

from collections.abc import Iterable

from django.db.models import Q

from connect.statements import Given, Select
from portals.directory.addresses import AddressPolicy, AddressRefused, normalise_base_url
from portals.models import Source, SourceQuerySet

ID_PREFIX = "fhirsrc_"
ANY_ADDRESS = AddressPolicy(allow_http=True, allow_private=True)


def sources_named(environment: str, names: Iterable[str]) -> dict[str, Source]:
    """The offered sources that these names mean, by name; unknown names are absent. One query.

    A source that has moved is answered by its successor. Their documents (configuration, capabilities, locations) are
    left in the database until asked for.
    """
    keys = {name: _key(name) for name in names}
    if not keys:
        return {}
    found: dict[str, Source] = {}
    for source in _named(environment, Q(pk__in=keys.values()) | Q(fhir_base_url__in=keys.values())):
        if (current := source.in_force).withdrawn_at is None:
            found[source.pk] = found[source.fhir_base_url] = current
    return {name: found[key] for name, key in keys.items() if key in found}


def source_named(environment: str, name: str) -> Source | None:
    """The offered source of this id or FHIR base URL."""
    statement = BY_ID if name.startswith(ID_PREFIX) else BY_ADDRESS
    source = statement.first(environment=environment, key=_key(name))
    if source is None or (current := source.in_force).withdrawn_at is not None:
        return None
    return current


def _named(environment, condition: Q) -> SourceQuerySet:
    named = Source.objects.filter(condition, environment=environment).order_by()
    return named.defer("configuration", "capabilities", "locations", "aliases")


BY_ID = Select(lambda: _named(Given("environment"), Q(pk=Given("key"))))
BY_ADDRESS = Select(lambda: _named(Given("environment"), Q(fhir_base_url=Given("key"))))


def _key(name: str) -> str:
    if name.startswith(ID_PREFIX):
        return name
    try:
        return normalise_base_url(name, ANY_ADDRESS)
    except AddressRefused:
        return name
