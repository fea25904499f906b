"""Every listed name once, with the parties that bear it, ready to be searched.

Scores nothing; a list change makes a new catalogue, never a changed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kycgate.errors import TooLarge
from kycgate.screening.entries import Entry, EntryType, ListData, Name
from kycgate.screening.match import without_asides
from kycgate.screening.matching.latin import latin_words
from kycgate.screening.matching.parse import Parsed, parse_words
from kycgate.screening.matching.trigrams import Numbers, TrigramIndex

_PLACES = (EntryType.ADDRESS, EntryType.WALLET)
"""Entries whose names tell nothing."""
_PERSONS: dict[EntryType, bool | None] = {EntryType.PERSON: True, EntryType.UNSTATED: None}


@dataclass(frozen=True, slots=True)
class Listed:
    """A party on one version of a list."""

    entry: Entry
    version: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """A party and which of its names it is."""

    party: int
    name: Name
    person: bool | None = None
    """whether the party is a person; None where the list does not say"""


class Catalogue:
    """The distinct texts of one set of lists. Threads may share it: its caches only fill."""

    def __init__(self, texts: Iterable[tuple[str, Bearer]]) -> None:
        bearers = dict[str, list[Bearer]]()
        for text, bearer in texts:
            bearers.setdefault(text, []).append(bearer)
        self._texts = tuple(bearers)
        self._bearers = tuple(tuple(each) for each in bearers.values())
        self._index = TrigramIndex(self._texts)
        self._parsed: dict[tuple[int, bool], Parsed] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def nearest(self, text: str, most: int) -> Numbers:
        """The numbers of the texts likest to this one."""
        return self._index.nearest(text, most)

    def bearers(self, number: int) -> tuple[Bearer, ...]:
        """Who bears the text of that number."""
        return self._bearers[number]

    def parsed(self, number: int, *, person: bool) -> Parsed:
        """The text of that number, taken apart."""
        found = self._parsed.get((number, person))
        if found is None:
            found = parse_words(self._texts[number].split(), person=person)
            self._parsed[number, person] = found
        return found


def listed_parties(list_data: Sequence[ListData]) -> tuple[Listed, ...]:
    """All parties of all lists."""
    return tuple(Listed(entry, data.version) for data in list_data for entry in data.entries)


def name_catalogue(parties: Sequence[Listed]) -> Catalogue:
    """The names of persons, organisations and ships; of places and wallets none."""
    return Catalogue(
        (text, Bearer(number, name, _PERSONS.get(party.entry.type, False)))
        for number, party in enumerate(parties)
        if party.entry.type not in _PLACES
        for name in party.entry.names
        for text in searched_texts(name.text, party.entry.type)
    )


def address_catalogue(parties: Sequence[Listed]) -> Catalogue:
    """The addresses that are listed themselves, whoever sits there."""
    return Catalogue(
        (text, Bearer(number, Name(address)))
        for number, party in enumerate(parties)
        if party.entry.type is EntryType.ADDRESS
        for address in party.entry.addresses
        for text in searched_texts(address, party.entry.type)
    )


def searched_texts(name: str, kind: EntryType) -> set[str]:
    """The name in Latin, and less what list keepers wrote into it."""
    person = _PERSONS.get(kind, False)
    found = set[str]()
    for text in {name, without_asides(name)}:
        try:
            found.add(" ".join(latin_words(text, person=person)))
        except TooLarge:
            # Prose, not a name; its beginning is searched so that no entry is unfindable.
            found.add(" ".join(latin_words(text[:500], person=person)))
    return found - {""}
