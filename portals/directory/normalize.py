"""Names as words that can be compared: `Saint Luke's Hosp., LLC` and `st lukes hospital` are the same words.

Both sides, the catalogue and what a patient types, go through `words`; nothing else in the search looks at raw text.
"""

import re
import unicodedata
from functools import lru_cache

# Contractions that are no beginnings of the word they stand for (beginnings are found as prefixes), and spellings.
_CANONICAL = {
    "st": "saint", "ste": "sainte", "mt": "mount", "mtn": "mountain", "ft": "fort", "univ": "university",
    "hosp": "hospital", "hosptial": "hospital", "hsp": "hospital", "ctr": "center", "cntr": "center", "cntrs": "center",
    "ctrs": "center", "centre": "center", "centres": "center", "med": "medical", "mem": "memorial", "meml": "memorial",
    "reg": "regional", "regl": "regional", "gen": "general", "natl": "national", "comm": "community",
    "cnty": "county", "dept": "department", "assoc": "associate", "assocs": "associate", "assc": "associate",
    "assn": "association", "grp": "group", "svc": "service", "svcs": "service", "srvcs": "service", "sys": "system",
    "hlth": "health", "hlthcare": "healthcare", "hc": "healthcare", "phys": "physician", "fam": "family",
    "ped": "pediatric", "peds": "pediatric", "paediatric": "pediatric", "paediatrics": "pediatric",
    "ortho": "orthopedic", "orthopaedic": "orthopedic", "orthopaedics": "orthopedic", "gynaecology": "gynecology",
    "anaesthesia": "anesthesia", "haematology": "hematology", "rehab": "rehabilitation", "intl": "international",
    "1st": "first", "2nd": "second", "3rd": "third", "amer": "american", "inst": "institute", "mgmt": "management",
    "nw": "northwest", "sw": "southwest", "behav": "behavioral", "drs": "dr",
    "gyn": "gynecology", "gyneco": "gynecology", "gynecolog": "gynecology", "ave": "avenue",
    "kids": "kid", "us": "us", "texas": "texas", "kansas": "kansas", "arkansas": "arkansas", "dallas": "dallas",
}  # fmt: skip

# Two words that are as often written in one.
_COMPOUNDS = {
    ("health", "care"): "healthcare", ("ob", "gynecology"): "obgyn", ("eye", "care"): "eyecare",
    ("my", "chart"): "mychart", ("obstetric", "gynecology"): "obgyn", ("gynecology", "obstetric"): "obgyn",
    ("log", "in"): "login", ("sign", "in"): "login", ("patient", "portal"): "portal", ("well", "care"): "wellcare",
}  # fmt: skip

# Words that say little about who somebody is: grammar, legal forms, titles and credentials.
GRAMMAR = frozenset("the of and at for in a an by on to y de el".split())
LEGAL_FORMS = frozenset("llc inc pllc pc plc ltd corp corporation lp llp psc pllp apc pll incorporated".split())
CREDENTIALS = frozenset(
    "md do dpm dds dmd dc od phd np pa aprn fnp rn dnp psyd facs facp facc lcsw lpc lmft arnp crnp sc mds jr sr".split()
)
TITLES = frozenset({"dr", "dba"})
# What patients call the page they log in to; it never tells one portal from another.
PORTAL_WORDS = frozenset("mychart portal login website online account app signin webpage".split())

_WEAK_ANYWHERE = GRAMMAR | LEGAL_FORMS | TITLES
_WEAK_AT_END = CREDENTIALS | PORTAL_WORDS
_JOINED_LETTERS = LEGAL_FORMS | TITLES | CREDENTIALS

_DOTTED_LETTERS = re.compile(r"(?<=\b\w)\.(?=\w\b)")
_BRACKETED = re.compile(r"\(([A-Z]{3,7})\)")
_DROPPED = {ord(c): None for c in "'’‘`´"}
_PUNCTUATION = {ord(c): " " for c in '!"#$%()*,-./:;<=>?@[\\]^_{|}~–—“”•·®™'} | {ord("&"): " and ", ord("+"): " and "}
_FOLDING = _DROPPED | _PUNCTUATION


def fold(text: str) -> str:
    """Lower case, no accents, no punctuation: `"Hôpital St. Luke's"` → `"hopital st lukes"`."""
    text = text.lower()
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    if "." in text:
        text = _DOTTED_LETTERS.sub("", text)
    return text.translate(_FOLDING)


@lru_cache(maxsize=200_000)
def canonical(word: str) -> str:
    """One folded word in its usual form: contractions written out, plural `s` gone."""
    known = _CANONICAL.get(word)
    if known:
        return known
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "sui":
        return _CANONICAL.get(word[:-1], word[:-1])
    return word


def words(text: str) -> list[str]:
    """Every word of a name in its usual form, in order, compounds joined (`ob/gyn` → `obgyn`)."""
    found: list[str] = []
    for raw in fold(text).split():
        word = canonical(raw)
        if word == "and":
            continue
        if found:
            joined = _COMPOUNDS.get((found[-1], word)) or _joined_letters(found[-1], word)
            if joined:
                found[-1] = joined
                continue
        found.append(word)
    return found


def _joined_letters(left: str, right: str) -> str | None:
    """`p c` and `m d` come from `P. C.` and `M. D.`."""
    together = left + right
    return together if len(right) == 1 and len(left) <= 2 and together in _JOINED_LETTERS else None


def telling(all_words: list[str]) -> list[str]:
    """The words that identify: without grammar, legal forms, titles, and credentials at the end.

    A name made of nothing else (`The Clinic of`, `MD`) keeps all its words.
    """
    kept = [word for word in all_words if word not in _WEAK_ANYWHERE]
    while len(kept) > 1 and kept[-1] in _WEAK_AT_END:
        kept.pop()
    return kept or all_words


def name_key(text: str) -> str:
    """Two names with the same key are the same name: `"The Mayo Clinic, Inc."` → `"mayo clinic"`."""
    return " ".join(telling(words(text)))


def acronym_in(name: str) -> str:
    """What a name says of itself in brackets: `"Children's Hospital of Orange County (CHOC)"` → `"CHOC"`; else `""`.

    Only the initials of the words before it count: lists put states and remarks into brackets too.
    """
    match = _BRACKETED.search(name)
    if not match:
        return ""
    said = [word for word in fold(name[: match.start()]).split() if word not in GRAMMAR and word != "and"]
    return match[1] if "".join(word[0] for word in said) == match[1].lower() else ""
