"""The screening lists that ship with kycgate, and the exact look-up of names and wallets in them.

Finds no misspelling and judges no hit; a list that is empty or damaged is never treated as clear.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from kycgate.core.claims import Address, Kind, parse_address
from kycgate.core.policy import ListVersion
from kycgate.errors import Malformed, Misconfigured, Unavailable
from kycgate.screening.match import legal_key, normalise, unordered_key, without_asides

Key = Callable[[str], str]

CSL = "us-csl"
WALLETS = "ofac-evm-wallets"

# Of the wallet list only the year 2026 is known: its first day, so that it never looks too young.
_WALLETS_AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
_SECONDS_AHEAD = 86_400
"""How far in the future a list date may lie: publishers date by their own calendar day."""


class EntryType(StrEnum):
    """What a list says an entry is; BIS and the State Department do not say."""

    PERSON = "P"
    ORGANISATION = "O"
    VESSEL = "V"
    AIRCRAFT = "A"
    UNSTATED = ""


_TYPES = {str(each): each for each in EntryType}


class Band(StrEnum):
    """What a hit asks for: a person to look, or no."""

    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed party. `names` holds the primary name first; `notice` the gazette's page."""

    list: str
    id: str
    type: EntryType
    names: tuple[str, ...]
    countries: tuple[str, ...]
    citation: str
    notice: str
    url: str


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


@dataclass(frozen=True, slots=True)
class Lists:
    """Parsed lists of one moment. Raises Unavailable when any of them is empty."""

    versions: tuple[ListVersion, ...]
    entries: tuple[Entry, ...]
    wallets: Mapping[Address, str]
    """address → the name of its holder as listed, empty where not known"""

    def __post_init__(self) -> None:
        if not self.entries or not self.wallets or len(self.versions) != 2:
            raise Unavailable("a screening list is empty: nobody can be called clear")

    @property
    def as_of(self) -> int:
        """The date of the oldest list, Unix seconds UTC."""
        return min(version.as_of for version in self.versions)

    def version(self, name: str) -> str:
        """The version of the list of that name."""
        return next(version.version for version in self.versions if version.name == name)


class Screener:
    """Answers whether an exact name or wallet is listed. Thread-safe: unchanged once built."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._csl = lists.version(CSL)
        self._wallets = lists.version(WALLETS)
        self._names = dict[str, list[int]]()
        self._legal = dict[str, list[int]]()
        self._unordered = dict[str, list[int]]()
        for number, entry in enumerate(lists.entries):
            self._index(number, entry)

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """The lists every answer stands on."""
        return self.lists.versions

    def stale(self, now: int, max_age_s: int) -> tuple[ListVersion, ...]:
        """The lists older than that at `now`, or dated in the future."""
        return tuple(
            version
            for version in self.versions
            if not -_SECONDS_AHEAD <= now - version.as_of <= max_age_s
        )

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
        holder = self.lists.wallets.get(address)
        if holder is None:
            return ()
        text = "0x" + address.hex()
        return (Hit("SDN", self._wallets, text, holder or text, text, 1.0, Band.BLOCK),)

    def _index(self, number: int, entry: Entry) -> None:
        for name in entry.names:
            key = normalise(name)
            # The Entity List also lists addresses, under names that tell nothing.
            if not key or (entry.list == "EL" and key.startswith("address ")):
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
        entry = self.lists.entries[number]
        certain = (
            score == 1.0
            and kind is Kind.ORGANISATION
            and entry.type in (EntryType.ORGANISATION, EntryType.UNSTATED)
            and (" " in asked or not asked.isascii())
        )
        listed = _listed(entry, key, key(asked))
        band = Band.BLOCK if certain else Band.REVIEW
        return Hit(entry.list, self._csl, entry.id, listed, asked, score, band)


def _listed(entry: Entry, key: Key, wanted: str) -> str:
    """Which of the entry's names it was."""
    for name in entry.names:
        if wanted in (key(normalise(name)), key(normalise(without_asides(name)))):
            return name
    return entry.names[0]


def _add(index: dict[str, list[int]], key: str, number: int) -> None:
    numbers = index.setdefault(key, [])
    if not numbers or numbers[-1] != number:
        numbers.append(number)


@cache
def load_demo_lists() -> Lists:
    """The dated lists inside the package (`data/ORIGIN.md`). Raises Misconfigured when damaged."""
    try:
        csl, entries = _read_csl(_data("us_csl.jsonl.gz"))
        version, wallets = _read_wallets(_data("ofac_evm_wallets.csv"))
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, Malformed) as e:
        raise Misconfigured(
            (f"a shipped screening list is damaged ({e}): reinstall kycgate",)
        ) from e
    return Lists((csl, version), entries, wallets)


@cache
def load_demo_screener() -> Screener:
    """A Screener over the shipped lists, built once per process."""
    return Screener(load_demo_lists())


def _read_csl(packed: bytes) -> tuple[ListVersion, tuple[Entry, ...]]:
    """Read `us_csl.jsonl.gz`: a head, then one line an entry in the head's column order."""
    text = gzip.decompress(packed)
    lines = text.decode().splitlines()
    head: dict[str, Any] = json.loads(lines[0])
    sources = [(each["code"], each["citation"]) for each in head["lists"]]
    rows = json.loads(f"[{','.join(lines[1:])}]")
    entries = tuple(_entry(row, sources, head["urls"]) for row in rows)
    if len(entries) != head["entries"] or sum(len(e.names) for e in entries) != head["names"]:
        raise ValueError(f"{CSL}: {len(entries)} entries where {head['entries']} are announced")
    as_of = datetime.fromisoformat(head["as_of"])
    return ListVersion(CSL, _version(text), int(as_of.timestamp())), entries


def _entry(row: list[Any], sources: list[tuple[str, str]], urls: list[str]) -> Entry:
    source, entry_id, kind, names, countries, notice, url = row
    code, citation = sources[source]
    return Entry(
        code, entry_id, _TYPES[kind], tuple(names), tuple(countries), citation, notice, urls[url]
    )


def _read_wallets(text: bytes) -> tuple[ListVersion, dict[Address, str]]:
    """Read `ofac_evm_wallets.csv`: address, name of the holder."""
    rows = csv.DictReader(io.StringIO(text.decode()))
    wallets = {parse_address(row["address"]): row["name"] for row in rows}
    return ListVersion(WALLETS, _version(text), int(_WALLETS_AS_OF.timestamp())), wallets


def _version(content: bytes) -> str:
    """A list's version: the head of the SHA-256 of its content."""
    return hashlib.sha256(content).hexdigest()[:12]


def _data(name: str) -> bytes:
    return files(__package__).joinpath("data", name).read_bytes()
