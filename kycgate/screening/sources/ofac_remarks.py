"""Reads the remarks of OFAC's CSV files: birth dates, numbers, wallets, weak aliases, countries.

Remarks are prose with semicolons. What has no known label stays prose and is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kycgate.screening.sources.dates import birth_date
from kycgate.screening.sources.labels import WALLET_LABEL, kind_of
from kycgate.screening.sources.reading import Named, Numbered

_ALIAS = re.compile(r"(?:[afn]\.k\.a\.) '(.+)'$")
_COUNTRY = re.compile(r"(?:nationality|citizen) (?:of )?(.+)")
# Label, number, country: the number is the first word with a digit in it, and what follows it.
_NUMBER = re.compile(
    r"(?P<label>[A-Z][^\d;]*?) (?:# )?(?P<value>(?:IMO )?[^\s(;]*\d[^(;]*?)"
    r"(?: \((?P<country>[^()]+)\))?(?: issued .*| expires .*|;.*)?"
)


@dataclass(slots=True)
class Remarks:
    """What was found in them."""

    names: list[Named] = field(default_factory=list)
    birth_dates: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    identifiers: list[Numbered] = field(default_factory=list)
    wallets: list[tuple[str, str]] = field(default_factory=list)


def read_remarks(text: str) -> Remarks:
    """Read one party's remarks, their continuation appended already."""
    found = Remarks()
    for raw in text.split(";"):
        part = raw.strip().removeprefix("alt. ")
        if wallet := WALLET_LABEL.match(part):
            found.wallets.append((wallet[1], part[wallet.end() :].strip().rstrip(".")))
        elif part.startswith("DOB "):
            found.birth_dates.append(birth_date(part[4:]))
        elif alias := _ALIAS.match(part.rstrip(".")):
            # OFAC prints only the aliases it calls weak here; the others are in alt.csv.
            found.names.append((alias[1], "weak"))
        elif country := _COUNTRY.fullmatch(part.rstrip(".")):
            found.countries.append(country[1])
        else:
            _read_number(part.rstrip("."), found)
    return found


def _read_number(part: str, found: Remarks) -> None:
    number = _NUMBER.fullmatch(part)
    kind = kind_of(number["label"]) if number else None
    if number and kind:
        value = number["value"].strip()
        if value.startswith("IMO "):
            kind, value = "imo", value[4:]
        found.identifiers.append((kind, value, number["country"] or ""))
