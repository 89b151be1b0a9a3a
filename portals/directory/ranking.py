"""How well one listing answers a query: exact, prefix, alias, brand, then what can be forgiven; near ones first."""

from typing import NamedTuple

from rapidfuzz.fuzz import ratio

from portals.directory.documents import Hit, Near, Reason, Why
from portals.directory.index import CatalogueIndex, Place, Variant, state_mark
from portals.directory.query import Slot, Understood

EXACT, EXACT_ALIAS, PREFIX, ALIAS, BRAND, FORGIVEN = 5.0, 4.5, 4.0, 3.0, 2.0, 0.0
RECOMMENDED = 10.0
# Below this share of the query's telling words a listing is no answer.
LEAST_COVERAGE = 0.5
# What counts among the forgiven: the query's words found, the name's words asked for, and the spelling as a whole.
COVERAGE, PRECISION, SPELLING = 0.70, 0.15, 0.15
# A word found in the place is worth a little less than one in the name.
IN_PLACE = 0.9
WHOLE_WORDS = 0.1
NEAR_SAME_ZIP, NEAR_SAME_CITY, NEAR_SAME_ZIP3, NEAR_SAME_STATE = 0.30, 0.26, 0.22, 0.15
POPULARITY = 0.12

_TIERS = {"name": PREFIX, "alias": ALIAS, "brand": BRAND}


class Match(NamedTuple):
    """How one text of a listing answers: `score` within its `tier`, both together deciding the order."""

    score: float
    tier: float
    coverage: float
    placed: bool
    variant: Variant


def _worth(match: Match) -> float:
    return match.tier + match.score


class Scored(NamedTuple):
    """A listing with its score; `why` is made of the match, or given."""

    score: float
    number: int
    match: Match | None
    place: Place | None
    why: Why | None = None


