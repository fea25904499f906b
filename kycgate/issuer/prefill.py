"""What the public registers say of an organisation, for a form to start from.

Establishes nothing: what a renter hands in is what counts, and is screened and doubted as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from kycgate.issuer.cases import Countries
from kycgate.screening.ownership.graph import OwnershipGraph
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.parties import Party, Register

PARENTS_MOST: Final = 8
"""As many as a case takes."""


class Registered(Protocol):
    """The registers of one moment; each has its `register` and when it was `made_at`."""

    @property
    def opened(self) -> Sequence[Any]: ...


class Registers(Protocol):
    """Where registers are followed. `current` raises Unavailable while one was never read."""

    def current(self) -> Registered: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One company of a register. Countries are ISO 3166-1 numeric, 0 unknown."""

    name: str
    registered_in: int
    headquarters: int
    number: str
    """as its companies register has it, or empty"""


@dataclass(frozen=True, slots=True)
class Known:
    """An organisation and the companies above it, nearest first, up to the one on top.

    `parents` is empty where the register can't say who controls it.
    """

    entry: Entry
    parents: tuple[Entry, ...]
    as_of: int
    """when the register was read, Unix seconds UTC"""


class Prefill:
    """Looks organisations up by their Legal Entity Identifier."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    def look(self, lei: str, *, now: int) -> Known | None:
        """None where no register has it. Raises Unavailable while one was never read."""
        for each in self._registers.current().opened:
            known = _known(each.register, lei, now)
            if known is not None:
                return Known(known[0], known[1], each.made_at)
        return None


def document(known: Known, countries: Countries) -> dict[str, Any]:
    """As the form's fields are called; what is not known is left out."""
    entry = known.entry
    fields = {
        "name": entry.name,
        "registration_number": entry.number,
        "country": _alpha2(entry.registered_in, countries),
        "headquarters_country": _alpha2(entry.headquarters, countries),
    }
    parents = [
        _filled(
            {
                "name": each.name,
                "country": _alpha2(each.headquarters, countries),
                "registration_number": each.number,
            }
        )
        for each in known.parents
    ]
    return {**_filled(fields), "parents": parents, "as_of": known.as_of}


def _known(register: Register, lei: str, now: int) -> tuple[Entry, tuple[Entry, ...]] | None:
    found = register.identified(lei)
    if len(found) != 1:
        return None
    at = datetime.fromtimestamp(now, UTC).date()
    parent = OwnershipGraph(register).ultimate_parent(found[0], at=at)
    path = parent.path[:PARENTS_MOST] if isinstance(parent, Parent) else ()
    above = tuple(_entry(register.party(holding.holder, at)) for holding in path)
    return _entry(register.party(found[0], at)), above


def _entry(party: Party) -> Entry:
    number = next((number for country, number in party.numbers if country == party.legal), "")
    return Entry(party.name, party.legal, party.country, number)


def _alpha2(numeric: int, countries: Countries) -> str:
    return countries.alpha2(numeric) if numeric else ""


def _filled(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
