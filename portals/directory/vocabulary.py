"""Every word of the catalogue, how telling it is, and which of them a typed word may stand for."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from heapq import nlargest

import tantivy
from rapidfuzz.distance import OSA

# How many readings of one typed word are looked up, and how many while its end is still to be typed.
READINGS = 14
READINGS_WHILE_TYPING = 48
SHORTEST_FORGIVEN = 4
TWO_EDITS_FROM = 6
SHORTEST_PIECE = 3


class Vocabulary:
    """The words of a catalogue of `documents` names; `frequency` says in how many of them each occurs."""

    def __init__(self, frequency: Mapping[str, int], documents: int):
        self.frequency = frequency
        self._scale = math.log(1 + documents)
        self._sorted = sorted(frequency)
        self._index = _SpellingIndex(sorted(frequency, key=lambda word: -frequency[word]))
        self.readings = lru_cache(maxsize=20_000)(self._readings)

    def __contains__(self, word: str) -> bool:
        return word in self.frequency

    def weight(self, word: str) -> float:
        """How telling a word is, 0.05..1: a rare one tells more. An unknown word is as telling as a name."""
        count = self.frequency.get(word)
        if count is None:
            return 0.75
        return max(0.05, 1 - math.log(1 + count) / self._scale)

    def _readings(self, word: str, typing: bool) -> dict[str, float]:
        """The catalogue's words that `word` may stand for, each with a likeness of 0..1, likeliest first.

        `typing` says that more letters may follow.
        """
        likeness: dict[str, float] = {}
        for reading, value in self._all_readings(word, typing):
            if value > likeness.get(reading, 0):
                likeness[reading] = value
        most = READINGS_WHILE_TYPING if typing else READINGS
        return dict(nlargest(most, likeness.items(), key=lambda item: (item[1], self.frequency[item[0]])))

    def _all_readings(self, word, typing):
        if word in self.frequency:
            yield word, 1.0
        yield from self._longer(word, typing)
        yield from self._shorter(word)
        if len(word) >= SHORTEST_FORGIVEN and not word.isdigit():
            yield from self._misspelt(word, typing)

    def _longer(self, word, typing):
        """What the word begins: `hopk` → `hopkins`."""
        if not typing and len(word) < SHORTEST_PIECE:
            return
        low, high = bisect_left(self._sorted, word), bisect_left(self._sorted, word + "\U0010ffff")
        limit = READINGS_WHILE_TYPING if typing else READINGS
        floor, slope = (0.80, 0.18) if typing else (0.55, 0.30)
        for longer in nlargest(limit, self._sorted[low:high], key=self.frequency.__getitem__):
            yield longer, floor + slope * len(word) / len(longer)

    def _shorter(self, word):
        """What begins the word: published lists cut long names off (`Obstetrics and Gyneco`)."""
        for length in range(len(word) - 1, max(SHORTEST_FORGIVEN, len(word) // 2) - 1, -1):
            if word[:length] in self.frequency:
                yield word[:length], 0.35 + 0.4 * length / len(word)

    def _misspelt(self, word, typing):
        edits = 2 if len(word) >= TWO_EDITS_FROM and self.frequency.get(word, 0) < 5 else 1
        for reading in self._index.like(word, edits):
            yield reading, _likeness(word, reading)
        if typing:
            for reading in self._index.like(word, 1, prefix=True):
                begun = reading[: len(word)]
                yield reading, _likeness(word, begun) * (0.72 + 0.18 * len(word) / max(len(word), len(reading)))

    def split(self, word: str) -> list[str] | None:
        """Words written in one, taken apart: `clevelandclinic` → `cleveland`, `clinic`; None where that fails."""
        best: list[tuple[float, list[str]] | None] = [(0.0, [])] + [None] * len(word)
        for end in range(1, len(word) + 1):
            for start in range(max(0, end - 20), end - SHORTEST_PIECE + 1):
                piece, before = word[start:end], best[start]
                if before is None or piece not in self.frequency:
                    continue
                cost = before[0] + 1 + self.weight(piece)
                if best[end] is None or cost < best[end][0]:
                    best[end] = (cost, [*before[1], piece])
        return best[-1][1] if best[-1] and len(best[-1][1]) > 1 else None


def _likeness(typed: str, meant: str) -> float:
    longest = max(len(typed), len(meant))
    first_letter_wrong = 0.08 if typed[:1] != meant[:1] else 0.0
    return max(0.0, 1 - OSA.distance(typed, meant) * 1.15 / longest - first_letter_wrong)


class _SpellingIndex:
    """Words within one or two edits of a given one: a tantivy index with a document for each word."""

    MOST = 48

    def __init__(self, words: list[str]):
        self._words = words
        self._schema = tantivy.SchemaBuilder().add_text_field("word", tokenizer_name="raw", index_option="basic").build()
        self._searcher = index_of(self._schema, ({"word": [word]} for word in words))

    def like(self, word: str, edits: int, *, prefix: bool = False) -> list[str]:
        query = tantivy.Query.fuzzy_term_query(self._schema, "word", word, distance=edits, prefix=prefix)
        hits = self._searcher.search(query, self.MOST, count=False).hits
        return [self._words[address.doc] for _, address in hits]


def index_of(schema: tantivy.Schema, rows) -> tantivy.Searcher:
    """An index in memory, of one segment, whose document numbers are the rows' own order."""
    index = tantivy.Index(schema)
    writer = index.writer(heap_size=512_000_000, num_threads=1)
    for row in rows:
        writer.add_document(tantivy.Document.from_dict(row))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    if searcher.num_segments > 1:
        raise RuntimeError("The catalogue outgrew one segment: document numbers would no longer be positions.")
    return searcher
