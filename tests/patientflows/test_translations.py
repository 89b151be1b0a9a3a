"""English and Spanish, whole (issue 3): nothing untranslated, nothing stale, and the compiled file is the written one."""

import polib
import pytest

from tests import translations
from tests.translations import Message


@pytest.fixture(scope="module")
def written():
    return translations.catalogue()


def test_every_sentence_of_the_pages_is_in_the_catalogue_and_no_other(written):
    known = {Message(entry.msgid, entry.msgid_plural) for entry in written}
    assert translations.said() == known


def test_every_sentence_is_translated_with_its_placeholders(written):
    assert translations.untranslated(written) == []


def test_what_is_compiled_is_what_is_written(written):
    compiled = polib.mofile(str(translations.COMPILED))
    assert {(e.msgid, e.msgstr, str(e.msgstr_plural)) for e in compiled} == {
        (e.msgid, e.msgstr, str({int(n): text for n, text in e.msgstr_plural.items()})) for e in written
    }


def test_a_sentence_that_was_forgotten_is_found():
    entries = polib.POFile()
    entries.append(polib.POEntry(msgid="%(name)s is here", msgstr="está aquí"))
    entries.append(polib.POEntry(msgid="Done", msgstr=""))
    assert translations.untranslated(entries) == ["%(name)s is here", "Done"]
