"""Which strings the hosted pages say, and what `patientflows/locale` makes of them: `python -m tests.translations`.

Run after a sentence was added or changed: the catalogue gains and loses entries, and is compiled once every one of
them is translated. Needs no gettext programs.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polib
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "patientflows/locale/es/LC_MESSAGES/django.po"
COMPILED = CATALOGUE.with_suffix(".mo")
CODE = ("patientflows", "portals")
TEMPLATES = ROOT / "templates/patientflows"
NAMES = {"_", "gettext", "gettext_lazy", "ngettext"}

# What Django's templatize writes for {% translate %} and {% blocktranslate %}.
_LITERAL = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_CALL = re.compile(rf"\b(?:_|gettext|ngettext)\(\s*u?{_LITERAL}(?:\s*,\s*u?{_LITERAL})?")


class Message(NamedTuple):
    """A string as the code says it, with its plural where it has one."""

    text: str
    plural: str = ""


def said() -> set[Message]:
    """Every string of the pages, from the code and from the templates."""
    found: set[Message] = set()
    for package in CODE:
        for path in (ROOT / package).rglob("*.py"):
            found |= set(_in_code(path.read_text(encoding="utf-8")))
    for path in TEMPLATES.rglob("*.html"):
        found |= set(_in_template(path.read_text(encoding="utf-8")))
    return found


def _in_code(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if name in NAMES and texts:
                yield Message(*texts[: 2 if name == "ngettext" else 1])


def _in_template(source: str) -> Iterator[Message]:
    for match in _CALL.finditer(templatize(source)):
        yield Message(*(ast.literal_eval(literal) for literal in match.groups() if literal))


def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE), wrapwidth=110)


def untranslated(entries: polib.POFile) -> list[str]:
    """The texts without a translation, or with one that loses or invents a placeholder."""
    return [entry.msgid for entry in entries if not _is_good(entry)]


def _is_good(entry: polib.POEntry) -> bool:
    texts = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    same = all(placeholders(text) == placeholders(entry.msgid_plural or entry.msgid) for text in texts)
    return all(texts) and same and "fuzzy" not in entry.flags


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)[sd]", text))


def bring_up_to_date(entries: polib.POFile) -> None:
    """Add what is said and not there, drop what is not said any more."""
    messages = said()
    known = {Message(entry.msgid, entry.msgid_plural) for entry in entries}
    for entry in [entry for entry in entries if Message(entry.msgid, entry.msgid_plural) not in messages]:
        entries.remove(entry)
    for message in sorted(messages - known):
        forms = {"msgid_plural": message.plural, "msgstr_plural": {0: "", 1: ""}} if message.plural else {}
        entries.append(polib.POEntry(msgid=message.text, **forms))
    entries.sort(key=lambda entry: entry.msgid)


def main() -> int:
    settings.configure()
    entries = catalogue()
    bring_up_to_date(entries)
    entries.save()
    missing = untranslated(entries)
    for text in missing:
        print(f"Not translated: {text}")
    if not missing:
        entries.save_as_mofile(str(COMPILED))
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
