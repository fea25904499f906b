"""Takes a name apart into words that know what they are and how much they tell.

Compares nothing. The same name always gives the same words: no list is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kycgate.screening.matching.latin import has_han, latin_words, loses_vowels
from kycgate.screening.matching.words import Sort, load_words

_LIGHT = {Sort.FORM: 0.06, Sort.TITLE: 0.08, Sort.PARTICLE: 0.15, Sort.FILLER: 0.08}
_NUMBER, _INITIAL = 0.55, 0.66
_ORDINAL = re.compile(r"0*(\d+)(?:st|nd|rd|th|f)")
"""`14th`, and `12F` of an address."""
_COMMON = 0.4
"""A personal name that millions bear weighs at most this, before the share all names get."""
LEAST = 0.22
"""A word that says what a party is, however common, weighs this at least."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a name: as compared, what it does, and its weight (0 to 1, rare is 1)."""

    text: str
    sort: Sort
    weight: float


@dataclass(frozen=True, slots=True)
class Parsed:
    """A name as words in their order, read as a person's or not."""

    words: tuple[Word, ...]
    person: bool
    boned: bool = False
    """written in a script that keeps vowels badly: consonants are what can be compared"""
    translated: bool = False
    """a company's name read from Chinese: its common words are one translation of several"""

    @property
    def core(self) -> tuple[Word, ...]:
        """The words that make the name, without forms, titles and fillers."""
        return tuple(word for word in self.words if word.weight >= LEAST)

    @property
    def text(self) -> str:
        """The core words, or all where nothing else is left."""
        return " ".join(word.text for word in self.core or self.words)


def parse(name: str, *, person: bool) -> Parsed:
    """The name taken apart. Empty words when nothing is left. Raises TooLarge."""
    parsed = parse_words(latin_words(name, person=person), person=person)
    return (
        replace(parsed, boned=loses_vowels(name), translated=not person and has_han(name))
        if not name.isascii()
        else parsed
    )


def parse_words(words: Sequence[str], *, person: bool) -> Parsed:
    """As `parse`, of words already in Latin letters."""
    if not load_words().long_form_heads.isdisjoint(words):
        words = list(_join_forms(words))
    found = tuple([_word(text, person) for text in words])
    if not any(word.weight >= LEAST for word in found):
        # A name of nothing but light words (`Al Bin`, `AO`) is still a name.
        found = tuple(Word(word.text, Sort.NAME, 0.5) for word in found)
    return Parsed(found, person)


def _join_forms(words: Sequence[str]) -> Iterator[str]:
    """Words in order, each legal form of several words as one."""
    known = load_words()
    at = 0
    while at < len(words):
        longest = known.form_heads.get(words[at], 1)
        for length in range(min(longest, len(words) - at), 1, -1):
            if " ".join(words[at : at + length]) in known.forms:
                break
        else:
            length = 1
        yield " ".join(words[at : at + length])
        at += length


@lru_cache(maxsize=300_000)
def _word(text: str, person: bool) -> Word:
    known = load_words()
    if text in known.forms and (not person or len(text) > 2):
        return Word(known.forms[text], Sort.FORM, _LIGHT[Sort.FORM])
    if text.isdigit():
        return Word(text.lstrip("0") or "0", Sort.NUMBER, _NUMBER)
    if person:
        return _person_word(text)
    if ordinal := _ORDINAL.fullmatch(text):
        return Word(ordinal[1], Sort.NUMBER, _NUMBER)
    if text in known.numbers:
        return Word(known.numbers[text], Sort.NUMBER, _NUMBER)
    if text in known.fillers:
        return Word(text, Sort.FILLER, _LIGHT[Sort.FILLER])
    text = known.same.get(text, text)
    return Word(text, Sort.NAME, _weight(text))


def _person_word(text: str) -> Word:
    known = load_words()
    if text in known.titles:
        return Word(text, Sort.TITLE, _LIGHT[Sort.TITLE])
    if text in known.particles:
        return Word(text, Sort.PARTICLE, _LIGHT[Sort.PARTICLE])
    if len(text) == 1:
        return Word(text, Sort.INITIAL, _INITIAL)
    # The lists are short of the names of most people, so what is common there is not enough.
    weight = min(_weight(text), _COMMON) if text in known.common else _weight(text)
    # Given names are common and tell people of one family apart: they count more than they tell.
    return Word(text, Sort.NAME, 0.4 + 0.6 * weight)


def _weight(text: str) -> float:
    known = load_words()
    bits = known.bits.get(text, known.rare)
    return max(LEAST, min(1.0, bits / known.rare))
