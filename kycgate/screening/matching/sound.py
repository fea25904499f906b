"""One spelling for the ways in which the same sounds are written in Latin letters.

Not a phonetic alphabet: it undoes the habits of transliteration, and two names that sound alike
in one language may differ here.
"""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = str.maketrans("013457", "oieast")
# English, Arabic and Russian `j` before a vowel; elsewhere it is a Slavic or German `i`.
_HUSHED_J = re.compile(r"j(?=[aeiou])")
_RUNS = re.compile(r"(.)\1+")
# In this order: each line may rely on those above it. `%` is a hushing sound.
_RULES: tuple[tuple[str, str], ...] = (
    ("shch", "%"),
    ("sch", "%"),
    ("tch", "%"),
    ("tsch", "%"),
    ("kh", "h"),
    ("gh", "g"),
    ("dh", "d"),
    ("th", "t"),
    ("ph", "f"),
    ("bh", "b"),
    ("zh", "%"),
    ("sh", "%"),
    ("dj", "%"),
    ("ch", "%"),
    ("ck", "k"),
    ("qu", "k"),
    ("tz", "s"),
    ("ts", "s"),
    ("cz", "%"),
    ("x", "ks"),
    ("q", "k"),
    ("w", "v"),
    ("eo", "o"),
    ("eu", "u"),
    ("ya", "ia"),
    ("oo", "u"),
    ("ou", "u"),
    ("ee", "i"),
    ("ea", "i"),
    ("ei", "i"),
    ("ey", "i"),
    ("ay", "ai"),
    ("iy", "i"),
    ("yi", "i"),
    ("ie", "i"),
    ("ij", "i"),
    ("y", "i"),
    ("j", "i"),
    ("c", "k"),
    ("z", "s"),
    ("o", "u"),
    ("e", "i"),
)


@lru_cache(maxsize=200_000)
def sound(word: str) -> str:
    """The word with its habits of spelling undone; equal results may be one name."""
    if not word.isalpha():
        if word.isdigit():
            return word
        word = word.translate(_DIGITS)
    word = _HUSHED_J.sub("%", word)
    for habit, one in _RULES:
        if habit in word:
            word = word.replace(habit, one)
    return _RUNS.sub(r"\1", word)
