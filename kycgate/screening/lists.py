"""The screening lists that ship with kycgate, and the exact look-up of names and wallets in them.

Finds no misspelling and judges no hit; a list that is empty or damaged is never treated as clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from kycgate.core.claims import Address, Kind
from kycgate.core.policy import ListVersion
from kycgate.errors import Malformed, Unavailable
from kycgate.screening.entries import Entry, EntryType, ListData
from kycgate.screening.library import Library
from kycgate.screening.match import legal_key, normalise, unordered_key, without_asides
from kycgate.screening.sources.shipped import CSL, WALLETS, shipped

__all__ = [
    "CSL",
    "WALLETS",
    "Band",
    "Entry",
    "EntryType",
    "Hit",
    "Lists",
    "Screener",
    "load_demo_lists",
    "load_demo_screener",
    "load_lists",
]

Key = Callable[[str], str]

_SECONDS_AHEAD = 86_400
"""How far in the future a list date may lie: publishers date by their own calendar day."""


class Band(StrEnum):
    """What a hit asks for: a person to look, or no."""

    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Hit:
    """A listed party found. `name` as listed, `matched` as asked in normal form."""

    list: str
    list_version: str
    entry_id: str
    name: str
    matched: str
    score: float
    band: Band
    digest: str = ""
    """of the listed entry: changes when what is said of that party does"""
    by: str = "name"
    """`name`, `identifier`, `wallet` or `address`"""
    entity: Mapping[str, Any] = field(default_factory=dict)
    """the party in FollowTheMoney shape, scored and explained; empty from the exact look-up"""


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of one moment. Raises Unavailable when one is empty, or none holds names or wallets."""

    data: tuple[ListData, ...]

    def __post_init__(self) -> None:
        if not all(each.entries for each in self.data) or not self.wallets or not self.named:
            raise Unavailable("a screening list is empty: nobody can be called clear")

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """What each list was, as decisions record it."""
        return tuple(ListVersion(each.name, each.version, each.as_of) for each in self.data)

    @property
    def as_of(self) -> int:
        """The date of the oldest list, Unix seconds UTC."""
        return min(each.as_of for each in self.data)

    @property
    def named(self) -> tuple[tuple[Entry, str], ...]:
        """Every entry that a name can find, with the version of the list it stands in."""
        return tuple(
            (entry, each.version)
            for each in self.data
            for entry in each.entries
            if entry.type not in (EntryType.WALLET, EntryType.ADDRESS)
        )

    @property
    def wallets(self) -> Mapping[Address, tuple[tuple[Entry, str], ...]]:
        """Every listed EVM address: one key holds it under every EVM ticker."""
        found = dict[Address, tuple[tuple[Entry, str], ...]]()
        for each in self.data:
            for entry in each.entries:
                for address in entry.evm_addresses:
                    found[address] = (*found.get(address, ()), (entry, each.version))
        return found


class Screener:
    """Answers whether an exact name or wallet is listed. Thread-safe: unchanged once built."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._listed = lists.named
        self._wallets = lists.wallets
        self._names = dict[str, list[int]]()
        self._legal = dict[str, list[int]]()
        self._unordered = dict[str, list[int]]()
        for number, (entry, _) in enumerate(self._listed):
            self._index(number, entry)

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The lists every answer stands on."""
        return self.lists.versions

    def stale(self, now: int, max_age_s: int) -> tuple[ListVersion, ...]:
        """The lists older than that at `now`, or dated in the future."""
        return stale_versions(self.versions, now, max_age_s)

    def name(self, name: str, *, kind: Kind | None) -> tuple[Hit, ...]:
        """Every entry of that name, best first; `kind` None: not known whether person or company.

        The full name of an organisation blocks. Everything less asks for review: a person's name
        (a namesake is not the same person), another word order or legal form, a single word, an
        entry of another kind. Raises Malformed for a name with no letter or digit, TooLarge.
        """
        asked = normalise(name)
        if not asked:
            raise Malformed("a name without letters or digits", field="name", remedy="write it out")
        hits, seen = list[Hit](), set[int]()
        for score, index, key in self._tiers(kind):
            new = [number for number in index.get(key(asked), ()) if number not in seen]
            seen.update(new)
            hits += [self._hit(number, asked, score, key, kind) for number in new]
        return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.band, hit.list, hit.entry_id)))

    def wallet(self, address: Address) -> tuple[Hit, ...]:
        """Whether the address is on the current list. Addresses delisted since are not."""
        text = "0x" + address.hex()
        return tuple(
            Hit(entry.list, version, entry.id, entry.name, text, 1.0, Band.BLOCK)
            for entry, version in self._wallets.get(address, ())
        )

    def _index(self, number: int, entry: Entry) -> None:
        for name in (each.text for each in entry.names if each.kind != "weak"):
            key = normalise(name)
            if not key:
                continue
            _add(self._names, key, number)
            core = normalise(without_asides(name)) or key
            if entry.type is not EntryType.PERSON:
                _add(self._legal, legal_key(core), number)
            if entry.type in (EntryType.PERSON, EntryType.UNSTATED):
                _add(self._unordered, unordered_key(core), number)

    def _tiers(self, kind: Kind | None) -> Iterator[tuple[float, dict[str, list[int]], Key]]:
        """From the surest way of being the same name to the least."""
        yield 1.0, self._names, str
        if kind is not Kind.PERSON:
            yield 0.95, self._legal, legal_key
        if kind is not Kind.ORGANISATION:
            yield 0.95, self._unordered, unordered_key

    def _hit(self, number: int, asked: str, score: float, key: Key, kind: Kind | None) -> Hit:
        entry, version = self._listed[number]
        certain = (
            score == 1.0
            and kind is Kind.ORGANISATION
            and entry.type in (EntryType.ORGANISATION, EntryType.UNSTATED)
            and (" " in asked or not asked.isascii())
        )
        listed = _listed(entry, key, key(asked))
        band = Band.BLOCK if certain else Band.REVIEW
        return Hit(entry.list, version, entry.id, listed, asked, score, band)


def stale_versions(
    versions: Sequence[ListVersion], now: int, max_age_s: int
) -> tuple[ListVersion, ...]:
    """Those older than that at `now`, or dated in the future. No list at all is stale, too."""
    if not versions:
        return (ListVersion("none", "", 0),)
    return tuple(each for each in versions if not -_SECONDS_AHEAD <= now - each.as_of <= max_age_s)


def _listed(entry: Entry, key: Key, wanted: str) -> str:
    """Which of the entry's names it was."""
    for name in (each.text for each in entry.names):
        if wanted in (key(normalise(name)), key(normalise(without_asides(name)))):
            return name
    return entry.name


def _add(index: dict[str, list[int]], key: str, number: int) -> None:
    numbers = index.setdefault(key, [])
    if not numbers or numbers[-1] != number:
        numbers.append(number)


@cache
def load_demo_lists() -> Lists:
    """The dated lists inside the package (`data/ORIGIN.md`). Raises Misconfigured when damaged."""
    return Lists(shipped())


def load_lists(library: Library, moment: int) -> Lists:
    """The lists that were in force at that moment. Raises Unavailable when one is damaged."""
    return Lists(library.load(moment))


@cache
def load_demo_screener() -> Screener:
    """A Screener over the shipped lists, built once per process."""
    return Screener(load_demo_lists())
