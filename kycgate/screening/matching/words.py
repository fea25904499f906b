"""What kycgate knows about the words of names: legal forms, titles, spellings, how common they are.

Knows no party's name: the tables (`data/match_*.csv`) hold words, and brands of Chinese companies
as those companies write them in Latin letters.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Sort(StrEnum):
    """What a word does in a name; decides how much it weighs."""

    NAME = "name"
    FORM = "form"
    TITLE = "title"
    PARTICLE = "particle"
    FILLER = "filler"
    NUMBER = "number"
    INITIAL = "initial"


@dataclass(frozen=True, slots=True)
class Words:
    """The tables, ready to look up; keys are in normal form."""

    forms: Mapping[str, str]
    """legal form, possibly of several words → its family"""
    form_heads: Mapping[str, int]
    """first word of such a form → words of the longest one that begins so"""
    long_form_heads: frozenset[str]
    """the first words of forms of several words"""
    titles: frozenset[str]
    particles: frozenset[str]
    fillers: frozenset[str]
    numbers: Mapping[str, str]
    same: Mapping[str, str]
    """a company word → the one that stands for its spellings and numbers"""
    common: frozenset[str]
    """personal names that millions bear somewhere in the world"""
    given: Mapping[str, frozenset[int]]
    """a personal name → the groups of names used for one another"""
    bits: Mapping[str, float]
    """a common word → how much it tells, in bits; a word not here tells `rare`"""
    rare: float


@cache
def load_words() -> Words:
    """The shipped tables, read once."""
    table = dict[str, dict[str, str]]()
    given = dict[str, set[int]]()
    groups = dict[str, int]()
    for row in _rows("match_words.csv"):
        if row["class"] == "given":
            group = groups.setdefault(row["stands_for"], len(groups))
            given.setdefault(row["word"], set()).add(group)
        else:
            table.setdefault(row["class"], {})[row["word"]] = row["stands_for"]
    bits, rare = _load_bits()
    for kind, latin in load_han().values():
        if kind == "brand":
            # Frequent on the lists because one family of companies is: that is no common word.
            bits.pop(latin, None)
    heads = _heads(table["form"])
    return Words(
        forms=table["form"],
        form_heads=heads,
        long_form_heads=frozenset(word for word, length in heads.items() if length > 1),
        titles=frozenset(table["title"]),
        particles=frozenset(table["particle"]),
        fillers=frozenset(table["filler"]),
        numbers=table["number"],
        same=table["same"],
        common=frozenset(table["common"]),
        given={word: frozenset(numbers) for word, numbers in given.items()},
        bits=bits,
        rare=rare,
    )


@cache
def load_han() -> Mapping[str, tuple[str, str]]:
    """Chinese characters of company names → (class `form`, `word` or `brand`, Latin words)."""
    return {row["han"]: (row["class"], row["latin"]) for row in _rows("match_han.csv")}


def _load_bits() -> tuple[dict[str, float], float]:
    rows = list(_rows("match_frequency.csv"))
    # The first row counts the names that were read, under no word.
    total = int(rows[0]["names"])
    counts = {row["word"]: int(row["names"]) for row in rows[1:]}
    return {word: math.log2(total / count) for word, count in counts.items()}, math.log2(total / 3)


def _heads(forms: Mapping[str, str]) -> dict[str, int]:
    heads = dict[str, int]()
    for form in forms:
        first, *rest = form.split()
        heads[first] = max(heads.get(first, 0), 1 + len(rest))
    return heads


def _rows(name: str) -> csv.DictReader[str]:
    text = files("kycgate.screening").joinpath("data", name).read_text("utf-8")
    return csv.DictReader(io.StringIO(text))
