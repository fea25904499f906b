"""Reads OFAC's SDN list as its four CSV files: parties, aliases, addresses, overflowing remarks.

All four or nothing: without `alt.csv` most aliases would be missing and nobody would see it.
Ownership (`Linked To:`) is not read here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from kycgate.errors import Malformed
from kycgate.screening.entries import EntryType, NameKind
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.ofac_remarks import read_remarks
from kycgate.screening.sources.opening import csv_rows, read_text
from kycgate.screening.sources.reading import Named, Reading

LIMIT = 64 * MIB
URL = "https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/"
DETAILS = "https://sanctionssearch.ofac.treas.gov/Details.aspx?id="

_NULL = "-0-"
_TYPES = {
    "individual": EntryType.PERSON,
    "vessel": EntryType.VESSEL,
    "aircraft": EntryType.AIRCRAFT,
    "": EntryType.ORGANISATION,
}
_KINDS: dict[str, NameKind] = {"aka": "alias", "fka": "former", "nka": "alias"}
_MOST_STRAY = 0.01
"""Share of aliases and addresses of parties that are not there; more means files of two days."""


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read the four files."""
    parties = _rows(files["sdn.csv"], 12)
    known = {row[0] for row in parties}
    names, places = defaultdict[str, list[Named]](list), defaultdict[str, list[list[str]]](list)
    for row in _linked(files["alt.csv"], 5, known):
        names[row[0]].append((row[3], _KINDS.get(row[2], "alias")))
    for row in _linked(files["add.csv"], 6, known):
        places[row[0]].append(row[2:5])
    overflow = defaultdict[str, str](str)
    for row in _linked(files["sdn_comments.csv"], 2, known):
        overflow[row[0]] += row[1]
    for row in parties:
        _add(into, row, names[row[0]], places[row[0]], overflow[row[0]])


def _add(
    into: Reading, row: list[str], aliases: list[Named], places: list[list[str]], overflow: str
) -> None:
    number, name, kind, programmes, _, _, _, _, _, flag, _, remarks = row
    # Remarks break off in the middle of a word and go on in sdn_comments.csv.
    read_here = read_remarks(remarks + overflow)
    into.add(
        "SDN",
        number,
        _TYPES.get(kind, EntryType.UNSTATED),
        [(name, "primary"), *aliases, *read_here.names],
        countries=[*(place[-1] for place in places), *read_here.countries, flag],
        birth_dates=read_here.birth_dates,
        identifiers=read_here.identifiers,
        wallets=read_here.wallets,
        addresses=[", ".join(filter(None, place)) for place in places],
        programmes=programmes.replace("[", "").replace("]", ";").split(";"),
        citation="31 C.F.R. Chapter V (OFAC)",
        url=DETAILS + number,
    )


def _rows(path: Path, width: int) -> list[list[str]]:
    """Rows with OFAC's nulls emptied. A party's number that is none means a broken row."""
    rows = csv_rows(path, read_text(path, LIMIT, "utf-8-sig", "cp1252"), width=width)
    for at, row in enumerate(rows, 1):
        row[:] = ["" if each.strip() == _NULL else each for each in row]
        row[0] = row[0].strip()
        if not row[0].isdecimal():
            raise Malformed(f"row {at} starts with {row[0][:20]!r}, not a number", field=path.name)
    return rows


def _linked(path: Path, width: int, known: set[str]) -> list[list[str]]:
    """Rows about known parties. Raises Malformed when too many are about others."""
    rows = _rows(path, width)
    fitting = [row for row in rows if row[0] in known]
    if len(rows) - len(fitting) > max(5, _MOST_STRAY * len(rows)):
        raise Malformed(
            f"{len(rows) - len(fitting)} of {len(rows)} rows are about parties not in sdn.csv",
            field=path.name,
            remedy="take all four files of one day",
        )
    return fitting


SOURCE = Source(
    name="ofac-sdn",
    title="OFAC Specially Designated Nationals, CSV",
    parts=tuple(
        Part(file, URL + file.upper())
        for file in ("sdn.csv", "alt.csv", "add.csv", "sdn_comments.csv")
    ),
    reader=read,
    proven=True,
    quiet_s=30 * DAY,
    max_bytes=LIMIT,
)
