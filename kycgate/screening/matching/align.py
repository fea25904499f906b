"""Lays two names side by side, word by word, and says how likely they name one party.

Looks at names only: dates, countries and numbers are weighed in `attributes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import OSA

from kycgate.screening.matching.likeness import SAME_SOUND, Likeness, likeness
from kycgate.screening.matching.parse import LEAST, Parsed, Word
from kycgate.screening.matching.sound import sound
from kycgate.screening.matching.words import Sort


@dataclass(frozen=True, slots=True)
class Pairing:
    """Words of both names that stand for each other, or of one side alone. `how` in plain words."""

    asked: tuple[str, ...]
    listed: tuple[str, ...]
    similarity: float
    weight: float
    how: str


@dataclass(frozen=True, slots=True)
class Alignment:
    """A score from 0 to 1, and what it was made of."""

    score: float
    pairings: tuple[Pairing, ...]
    read: bool = True
    """both names were read as they stand; False: one was translated, or guessed from consonants"""

    @property
    def shared(self) -> float:
        """The weight of what both names have."""
        return sum(each.weight * each.similarity for each in self.pairings)


@dataclass(frozen=True, slots=True)
class Costs:
    """What words without a partner cost, in shares of their weight."""

    conflict: float
    """both names say something else there"""
    omitted: float
    """the listed name says more"""
    added: float
    """the asked name says more"""
    number: float
    """a number only one of them has"""


PERSON = Costs(conflict=1.1, omitted=0.25, added=0.33, number=0.6)
TRANSLATED = Costs(conflict=0.6, omitted=0.3, added=0.3, number=1.3)
ORGANISATION = Costs(conflict=0.95, omitted=0.38, added=0.38, number=1.3)
STRICT = 1.5
"""Power of a likeness: above 1, several small differences cost more than one."""
VAGUE = 0.8
"""What is left of a person's score when what agrees of longer names is one word, or common."""
TELLING = 1.3
"""Weight of shared words below which they are common: two that millions bear have less."""
MOST_OMITTED = 0.4
"""Most that leaving out names of a long one costs, in shares of the weight of what was said."""
_JOINED, _ABBREVIATED = 0.97, 0.85
_JOINED_LEAST = 8
"""Letters of a joined word from which it may hold a misspelling."""
_MOST_JOINED = 4
_ALWAYS = 8
"""Candidates that are aligned whatever their words look like one by one."""


def compare(asked: Parsed, listed: Parsed) -> Alignment:
    """Align two names that were both read in the same way (`person` or not)."""
    if not asked.words or not listed.words:
        return Alignment(0.0, ())
    return align(
        asked, listed, likeness(asked.words, listed.words, boned=asked.boned or listed.boned)
    )


def worth_aligning(
    asked: Parsed, candidates: Sequence[Parsed], *, least: float
) -> Iterator[tuple[int, Likeness]]:
    """The places of the candidates that may score `least` or more, with their words' likeness.

    The first few always: words that one side joins resemble no single word of the other.
    """
    columns = {word: place for place, word in enumerate(dict.fromkeys(
        word for each in candidates for word in each.words
    ))}  # fmt: skip
    if not columns or not asked.words:
        return
    alike = likeness(asked.words, tuple(columns), boned=asked.boned)
    places = [[columns[word] for word in each.words] for each in candidates]
    highest = _highest(asked, alike, places)
    for place, own in enumerate(places):
        if own and (place < _ALWAYS or highest[place] >= least):
            yield place, alike[:, own]


def _highest(asked: Parsed, alike: Likeness, places: list[list[int]]) -> list[float]:
    """What each candidate scores if every asked word gets the likest of its words."""
    starts = np.cumsum([0] + [len(own) for own in places[:-1]])
    best = np.maximum.reduceat(alike[:, [place for own in places for place in own]], starts, axis=1)
    weights = np.array([word.weight for word in asked.words], dtype=np.float32)
    found = weights @ (best > 0)
    common = weights @ best**STRICT
    least_lost = min(costs_of(asked, asked).added, MOST_OMITTED)
    highest: list[float] = (common / (found + least_lost * (weights.sum() - found) + 1e-9)).tolist()
    return highest


