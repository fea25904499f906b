"""Reads plain lists of wallets: an address a line, a CSV with a column `address`, or a JSON array.

A list is what is listed now: an address that is gone from it is listed no longer.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from kycgate.core.claims import parse_address
from kycgate.errors import Malformed
from kycgate.screening.entries import EntryType
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.opening import json_value, read_text
from kycgate.screening.sources.reading import Reading

LIMIT = 64 * MIB

_FILE = "wallets.txt"
_TICKER = re.compile(r"_([A-Z][A-Z0-9]{1,7})$")
_ADDRESS = re.compile(r"[A-Za-z0-9:]{20,120}")


def read(code: str, files: Mapping[str, Path], into: Reading) -> None:
    """Read them all as entries of the list `code`, or say at which line one is no address."""
    path = files[_FILE]
    named = _TICKER.search(path.stem)
    for line, raw, holder in _rows(path):
        place = f"{path.name} line {line}"
        evm = raw.lower().startswith("0x")
        if not evm and not _ADDRESS.fullmatch(raw):
            raise Malformed(f"{raw[:60]!r} is no address", field=place)
        address = "0x" + parse_address(raw, field=place).hex() if evm else raw
        ticker = named[1] if named else "ETH" if evm else ""
        into.add(
            code, address, EntryType.WALLET, [(holder, "primary")], wallets=[(ticker, address)]
        )


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, address and holder, if one is named."""
    text = read_text(path, LIMIT, "utf-8-sig")
    if text.lstrip().startswith("["):
        for number, each in enumerate(json_value(path, text), 1):
            yield number, str(each).strip(), ""
        return
    lines = [line.strip() for line in text.splitlines()]
    if lines and "address" in lines[0].lower().split(","):
        for number, row in enumerate(csv.DictReader(lines), 2):
            yield number, (row["address"] or "").strip(), (row.get("name") or "").strip()
        return
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#"):
            yield number, line, ""


def _of(name: str, title: str, code: str) -> Source:
    return Source(
        name=name,
        title=title,
        parts=(Part(_FILE),),
        reader=partial(read, code),
        proven=True,
        quiet_s=60 * DAY,
        max_bytes=LIMIT,
    )


SOURCE = _of("wallets", "Plain list of wallets", "WALLET")
OFAC_EVM = _of("ofac-evm-wallets", "OFAC: EVM wallets", "SDN")
