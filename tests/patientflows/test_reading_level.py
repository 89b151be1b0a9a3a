"""The pages' words are for a tired person: what a child of twelve reads (DESIGN 6), in both languages.

English by Flesch-Kincaid, whose figure is a school grade (12 years: grade 6). Spanish by Fernández Huerta, where 70 and
more is "fairly easy". Fragments of fewer than four words (labels, buttons) are no sentences.
"""

import re

import pytest

from tests import translations

LONGEST_SENTENCE = 22  # words
NAMES = {"name": "Mayo", "portal": "Mayo", "query": "Mayo", "label": "Mayo", "contact": "Mayo", "place": "Mayo",
         "purpose": "to find help", "url": "", "count": "3", "n": "3"}  # fmt: skip
VOWELS = {"en": "aeiouy", "es": "aeiouáéíóúü"}


def sentences(texts: list[str]) -> list[list[str]]:
    plain = [re.sub(r"%\((\w+)\)[sd]", lambda match: NAMES[match[1]], text) for text in texts]
    parts = [part for text in plain for part in re.split(r"[.!?:;¿¡\n]+", text)]
    split = [re.findall(r"[^\W\d_]+", part) for part in parts]
    return [words for words in split if len(words) > 3]


def syllables(word: str, language: str) -> int:
    groups = len(re.findall(f"[{VOWELS[language]}]+", word.lower()))
    silent = language == "en" and word.lower().endswith("e") and not word.lower().endswith(("le", "ee"))
    return max(1, groups - silent)


def means(texts: list[str], language: str) -> tuple[float, float]:
    """Words a sentence, syllables a word."""
    split = sentences(texts)
    words = [word for sentence in split for word in sentence]
    return len(words) / len(split), sum(syllables(word, language) for word in words) / len(words)


def grade(texts: list[str]) -> float:
    """Flesch-Kincaid."""
    words, sounds = means(texts, "en")
    return 0.39 * words + 11.8 * sounds - 15.59


def ease(texts: list[str]) -> float:
    """Fernández Huerta."""
    words, sounds = means(texts, "es")
    return 206.84 - 60 * sounds - 1.02 * words


@pytest.fixture(scope="module")
def english() -> list[str]:
    return [text for message in translations.said() for text in message if text]


@pytest.fixture(scope="module")
def spanish() -> list[str]:
    entries = translations.catalogue()
    return [text for entry in entries for text in (entry.msgstr, *entry.msgstr_plural.values()) if text]


def test_english_is_read_at_twelve(english):
    assert grade(english) < 6
    assert grade(["Authorization of the institution's interoperability infrastructure is irrevocable hereafter."]) > 12


def test_spanish_is_fairly_easy(spanish):
    assert ease(spanish) > 70
    assert ease(["La autorización de la infraestructura interoperable institucional resulta irrevocable."]) < 40


@pytest.mark.parametrize("language", ["english", "spanish"])
def test_no_sentence_is_long(language, request):
    split = sentences(request.getfixturevalue(language))
    assert [" ".join(words) for words in split if len(words) > LONGEST_SENTENCE] == []


def test_no_word_of_the_trade_is_said(english):
    said = " ".join(english).lower()
    for word in ("oauth", "authoriz", "authentic", "credential", "token", "endpoint", "scope", "payload", "consent"):
        assert word not in said
