"""Many asked names against a few listed ones: the words of a list change looked up among subjects.

Gives what `align` would give for every pair that scores enough, without aligning every pair: names
that share too little weight in words that resemble each other are never laid side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kycgate.screening.matching.align import (
    MOST_OMITTED,
    ORGANISATION,
    PERSON,
    STRICT,
    TELLING,
    TRANSLATED,
    VAGUE,
    Costs,
    align,
)
from kycgate.screening.matching.likeness import likeness
from kycgate.screening.matching.parse import LEAST, Parsed, Word, parse_words
from kycgate.screening.matching.vocabulary import Resemblance, Vocabulary
from kycgate.screening.matching.words import Sort

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SLACK = 0.05
"""By how much the estimate of a pair may be below its true score."""
_MOST_SPREAD = 400_000
"""Places a step of the estimate looks at; bounds its memory."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A listed text to look for, and the score from which a subject is meant."""

    text: str
    least: float
    misspelt: bool = True
    """whether words may differ by more than a habit of spelling"""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The listed texts, as the estimate needs them."""

    totals: Floats
    letters: Ints
    """bits: with which letters its words begin, which of them stand alone as initials"""
    counts: Ints
    bounds: Floats


class NameRows:
    """Asked names, numbered in their order, all read as persons' or all as organisations'."""

    def __init__(self, names: Sequence[Parsed], *, person: bool) -> None:
        self._names = tuple(names)
        self._person = person
        costs = [_costs(name) for name in names]
        self._conflict = np.array([each.conflict for each in costs], dtype=np.float32)
        self._omitted = np.array([each.omitted for each in costs], dtype=np.float32)
        self._added = np.array([each.added for each in costs], dtype=np.float32)
        vocabulary, words, rows = Vocabulary(), list[int](), list[int]()
        boned = set[str]()
        self._count = np.zeros(len(names), dtype=np.int64)
        self._total = np.zeros(len(names), dtype=np.float32)
        self._letters = np.zeros((len(names), 2), dtype=np.int64)
        for row, name in enumerate(names):
            core, self._letters[row] = _core(name)
            self._count[row] = len(name.core)
            self._total[row] = sum(word.weight for word in core)
            for text, weight, span in _terms(name, core):
                words.append(vocabulary.number(text, weight, span))
                rows.append(row)
            boned.update(word.text for word in core if name.boned)
        order = np.argsort(np.array(words, dtype=np.int64), kind="stable")
        self._rows: Ints = np.array(rows, dtype=np.int64)[order]
        counts = np.bincount(np.array(words, dtype=np.int64), minlength=len(vocabulary.weights))
        self._starts: Ints = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        self._weights = np.array(vocabulary.weights, dtype=np.float32)
        self._spans = np.array(vocabulary.spans, dtype=np.float32)
        self._resembling = Resemblance(vocabulary, boned, person=person)

    def meant(self, asked: Sequence[Asked]) -> Iterator[tuple[int, float]]:
        """(row, score) of every name that scores at least what is asked for, best or not."""
        if not self._names or not asked:
            return
        texts = [parse_words(each.text.split(), person=self._person) for each in asked]
        candidates = self._estimate(texts, asked)
        for number, rows in candidates.items():
            yield from self._aligned(texts[number], rows, asked[number].least)

    def _aligned(
        self, listed: Parsed, rows: Sequence[int], least: float
    ) -> Iterator[tuple[int, float]]:
        names = [self._names[row] for row in rows]
        columns = {
            word: place
            for place, word in enumerate(
                dict.fromkeys(word for name in names for word in name.words)
            )
        }
        boned = listed.boned or any(name.boned for name in names)
        alike = likeness(tuple(columns), listed.words, boned=boned)
        for row, name in zip(rows, names, strict=True):
            score = align(name, listed, alike[[columns[word] for word in name.words]]).score
            if score >= least:
                yield row, score

    # -- which pairs are worth aligning ------------------------------------------------------------

    def _estimate(self, texts: Sequence[Parsed], asked: Sequence[Asked]) -> dict[int, list[int]]:
        """Text → rows that may score enough, judged by the words they share."""
        cores = [_core(text) for text in texts]
        terms = [
            [each for each in _terms(text, core) if one.misspelt or each[2] == 1]
            for text, (core, _), one in zip(texts, cores, asked, strict=True)
        ]
        found = self._resembling.alike(
            {(text, span > 1) for each in terms for text, _, span in each},
            misspelt={
                text
                for each, one in zip(terms, asked, strict=True)
                if one.misspelt
                for text, _, span in each
                if span == 1
            },
        )
        spread = [
            (number, weight, word, likely)
            for number, each in enumerate(terms)
            for text, weight, span in each
            for word, likely in found[text, span > 1]
        ]
        if not spread:
            return {}
        wanted = _Wanted(
            totals=np.array([sum(w.weight for w in core) for core, _ in cores], dtype=np.float32),
            letters=np.array([letters for _, letters in cores], dtype=np.int64),
            counts=np.array([len(text.core) for text in texts], dtype=np.int64),
            bounds=np.array([each.least for each in asked], dtype=np.float32) - _SLACK,
        )
        candidates: dict[int, list[int]] = {}
        for part in self._parts(spread):
            for number, row in self._likely(part, wanted):
                candidates.setdefault(number, []).append(row)
        return candidates

    def _parts(
        self, spread: list[tuple[int, float, int, float]]
    ) -> Iterator[list[tuple[int, float, int, float]]]:
        """Runs of whole texts, each of a bounded number of places."""
        part, size, last = list[tuple[int, float, int, float]](), 0, -1
        for each in spread:
            if size > _MOST_SPREAD and each[0] != last:
                yield part
                part, size = [], 0
            part.append(each)
            last = each[0]
            size += int(self._starts[each[2] + 1] - self._starts[each[2]])
        yield part

    def _likely(
        self, part: list[tuple[int, float, int, float]], wanted: _Wanted
    ) -> Iterator[tuple[int, int]]:
        numbers, listed, words, alike = (np.array(each) for each in zip(*part, strict=True))
        starts, ends = self._starts[words], self._starts[words + 1]
        counts = ends - starts
        total = int(counts.sum())
        if not total:
            return
        begin = np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._rows[np.repeat(starts, counts) + np.arange(total) - begin]
        keys = np.repeat(numbers, counts) * len(self._names) + rows
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        firsts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        own = self._weights[words]
        common = np.minimum(listed, own) * alike**STRICT

        def summed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            return np.add.reduceat(np.repeat(values, counts)[order], firsts)

        shared, of_listed, of_own = summed(common), summed(listed), summed(own)
        words_shared = summed(self._spans[words])
        number, row = np.divmod(keys[firsts], len(self._names))
        # An initial may stand for a word that begins so, whatever that weighs.
        theirs, ours = wanted.letters[number], self._letters[row]
        for_own = np.bitwise_count(theirs[:, 1] & ours[:, 0])
        for_listed = np.bitwise_count(ours[:, 1] & theirs[:, 0])
        left = np.maximum(self._total[row] - of_own - for_own, 0.0)
        right = np.maximum(wanted.totals[number] - of_listed - for_listed, 0.0)
        conflict = np.minimum(left, right)
        lost = conflict * self._conflict[row]
        lost += (left - conflict) * self._added[row] + (right - conflict) * self._omitted[row]
        weight = np.maximum(np.minimum(of_listed, of_own), shared)
        score = shared / (weight + lost + 1e-9)
        if self._person:
            # As `align` does: the rest of a long name costs little, one word in common is vague.
            whole = shared / (weight + np.minimum(lost, shared * MOST_OMITTED) + 1e-9)
            score = np.where(left < LEAST / 2, whole, score)
            free = np.maximum(for_own, for_listed)
            longest = np.maximum(self._count[row], wanted.counts[number])
            few = (words_shared + free < longest) & (
                (words_shared + free < 2) | (weight + free < TELLING)
            )
            score = np.where(few, score * VAGUE, score)
        likely = score >= wanted.bounds[number]
        yield from zip(number[likely].tolist(), row[likely].tolist(), strict=True)


def _core(name: Parsed) -> tuple[tuple[Word, ...], tuple[int, int]]:
    """The words that tell, without initials; and `_Wanted.letters`."""
    core = name.core or name.words
    letters = [sum({1 << ord(word.text[0]) % 62 for word in core})]
    letters.append(sum({1 << ord(w.text[0]) % 62 for w in core if w.sort is Sort.INITIAL}))
    words = tuple(word for word in core if word.sort is not Sort.INITIAL)
    return words, (letters[0], letters[1])


def _costs(name: Parsed) -> Costs:
    if name.translated:
        return TRANSLATED
    return PERSON if name.person else ORGANISATION


def _terms(name: Parsed, core: Sequence[Word]) -> Iterator[tuple[str, float, int]]:
    """Each telling word, and neighbours written as one: text, weight, how many words."""
    for word in core:
        yield word.text, word.weight, 1
    words = name.words
    spans = [(at, at + many) for many in (2, 3) for at in range(len(words) - many + 1)]
    if len(words) > 3:
        spans.append((0, len(words)))
    for start, end in spans:
        run = words[start:end]
        weight = sum(word.weight for word in run)
        yield "".join(word.text for word in run), weight, len(run)
        if name.person and len(run) == 2:
            yield run[1].text + run[0].text, weight, 2
