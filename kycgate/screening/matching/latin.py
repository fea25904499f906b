"""Writes a name of any script in plain Latin words, Chinese company words translated.

Compares nothing; a reading it gives is one of several possible, never a proof of identity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from anyascii import anyascii

from kycgate.screening.match import MAX_NAME_LENGTH, normalise
from kycgate.screening.matching.words import load_han

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_HANGUL = re.compile(r"[\uac00-\ud7a3]+")
_KANA = re.compile(r"[\u3040-\u30ff]")
# Hebrew, Arabic, the scripts of India and South East Asia, kana, hangul.
_LOSING = re.compile(
    r"[\u0590-\u08ff\u0900-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\uac00-\ud7a3]"
)
_ARTICLE = re.compile(r"\b\u0627\u0644(?=\w{3})")
"""The Arabic article, which Latin letters set apart."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NUMERAL = re.compile(
    r"第?(?P<digits>[一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])(?=研究|设计|所|院|厂|局|师|旅)"
)
_DIGITS = "零一二三四五六七八九"
_LONGEST_WORD = 8
"""Characters of the longest entry of the Han table that is looked for."""
_MOST_OF_A_PERSON = 4
"""Han characters of a personal name: one or two of the family, one or two given."""


def latin_words(name: str, *, person: bool | None) -> list[str]:
    """The words of the name in lower-case ASCII. `person` None: not known.

    Raises TooLarge for a name beyond `match.MAX_NAME_LENGTH`.
    """
    plain = normalise(name)
    if plain.isascii():
        return plain.split()
    # From the name as written: the normal form has lost marks that are vowels in other scripts.
    spoken = " ".join(_parts(unicodedata.normalize("NFKC", name), person))
    return normalise(spoken[:MAX_NAME_LENGTH]).split()


def loses_vowels(name: str) -> bool:
    """Whether its script keeps the vowels of a foreign name badly."""
    return bool(_LOSING.search(name)) or ("\u00b7" in name and has_han(name))


def has_han(name: str) -> bool:
    """Whether Chinese characters are in it."""
    return bool(_HAN.search(name))


def _parts(plain: str, person: bool | None) -> Iterator[str]:
    """Each run of one script written in Latin."""
    divided = len(plain.replace("\u00b7", " ").split()) > 1
    spoken = _HANGUL.sub(lambda run: _hangul(run[0], divided=divided), plain)
    spoken = _ARTICLE.sub("al ", spoken)
    at = 0
    japanese = bool(_KANA.search(plain))
    for run in _HAN.finditer(spoken):
        yield anyascii(spoken[at : run.start()])
        if japanese:
            yield anyascii(run[0])
        elif divided and person is not False and len(run[0]) < _MOST_OF_A_PERSON:
            # Whoever divides a personal name has set the family name apart already.
            yield "".join(_pinyin(run[0]))
        else:
            yield _han(run[0], person)
        at = run.end()
    yield anyascii(spoken[at:])


def _hangul(run: str, *, divided: bool) -> str:
    """Read aloud; the first syllable of a name written in one is the family's.

    Vowels as the North writes them: its names are the ones on the lists.
    """
    syllables = [
        each.lower().replace("eo", "o").replace("eu", "u") for each in _CAMEL.split(anyascii(run))
    ]
    return "".join(syllables) if divided else " ".join((syllables[0], "".join(syllables[1:])))


@lru_cache(maxsize=4096)
def _han(run: str, person: bool | None) -> str:
    """A run of Chinese characters: company words translated, the rest read aloud.

    Read syllables of a company are one word, as companies write their brands; of a person, the
    family name stands apart from the given name.
    """
    if person or (person is None and len(run) <= _MOST_OF_A_PERSON and not _company(run)):
        return _person(run)
    words, spoken = list[str](), ""
    at = 0
    while at < len(run):
        found = _longest(run, at)
        if found is None:
            spoken += run[at]
            at += 1
            continue
        length, latin = found
        words += [*_read(spoken), latin]
        spoken, at = "", at + length
    return " ".join([*words, *_read(spoken)])


def _longest(run: str, at: int) -> tuple[int, str] | None:
    table = load_han()
    number = _NUMERAL.match(run, at)
    if number:
        return len(number[0]), str(_number(number["digits"]))
    for length in range(min(_LONGEST_WORD, len(run) - at), 0, -1):
        found = table.get(run[at : at + length])
        if found is not None:
            return length, found[1]
    return None


def _number(digits: str) -> int:
    """`十三` is 13: numbers of institutes and works, below a hundred."""
    tens, ten, ones = digits.rpartition("十")
    return (_DIGITS.index(tens[-1]) if tens else 1 if ten else 0) * 10 + (
        _DIGITS.index(ones[-1]) if ones else 0
    )


def _company(run: str) -> bool:
    table = load_han()
    return any(
        run[at:end] in table for at in range(len(run)) for end in range(at + 2, len(run) + 1)
    )


def _read(spoken: str) -> list[str]:
    return ["".join(_pinyin(spoken))] if spoken else []


def _person(run: str) -> str:
    # Characters beyond the tables of both libraries leave nothing.
    syllables = _pinyin(run) or [""]
    # Two-character family names are few; the trigram index finds those under either division.
    return f"{syllables[0]} {''.join(syllables[1:])}".strip()


def _pinyin(han: str) -> list[str]:
    # Its tables take a third of a second to load: only a process that meets Chinese pays.
    from pypinyin import lazy_pinyin

    return [str(each) for each in lazy_pinyin(han, errors=anyascii)]
