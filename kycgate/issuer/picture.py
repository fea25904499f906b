"""Who stands above an organisation: what it told and what registers say, put into one picture.

Screens nobody and decides nothing; it says whom to screen and what a person must look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Final

from kycgate.core.claims import Kind
from kycgate.core.policy import Place, Region
from kycgate.errors import Code
from kycgate.issuer.details import (
    Above,
    Details,
    NamedParty,
    Organisation,
    Parent,
    Person,
    owner_parties,
    parents,
)
from kycgate.issuer.form import Countries
from kycgate.issuer.owning import Owner, all_owners
from kycgate.screening.match import legal_key, normalise
from kycgate.screening.ownership.headquarters import Parent as Top
from kycgate.screening.ownership.listed import decisive
from kycgate.screening.ownership.merged import NOT_TOLD, Difference, Merged, merge
from kycgate.screening.ownership.parties import (
    Control,
    Gap,
    Party,
    PartyKind,
    Register,
    Stake,
    Unknown,
    plain_number,
)
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.screening.ownership.shares import ANY, Share

SUBJECT: Final = "subject"
_SOURCE: Final = "told by the renter"
_CODES: Final = {
    "identity": Code.REGISTERED_IDENTITY,
    "name": Code.REGISTERED_NAME,
    "country": Code.REGISTERED_COUNTRY,
    "headquarters": Code.REGISTERED_COUNTRY,
    "parent": Code.REGISTERED_PARENT,
    "inactive": Code.REGISTERED_INACTIVE,
}


@dataclass(frozen=True)
class Picture:
    """An organisation's owners on one day. `unread`: a register is configured and can't be asked.

    Holds names.
    """

    told: Organisation
    merged: Merged
    unread: bool

    @cached_property
    def also(self) -> tuple[NamedParty, ...]:
        """Whom registers name beyond what was told, to be screened too."""
        stated = set(self.merged.ids.values())
        alone = decisive(self.merged)
        found = list[NamedParty]()
        for id_, versions in self.merged.registered.items():
            for party in versions:
                if party.unknown is not None or party.kind in (PartyKind.JOINT, PartyKind.STATE):
                    continue
                if id_ in stated and self._called(id_) == _key(party.name):
                    continue
                found.append(_named(id_, party, id_ in alone))
        return tuple(dict.fromkeys(found))

    def _called(self, id_: str) -> str:
        return _key(self.merged.register.party(id_, self.merged.at).name)

    def ultimate(self, countries: Countries) -> int:
        """Where the ultimate parent has its headquarters, ISO 3166-1 numeric; 0 unknown."""
        top = self.merged.ultimate()
        return top.country if isinstance(top, Top) else 0

    @cached_property
    def codes(self) -> tuple[Code, ...]:
        """Why a person must look, whatever the lists say."""
        found = [_CODES[each.about] for each in self.merged.differences]
        if self.merged.cut:
            found.append(Code.OWNERSHIP_UNKNOWN)
        if self.unread:
            found.append(Code.REGISTER_UNAVAILABLE)
        return tuple(dict.fromkeys(found))

    @cached_property
    def owners_told(self) -> bool:
        """Whether anybody said who owns it: the organisation itself, or a register of shares."""
        return self.told.owners is not None or self.merged.owned

    @cached_property
    def open_ends(self) -> tuple[str, ...]:
        """Roles of owners of whom nobody said who owns them, and who could carry a listed share."""
        ends = [
            each.role
            for each in all_owners(self.told.owners)
            if each.kind is Kind.ORGANISATION
            and each.owners is None
            and not self.merged.register.stakes(self.merged.ids.get(each.role, each.role))
        ]
        return tuple(ends)

    def differences(self, countries: Countries) -> list[dict[str, str]]:
        """What does not agree, for the reviewer."""
        return [_difference(each, countries) for each in self.merged.differences]


def picture(
    told: Organisation, registers: Sequence[tuple[str, Register]], *, now: int, unread: bool = False
) -> Picture:
    """Put together what the organisation told and what the registers say. `now` Unix seconds."""
    at = datetime.fromtimestamp(now, UTC).date()
    return Picture(told, merge(stated(told), SUBJECT, registers, at=at), unread)


def regions(told: Details, top: str | None) -> frozenset[Region]:
    """Where in partly embargoed countries the subject and its ultimate parent are, as told.

    `top`: role of the ultimate parent in the merged picture; None where nobody is known.
    """
    if isinstance(told, Person):
        own = {told.region}
        return _regions(own, own)
    seats = {SUBJECT: told.headquarters_region}
    seats |= {
        ".".join(["parent"] * height): each.region
        for height, each in enumerate(parents(told), start=1)
    }
    # Parents control it, and so does who holds half: a smaller owner's region is not its parent's.
    half = {party.role for party in owner_parties(told.owners) if party.decisive}
    seats |= {each.role: each.region for each in all_owners(told.owners) if each.role in half}
    above = {region for role, region in seats.items() if role != SUBJECT or top in (SUBJECT, None)}
    return _regions({told.region, told.headquarters_region}, above)


def region_missing(told: Details, countries: Countries) -> bool:
    """Whether somebody is in a partly embargoed country, and nobody said where in it."""
    if isinstance(told, Person):
        places = [(told.country, told.region)]
    else:
        places = [
            (told.country, told.region),
            (told.headquarters_country, told.headquarters_region),
            *((each.country, each.region) for each in parents(told)),
            *((each.country, each.region) for each in all_owners(told.owners)),
        ]
    return any(region is None and countries.regions(country) for country, region in places)


def _regions(subject: set[str | None], above: set[str | None]) -> frozenset[Region]:
    found = {(Place.SUBJECT, region) for region in subject if region}
    return frozenset(found | {(Place.ULTIMATE, region) for region in above if region})


# -- what was told, as a register ------------------------------------------------------------------


def stated(told: Organisation) -> MemoryRegister:
    """What the organisation told of itself, its parents and its owners."""
    seat, number = told.headquarters_country, told.registration_number
    parties = [_party(SUBJECT, told.name, seat, told.country, number, told.lei)]
    stakes, gaps = list[Stake](), dict[str, list[Gap]]()
    role, above = SUBJECT, told.parent
    while isinstance(above, Parent):
        holder = "parent" if role == SUBJECT else f"{role}.parent"
        parties.append(
            _party(holder, above.name, above.country, 0, above.registration_number, above.lei)
        )
        stakes.append(_stake(role, holder, ANY, Control.SURE, "controls or consolidates"))
        role, above = holder, above.parent
    gaps[role] = [_nobody(role) if above is Above.NONE else _not_told(role, "stands above it")]
    _owned_by(SUBJECT, told.owners, parties, stakes, gaps)
    return MemoryRegister(parties, stakes, gaps)


def _owned_by(
    subject: str,
    owners: tuple[Owner, ...] | None,
    parties: list[Party],
    stakes: list[Stake],
    gaps: dict[str, list[Gap]],
) -> None:
    for each in owners or ():
        parties.append(_owner(each))
        share = Share.between(each.low, each.high)
        stakes.append(_stake(subject, each.role, share, Control.NONE, "owner"))
        if each.kind is Kind.PERSON:
            continue
        if each.owners is None:
            gaps[each.role] = [_not_told(each.role, "owns it")]
        elif not each.owners:
            gaps[each.role] = [_nobody(each.role)]
        _owned_by(each.role, each.owners, parties, stakes, gaps)


def _party(
    role: str, name: str, country: int, legal: int, number: str | None, lei: str | None
) -> Party:
    issuer = legal or country
    return Party(
        id=role,
        name=name,
        country=country,
        country_basis="headquarters",
        identifiers=(lei,) if lei else (),
        legal=legal,
        numbers=((issuer, plain_number(number)),) if number and plain_number(number) else (),
        statement=role,
        source=_SOURCE,
    )


def _owner(owner: Owner) -> Party:
    if owner.kind is Kind.PERSON:
        return Party(
            owner.role, owner.name, PartyKind.PERSON, owner.country, "told", source=_SOURCE
        )
    number = owner.registration_number
    return _party(owner.role, owner.name, owner.country, 0, number, owner.lei)


def _stake(subject: str, holder: str, share: Share, control: Control, basis: str) -> Stake:
    return Stake(
        subject=subject,
        holder=holder,
        record=f"told:{holder}",
        statement=holder,
        ownership=share,
        control=control,
        basis=basis,
        source=_SOURCE,
    )


def _nobody(role: str) -> Gap:
    text = "it says that nobody stands above it"
    return Gap(Unknown("told_nobody", text, role), ultimate=True, means="nobody")


def _not_told(role: str, what: str) -> Gap:
    return Gap(Unknown(NOT_TOLD, f"nobody said who {what}", role), ultimate=False)


def _named(id_: str, party: Party, alone: bool) -> NamedParty:
    lei = next((each for each in party.identifiers if len(each) == 20), "")
    number = next((each for country, each in party.numbers if country == party.country), "")
    kind = Kind.PERSON if party.kind is PartyKind.PERSON else Kind.ORGANISATION
    return NamedParty(
        id_,
        party.name[:400],
        kind,
        party.country,
        lei=lei if kind is Kind.ORGANISATION else "",
        registration_number=number,
        decisive=alone,
    )


def _key(name: str) -> str:
    return legal_key(normalise(name[:400]))


def _difference(each: Difference, countries: Countries) -> dict[str, str]:
    def shown(text: str) -> str:
        number = text.isdecimal() and each.about in ("country", "headquarters")
        return countries.alpha2(int(text)) if number else text

    return {
        "about": each.about,
        "party": each.party,
        "stated": shown(each.stated),
        "registered": shown(each.registered),
        "source": each.source,
    }


def day(now: int) -> date:
    """The day of a moment, UTC."""
    return datetime.fromtimestamp(now, UTC).date()
