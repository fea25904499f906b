"""How alike two words are, for many words at once.

Knows nothing of names: whole parties are compared in `align`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from kycgate.screening.matching.parse import Word
from kycgate.screening.matching.sound import bones, sound
from kycgate.screening.matching.words import Sort, load_words

Likeness = npt.NDArray[np.float32]
Likely = npt.NDArray[np.bool_]

SAME_SOUND, SAME_PERSON, SAME_BONES, SAME_INITIAL = 0.96, 0.9, 0.86, 0.75
SHORT_SOUND = 0.9
"""What is left of an equal sound where one of the words is short."""
SHORT = 4
_HEARD = SAME_SOUND * SHORT_SOUND - 0.01
"""From here two words sound the same."""
TWO_WORDS = 0.7
"""What is left of the likeness of two words that are both common: hardly a misspelling."""

MOST_EDITS = 3
_VOWELS = frozenset("aeiou")
LONGEST = 16
# Rows: letters of the longer word; columns: letters changed, missing, added or swapped.
BY_EDITS = np.zeros((LONGEST + 1, MOST_EDITS + 2), dtype=np.float32)
BY_EDITS[:, 0] = 1.0
for _length in range(3, LONGEST + 1):
    BY_EDITS[_length, 1] = {3: 0.5, 4: 0.66, 5: 0.78, 6: 0.84, 7: 0.88, 8: 0.88}.get(_length, 0.91)
    BY_EDITS[_length, 2] = {6: 0.45, 7: 0.6, 8: 0.68, 9: 0.73}.get(
        _length, 0.85 if _length > 11 else 0.8 if _length > 9 else 0
    )
    BY_EDITS[_length, 3] = 0.7 if _length > 11 else 0.0


def likeness(asked: Sequence[Word], listed: Sequence[Word], *, boned: bool = False) -> Likeness:
    """For each asked word (rows) and listed word (columns), from 0 (other words) to 1 (equal).

    `boned`: one side comes from a script that keeps vowels badly.
    """
    spelling = _by_edits([word.text for word in asked], [word.text for word in listed])
    asked_sounds = [sound(word.text) for word in asked]
    listed_sounds = [sound(word.text) for word in listed]
    heard = _by_edits(asked_sounds, listed_sounds)
    # A slip of the ear leaves the beginning: `heather` does not sound like `peter`.
    heard *= np.where(
        np.array([each[:1] for each in asked_sounds])[:, None]
        == np.array([each[:1] for each in listed_sounds])[None, :],
        np.float32(SAME_SOUND),
        np.float32(0),
    )
    # Short words have many neighbours: `ping` and `peng` sound alike, and `rose` nearly as `rui`.
    short = np.logical_or.outer(_short(asked), _short(listed))
    heard[short & (heard < SAME_SOUND)] = 0.0
    heard[short] *= np.float32(SHORT_SOUND)
    found = np.maximum(spelling, heard)
    found[_genders(asked, listed)] *= np.float32(TWO_WORDS)
    both = np.logical_and.outer(_known(asked), _known(listed))
    found[both & (heard < _HEARD) & (spelling < 1.0)] *= np.float32(TWO_WORDS)
    if boned:
        found = np.maximum(found, _by_bones(asked, listed))
    for row, word in enumerate(asked):
        if word.sort is not Sort.NAME or word.text in load_words().given:
            _settle(found[row], word, listed)
    for column, word in enumerate(listed):
        if word.sort is not Sort.NAME:
            _settle(found[:, column], word, asked)
    return found


def _by_bones(asked: Sequence[Word], listed: Sequence[Word]) -> Likeness:
    """Where the consonants are the same."""
    return np.array(
        [[SAME_BONES if same_bones(one.text, other.text) else 0.0 for other in listed]
         for one in asked],
        dtype=np.float32,
    )  # fmt: skip


def same_bones(one: str, other: str) -> bool:
    """Three consonants the same, or two where one word has no vowel to tell it by."""
    kept = bones(one)
    enough = 2 if _VOWELS.isdisjoint(one) or _VOWELS.isdisjoint(other) else 3
    return len(kept) >= enough and kept == bones(other)


def _genders(asked: Sequence[Word], listed: Sequence[Word]) -> Likely:
    """Where one word ends in `a` and the other in `o`: a woman's name and a man's."""
    ends = [[word.text[-1:] for word in words] for words in (asked, listed)]
    women, men = ([np.array([each == end for each in side]) for side in ends] for end in "ao")
    found: Likely = np.logical_and.outer(women[0], men[1]) | np.logical_and.outer(men[0], women[1])
    return found


def _short(words: Sequence[Word]) -> Likely:
    return np.array([len(word.text) <= SHORT for word in words])


def _known(words: Sequence[Word]) -> Likely:
    tables = load_words()
    return np.array([word.text in tables.bits or word.text in tables.common for word in words])


def _by_edits(asked: list[str], listed: list[str]) -> Likeness:
    edits = cdist(
        asked, listed, scorer=OSA.distance, score_cutoff=MOST_EDITS, dtype=np.uint8, workers=1
    )
    lengths = np.maximum(
        np.array([len(each) for each in asked])[:, None],
        np.array([len(each) for each in listed])[None, :],
    )
    found: Likeness = BY_EDITS[np.minimum(lengths, LONGEST), edits]
    return found


def _settle(found: Likeness, word: Word, others: Sequence[Word]) -> None:
    """Words that are not spelt but counted or abbreviated follow rules of their own."""
    for place, other in enumerate(others):
        if word.text == other.text:
            found[place] = 1.0
        elif Sort.INITIAL in (word.sort, other.sort):
            same = word.text[0] == other.text[0] and {word.sort, other.sort} <= _INITIALS
            found[place] = SAME_INITIAL if same else 0.0
        elif word.sort is not other.sort:
            # A misspelt title is no name; other light words are too short to tell.
            if not ({word.sort, other.sort} <= _LIGHT and found[place] >= _MISSPELT):
                found[place] = 0.0
        elif word.sort in (Sort.NUMBER, Sort.FORM):
            found[place] = 0.0
        elif _given_alike(word.text, other.text):
            found[place] = max(found[place], SAME_PERSON)


_LIGHT = {Sort.NAME, Sort.TITLE, Sort.PARTICLE, Sort.FILLER, Sort.FORM}
_MISSPELT = 0.75
_INITIALS = {Sort.INITIAL, Sort.NAME}


def _given_alike(one: str, other: str) -> bool:
    given = load_words().given
    groups = given.get(one)
    return groups is not None and not groups.isdisjoint(given.get(other, ()))
