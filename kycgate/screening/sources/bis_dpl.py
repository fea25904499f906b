"""Reads the Denied Persons List of the US Bureau of Industry and Security, tab separated.

A person denied at several addresses has several rows; they are one entry. Orders that have
ended stay in the file for a time and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from kycgate.screening.entries import EntryType
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.opening import csv_rows, named_rows, read_text
from kycgate.screening.sources.reading import Reading

LIMIT = 16 * MIB

_FILE = "dpl.txt"
_COLUMNS = frozenset(
    {"Name", "Street_Address", "City", "State", "Country", "Postal_Code", "Expiration_Date"}
    | {"FR_Citation"}
)
_PLACE = ("Street_Address", "City", "State", "Postal_Code", "Country")


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read the orders in force."""
    path = files[_FILE]
    rows = csv_rows(path, read_text(path, LIMIT, "utf-8-sig", "cp1252"), delimiter="\t")
    orders = defaultdict[tuple[str, str], list[dict[str, str]]](list)
    for row in named_rows(path, rows, _COLUMNS):
        if not into.expired(_day(row["Expiration_Date"])):
            orders[row["Name"].strip(), row["FR_Citation"].strip()].append(row)
    for (name, citation), same in orders.items():
        into.add(
            "DPL",
            "",
            EntryType.UNSTATED,
            [(name, "primary")],
            countries=[row["Country"] for row in same],
            addresses=[", ".join(row[key] for key in _PLACE if row[key]) for row in same],
            citation="15 C.F.R. Part 764, Supplement No. 2",
            notice=citation,
            url="https://www.bis.gov/denied-persons-list",
        )


def _day(text: str) -> str:
    """`06/29/2056` as `2056-06-29`; nothing for an order without an end or an unreadable one."""
    try:
        return datetime.strptime(text.strip(), "%m/%d/%Y").strftime("%Y-%m-%d")
    except ValueError:
        return ""


SOURCE = Source(
    name="bis-dpl",
    title="US Bureau of Industry and Security, Denied Persons List",
    parts=(Part(_FILE, "https://www.bis.doc.gov/dpl/dpl.txt"),),
    reader=read,
    proven=True,
    quiet_s=60 * DAY,
    max_bytes=LIMIT,
)
