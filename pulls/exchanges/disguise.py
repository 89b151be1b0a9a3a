"""The same shape with other values: every value is replaced by one of its kind, the same one by the same one.

Replacements are keyed by the patient's own data key: nobody can try names against them, and once the patient is erased
nothing leads back. What FHIR itself or we say (resource types, link relations, issue codes, our own query) stays.
"""

import hashlib
import hmac
import re
import string
from urllib.parse import parse_qsl, urlencode, urlsplit

BASE = "https://portal.invalid/fhir"
ELSEWHERE = "https://elsewhere.invalid"
ENTRIES_KEPT = 2
DEEPEST = 40

TYPE_NAME = re.compile(r"^(?:[A-Z][A-Za-z]{2,40}|metadata|_history|\$[a-z-]{2,40})$")
PLAIN_WORD = re.compile(r"^[A-Za-z][A-Za-z-]{1,40}$")
FIELD_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]{0,40}$")
DATE = re.compile(r"^\d{4}(?:-\d\d(?:-\d\d(?:T.*)?)?)?$")
# Which names, in which resource, hold FHIR's own words.
SAID_BY_FHIR = {
    "Bundle": {"type", "relation", "mode"},
    "OperationOutcome": {"severity", "code"},
}
EVERYWHERE = {"resourceType"}
OUR_PARAMETERS = {"_count", "_revinclude", "_lastUpdated", "category", "status", "_include", "clinical-status", "date"}
PUBLIC_SYSTEMS = (
    "http://loinc.org", "http://snomed.info/", "http://hl7.org/", "http://terminology.hl7.org/", "http://www.nlm.nih.gov/",
    "http://unitsofmeasure.org", "urn:oid:", "urn:iso:", "http://fhir.org/",
)  # fmt: skip


class Disguise:
    """Replaces values, for one patient and one portal's base URL."""

    def __init__(self, key: bytes, base: str):
        self.key = hashlib.sha256(b"exchange" + key).digest()
        self.base = base.rstrip("/")

    def body(self, value, *, within: str = "", name: str = "", depth: int = 0):
        """A parsed JSON body. Of a bundle's entries the first two stand for all."""
        if depth > DEEPEST:
            return None
        if isinstance(value, dict):
            within = value.get("resourceType") if isinstance(value.get("resourceType"), str) else within
            return {
                self._field(key): self.body(inner, within=within, name=key, depth=depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            kept = value[:ENTRIES_KEPT] if name == "entry" else value
            return [self.body(inner, within=within, name=name, depth=depth + 1) for inner in kept]
        if value is None or isinstance(value, bool) or (name == "total" and within == "Bundle"):
            return value
        if isinstance(value, (int, float)):
            return self._number(value)
        return self._text(str(value), within, name)

    def _field(self, key: str) -> str:
        return key if FIELD_NAME.match(key) else self.word(key)

    def _text(self, value: str, within: str, name: str) -> str:
        if name in EVERYWHERE or name in SAID_BY_FHIR.get(within, ()):
            return value if PLAIN_WORD.match(value) else self.word(value)
        if name == "system" and value.startswith(PUBLIC_SYSTEMS):
            return value
        if DATE.match(value):
            return self._date(value)
        if re.match(r"^https?://", value):
            return self.url(value)
        if "/" in value and TYPE_NAME.match(value.split("/")[0]):
            return self._path(value)
        return self.word(value)

    def url(self, url: str) -> str:
        """Base and FHIR's words stay, every other segment and value is replaced; parameters keep their names."""
        parts = urlsplit(url)
        inside = url.startswith(self.base)
        path = url[len(self.base) :].split("?")[0].split("#")[0] if inside else parts.path
        pairs = [
            (key, value if key in OUR_PARAMETERS else self._parameter(value)) for key, value in self._pairs(parts.query)
        ]
        query = f"?{urlencode(pairs, safe=',|/:')}" if pairs else ""
        return (BASE if inside else ELSEWHERE) + self._path(path) + query

    def _pairs(self, query: str) -> list[tuple[str, str]]:
        return parse_qsl(query, keep_blank_values=True)[:50]

    def _parameter(self, value: str) -> str:
        head, slash, tail = value.partition("/")
        return f"{head}/{self.word(tail)}" if slash and TYPE_NAME.match(head) else self.word(value)

    def _path(self, path: str) -> str:
        return "/".join(part if not part or TYPE_NAME.match(part) else self.word(part) for part in path.split("/"))

    def word(self, value: str) -> str:
        """Letters for letters, digits for digits, as long as it was (300 characters at most)."""
        value = value[:300]
        stream = self._stream(value, len(value))
        return "".join(_like(character, byte) for character, byte in zip(value, stream, strict=True))

    def _date(self, value: str) -> str:
        """A date of the same precision in a year that tells nothing."""
        one, two = self._stream(value, 2)
        plain = f"2000-{one % 12 + 1:02}-{two % 28 + 1:02}"
        return f"{plain}T00:00:00Z" if "T" in value else plain[: len(value)]

    def _number(self, value):
        """As many digits, on both sides of the point."""
        text = repr(value)
        digits = self._stream(text, len(text))
        other = "".join(str(byte % 9 + 1) if one.isdigit() else one for one, byte in zip(text, digits, strict=True))
        try:
            return type(value)(other)
        except ValueError:
            return 0

    def _stream(self, value: str, length: int) -> bytes:
        made = b""
        while len(made) < length:
            made += hmac.new(self.key, f"{len(made)}:{value}".encode(), hashlib.sha256).digest()
        return made[:length]


def _like(character: str, byte: int) -> str:
    if character.isdigit():
        return string.digits[byte % 10]
    if character.isalpha():
        letters = string.ascii_uppercase if character.isupper() else string.ascii_lowercase
        return letters[byte % 26]
    return character if character.isascii() else "x"
