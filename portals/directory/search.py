"""Find a portal by what a patient types: a name, a practice, a doctor, a city, a ZIP code, an address they pasted."""

from collections.abc import Collection, Iterable

import tantivy

from portals.directory.documents import Hit, Near, Reason, SearchDocument, Why
from portals.directory.index import CatalogueIndex, state_mark, type_mark, zip3_mark
from portals.directory.normalize import words
from portals.directory.places import state_code, state_of_zip, zip5
from portals.directory.query import Pasted, Slot, Understood, is_mailbox_provider, name_in_domain, pasted, understand
from portals.directory.ranking import EXACT, RECOMMENDED, Ranking, Scored, order

# How many listings are scored with care for one query.
BEST_BY_WORDS = 100
BEST_BY_BEGINNING = 60
BEST_NEARBY = 60
# More owners than this behind one domain means that it is a vendor's, not a hospital's.
MOST_SOURCES_OF_A_DOMAIN = 25

_SHOULD, _MUST = tantivy.Occur.Should, tantivy.Occur.Must
_Query = tantivy.Query


class CatalogueSearch:
    """Search over one version of a catalogue. Built once, then only read: safe to share between threads."""

    def __init__(self, documents: Iterable[SearchDocument]):
        self._index = CatalogueIndex(documents)

    def __len__(self) -> int:
        return len(self._index)

    def forget_readings(self) -> None:
        """Drop what earlier queries left in memory, so that the next ones are as slow as the first."""
        self._index.vocabulary.forget()

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        state: str = "",
        postal_code: str = "",
        city: str = "",
        type: str | None = None,
        recommended: Collection[str] = (),
        one_per_source: bool = False,
    ) -> list[Hit]:
        """The best `limit` listings for what was typed, best first.

        `state`, `postal_code` and `city` say where the patient is: near ones come first, far ones stay. `type` keeps
        one vendor's. `recommended` are source ids that come first wherever they are an answer at all; for an empty
        query they are the answer, followed by what is near. `one_per_source` keeps the best listing of each source.
        """
        near = Near(state_code(state) or state_of_zip(postal_code), zip5(postal_code), " ".join(words(city)))
        address = pasted(query)
        if address and (owned := self._owned_by(address)) is not None:
            ranking = Ranking(self._index, Understood((), ()), near)
            scored = [ranking.given(number, why, EXACT) for number, why in owned]
            return self._chosen(ranking, scored, limit, type, one_per_source)
        text = name_in_domain(address.domain) + " " if address else query
        understood = understand(text, self._index.vocabulary)
        ranking = Ranking(self._index, understood, near)
        scored = self._scored(ranking, understood, near, type, frozenset(recommended))
        return self._chosen(ranking, scored, limit, type, one_per_source)

    def _scored(self, ranking: Ranking, understood: Understood, near, type, recommended) -> list[Scored]:
        first = self._first_listings(recommended)
        if not understood.slots:
            return self._without_words(ranking, near, type, first)
        numbers = {*first, *self._by_beginning(understood.keys), *self._by_words(understood.slots, near, type)}
        sources = self._index.source_ids
        found = (ranking.scored(number, recommended=sources[number] in recommended) for number in numbers)
        return [scored for scored in found if scored]

    def _first_listings(self, source_ids: Iterable[str]) -> list[int]:
        known = self._index.first_of_source
        return [known[source_id] for source_id in source_ids if source_id in known]

    def _without_words(self, ranking: Ranking, near: Near, type: str | None, first: list[int]) -> list[Scored]:
        """Nothing typed yet: what is recommended, then what is near."""
        scored = [ranking.given(number, Why(Reason.RECOMMENDED, ""), RECOMMENDED) for number in first]
        if near:
            why = Why(Reason.PLACE, near.postal_code or near.city or near.state)
            nearby = self._index.search(_within(_anywhere_near(near), type), limit=BEST_NEARBY)
            scored += [ranking.given(number, why, 0.0) for number in nearby if number not in first]
        return scored

    def _by_beginning(self, keys: tuple[str, ...]) -> list[int]:
        index, found = self._index, []
        for key in keys:
            begun = index.beginning_with(key, limit=BEST_BY_BEGINNING)
            found += begun
            if len(begun) == BEST_BY_BEGINNING:
                found += index.most_popular_beginning_with(key, limit=BEST_BY_BEGINNING // 2)
        return found

    def _by_words(self, slots: tuple[Slot, ...], near: Near, type: str | None) -> list[int]:
        said = [(_SHOULD, query) for slot in slots if (query := _slot_query(slot))]
        if not said:
            return []
        anywhere = self._index.search(_within(_Query.boolean_query(said), type), limit=BEST_BY_WORDS)
        if not near:
            return anywhere
        nearby = _Query.boolean_query([(_MUST, _Query.boolean_query(said)), (_MUST, _anywhere_near(near))])
        return anywhere + self._index.search(_within(nearby, type), limit=BEST_NEARBY)

    def _owned_by(self, address: Pasted) -> list[tuple[int, Why]] | None:
        """Listings at a pasted address or of its owner; None when only the name in its domain is left to go by."""
        index = self._index
        reason = Reason.PORTAL_ADDRESS if address.address else Reason.EMAIL_DOMAIN
        exact = index.by_address.get(address.address)
        if exact is not None:
            return [(exact, Why(reason, address.address))]
        if is_mailbox_provider(address.domain):
            return []
        owned = index.by_domain.get(address.domain, ())
        if owned and len({index.source_ids[number] for number in owned}) <= MOST_SOURCES_OF_A_DOMAIN:
            return [(number, Why(reason, address.domain)) for number in owned]
        return None

    def _chosen(self, ranking: Ranking, scored: list[Scored], limit: int, type, one_per_source: bool) -> list[Hit]:
        """Best first, one of those that a patient could not tell apart."""
        index, seen, chosen = self._index, set(), []
        for one in sorted(scored, key=lambda one: order(one, index)):
            source_id = index.source_ids[one.number]
            same = source_id if one_per_source else (source_id, index.names[one.number].casefold(), one.place)
            if same in seen or (type and index.types[one.number] != type):
                continue
            seen.add(same)
            chosen.append(ranking.hit(one))
            if len(chosen) == limit:
                break
        return chosen


def _slot_query(slot: Slot) -> tantivy.Query | None:
    """Any reading of the word, in a name or as a place; the likelier, the more it counts."""
    readings = []
    for reading, likeness in slot.readings.items():
        if reading[0] not in "=#":
            readings.append(_Query.boost_query(CatalogueIndex.term("words", reading), likeness * likeness))
        if likeness >= 0.75:
            readings.append(_Query.boost_query(CatalogueIndex.term("marks", reading), 0.8 * likeness * likeness))
    return _Query.disjunction_max_query(readings) if readings else None


def _anywhere_near(near: Near) -> tantivy.Query:
    marks = [(near.postal_code, 3.0), (near.postal_code and zip3_mark(near.postal_code), 2.0)]
    marks.append((state_mark(near.state) if near.state else "", 1.0))
    terms = [_Query.const_score_query(CatalogueIndex.term("marks", mark), boost) for mark, boost in marks if mark]
    if near.city:
        all_of_it = _Query.boolean_query([(_MUST, CatalogueIndex.term("marks", word)) for word in near.city.split()])
        terms.append(_Query.const_score_query(all_of_it, 2.0))
    return _Query.boolean_query([(_SHOULD, term) for term in terms])


def _within(query: tantivy.Query, type: str | None) -> tantivy.Query:
    if not type:
        return query
    only = _Query.const_score_query(CatalogueIndex.term("marks", type_mark(type)), 0.0)
    return _Query.boolean_query([(_MUST, query), (_MUST, only)])
