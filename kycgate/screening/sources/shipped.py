"""Reads the two lists inside the package (`data/ORIGIN.md`), the first versions of any library.

They are of fixed dates, for demonstrations and for working offline: not current lists.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from kycgate.core.claims import parse_address
from kycgate.errors import Malformed, Misconfigured
from kycgate.screening.entries import (
    Entry,
    EntryType,
    ListData,
    Name,
    NameKind,
    Wallet,
    list_data,
)
from kycgate.screening.sources.places import country

CSL = "us-csl"
WALLETS = "ofac-evm-wallets"

# Of the wallet list only the year 2026 is known: its first day, so that it never looks too young.
_WALLETS_AS_OF = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_TYPES = {str(each): each for each in EntryType}


def shipped() -> tuple[ListData, ...]:
    """Both lists. Raises Misconfigured when a file is damaged."""
    return tuple(shipped_list(name) for name in SHIPPED)


@cache
def shipped_list(name: str) -> ListData:
    """One of them. Raises Misconfigured when its file is damaged."""
    file, read = SHIPPED[name]
    try:
        return read(_data(file))
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, Malformed) as e:
        raise Misconfigured(
            (f"the shipped screening list {file} is damaged ({e}): reinstall kycgate",)
        ) from e


def shipped_sha256(name: str) -> str:
    """SHA-256 hex of its file: tells whether it was taken before, without reading it."""
    return hashlib.sha256(_data(SHIPPED[name][0])).hexdigest()


def read_compact(packed: bytes) -> ListData:
    """Read `us_csl.jsonl.gz`: a head, then one line an entry in the head's column order."""
    return read_compact_text(gzip.decompress(packed).decode())


def read_compact_text(text: str) -> ListData:
    """The same, unpacked. Raises ValueError, LookupError or TypeError for anything else."""
    lines = text.splitlines()
    head: dict[str, Any] = json.loads(lines[0])
    lists = [(each["code"], each["citation"]) for each in head["lists"]]
    rows = json.loads(f"[{','.join(lines[1:])}]")
    entries = [_entry(row, lists, head["urls"]) for row in rows]
    if len(entries) != head["entries"] or sum(len(e.names) for e in entries) != head["names"]:
        raise ValueError(f"{CSL}: {len(entries)} entries where {head['entries']} are announced")
    as_of = int(datetime.fromisoformat(head["as_of"]).timestamp())
    return list_data(CSL, entries, as_of=as_of, source="shipped")


def read_wallets(text: bytes) -> ListData:
    """Read `ofac_evm_wallets.csv`: address, name of the holder."""
    entries = [
        _wallet("0x" + parse_address(row["address"]).hex(), row["name"])
        for row in csv.DictReader(io.StringIO(text.decode()))
    ]
    return list_data(WALLETS, entries, as_of=_WALLETS_AS_OF, source="shipped")


def _entry(row: list[Any], lists: list[tuple[str, str]], urls: list[str]) -> Entry:
    number, entry_id, kind, names, countries, notice, url = row
    code, citation = lists[number]
    return Entry(
        list=code,
        id=entry_id,
        type=entry_type(code, kind, names[0]),
        names=tuple(Name(name, _kind(at)) for at, name in enumerate(names)),
        countries=tuple(dict.fromkeys(filter(None, map(country, countries)))),
        citation=citation,
        notice=notice,
        url=urls[url],
    )


def entry_type(code: str, kind: str, name: str) -> EntryType:
    """What it is. The Entity List also lists addresses, under names that tell nothing."""
    if code == "EL" and name.startswith("Address "):
        return EntryType.ADDRESS
    return _TYPES[kind]


def _kind(at: int) -> NameKind:
    return "alias" if at else "primary"


def _wallet(address: str, holder: str) -> Entry:
    return Entry(
        list="SDN",
        id=address,
        type=EntryType.WALLET,
        names=(Name(holder),) if holder else (),
        wallets=(Wallet("ETH", address),),
    )


SHIPPED: Mapping[str, tuple[str, Callable[[bytes], ListData]]] = {
    CSL: ("us_csl.jsonl.gz", read_compact),
    WALLETS: ("ofac_evm_wallets.csv", read_wallets),
}
"""name → file in the package, and how it is read"""


def _data(name: str) -> bytes:
    return files("kycgate.screening").joinpath("data", name).read_bytes()
