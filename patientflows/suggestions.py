"""What the Picker offers: the recommended sources, and what a search finds, grouped so that people can tell them apart."""

from dataclasses import dataclass

from patientflows.models import PatientFlow
from portals.directory import catalogue
from portals.directory import query as query_reading
from portals.logos import listed_logo_urls, logos_of
from portals.models import Source

RESULTS = 20


@dataclass(frozen=True)
class Choice:
    """One line of a list: what the patient looks for, where it is, and why it is here."""

    source: Source
    name: str
    brand: str = ""
    place: str = ""
    why: str = ""
    logo: str = ""  # its id, where we have one

    @property
    def source_id(self) -> str:
        return self.source.pk

    @property
    def letter(self) -> str:
        """The mark of those without a logo."""
        return next((character for character in self.name if character.isalnum()), "•").upper()


@dataclass(frozen=True)
class Group:
    """Choices of one brand, under its name where there are several; `heading` is empty for one that stands alone."""

    heading: str
    choices: list[Choice]


def choice_of(source: Source) -> Choice:
    """A source under its own name."""
    return choices_of([source])[0]


def choices_of(sources: list[Source]) -> list[Choice]:
    """Sources under their own names, with their logos."""
    logos = logos_of([source.logo_url or "" for source in sources])
    return [
        Choice(source, source.name, source.brand or "", place_of(source.locations), logo=logos.get(source.logo_url, ""))
        for source in sources
    ]


def place_of(locations: list[dict]) -> str:
    """City and state of a source that has one place; of several, none says where it is."""
    if len(locations) != 1:
        return ""
    return ", ".join(filter(None, (locations[0].get("city"), locations[0].get("state"))))


def recommended_choices(flow: PatientFlow) -> list[Choice]:
    """The sources the app recommends, in its order."""
    found = Source.objects.offered(flow.environment).in_bulk(flow.recommended or [])
    return choices_of([found[source_id] for source_id in flow.recommended or [] if source_id in found])


def search_choices(flow: PatientFlow, query: str, place: str) -> list[Choice]:
    """What the catalogue finds for these words, near ones first when a place is given."""
    if not query.strip():
        return []
    found = catalogue.search(flow.environment, query, near=place, recommended=flow.recommended or [], limit=RESULTS)
    own = listed_logo_urls([each.hit.id for each in found])
    urls = [own.get(each.hit.id) or each.logo_url for each in found]
    logos = logos_of(urls)
    return [
        Choice(each.source, each.name, each.brand, each.place, each.why, logos.get(url, ""))
        for each, url in zip(found, urls, strict=True)
    ]


def is_too_general(query: str) -> bool:
    """Only what many portals are called (`MyChart`)."""
    return query_reading.is_too_general(query)


def grouped(choices: list[Choice]) -> list[Group]:
    """Choices under their brands; a brand stands where its best choice stood."""
    by_brand: dict[str, list[Choice]] = {}
    for choice in choices:
        by_brand.setdefault(choice.brand or f"alone:{choice.source_id}:{choice.name}", []).append(choice)
    return [Group(name if len(members) > 1 else "", members) for name, members in by_brand.items()]
