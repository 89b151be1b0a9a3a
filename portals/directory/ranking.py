"""How well one listing answers a query: exact, prefix, alias, brand, then what can be forgiven; near ones first."""

from dataclasses import dataclass
from typing import NamedTuple

from rapidfuzz import fuzz

from portals.directory.documents import Hit, Location, Near, Reason, Why
from portals.directory.index import CatalogueIndex, Place, Variant
from portals.directory.places import state_code, state_of_zip, zip5
from portals.directory.query import Understood

EXACT, PREFIX, ALIAS, BRAND, FORGIVEN = 5.0, 4.0, 3.0, 2.0, 0.0
RECOMMENDED = 10.0
# Below this share of the query's telling words a listing is no answer.
LEAST_COVERAGE = 0.5
CORRECT_SPELLING = 0.93
IN_PLACE = 0.9
NEAR_SAME_ZIP, NEAR_SAME_ZIP3, NEAR_SAME_STATE = 0.30, 0.22, 0.15
POPULARITY = 0.12


class Match(NamedTuple):
    """How one variant's words cover the query: all in 0..1."""

    score: float
    coverage: float
    likeness: float
    placed: bool
    variant: Variant
    place: Place | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores listings of `index` against one understood query."""

    index: CatalogueIndex
    query: Understood
    near: Near
    meanings: dict[str, list[tuple[int, float]]]
    total: float

    @classmethod
    def of(cls, index: CatalogueIndex, query: Understood, near: Near) -> "Ranking":
        meanings: dict[str, list[tuple[int, float]]] = {}
        for position, slot in enumerate(query.slots):
            for reading, likeness in slot.readings.items():
                meanings.setdefault(reading, []).append((position, likeness))
        postal_code = zip5(near.postal_code)
        near = Near(state_code(near.state) or state_of_zip(postal_code), postal_code)
        return cls(index, query, near, meanings, sum(slot.weight for slot in query.slots) or 1.0)

    def hit(self, number: int, *, recommended: bool) -> Hit | None:
        """The listing as a result, or None when it is no answer."""
        places = self.index.places[number]
        found_place, in_place = self._best_place(places)
        matches = [self._match(variant, found_place, in_place) for variant in self.index.variants[number]]
        tier, match = max(((self._tier(match.variant), match) for match in matches), key=lambda pair: pair[0] + pair[1].score)
        if tier == FORGIVEN and match.coverage < LEAST_COVERAGE:
            return None
        nearness, nearest = self._nearest(places)
        place = found_place if match.placed else nearest or (places[0] if places else None)
        score = tier + match.score + nearness + POPULARITY * self.index.popularity[number]
        return self._as_hit(number, place, score + RECOMMENDED * recommended, self._why(tier, match))

    def bare(self, number: int, why: Why, score: float) -> Hit:
        """The listing as a result for another reason than its words."""
        nearness, nearest = self._nearest(self.index.places[number])
        return self._as_hit(number, nearest, score + nearness + POPULARITY * self.index.popularity[number], why)

    def _as_hit(self, number: int, place: Place | None, score: float, why: Why) -> Hit:
        index = self.index
        location: Location | None = place.location if place else None
        return Hit(index.ids[number], index.source_ids[number], index.names[number], index.brands[number], location,
                   round(score, 4), why)  # fmt: skip

    def _tier(self, variant: Variant) -> float:
        exact = variant.key == self.query.keys[0]
        if not exact and not variant.key.startswith(self.query.keys):
            return FORGIVEN
        return {"name": EXACT if exact else PREFIX, "alias": ALIAS, "brand": BRAND}[variant.kind]

    def _match(self, variant: Variant, place: Place | None, in_place: dict[int, float]) -> Match:
        best, named, known = {}, 0.0, 0.0
        weight = self.index.vocabulary.weight
        for word in variant.key.split():
            own = weight(word)
            known += own
            meant = self.meanings.get(word)
            if meant:
                named += own
                for position, likeness in meant:
                    if likeness > best.get(position, 0):
                        best[position] = likeness
        placed = [position for position, likeness in in_place.items() if likeness * IN_PLACE > best.get(position, 0)]
        likeness = min(best.values(), default=0.0)
        best.update((position, in_place[position] * IN_PLACE) for position in placed)
        slots = self.query.slots
        coverage = sum(slots[position].weight * value for position, value in best.items()) / self.total
        precision = named / known if known else 0.0
        alike = fuzz.ratio(variant.key, self.query.keys[0]) / 100
        score = 0.70 * coverage + 0.15 * precision + 0.15 * alike
        return Match(score, coverage, likeness, bool(placed), variant, place)

    def _best_place(self, places: tuple[Place, ...]) -> tuple[Place | None, dict[int, float]]:
        """The location that answers most of the query's words, and which words it answers how well."""
        chosen, answered, most = None, {}, 0.0
        for place in places:
            own: dict[int, float] = {}
            for mark in place.marks:
                for position, likeness in self.meanings.get(mark, ()):
                    own[position] = max(likeness, own.get(position, 0))
            total = sum(own.values())
            if total > most:
                chosen, answered, most = place, own, total
        return chosen, answered

    def _nearest(self, places: tuple[Place, ...]) -> tuple[float, Place | None]:
        if not self.near:
            return 0.0, None
        return max(((self._nearness(place), place) for place in places), default=(0.0, None), key=lambda pair: pair[0])

    def _nearness(self, place: Place) -> float:
        postal_code, near = place.location.postal_code, self.near
        if near.postal_code and postal_code:
            if postal_code == near.postal_code:
                return NEAR_SAME_ZIP
            if postal_code[:3] == near.postal_code[:3]:
                return NEAR_SAME_ZIP3
        return NEAR_SAME_STATE if near.state and place.location.state == near.state else 0.0

    def _why(self, tier: float, match: Match) -> Why:
        if tier in (EXACT, PREFIX):
            return Why(Reason.EXACT_NAME if tier == EXACT else Reason.NAME_PREFIX, match.variant.text)
        if match.variant.kind in ("alias", "brand"):
            return Why(Reason(match.variant.kind), match.variant.text)
        if match.placed and match.place:
            return Why(Reason.PLACE, ", ".join(filter(None, match.place.location)))
        return Why(Reason.WORDS if match.likeness >= CORRECT_SPELLING else Reason.SIMILAR_SPELLING, match.variant.text)
