"""Search parameters (R4 search.html): read from a query string, and matched against indexed resources."""

from collections.abc import Sequence
from dataclasses import dataclass

from portals.sandbox import dates, elements
from portals.sandbox.holdings import Resource
from portals.sandbox.outcomes import Refusal
from portals.sandbox.scopes import RecordScope

PATIENT_PARAMETERS = frozenset({"patient", "subject", "beneficiary"})
CONTROL_PARAMETERS = frozenset(
    {"_count", "_page", "_format", "_pretty", "_summary", "_total", "_include", "_revinclude"}
)
DATE_PARAMETERS = frozenset(elements.DATE_ELEMENTS) | {"_lastUpdated"}
TOKEN_PARAMETERS = frozenset(elements.TOKEN_ELEMENTS)
REFERENCE_PARAMETERS = frozenset(elements.REFERENCE_ELEMENTS)


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter; any of its values will do."""

    name: str
    values: tuple[str, ...]

    def accepts(self, resource: Resource) -> bool:
        if self.name == "_id":
            return resource.id in self.values
        if self.name in DATE_PARAMETERS:
            held = resource.intervals.get(self.name)
            return held is not None and any(dates.matches(held, value) for value in self.values)
        held_tokens = resource.tokens.get(self.name, ())
        if self.name in REFERENCE_PARAMETERS:
            return any(held.endswith(value) for held in held_tokens for value in self.values)
        return any(_is_token(value, held_tokens) for value in self.values)


@dataclass(frozen=True, slots=True)
class Query:
    """Every filter must accept a resource, and one of the alternatives, which come from granular scopes."""

    filters: tuple[Filter, ...] = ()
    alternatives: tuple[tuple[Filter, ...], ...] = ((),)

    def accepts(self, resource: Resource) -> bool:
        if not all(each.accepts(resource) for each in self.filters):
            return False
        return any(all(each.accepts(resource) for each in narrower) for narrower in self.alternatives)

    @property
    def takes_all(self) -> bool:
        return not self.filters and () in self.alternatives

    def select(self, resources: Sequence[Resource]) -> Sequence[Resource]:
        """Those it accepts, in their order. A sequence that can select by itself does."""
        if self.takes_all:
            return resources
        selected = getattr(resources, "selected", None)
        return selected(self) if selected else [each for each in resources if self.accepts(each)]


def read_filters(pairs: Sequence[tuple[str, str]]) -> tuple[list[Filter], list[str]]:
    """Filters of a query, and the names that mean nothing here. Raises Refusal 400 for what cannot be read."""
    filters, ignored = [], []
    for name, value in pairs:
        bare, _, modifier = name.partition(":")
        if bare in CONTROL_PARAMETERS or bare in PATIENT_PARAMETERS:
            continue
        if bare not in DATE_PARAMETERS | TOKEN_PARAMETERS | REFERENCE_PARAMETERS | {"_id"}:
            ignored.append(bare)
            continue
        if modifier:
            raise Refusal(400, "not-supported", f"The modifier :{modifier} is not supported.")
        filters.append(Filter(bare, _values(bare, value)))
    return filters, ignored


def alternatives(scopes: Sequence[RecordScope]) -> tuple[tuple[Filter, ...], ...]:
    """What granular scopes let through: each scope's own parameters."""
    return tuple(tuple(read_filters(scope.query)[0]) for scope in scopes)


def asked_patients(pairs: Sequence[tuple[str, str]], base: str) -> set[str]:
    """The patient ids a query names, as `id`, `Patient/id` or an absolute URL of this server."""
    values = (value for name, value in pairs if name.partition(":")[0] in PATIENT_PARAMETERS)
    return {value.removeprefix(f"{base}/").removeprefix("Patient/") for value in values}


def _values(name: str, value: str) -> tuple[str, ...]:
    values = tuple(each for each in value.split(",") if each)
    if name in DATE_PARAMETERS:
        for each in values:
            try:
                dates.interval(each[2:] if each[:2] in dates.PREFIXES else each)
            except ValueError:
                raise Refusal(400, "invalid", f"{name}: {each} is not a date.") from None
    return values


def _is_token(asked: str, held: tuple[str, ...]) -> bool:
    if asked.endswith("|"):
        return any(each.startswith(asked) for each in held)
    return asked in held
