"""The words of many names, and which of them resemble a word: by letters, sound, bones or table.

Lays no names side by side: it only says which words are worth it, by the rules of `likeness`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from kycgate.screening.matching.likeness import (
    BY_EDITS,
    LONGEST,
    MOST_EDITS,
    SAME_BONES,
    SAME_PERSON,
    SAME_SOUND,
    SHORT,
    TWO_WORDS,
    same_bones,
)
from kycgate.screening.matching.sound import bones, sound
from kycgate.screening.matching.trigrams import TrigramIndex
from kycgate.screening.matching.words import load_words

Floats = npt.NDArray[np.float32]

_SHORT = 7
"""Letters up to which one edit leaves too few groups of three to be found by them."""
_ALIKE = 0.28
_LONG = 7
"""Letters from which a word may be two that were joined and misspelt."""
_JOINED_LIKE = 0.97


@dataclass(slots=True)
class Vocabulary:
    """The words of all rows: single ones, and neighbours written as one."""

    numbers: dict[tuple[str, bool], int] = field(default_factory=dict)
    weights: list[float] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)
    """of how many words"""

    def number(self, text: str, weight: float, span: int) -> int:
        found = self.numbers.get((text, span > 1))
        if found is None:
            found = self.numbers[text, span > 1] = len(self.weights)
            self.weights.append(weight)
            self.spans.append(span)
        return found


class Resemblance:
    """Which words of a vocabulary resemble a word, and how much."""

    def __init__(self, vocabulary: Vocabulary, boned: set[str], *, person: bool) -> None:
        self._numbers = vocabulary.numbers
        singles = [text for text, joined in vocabulary.numbers if not joined]
        self._single_numbers = [vocabulary.numbers[text, False] for text in singles]
        self._index = TrigramIndex(singles)
        self._by_sound: dict[str, list[int]] = {}
        self._near: dict[str, list[int]] = {}
        self._by_bones: dict[str, list[int]] = {}
        self._given: dict[int, list[int]] = {}
        self._joined_sounds: dict[str, list[int]] = {}
        self._by_ends: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        given = load_words().given if person else {}
        for (text, joined), number in vocabulary.numbers.items():
            heard = sound(text)
            for end in _ends(text):
                self._by_ends[joined].setdefault(end, []).append(number)
            if joined:
                self._joined_sounds.setdefault(heard, []).append(number)
                continue
            self._by_sound.setdefault(heard, []).append(number)
            for key in _short_keys(text, heard):
                self._near.setdefault(key, []).append(number)
            if text in boned:
                self._by_bones.setdefault(bones(text), []).append(number)
            for group in given.get(text, ()):
                self._given.setdefault(group, []).append(number)
        self._texts = {number: text for (text, _), number in vocabulary.numbers.items()}
        self._groups = given

    def alike(
        self, terms: Iterable[tuple[str, bool]], *, misspelt: set[str]
    ) -> dict[tuple[str, bool], list[tuple[int, float]]]:
        """For each (text, joined) the numbers of the words that resemble it.

        Of the texts in `misspelt` those, too, that have letters wrong.
        """
        found: dict[tuple[str, bool], dict[int, float]] = {}
        doubtful: list[tuple[tuple[str, bool], int]] = []
        reading: list[tuple[tuple[str, bool], int]] = []
        far = self._far(sorted(misspelt))
        for term in terms:
            found[term] = self._sure(*term)
            others = self._by_ends[not term[1]]
            for end in _ends(term[0]):
                reading += [(term, number) for number in others.get(end, ())]
            if not term[1]:
                near = far[term[0]] | self._nearby(term[0]) if term[0] in far else set()
                doubtful += [(term, number) for number in near if number not in found[term]]
        for (term, number), likely in zip(doubtful, self._spelt(doubtful), strict=True):
            if likely > 0:
                found[term][number] = float(likely)
        for term, number in self._read_alike(reading):
            found[term].setdefault(number, _JOINED_LIKE)
        return {term: list(each.items()) for term, each in found.items()}

    def _sure(self, text: str, joined: bool) -> dict[int, float]:
        """Words that are the same by a table: equal, alike in sound, forms of one given name."""
        heard, found = sound(text), dict[int, float]()
        if joined:
            found.update(dict.fromkeys(self._by_sound.get(heard, ()), SAME_SOUND))
        else:
            for group in self._groups.get(text, ()):
                found.update(
                    dict.fromkeys(self._given[group], SAME_PERSON) if group in self._given else {}
                )
            found.update(
                (number, SAME_BONES)
                for number in self._by_bones.get(bones(text), ())
                if same_bones(text, self._texts[number])
            )
            for number in (*self._by_sound.get(heard, ()), *self._joined_sounds.get(heard, ())):
                found[number] = SAME_SOUND
        for both in (False,) if joined else (False, True):
            number = self._numbers.get((text, both))
            if number is not None:
                found[number] = 1.0
        return found

    def _far(self, texts: list[str]) -> dict[str, set[int]]:
        """Words that share their rarer groups of three letters."""
        if not texts:
            return {}
        return {
            text: {self._single_numbers[place] for place in places.tolist()}
            for text, places in zip(texts, self._index.alike(texts, _ALIKE), strict=True)
        }

    def _nearby(self, text: str) -> set[int]:
        """Short words of one edit."""
        found = set[int]()
        for key in _short_keys(text, sound(text)):
            found.update(self._near.get(key, ()))
        return found

    def _read_alike(
        self, pairs: Sequence[tuple[tuple[str, bool], int]]
    ) -> Iterator[tuple[tuple[str, bool], int]]:
        """Those with one edit between them at most."""
        if pairs:
            asked = [term[0] for term, _ in pairs]
            listed = [self._texts[number] for _, number in pairs]
            edits = cpdist(asked, listed, scorer=OSA.distance, score_cutoff=1, dtype=np.uint8)
            yield from (pairs[place] for place in np.flatnonzero(edits <= 1).tolist())

    def _spelt(self, pairs: Sequence[tuple[tuple[str, bool], int]]) -> Floats:
        """How alike each pair is by letters or by sounds."""
        if not pairs:
            return np.empty(0, dtype=np.float32)
        asked = [term[0] for term, _ in pairs]
        listed = [self._texts[number] for _, number in pairs]
        spelling = _by_edits(asked, listed)
        sounds = [(sound(one), sound(other)) for one, other in zip(asked, listed, strict=True)]
        heard = _by_edits([one for one, _ in sounds], [other for _, other in sounds])
        # The rules of `likeness`: sounds begin alike, and short words have many neighbours.
        shorter = np.array(
            [min(len(one), len(other)) for one, other in zip(asked, listed, strict=True)]
        )
        heard[[one[:1] != other[:1] for one, other in sounds]] = 0.0
        heard[(heard < 1.0) & (shorter <= SHORT)] = 0.0
        tables = load_words()
        known = {text: text in tables.bits or text in tables.common for text in {*asked, *listed}}
        both = np.array(
            [known[one] and known[other] for one, other in zip(asked, listed, strict=True)]
        )
        found: Floats = np.maximum(spelling, heard * np.float32(SAME_SOUND))
        found[both & (heard < 1.0) & (spelling < 1.0)] *= np.float32(TWO_WORDS)
        return found


def _by_edits(asked: list[str], listed: list[str]) -> Floats:
    edits = cpdist(asked, listed, scorer=OSA.distance, score_cutoff=MOST_EDITS, dtype=np.uint8)
    lengths = np.array(
        [max(len(one), len(other)) for one, other in zip(asked, listed, strict=True)]
    )
    found: Floats = BY_EDITS[np.minimum(lengths, LONGEST), edits]
    return found


def _short_keys(text: str, heard: str) -> set[str]:
    """What two words of one edit between them share: themselves, or less one letter."""
    found = set[str]()
    for mark, word in (("", text), ("~", heard)):
        if len(word) <= _SHORT:
            found.add(mark + word)
            found.update(mark + word[:at] + word[at + 1 :] for at in range(len(word)))
    return found


def _ends(text: str) -> Iterator[str]:
    """Beginnings and ends of which two long words share one if an edit is all between them."""
    if len(text) >= _LONG:
        for half in {max(4, (len(text) + step) // 2 - 1) for step in (-1, 0, 1)}:
            yield f"^{text[:half]}"
            yield f"{text[-half:]}$"
