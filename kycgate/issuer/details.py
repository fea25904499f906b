"""What a renter told about themselves, as values: who they are, who stands above, whom to screen.

Pure; reads no form (`telling` does) and looks nobody up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from kycgate.core.claims import Kind
from kycgate.issuer.form import Countries

if TYPE_CHECKING:
    from kycgate.issuer.owning import Owner


class Above(Enum):
    """What stands above the last owner named: nobody, or nobody said."""

    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Parent:
    """Who controls or consolidates the one below; `country` is that of its headquarters."""

    name: str
    country: int
    registration_number: str | None
    parent: Parent | Above
    lei: str | None = None
    region: str | None = None
    """ISO 3166-2, asked for where only a part of the country is embargoed"""


@dataclass(frozen=True, slots=True)
class Person:
    """A natural person. `birth_date` is YYYY-MM-DD or not told."""

    name: str
    country: int
    birth_date: str | None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """A legal entity, its chain of parents, and the person who speaks for it."""

    name: str
    registration_number: str
    lei: str | None
    country: int
    headquarters_country: int
    parent: Parent | Above
    representative: str
    owners: tuple[Owner, ...] | None = None
    """who holds 25 % or more; empty: nobody does; None: not told"""
    region: str | None = None
    headquarters_region: str | None = None


Details = Person | Organisation


@dataclass(frozen=True, slots=True)
class NamedParty:
    """A name to screen, and its part: `subject`, `parent`, `parent.parent`…, `owner.1`,
    `owner.1.owner.2`…, `representative`."""

    role: str
    name: str
    kind: Kind
    country: int = 0
    """ISO 3166-1 numeric; 0 not told"""
    birth_date: str = ""
    lei: str = ""
    registration_number: str = ""
    decisive: bool = True
    """whether the subject can't be dealt with for a moment where this party is listed for sure"""


def document(details: Details, countries: Countries) -> dict[str, Any]:
    """The details as parse_details reads them: what is sealed as evidence."""
    if isinstance(details, Person):
        born = {} if details.birth_date is None else {"birth_date": details.birth_date}
        where = {} if details.region is None else {"region": details.region}
        return {"name": details.name, "country": countries.alpha2(details.country)} | born | where
    return {
        "name": details.name,
        "registration_number": details.registration_number,
        **({} if details.lei is None else {"lei": details.lei}),
        "country": countries.alpha2(details.country),
        "headquarters_country": countries.alpha2(details.headquarters_country),
        **_told("region", details.region),
        **_told("headquarters_region", details.headquarters_region),
        **_parent_document(details.parent, countries),
        **owners_document(details.owners, countries),
        "representative": {"name": details.representative},
    }


def owners_document(owners: tuple[Owner, ...] | None, countries: Countries) -> dict[str, Any]:
    """The owners as they are read; nothing where nobody told."""
    return {} if owners is None else {"owners": [each.document(countries) for each in owners]}


def owner_parties(owners: tuple[Owner, ...] | None) -> tuple[NamedParty, ...]:
    """Every owner to be screened."""
    return tuple(party for each in owners or () for party in each.parties())


def ultimate_country(details: Details) -> int:
    """Where the ultimate parent has its headquarters, ISO 3166-1 numeric; 0 when nobody said.

    The topmost parent's country if the chain is closed by an explicit "no parent"; the headquarters
    of an organisation that says it has none; a person's country. An open end is unknown, never
    clear: the owner left out may be the one that matters.
    """
    if isinstance(details, Person):
        return details.country
    country, above = details.headquarters_country, details.parent
    while isinstance(above, Parent):
        country, above = above.country, above.parent
    return country if above is Above.NONE else 0


def parents(details: Details) -> tuple[Parent, ...]:
    """The chain of parents, nearest first."""
    chain: list[Parent] = []
    above = details.parent if isinstance(details, Organisation) else Above.NONE
    while isinstance(above, Parent):
        chain.append(above)
        above = above.parent
    return tuple(chain)


def parties(details: Details) -> tuple[NamedParty, ...]:
    """Everybody who must be screened: the subject, parents, owners, the representative."""
    if isinstance(details, Person):
        born = details.birth_date or ""
        return (NamedParty("subject", details.name, Kind.PERSON, details.country, born),)
    chain = tuple(
        NamedParty(
            ".".join(["parent"] * height),
            parent.name,
            Kind.ORGANISATION,
            parent.country,
            lei=parent.lei or "",
            registration_number=parent.registration_number or "",
        )
        for height, parent in enumerate(parents(details), start=1)
    )
    return (
        NamedParty(
            "subject",
            details.name,
            Kind.ORGANISATION,
            details.country,
            lei=details.lei or "",
            registration_number=details.registration_number,
        ),
        *chain,
        *owner_parties(details.owners),
        NamedParty("representative", details.representative, Kind.PERSON),
    )


def _parent_document(above: Parent | Above, countries: Countries) -> dict[str, Any]:
    if above is Above.UNKNOWN:
        return {}
    if above is Above.NONE:
        return {"parent": None}
    assert isinstance(above, Parent)
    number = above.registration_number
    return {
        "parent": {
            "name": above.name,
            "country": countries.alpha2(above.country),
            **({} if number is None else {"registration_number": number}),
            **_told("lei", above.lei),
            **_told("region", above.region),
            **_parent_document(above.parent, countries),
        }
    }


def _told(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}
