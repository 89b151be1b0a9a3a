"""What a patient typed, understood: words and what each may stand for, or an address they pasted."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rapidfuzz.distance import OSA

from portals.directory.addresses import registrable_domain
from portals.directory.index import address_key, host_of, state_mark, zip3_mark
from portals.directory.normalize import PORTAL_WORDS, canonical, fold, telling, words
from portals.directory.places import STATES, state_of_zip
from portals.directory.vocabulary import Vocabulary

MAX_LENGTH = 200
MAX_WORDS = 12
JOINED, LIKE_ENOUGH = 0.95, 0.8
# Words run together: how long they must be, in how few names as they stand, and what finding one of them is worth.
SHORTEST_JOINED, SELDOM, HALF_OF_IT = 6, 20, 0.7
SHORTEST_PORTAL_WORD = 5

_EMAIL = re.compile(r"^\S*@((?:[\w-]+\.)+[a-z]{2,})$", re.IGNORECASE)
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_BARE_HOST = re.compile(
    r"^(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|us|mil|io|health|care|clinic|info|app|md)(?::\d+)?(?:/\S*)?$",
    re.IGNORECASE,
)
_MAILBOXES = frozenset(
    "gmail.com googlemail.com yahoo.com ymail.com hotmail.com outlook.com live.com msn.com icloud.com me.com mac.com "
    "aol.com proton.me protonmail.com gmx.com mail.com comcast.net verizon.net att.net sbcglobal.net".split()
)

# Words that may be something else than what `words` makes of them; the number is how likely.
_OTHER_READINGS = {
    "medical": [("medicine", 0.9)], "n": [("north", 0.95)], "s": [("south", 0.95)], "e": [("east", 0.95)],
    "w": [("west", 0.95)], "ne": [("northeast", 0.9)], "se": [("southeast", 0.9)], "va": [("veteran", 0.8)],
    "veteran": [("va", 0.8)], "obgyn": [("gynecology", 0.8), ("obstetric", 0.7), ("women", 0.5)],
    "gynecology": [("obgyn", 0.9)], "obstetric": [("obgyn", 0.9)], "kid": [("pediatric", 0.6), ("children", 0.6)],
    "pediatrician": [("pediatric", 0.95)], "cardiologist": [("cardiology", 0.95)], "eye": [("eyecare", 0.8)],
    "dermatologist": [("dermatology", 0.95)], "therapist": [("therapy", 0.9)], "foot": [("podiatry", 0.5)],
    "dentist": [("dental", 0.9)], "hospital": [("medical", 0.35)], "clinic": [("center", 0.3)],
    "physician": [("doctor", 0.6)], "doctor": [("physician", 0.6)], "uc": [("university", 0.8), ("california", 0.8)],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """One typed word: the catalogue's words it may stand for with their likeness, and how telling it is."""

    text: str
    readings: dict[str, float]
    weight: float


@dataclass(frozen=True, slots=True)
class Pasted:
    """An address in the query: a page's URL, a FHIR base URL, or the domain of an e-mail address."""

    domain: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Understood:
    """The query as slots, and as the keys a name may be equal to or begin with."""

    slots: tuple[Slot, ...]
    keys: tuple[str, ...]

    @property
    def squeezed(self) -> str:
        """The first key without spaces, for names that are written in one (`advent health`)."""
        return self.keys[0].replace(" ", "") if self.keys else ""


def pasted(text: str) -> Pasted | None:
    """The address in a query, where there is one."""
    text = text.strip()[:MAX_LENGTH]
    email = _EMAIL.match(text)
    if email:
        return Pasted(registrable_domain(email[1]))
    url = _URL.search(text)
    address = address_key(url[0]) if url else address_key(text) if _BARE_HOST.match(text) else ""
    if not address:
        return None
    return Pasted(registrable_domain(host_of(address)), address)


def is_mailbox_provider(domain: str) -> bool:
    """Domains where everybody has an address: they say nothing about a hospital."""
    return domain in _MAILBOXES


def name_in_domain(domain: str) -> str:
    """What an owner calls itself in its domain: `"mayoclinic.org"` → `"mayoclinic"`."""
    return domain.split(".", 1)[0].replace("-", " ")


def understand(text: str, vocabulary: Vocabulary) -> Understood:
    """Slots and keys for a typed text. The last word counts as unfinished unless a space follows it."""
    text = text[:MAX_LENGTH]
    spoken = _without_portal_words(words(text), vocabulary)[:MAX_WORDS]
    if not spoken:
        return Understood((), ())
    if is_too_general(text):
        return Understood(tuple(Slot(word, {word: 1.0}, 1.0) for word in spoken), (" ".join(spoken),))
    typing = not text[-1:].isspace()
    raw = fold(text).split()
    told = telling(spoken)
    unfinished = raw[-1] if typing and told[-1] == canonical(raw[-1]) else ""
    slots = [*_slots(told, unfinished, typing, _joins(raw, vocabulary), vocabulary), *_place_slots(spoken, told)]
    return Understood(tuple(slots), _keys(told, unfinished))


