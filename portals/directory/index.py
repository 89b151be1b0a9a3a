"""A catalogue in memory: tantivy for words, sorted keys for beginnings, dictionaries for addresses."""

import gc
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from contextlib import contextmanager
from typing import NamedTuple

import tantivy

from portals.directory.addresses import registrable_domain
from portals.directory.documents import Location, SearchDocument
from portals.directory.normalize import acronym_in, name_key, words
from portals.directory.places import STATES, state_code, state_of_zip, zip5
from portals.directory.vocabulary import Vocabulary, index_of

_SCHEMA = (
    tantivy.SchemaBuilder()
    .add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    .add_text_field("marks", tokenizer_name="whitespace", index_option="basic")
    .build()
)


class Variant(NamedTuple):
    """One of the texts a listing goes by: its `kind` (name, alias, brand), as written, and as compared."""

    kind: str
    text: str
    key: str


def state_mark(code: str) -> str:
    return f"={code.lower()}"


def zip3_mark(postal_code: str) -> str:
    return f"#{postal_code[:3]}"


def type_mark(type: str) -> str:
    return f"~{type.lower()}"


class Place(NamedTuple):
    """A location with what it is found by."""

    location: Location
    city: str
    marks: tuple[str, ...]


class CatalogueIndex:
    """An immutable index over documents; numbers are their positions in `ids`, `names`, …"""

    def __init__(self, documents: Iterable[SearchDocument]):
        self.ids, self.source_ids, self.names, self.brands, self.types = [], [], [], [], []
        self.variants: list[tuple[Variant, ...]] = []
        self.places: list[tuple[Place, ...]] = []
        self.popularity = array("f")
        self.first_of_source: dict[str, int] = {}
        self.by_address: dict[str, int] = {}
        self.by_domain: dict[str, list[int]] = {}
        self._known_places: dict[Location, Place] = {}
        frequency: Counter[str] = Counter()
        with _garbage_left_alone():
            self._searcher = index_of(_SCHEMA, (self._add(document, frequency) for document in documents))
            self.vocabulary = Vocabulary(frequency, max(1, len(self.ids)))
            self._sort_keys()

    def __len__(self) -> int:
        return len(self.ids)

    def _add(self, document: SearchDocument, frequency: Counter) -> dict[str, list[str]]:
        variants = _variants(document)
        places = tuple(self._place(location) for location in document.locations)
        told = {word for variant in variants for word in variant.key.split()}
        marks = {mark for place in places for mark in place.marks}
        frequency.update(told | marks)
        self._keep(document, variants, places)
        if document.type:
            marks.add(type_mark(document.type))
        return {"words": [" ".join(variant.key for variant in variants)], "marks": [" ".join(marks)]}

    def _keep(self, document: SearchDocument, variants, places) -> None:
        number = len(self.ids)
        self.ids.append(document.id)
        self.source_ids.append(document.source_id)
        self.names.append(document.name)
        self.brands.append(document.brand)
        self.types.append(document.type)
        self.variants.append(variants)
        self.places.append(places)
        self.popularity.append(document.popularity)
        if document.source_id not in self.first_of_source:
            self.first_of_source[document.source_id] = number
            self._keep_address(document.fhir_base_url, number)
        if document.portal_url:
            self._keep_address(document.portal_url, number)

    def _keep_address(self, url: str, number: int) -> None:
        address = address_key(url)
        if address:
            self.by_address.setdefault(address, number)
            self.by_domain.setdefault(registrable_domain(host_of(address)), []).append(number)

    def _place(self, location: Location) -> Place:
        known = self._known_places.get(location)
        if known is None:
            known = self._known_places[location] = _place(location)
        return known

    def _sort_keys(self) -> None:
        keys = [variant.key for own in self.variants for variant in own]
        numbers = array("I", (number for number, own in enumerate(self.variants) for _ in own))
        sequence = sorted(range(len(keys)), key=keys.__getitem__)
        self._keys = [keys[position] for position in sequence]
        self._numbers = array("I", (numbers[position] for position in sequence))

    def beginning_with(self, key: str, *, limit: int) -> list[int]:
        """Documents one of whose texts begins with `key`, in the order of those texts (the exact ones first)."""
        low = bisect_left(self._keys, key)
        return list(dict.fromkeys(self._numbers[low : min(self._end_of(key, low), low + limit)]))

    def most_popular_beginning_with(self, key: str, *, limit: int, among: int = 20_000) -> list[int]:
        """As `beginning_with`, the most popular of the first `among`."""
        low = bisect_left(self._keys, key)
        found = self._numbers[low : min(self._end_of(key, low), low + among)]
        return sorted(set(found), key=lambda number: -self.popularity[number])[:limit]

    def _end_of(self, key: str, low: int) -> int:
        return bisect_left(self._keys, key + "\U0010ffff", lo=low)

    def search(self, query: tantivy.Query, *, limit: int) -> list[int]:
        """Numbers of the best documents for a tantivy query made with `term`."""
        return [address.doc for _, address in self._searcher.search(query, limit, count=False).hits]

    @staticmethod
    def term(field: str, text: str) -> tantivy.Query:
        return tantivy.Query.term_query(_SCHEMA, field, text, "freq" if field == "words" else "basic")


@contextmanager
def _garbage_left_alone():
    """No cycle collection meanwhile: a million new objects that all stay cost a third of the build otherwise."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def address_key(url: str) -> str:
    """A URL as compared with a pasted one: no scheme, no `www.`, no letter case, no last slash."""
    return url.lower().split("://", 1)[-1].removeprefix("www.").rstrip("/")


def host_of(address: str) -> str:
    """The host of an address key."""
    return re.split(r"[/:?#]", address, maxsplit=1)[0]


def _variants(document: SearchDocument) -> tuple[Variant, ...]:
    name = Variant("name", document.name, name_key(document.name))
    aliases = [*document.aliases, acronym_in(document.name)] if "(" in document.name else document.aliases
    if not aliases and not document.brand:
        return (name,)
    variants, seen = [name], {name.key}
    for kind, text in [*(("alias", alias) for alias in aliases), ("brand", document.brand)]:
        key = name_key(text)
        if key and key not in seen:
            seen.add(key)
            variants.append(Variant(kind, text, key))
    return tuple(variants)


def _place(location: Location) -> Place:
    postal_code = zip5(location.postal_code)
    state = state_code(location.state) or state_of_zip(postal_code)
    marks = words(location.city)
    city = " ".join(marks)
    if state in STATES:
        marks.append(state_mark(state))
    if postal_code:
        marks += [postal_code, zip3_mark(postal_code)]
    return Place(Location(location.city, state, postal_code), city, tuple(marks))
