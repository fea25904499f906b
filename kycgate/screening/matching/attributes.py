"""Weighs what is known beside the name: birth date and country, for or against one party.

Alone they mean nothing: millions share them. An unknown attribute counts neither way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kycgate.errors import Malformed
from kycgate.screening.entries import Entry


class Agreement(StrEnum):
    """How an attribute of the asked party stands to the listed one's."""

    AGREES = "agrees"
    NEAR = "near"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute compared, and what that adds to the score."""

    name: str
    agreement: Agreement
    asked: str
    listed: str
    effect: float


_EFFECTS: dict[tuple[str, Agreement], float] = {
    ("birth_date", Agreement.AGREES): 0.08,
    ("birth_date", Agreement.NEAR): 0.02,
    ("birth_date", Agreement.DIFFERS): -0.2,
    ("country", Agreement.AGREES): 0.03,
    # People and companies move, and lists name few of their countries.
    ("country", Agreement.DIFFERS): -0.04,
}
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_YEARS_NEAR = 2
"""Years within which a listed birth date may simply be wrong."""
_YEARS_ABOUT = 3
"""Years a listed `about` reaches either way."""


def compare_attributes(entry: Entry, *, birth_date: str, country: str) -> tuple[Attribute, ...]:
    """Each attribute that was asked for, compared with the entry's."""
    found = []
    if birth_date:
        agreement = _birth(birth_date, entry.birth_dates)
        found.append(_attribute("birth_date", agreement, birth_date, entry.birth_dates))
    if country:
        agreement = _country(country, entry.countries)
        found.append(_attribute("country", agreement, country, entry.countries))
    return tuple(found)


def check_birth_date(text: str) -> str:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD`, as given. Raises Malformed for anything else."""
    found = _DATE.fullmatch(text)
    if found is None or not 1 <= int(found[2] or 1) <= 12 or not 1 <= int(found[3] or 1) <= 31:
        raise Malformed("not a date", field="birth_date", remedy="write it as 1980-12-31 or 1980")
    return text


def _attribute(name: str, agreement: Agreement, asked: str, listed: Iterable[str]) -> Attribute:
    effect = _EFFECTS.get((name, agreement), 0.0)
    return Attribute(name, agreement, asked, ", ".join(listed), effect)


def _country(asked: str, listed: tuple[str, ...]) -> Agreement:
    if not listed:
        return Agreement.UNKNOWN
    return Agreement.AGREES if asked.upper() in listed else Agreement.DIFFERS


def _birth(asked: str, listed: tuple[str, ...]) -> Agreement:
    """The best agreement with any listed date: lists name several where they are unsure."""
    found = {_one_birth(asked, each) for each in listed}
    for agreement in (Agreement.AGREES, Agreement.NEAR, Agreement.DIFFERS):
        if agreement in found:
            return agreement
    return Agreement.UNKNOWN


def _one_birth(asked: str, listed: str) -> Agreement:
    dates = _DATE.findall(listed)
    if not dates:
        return Agreement.UNKNOWN
    year = int(asked[:4])
    years = [int(date[0]) for date in dates]
    about = _YEARS_ABOUT if listed.startswith("~") else 0
    first, last = min(years) - about, max(years) + about
    if not first - _YEARS_NEAR <= year <= last + _YEARS_NEAR:
        return Agreement.DIFFERS
    if not first <= year <= last:
        return Agreement.NEAR
    if about or len(dates) > 1:
        return Agreement.AGREES
    # Day and month decide where both are known; swapped ones are a clerk's commonest slip.
    wanted = [part for part in _DATE.fullmatch(asked).groups()[1:] if part]  # type: ignore[union-attr]
    known = [part for part in dates[0][1:] if part]
    length = min(len(wanted), len(known))
    if wanted[:length] == known[:length]:
        return Agreement.AGREES
    return Agreement.NEAR
