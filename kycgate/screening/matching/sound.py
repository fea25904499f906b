"""One spelling for the ways in which the same sounds are written in Latin letters.

Not a phonetic alphabet: it undoes the habits of transliteration, and two names that sound alike
in one language may differ here.
"""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = str.maketrans("013457", "oieast")
# English, Arabic and Russian `j` before a vowel; elsewhere it is a Slavic or German `i`.
_SERVANT = re.compile(r"^abd[aeou]?(?:l|r(?=r)|s(?=s)|z(?=z)|n(?=n)|t(?=t)|d(?=d))(?=[^aeiou])")
"""`abdul`, `abd al`, `abdur`: the article takes on the sound that follows it."""
_PINYIN = re.compile(r"^(?:x|hs|q(?=i))(?=[iu])")
_ONE = str.maketrans("lbgd", "rpkt")
_VOWELS = str.maketrans("", "", "aiuv")
_SOFT_C = re.compile(r"c(?=[eiy])")
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
    ("ue", "u"),
    ("oe", "o"),
    ("ae", "a"),
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
    word = _PINYIN.sub("%", _HUSHED_J.sub("%", _SERVANT.sub("abd", word)))
    word = _SOFT_C.sub("s", word)
    for habit, one in _RULES:
        if habit in word:
            word = word.replace(habit, one)
    return _RUNS.sub(r"\1", word)


@lru_cache(maxsize=50_000)
def bones(word: str) -> str:
    """What is left of the sound without its vowels; `l` and `r`, `b` and `p` and so on are one.

    Scripts that write no vowels, or put one after every consonant, keep no more than this.
    """
    return _RUNS.sub(r"\1", sound(word).translate(_VOWELS).translate(_ONE))