def align(asked: Parsed, listed: Parsed, alike: Likeness) -> Alignment:
    """As `compare`, the likeness of the words known (rows asked, columns listed)."""
    left, right = list(range(len(asked.words))), list(range(len(listed.words)))
    found = _candidates(asked.words, listed.words, alike)
    pairings = list[Pairing]()
    sure = [each for each in found if each[0] >= SAME_SOUND]
    _take(sure, asked, listed, left, right, pairings)
    if left and right:
        # Before misspellings: half of a joined word often resembles the whole.
        pairings += _joined(asked.words, listed.words, left, right)
        _take(found[len(sure) :], asked, listed, left, right, pairings)
    repeated = {word for each in pairings for word in each.asked + each.listed}
    left = [row for row in left if asked.words[row].text not in repeated]
    right = [column for column in right if listed.words[column].text not in repeated]
    return _score(
        asked, pairings, [asked.words[i] for i in left], [listed.words[i] for i in right], listed
    )


_Candidate = tuple[float, float, int, int, int]


def _candidates(asked: Sequence[Word], listed: Sequence[Word], alike: Likeness) -> list[_Candidate]:
    """(similarity, weight, nearness, row, column) of all that are alike at all, best first."""
    rows, columns = alike.nonzero()
    values = alike[rows, columns].tolist()
    found = [
        (value, asked[row].weight + listed[column].weight, -abs(row - column), row, column)
        for value, row, column in zip(values, rows.tolist(), columns.tolist(), strict=True)
    ]
    found.sort(reverse=True)
    return found


def _take(
    found: Sequence[_Candidate],
    asked: Parsed,
    listed: Parsed,
    left: list[int],
    right: list[int],
    pairings: list[Pairing],
) -> None:
    """Pair the likest and weightiest first, each word once; what is taken leaves left and right."""
    for similarity, _, _, row, column in found:
        if row not in left or column not in right:
            continue
        one, other = asked.words[row], listed.words[column]
        if Sort.INITIAL in (one.sort, other.sort) and similarity < 1.0:
            # `J. O'Hara` is no `James`: the rest of the side with the initial must be matched.
            rest = (
                [asked.words[i] for i in left]
                if one.sort is Sort.INITIAL
                else [listed.words[i] for i in right]
            )
            if any(word.sort is Sort.NAME for word in rest):
                continue
        left.remove(row)
        right.remove(column)
        pairings.append(_pairing(one, other, similarity))


def _pairing(asked: Word, listed: Word, similarity: float) -> Pairing:
    # A word equal but for spelling weighs as its rarer spelling: a misspelt common name is rare.
    weight = min(asked.weight, listed.weight) if similarity < 1.0 else listed.weight
    if similarity == 1.0:
        how = "equal"
    elif Sort.INITIAL in (asked.sort, listed.sort):
        how = "initial"
    else:
        how = "spelling"
    return Pairing((asked.text,), (listed.text,), similarity, weight, how)


def _joined(
    asked: Sequence[Word], listed: Sequence[Word], left: list[int], right: list[int]
) -> Iterator[Pairing]:
    """Words that one side writes as one: `VladimirPutin`, `Good Will`, `J.-C.`."""
    for row in tuple(left):
        run = _run(asked[row], listed, right)
        if run:
            left.remove(row)
            for column in run:
                right.remove(column)
            yield _join((asked[row],), tuple(listed[column] for column in run))
    for column in tuple(right):
        run = _run(listed[column], asked, left)
        if run:
            right.remove(column)
            for row in run:
                left.remove(row)
            yield _join(tuple(asked[row] for row in run), (listed[column],))


def _run(word: Word, others: Sequence[Word], free: list[int]) -> tuple[int, ...]:
    """Free neighbours among the others that together are the word, in either order; or none."""
    for start in range(len(free) - 1):
        total = len(others[free[start]].text)
        for end in range(start + 1, min(start + _MOST_JOINED, len(free))):
            if free[end] != free[end - 1] + 1:
                break
            total += len(others[free[end]].text)
            run = free[start : end + 1]
            if abs(total - len(word.text)) <= 1 and _together(word, [others[i].text for i in run]):
                return tuple(run)
            if len(word.text) == len(run) and _initials(word, [others[i].text for i in run]):
                return tuple(run)
    return ()


