"""Finds, when a list changes, which of many subjects may be meant: the screening turned around.

Decides nothing about them: whoever is found is screened as always, and only that counts. Lives in
memory alone: names stand sealed in the vault, and no file, log or table ever holds this index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kycgate.core.claims import Kind
from kycgate.errors import TooLarge
from kycgate.screening.entries import Entry, EntryType, Identifier
from kycgate.screening.matching.bands import MOST_RAISED, OTHER_KIND, Thresholds
from kycgate.screening.matching.catalogue import searched_texts
from kycgate.screening.matching.exact import Key, identifier_key, same_country, wallet_key
from kycgate.screening.matching.parse import Parsed, parse
from kycgate.screening.matching.turned import Asked, NameRows

_SAME_KIND = Thresholds().review - MOST_RAISED
_OTHER_KIND = OTHER_KIND - MOST_RAISED
"""Likeness of names from which second attributes may bring them into the review band."""
_CERTAIN = 2.0
"""Above every name: a number or a wallet that is the same."""


@dataclass(frozen=True, slots=True)
class PartyOf:
    """Somebody named in a subject's case."""

    name: str
    kind: Kind
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Indexed:
    """One subject. `key` is the caller's own name for it; `wallets` as lists write them."""

    key: str
    parties: tuple[PartyOf, ...]
    wallets: tuple[str, ...]


class Segment:
    """Some subjects, unchanged once built."""

    def __init__(self, subjects: Sequence[Indexed]) -> None:
        self.subjects = tuple(subjects)
        self._by_key = {each.key: each for each in subjects}
        self._wallets: dict[str, list[str]] = {}
        self._numbers: dict[Key, list[tuple[str, Identifier]]] = {}
        rows: dict[bool, list[tuple[str, Parsed]]] = {True: [], False: []}
        for subject in subjects:
            for wallet in subject.wallets:
                self._wallets.setdefault(wallet_key(wallet), []).append(subject.key)
            for party in subject.parties:
                self._number(subject.key, party)
                person = party.kind is Kind.PERSON
                rows[person].append((subject.key, _parsed(party.name, person)))
        self._owners = {person: [key for key, _ in found] for person, found in rows.items()}
        self._names = {
            person: NameRows([parsed for _, parsed in found], person=person)
            for person, found in rows.items()
        }

    @property
    def keys(self) -> tuple[str, ...]:
        """Whose subjects these are."""
        return tuple(each.key for each in self.subjects)

    def holds(self, key: str, current: Mapping[str, Indexed]) -> bool:
        """Whether what it knows of that subject is what is known of it today."""
        return current.get(key) is self._by_key[key]

    def affected(self, entries: Sequence[Entry]) -> dict[str, float]:
        """Subject → how sure it is meant: a name's likeness, or more for a number or wallet."""
        found: dict[str, float] = {}
        for person, names in self._names.items():
            owners = self._owners[person]
            for row, score in names.meant(_asked(entries, person)):
                found[owners[row]] = max(score, found.get(owners[row], 0.0))
        for key in (*self._by_wallet(entries), *self._by_number(entries)):
            found[key] = _CERTAIN
        return found

    def _number(self, subject: str, party: PartyOf) -> None:
        for identifier in party.identifiers:
            key = identifier_key(identifier)
            if key is not None:
                self._numbers.setdefault(key, []).append((subject, identifier))

    def _by_wallet(self, entries: Iterable[Entry]) -> Iterable[str]:
        for entry in entries:
            for wallet in entry.wallets:
                yield from self._wallets.get(wallet_key(wallet.address), ())

    def _by_number(self, entries: Iterable[Entry]) -> Iterable[str]:
        for entry in entries:
            for listed in entry.identifiers:
                key = identifier_key(listed)
                for subject, own in self._numbers.get(key, ()) if key else ():
                    if same_country(own, listed):
                        yield subject


class SubjectIndex:
    """Every subject to be found again, in segments that grow together as they are added."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._current: dict[str, Indexed] = {}

    def __len__(self) -> int:
        return len(self._current)

    @property
    def keys(self) -> tuple[str, ...]:
        """Everybody in it."""
        return tuple(self._current)

    def add(self, subjects: Sequence[Indexed]) -> Segment:
        """Take subjects in; what was known of one of that key before is replaced."""
        for subject in subjects:
            self._current[subject.key] = subject
        added = Segment(subjects)
        self._segments.append(added)
        while len(self._segments) > 1 and _worth_joining(*self._segments[-2:]):
            last = self._segments.pop()
            both = (*self._segments.pop().subjects, *last.subjects)
            held = [each for each in both if self._current.get(each.key) is each]
            self._segments.append(Segment(held))
        return added

    def remove(self, key: str) -> None:
        """Forget a subject; nothing if it is not there."""
        self._current.pop(key, None)

    def affected(self, entries: Sequence[Entry], within: Segment | None = None) -> list[str]:
        """The keys of who may be meant by these entries, the surest first."""
        found: dict[str, float] = {}
        for segment in self._segments if within is None else (within,):
            for key, score in segment.affected(entries).items():
                if segment.holds(key, self._current):
                    found[key] = max(score, found.get(key, 0.0))
        return sorted(found, key=lambda key: (-found[key], key))


def _worth_joining(older: Segment, newer: Segment) -> bool:
    return len(older.subjects) <= 2 * len(newer.subjects)


def _parsed(name: str, person: bool) -> Parsed:
    try:
        return parse(name, person=person)
    except TooLarge:
        return parse(name[:400], person=person)


def _asked(entries: Iterable[Entry], person: bool) -> list[Asked]:
    """Every listed text once, with the score from which it asks for a look."""
    least: dict[str, float] = {}
    for entry in entries:
        if entry.type in (EntryType.ADDRESS, EntryType.WALLET):
            continue
        same = entry.type is EntryType.UNSTATED or (entry.type is EntryType.PERSON) is person
        bound = _SAME_KIND if same else _OTHER_KIND
        for name in entry.names:
            for text in searched_texts(name.text, entry.type):
                least[text] = min(bound, least.get(text, 1.0))
    return [Asked(text, bound, bound < _OTHER_KIND) for text, bound in least.items()]
