"""Every word of the catalogue, how telling it is, and which of them a typed word may stand for."""

import math
import re
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
UNKNOWN_WORD = 0.75
SOUNDS_ALIKE = 0.8

_HEARD = {
    "ph": "f", "ck": "k", "sch": "sk", "gh": "g", "z": "s", "x": "ks", "q": "k", "c": "k",
    "ce": "se", "ci": "si", "cy": "sy",
}  # fmt: skip
_SPELLINGS = re.compile("sch|ph|ck|gh|ce|ci|cy|[zxqc]")
_SILENT = re.compile("[aeiouyhw]")
_DOUBLED = re.compile(r"(.)\1+")


class Vocabulary:
    """The words of a catalogue of `documents` names; `frequency` says in how many of them each occurs."""

    def __init__(self, frequency: Mapping[str, int], documents: int):
        self.frequency = frequency
        scale = math.log(1 + documents)
        self._weights = {word: max(0.05, 1 - math.log(1 + count) / scale) for word, count in frequency.items()}
        self.weight_of = self._weights.__getitem__
        self._sorted = sorted(frequency)
        self._index = _SpellingIndex(sorted(frequency, key=lambda word: -frequency[word]))
        self.readings = lru_cache(maxsize=20_000)(self._readings)

    def __contains__(self, word: str) -> bool:
        return word in self.frequency

    def weight(self, word: str) -> float:
        """How telling a word is, 0.05..1: a rare one tells more. An unknown word is as telling as a name."""
        return self._weights.get(word, UNKNOWN_WORD)

    def forget(self) -> None:
        """Drop the readings worked out so far (benches ask again)."""
        self.readings.cache_clear()

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
        if word.isdigit() or len(word) < SHORTEST_PIECE:
            return
        for reading in self._index.sounding_like(word):
            yield reading, SOUNDS_ALIKE * min(len(word), len(reading)) / max(len(word), len(reading))
        if len(word) >= SHORTEST_FORGIVEN:
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
                if before is None or piece == word or piece not in self.frequency:
                    continue
                cost = before[0] + 1 + self._weights[piece]
                if best[end] is None or cost < best[end][0]:
                    best[end] = (cost, [*before[1], piece])
        return best[-1][1] if best[-1] else None


def _likeness(typed: str, meant: str) -> float:
    longest = max(len(typed), len(meant))
    first_letter_wrong = 0.08 if typed[:1] != meant[:1] else 0.0
    return max(0.0, 1 - OSA.distance(typed, meant) * 1.15 / longest - first_letter_wrong)


class _SpellingIndex:
    """Words within one or two edits of a given one: a tantivy index with a document for each word."""

    MOST = 48

    def __init__(self, words: list[str]):
        self._words = words
        builder = tantivy.SchemaBuilder()
        for field in ("word", "sound"):
            builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
        self._schema = builder.build()
        self._searcher = index_of(self._schema, ({"word": [word], "sound": [sound(word)]} for word in words))

    def like(self, word: str, edits: int, *, prefix: bool = False) -> list[str]:
        query = tantivy.Query.fuzzy_term_query(self._schema, "word", word, distance=edits, prefix=prefix)
        return self._found(query, self.MOST)

    def sounding_like(self, word: str) -> list[str]:
        """The most frequent words that sound the same (`vale`, `vail`)."""
        return self._found(tantivy.Query.term_query(self._schema, "sound", sound(word), "basic"), self.MOST // 4)

    def _found(self, query: tantivy.Query, limit: int) -> list[str]:
        return [self._words[address.doc] for _, address in self._searcher.search(query, limit, count=False).hits]


def sound(word: str) -> str:
    """The consonants one hears: `physician` and `fisician` → `fsn`, `stewart` and `stuart` → `strt`."""
    if not word.isalpha():
        return word
    heard = _SPELLINGS.sub(lambda match: _HEARD[match[0]], word)
    heard = heard[0] + _SILENT.sub("", heard[1:])
    return _DOUBLED.sub(r"\1", heard)


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
