"""What a screening list says: parties with their names, numbers, wallets and places.

Reads no file and compares no names; sources build these values and matchers read them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from kycgate.core.claims import Address

NameKind = Literal["primary", "alias", "weak", "former"]
IdentifierType = Literal[
    "lei", "uen", "uscc", "passport", "imo", "tax", "national", "registration", "other"
]

_EVM = re.compile(r"0x[0-9a-f]{40}")


class EntryType(StrEnum):
    """What a list says an entry is; BIS and the State Department do not say."""

    PERSON = "P"
    ORGANISATION = "O"
    VESSEL = "V"
    AIRCRAFT = "A"
    ADDRESS = "L"
    """a listed place: its name tells nothing, its `addresses` are what to look for"""
    WALLET = "W"
    """a wallet on its own: its names tell whose it is and are not searched"""
    UNSTATED = ""


@dataclass(frozen=True, slots=True)
class Name:
    """One name as listed. A `weak` alias is one its publisher calls weak: never a hit alone."""

    text: str
    kind: NameKind = "primary"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number that someone issued. `value` as listed; `country` ISO 3166 alpha-2, or empty."""

    type: IdentifierType
    value: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class Wallet:
    """A listed wallet. `address` of the EVM form is lower case; others are kept as listed."""

    ticker: str
    address: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed party. `list` is the publisher's list (`SDN`), `id` its number there.

    Countries are ISO 3166 alpha-2 where the list's words are known, else its words. Birth dates
    are `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, `A/B` for a span and `~` in front for "about".
    The primary name comes first; only a wallet without a known holder has none.
    """

    list: str
    id: str
    type: EntryType
    names: tuple[Name, ...]
    countries: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    wallets: tuple[Wallet, ...] = ()
    addresses: tuple[str, ...] = ()
    programmes: tuple[str, ...] = ()
    citation: str = ""
    """the law the list stands on"""
    notice: str = ""
    """the gazette's page"""
    url: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 hex of everything that says who this is; changes when the party's entry does.

        Citation, notice and URL are left out: where an entry is printed does not change it.
        """
        return _sha256(encode_entry(self)[:10])

    @property
    def name(self) -> str:
        """The primary name, or the first wallet, or the id."""
        if self.names:
            return self.names[0].text
        return self.wallets[0].address if self.wallets else self.id

    @property
    def evm_addresses(self) -> tuple[Address, ...]:
        """Its EVM wallets: the same key works under every EVM ticker, so the ticker is no part."""
        texts = dict.fromkeys(w.address for w in self.wallets if _EVM.fullmatch(w.address))
        return tuple(Address(bytes.fromhex(text[2:])) for text in texts)


@dataclass(frozen=True, slots=True)
class ListData:
    """One version of one list file, complete. Entries in the order of (list, id), each pair once.

    `version` is the head of the SHA-256 of the entries: the same entries are the same version,
    in whichever order or format they were published. `as_of`, Unix seconds UTC, is the publisher's
    date, or the later moment at which the publisher still gave out this very file. `source` names
    the plug-in that read it.
    """

    name: str
    version: str
    as_of: int
    entries: tuple[Entry, ...]
    source: str
    counts: Mapping[str, int]
    """publisher's list → entries"""


def list_data(name: str, entries: Iterable[Entry], *, as_of: int, source: str) -> ListData:
    """Order the entries, tell apart those that share an id, count and version them."""
    groups = dict[tuple[str, str], list[Entry]]()
    for entry in entries:
        groups.setdefault((entry.list, entry.id), []).append(entry)
    ordered = tuple(each for key in sorted(groups) for each in _apart(groups[key]))
    counts = dict[str, int]()
    for entry in ordered:
        counts[entry.list] = counts.get(entry.list, 0) + 1
    return ListData(name, version_of(ordered), as_of, ordered, source, counts)


def version_of(entries: Iterable[Entry]) -> str:
    """The version of a list: the head of the SHA-256 over its entries in order."""
    return version_of_rows(map(canonical_row, entries))


def version_of_rows(rows: Iterable[bytes]) -> str:
    """The same over their canonical rows."""
    hasher = hashlib.sha256()
    for row in rows:
        hasher.update(row + b"\n")
    return hasher.hexdigest()[:12]


def canonical_row(entry: Entry) -> bytes:
    """The one line that stands for the entry wherever it is kept or hashed."""
    return _canonical(encode_entry(entry))


def encode_entry(entry: Entry) -> list[Any]:
    """The entry as a JSON array, fields in the order of the class, new ones last."""
    return [
        entry.list,
        entry.id,
        entry.type,
        [[name.text, name.kind] for name in entry.names],
        entry.countries,
        entry.birth_dates,
        [[each.type, each.value, each.country] for each in entry.identifiers],
        [[wallet.ticker, wallet.address] for wallet in entry.wallets],
        entry.addresses,
        entry.programmes,
        entry.citation,
        entry.notice,
        entry.url,
    ]


def decode_entry(row: list[Any]) -> Entry:
    """Undo `encode_entry`. Raises ValueError, TypeError or KeyError for any other row."""
    (
        list_,
        id_,
        type_,
        names,
        countries,
        births,
        identifiers,
        wallets,
        places,
        programmes,
        *where,
    ) = row
    citation, notice, url = where
    return Entry(
        list_,
        id_,
        _TYPES[type_],
        tuple(Name(*each) for each in names),
        tuple(countries),
        tuple(births),
        tuple(Identifier(*each) for each in identifiers),
        tuple(Wallet(*each) for each in wallets),
        tuple(places),
        tuple(programmes),
        citation,
        notice,
        url,
    )


_TYPES = {str(each): each for each in EntryType}


def _apart(same: list[Entry]) -> list[Entry]:
    """Different parties under one id: the later ones get `#2`, `#3` in the order of content."""
    if len(same) == 1:
        return same
    different = sorted(set(same), key=canonical_row)
    return [
        entry if number == 1 else replace(entry, id=f"{entry.id}#{number}")
        for number, entry in enumerate(different, 1)
    ]


def _canonical(value: list[Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _sha256(value: list[Any]) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()