class Ranking:
    """Scores listings of an index against one understood query, for a patient who is `near` some place."""

    def __init__(self, index: CatalogueIndex, query: Understood, near: Near):
        self._index, self._query, self._near = index, query, near
        self._weights = [slot.weight for slot in query.slots]
        self._squeezed, self._whole_words = query.squeezed, tuple(key + " " for key in query.keys)
        self._total = sum(self._weights) or 1.0
        self._meanings: dict[str, list[tuple[int, float]]] = {}
        for position, slot in enumerate(query.slots):
            for reading, likeness in slot.readings.items():
                self._meanings.setdefault(reading, []).append((position, likeness))

    def scored(self, number: int, *, recommended: bool = False) -> Scored | None:
        """The listing with its score, or None when it is no answer."""
        places = self._index.places[number]
        place, in_place = self._answering_place(places) if places else (None, {})
        match = max((self._match(variant, in_place) for variant in self._index.variants[number]), key=_worth)
        if match.tier == FORGIVEN and match.coverage < LEAST_COVERAGE:
            return None
        nearness, nearest = self._nearest(places)
        shown = place if match.placed else nearest or (places[0] if places else None)
        score = match.tier + match.score + nearness + POPULARITY * self._index.popularity[number]
        return Scored(score + RECOMMENDED * recommended, number, match, shown)

    def given(self, number: int, why: Why, score: float) -> Scored:
        """The listing as a result for another reason than its words."""
        places = self._index.places[number]
        nearness, nearest = self._nearest(places)
        shown = nearest or (places[0] if places else None)
        return Scored(score + nearness + POPULARITY * self._index.popularity[number], number, None, shown, why)

    def hit(self, scored: Scored) -> Hit:
        """A scored listing as it is handed out."""
        index, number = self._index, scored.number
        return Hit(
            index.ids[number], index.source_ids[number], index.names[number], index.brands[number],
            scored.place.location if scored.place else None, round(scored.score, 4), scored.why or self._why(scored),
        )  # fmt: skip

    def _tier(self, variant: Variant) -> float:
        """Exact, prefix, alias, brand or forgiven. Spaces do not count; a prefix that ends with a word counts more."""
        key = variant.key
        if key.startswith(self._query.keys):
            if variant.kind == "name" and key == self._query.keys[0]:
                return EXACT
            if variant.kind == "alias" and key == self._query.keys[0]:
                return EXACT_ALIAS
            return _TIERS[variant.kind] + WHOLE_WORDS * key.startswith(self._whole_words)
        squeezed = key.replace(" ", "")
        if not squeezed.startswith(self._squeezed):
            return FORGIVEN
        return EXACT if variant.kind == "name" and squeezed == self._squeezed else _TIERS[variant.kind]

    def _match(self, variant: Variant, in_place: dict[int, float]) -> Match:
        best: dict[int, float] = {}
        named = known = 0.0
        weight_of, meanings = self._index.vocabulary.weight_of, self._meanings
        for word in variant.key.split():
            weight = weight_of(word)
            known += weight
            meant = meanings.get(word)
            if meant:
                named += weight
                for position, likeness in meant:
                    if likeness > best.get(position, 0.0):
                        best[position] = likeness
        placed = False
        for position, likeness in in_place.items():
            if likeness * IN_PLACE > best.get(position, 0.0):
                best[position], placed = likeness * IN_PLACE, True
        coverage = sum([self._weights[position] * likeness for position, likeness in best.items()]) / self._total
        score = COVERAGE * coverage + PRECISION * (named / known if known else 0.0)
        score += SPELLING * ratio(variant.key, self._query.keys[0]) / 100
        return Match(score, self._tier(variant), coverage, placed, variant)

    def _answering_place(self, places: tuple[Place, ...]) -> tuple[Place | None, dict[int, float]]:
        """The location that answers most of the query's words, and which words it answers how well."""
        chosen, answered, most = None, {}, 0.0
        for place in places:
            own: dict[int, float] = {}
            for mark in place.marks:
                for position, likeness in self._meanings.get(mark, ()):
                    own[position] = max(likeness, own.get(position, 0.0))
            total = sum(own.values()) if own else 0.0
            if total > most:
                chosen, answered, most = place, own, total
        return chosen, answered

    def _nearest(self, places: tuple[Place, ...]) -> tuple[float, Place | None]:
        if not self._near or not places:
            return 0.0, None
        return max(((self._nearness(place), place) for place in places), key=lambda pair: pair[0])

    def _nearness(self, place: Place) -> float:
        postal_code, near = place.location.postal_code, self._near
        if near.postal_code and postal_code:
            if postal_code == near.postal_code:
                return NEAR_SAME_ZIP
            if postal_code[:3] == near.postal_code[:3]:
                return NEAR_SAME_ZIP3
        same_state = bool(near.state) and place.location.state == near.state
        if near.city and place.city == near.city and (same_state or not near.state):
            return NEAR_SAME_CITY
        return NEAR_SAME_STATE if same_state else 0.0

    def _why(self, scored: Scored) -> Why:
        match = scored.match
        if match.variant.kind != "name":
            return Why(Reason(match.variant.kind), match.variant.text)
        if match.tier >= PREFIX:
            return Why(Reason.EXACT_NAME if match.tier == EXACT else Reason.NAME_PREFIX, match.variant.text)
        if match.placed and scored.place:
            return Why(Reason.PLACE, ", ".join(filter(None, scored.place.location)))
        return Why(self._forgiven(match.variant, scored.place), match.variant.text)

    def _forgiven(self, variant: Variant, place: Place | None) -> Reason:
        """How the typed words stand in the text or its place: all as they were typed, all in some form, or only some."""
        own = [*variant.key.split(), *(place.marks if place else ())]
        if all(_is_written(slot, own) for slot in self._query.slots):
            return Reason.WORDS
        meant = all(_is_written(slot, own) or any(word in slot.readings for word in own) for slot in self._query.slots)
        return Reason.SIMILAR_SPELLING if meant else Reason.SOME_WORDS


def _is_written(slot: Slot, own: list[str]) -> bool:
    """Whether the typed word stands there, begins a word there, or is the state's code."""
    return state_mark(slot.text) in own or any(word.startswith(slot.text) for word in own)


def order(scored: Scored, index: CatalogueIndex) -> tuple:
    """Best first; among equals the shorter name, then the alphabet, so that the same query has the same answer."""
    name = index.names[scored.number]
    return -scored.score, len(name), name, str(index.ids[scored.number])