def _together(word: Word, texts: list[str]) -> bool:
    return _reads(word.text, "".join(texts)) or word.text == "".join(reversed(texts))


def _initials(word: Word, texts: list[str]) -> bool:
    return word.sort is Sort.NAME and word.text == "".join(text[0] for text in texts)


def _reads(word: str, whole: str) -> bool:
    allowed = 1 if max(len(word), len(whole)) >= _JOINED_LEAST else 0
    return bool(
        OSA.distance(word, whole, score_cutoff=allowed) <= allowed
        or (allowed and sound(word) == sound(whole))
    )


def _join(asked: tuple[Word, ...], listed: tuple[Word, ...]) -> Pairing:
    sums = [sum(word.weight for word in side) for side in (asked, listed)]
    texts = tuple(word.text for word in asked), tuple(word.text for word in listed)
    letters = sorted(len("".join(side)) for side in texts)
    if letters[0] == max(len(asked), len(listed)) < letters[1]:
        return Pairing(*texts, _ABBREVIATED, min(sums), "initials")
    return Pairing(*texts, _JOINED, max(sums), "joined")


def _score(
    asked: Parsed, pairings: list[Pairing], left: list[Word], right: list[Word], listed: Parsed
) -> Alignment:
    costs = costs_of(asked, listed)
    whole = sum(each.weight for each in pairings)
    common = sum(each.weight * each.similarity**STRICT for each in pairings)
    lost = _lost(left, right, costs)
    if asked.person and not left:
        lost = min(lost, whole * MOST_OMITTED)
    score = common / (whole + lost) if whole else 0.0
    vague = (
        _vague(asked, listed, pairings) if asked.person else _brandless(asked, listed, left, right)
    )
    if vague:
        score *= VAGUE
    alone = [_alone(word, "asked", right) for word in left]
    alone += [_alone(word, "listed", left) for word in right]
    guessed = asked.translated or asked.boned or listed.translated or listed.boned
    return Alignment(score, (*pairings, *alone), read=not guessed)


def costs_of(asked: Parsed, listed: Parsed) -> Costs:
    """What applies to a pair of names."""
    if asked.translated or listed.translated:
        return TRANSLATED
    return PERSON if asked.person else ORGANISATION


def _lost(left: list[Word], right: list[Word], costs: Costs) -> float:
    """What the words without a partner take from the score."""
    numbers = sum(word.weight for word in (*left, *right) if word.sort is Sort.NUMBER)
    more_asked = sum(word.weight for word in left if word.sort is not Sort.NUMBER)
    more_listed = sum(word.weight for word in right if word.sort is not Sort.NUMBER)
    conflict = min(more_asked, more_listed)
    return (
        conflict * costs.conflict
        + (more_asked - conflict) * costs.added
        + (more_listed - conflict) * costs.omitted
        + numbers * costs.number
    )


def _vague(asked: Parsed, listed: Parsed, pairings: list[Pairing]) -> bool:
    """Whether too little agrees: one word of longer names, or common ones not wholly."""
    telling = [each for each in pairings if each.weight >= LEAST]
    count = sum(max(len(each.asked), len(each.listed)) for each in telling)
    longest = max(len(asked.core), len(listed.core))
    if count < longest:
        return count < 2 or sum(each.weight for each in telling) < TELLING
    common = count > 1 and all(each.weight <= TELLING / 2 for each in telling)
    return common and any(each.similarity < SAME_SOUND for each in telling)


def _brandless(asked: Parsed, listed: Parsed, left: list[Word], right: list[Word]) -> bool:
    """Whether the word that tells most of a translated name has no partner."""
    for parsed, alone in ((asked, left), (listed, right)):
        if parsed.translated and alone:
            most = max(word.weight for word in parsed.words)
            if any(word.weight == most for word in alone):
                return True
    return False


def _alone(word: Word, side: str, others: list[Word]) -> Pairing:
    how = "conflict" if others and word.weight >= LEAST else "missing"
    asked, listed = ((word.text,), ()) if side == "asked" else ((), (word.text,))
    return Pairing(asked, listed, 0.0, word.weight, how)