def is_too_general(text: str) -> bool:
    """Nothing but what patients everywhere call their portal (`my chart`): it is looked for as written, or not at all."""
    spoken = words(text[:MAX_LENGTH])
    return bool(spoken) and all(word in PORTAL_WORDS for word in spoken)


def _without_portal_words(spoken: list[str], vocabulary: Vocabulary) -> list[str]:
    kept = [word for word in spoken if word in vocabulary or not _is_portal_word(word)]
    kept = [word for word in kept if word not in PORTAL_WORDS]
    return kept or spoken


def _is_portal_word(word: str) -> bool:
    """`portal`, `mychart` and what becomes of them under a thumb (`portl`): they tell portals apart from nothing."""
    if len(word) < SHORTEST_PORTAL_WORD:
        return word in PORTAL_WORDS
    return any(OSA.distance(word, known, score_cutoff=1) <= 1 for known in PORTAL_WORDS)


def _keys(told: list[str], raw_last: str) -> tuple[str, ...]:
    """`st` may be `saint` or the beginning of `stanford`: both are tried as the end of the key."""
    key = " ".join(told)
    if not raw_last or raw_last == told[-1]:
        return (key,)
    return (key, " ".join([*told[:-1], raw_last]))


def _joins(raw: list[str], vocabulary: Vocabulary) -> dict[str, dict[str, float]]:
    """Words typed apart that the catalogue knows as one (`wake med`), under each of their parts."""
    joins: dict[str, dict[str, float]] = {}
    for left, right in pairwise(raw):
        together = canonical(left + right)
        if together in vocabulary:
            for part in (left, right):
                joins.setdefault(canonical(part), {})[together] = JOINED
    return joins


def _slots(told, unfinished, typing, joins, vocabulary):
    pieces = [piece for word in told for piece in _pieces(word, vocabulary)]
    for position, word in enumerate(pieces):
        last = position == len(pieces) - 1
        readings = _merged(joins.get(word, {}), _readings(word, last and typing, vocabulary))
        if last and unfinished and unfinished != word:
            readings = _merged(vocabulary.readings(unfinished, True), readings)
        yield Slot(word, readings, _weight(word, readings, vocabulary))


def _pieces(word: str, vocabulary: Vocabulary) -> list[str]:
    """The word itself, or the words it was run together from when nothing in the catalogue is like it."""
    if word in vocabulary or len(word) < SHORTEST_JOINED:
        return [word]
    if max(vocabulary.readings(word, False).values(), default=0.0) >= LIKE_ENOUGH:
        return [word]
    return vocabulary.split(word) or [word]


def _readings(word: str, typing: bool, vocabulary: Vocabulary) -> dict[str, float]:
    others = {other: value for other, value in _OTHER_READINGS.get(word, ()) if other in vocabulary}
    if len(word) >= SHORTEST_JOINED and 0 < vocabulary.frequency.get(word, 0) < SELDOM:
        others |= dict.fromkeys(vocabulary.split(word) or (), HALF_OF_IT)
    return _merged(others | _place_readings(word), vocabulary.readings(word, typing))


def _merged(more: dict[str, float], readings: dict[str, float]) -> dict[str, float]:
    if not more:
        return readings
    merged = dict(readings)
    for reading, likeness in more.items():
        merged[reading] = max(likeness, merged.get(reading, 0))
    return merged


@lru_cache(maxsize=1)
def _states_by_word() -> dict[str, list[tuple[str, float]]]:
    """`texas` and `tx` mean the state; `new` and `york` each half of it."""
    found: dict[str, list[tuple[str, float]]] = {}
    for code, name in STATES.items():
        parts = words(name)
        for part in parts:
            found.setdefault(part, []).append((state_mark(code), 1.0 if len(parts) == 1 else 0.8))
        found.setdefault(code.lower(), []).append((state_mark(code), 1.0))
        if len(parts) == 1:
            found[code.lower()].append((parts[0], 0.9))
    return found


def _place_readings(word: str) -> dict[str, float]:
    readings = dict(_states_by_word().get(word, ()))
    if word.isdigit() and len(word) == 5:
        readings |= {word: 1.0, zip3_mark(word): 0.8, state_mark(state_of_zip(word)): 0.5}
    return readings


def _place_slots(spoken: list[str], told: list[str]):
    """Words dropped as grammar or credentials that may be states all the same (`md`, `in`, `or`), at little weight."""
    for word in spoken[1:]:
        if word not in told and word.upper() in STATES:
            yield Slot(word, {state_mark(word): 1.0}, 0.08)


def _weight(word: str, readings: dict[str, float], vocabulary: Vocabulary) -> float:
    """As telling as its likeliest readings are."""
    if word in vocabulary:
        return vocabulary.weight(word)
    likeliest = sorted(readings, key=readings.get, reverse=True)[:3]
    return sum(map(vocabulary.weight, likeliest)) / len(likeliest) if likeliest else vocabulary.weight(word)
