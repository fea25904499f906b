"""Writes ownership as BODS 0.4 statements, for registers and tools that read them.

Decides nothing and opens no file. What a register told us beside BODS goes into `details`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from kycgate.screening.ownership.bods import (
    INTERESTS,
    Address,
    Entity,
    Identifier,
    Interest,
    Person,
    Relationship,
    Statement,
    Unspecified,
)
from kycgate.screening.ownership.parties import Control, Party, PartyKind, Stake
from kycgate.screening.ownership.shares import Share
from kycgate.screening.ownership.snapshot import Snapshot

CountryName = Callable[[int], str]

_REASONS = frozenset(
    (
        "noBeneficialOwners",
        "subjectUnableToConfirmOrIdentifyBeneficialOwner",
        "interestedPartyHasNotProvidedInformation",
        "subjectExemptFromDisclosure",
        "interestedPartyExemptFromDisclosure",
        "unknown",
        "informationUnknownToPublisher",
    )
)
_KINDS = {
    PartyKind.STATE: ("state", ""),
    PartyKind.JOINT: ("arrangement", ""),
    PartyKind.NOMINATION: ("arrangement", "nomination"),
    PartyKind.TRUST: ("legalEntity", "trust"),
}


def documents(statements: Iterable[Statement]) -> list[dict[str, Any]]:
    """The statements as published: as they came, where they were read, else composed."""
    return [
        dict(each.document) if each.document is not None else compose(each) for each in statements
    ]


def compose(statement: Statement) -> dict[str, Any]:
    """One statement from its values alone."""
    kind, details = _details(statement.details)
    return _present(
        statementId=statement.id,
        statementDate=statement.date.isoformat(),
        declarationSubject=statement.declaration_subject,
        recordId=statement.record,
        recordType=kind,
        recordStatus=statement.status,
        source={"assertedBy": [{"name": statement.source}]} if statement.source else None,
        recordDetails=details,
    )


def _present(**fields: Any) -> dict[str, Any]:
    """The fields that say something; `declarationSubject` is required even when empty."""
    return {
        key: value
        for key, value in fields.items()
        if key == "declarationSubject" or (value is not None and value != "" and value != [])
    }


def _details(details: Entity | Person | Relationship) -> tuple[str, dict[str, Any]]:
    if isinstance(details, Entity):
        return "entity", _entity(details)
    if isinstance(details, Person):
        return "person", _person(details)
    return "relationship", _relationship(details)


def _entity(entity: Entity) -> dict[str, Any]:
    return _present(
        isComponent=entity.component,
        entityType=_present(type=entity.type, subtype=entity.subtype),
        name=entity.name,
        jurisdiction=_country(entity.jurisdiction),
        identifiers=_identifiers(entity.identifiers),
        addresses=[
            _present(type=each.type, address=each.text, country=_country(each.country))
            for each in entity.addresses
        ],
        publicListing={"hasPublicListing": True} if entity.listed else None,
        unspecifiedEntityDetails=_unspecified(entity.unspecified),
    )


def _person(person: Person) -> dict[str, Any]:
    return _present(
        isComponent=person.component,
        personType=person.type,
        names=[{"fullName": name} for name in person.names],
        nationalities=[_country(code) or {"name": ""} for code in person.nationalities],
        identifiers=_identifiers(person.identifiers),
        unspecifiedPersonDetails=_unspecified(person.unspecified),
    )


def _country(code: str) -> dict[str, str] | None:
    return {"name": code, "code": code} if code else None


def _identifiers(identifiers: tuple[Identifier, ...]) -> list[dict[str, str]]:
    return [_present(scheme=each.scheme, id=each.id) for each in identifiers]


def _unspecified(unspecified: Unspecified | None) -> dict[str, str] | None:
    if unspecified is None:
        return None
    return _present(reason=unspecified.reason, description=unspecified.description)


def _relationship(relationship: Relationship) -> dict[str, Any]:
    return _present(
        isComponent=relationship.component,
        componentRecords=list(relationship.components),
        subject=_named(relationship.subject),
        interestedParty=_named(relationship.holder),
        interests=[_interest(each) for each in relationship.interests],
    )


def _named(party: str | Unspecified) -> str | dict[str, str] | None:
    return party if isinstance(party, str) else _unspecified(party)


def _interest(interest: Interest) -> dict[str, Any]:
    return _present(
        type=interest.type,
        directOrIndirect=interest.direct,
        beneficialOwnershipOrControl=interest.beneficial,
        details=interest.details,
        share=_share(interest.share),
        startDate=interest.start.isoformat() if interest.start else None,
        endDate=interest.end.isoformat() if interest.end else None,
    )


def _share(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    bounds = share.document()
    if share.low == share.high:
        return {"exact": bounds["min"]}
    return {
        "exclusiveMinimum" if share.low_open else "minimum": bounds["min"],
        "exclusiveMaximum" if share.high_open else "maximum": bounds["max"],
    }


# -- from a graph ----------------------------------------------------------------------------------


def chain_statements(
    snapshot: Snapshot, entity: str, *, country_name: CountryName
) -> list[dict[str, Any]]:
    """Everybody above the entity and what they hold on the day, parties before relationships."""
    closure = snapshot.closure(entity)
    named = [each for each in closure if not _unnamed(snapshot.party(each))]
    found = [_party_statement(snapshot, each, entity, country_name) for each in named]
    found += [
        _stake_statement(snapshot, stake, entity)
        for subject in named
        for holding in snapshot.holdings(subject)
        for stake in holding.stakes
    ]
    published = {
        "publicationDate": snapshot.at.isoformat(),
        "bodsVersion": "0.4",
        "publisher": {"name": "kycgate"},
    }
    return [{**compose(each), "publicationDetails": published} for each in found]


def _unnamed(party: Party) -> bool:
    return party.kind is PartyKind.UNSTATED and party.unknown is not None


def _id(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:40]


def _party_statement(
    snapshot: Snapshot, id_: str, entity: str, country_name: CountryName
) -> Statement:
    party = snapshot.party(id_)
    details = _as_person(party, country_name)
    if party.kind is not PartyKind.PERSON:
        details = _as_entity(party, country_name)
    day = party.since or snapshot.at
    return Statement(_id("party", id_, day), day, id_, "", entity, party.source, details)


def _as_person(party: Party, country_name: CountryName) -> Entity | Person:
    hidden = party.unknown is not None
    return Person(
        type="anonymousPerson" if hidden else "knownPerson",
        names=() if hidden else (party.name,),
        nationalities=(country_name(party.country),) if party.country else (),
        identifiers=tuple(Identifier("", each) for each in party.identifiers),
        component=False,
        unspecified=_hidden(party),
    )


def _as_entity(party: Party, country_name: CountryName) -> Entity:
    type_, subtype = _KINDS.get(party.kind, ("registeredEntity", ""))
    country = country_name(party.country) if party.country else ""
    at_business = party.country_basis in ("headquarters", "business address")
    return Entity(
        type="anonymousEntity" if party.unknown else type_,
        subtype="" if party.unknown else subtype,
        name=party.name,
        jurisdiction="" if at_business else country,
        identifiers=tuple(Identifier(_scheme(each), each) for each in party.identifiers),
        addresses=(Address("business", "", country),) if at_business and country else (),
        component=False,
        listed=party.dispersed,
        unspecified=_hidden(party),
    )


def _scheme(identifier: str) -> str:
    """The scheme's code in org-id.guide, where the number shows it."""
    return "XI-LEI" if len(identifier) == 20 and identifier.isalnum() else ""


def _hidden(party: Party) -> Unspecified | None:
    if party.unknown is None:
        return None
    known = party.unknown.reason in _REASONS
    reason = party.unknown.reason if known else "informationUnknownToPublisher"
    return Unspecified(reason, party.unknown.text)


def _stake_statement(snapshot: Snapshot, stake: Stake, entity: str) -> Statement:
    holder = snapshot.party(stake.holder)
    relationship = Relationship(
        subject=stake.subject,
        holder=(_hidden(holder) or stake.holder) if _unnamed(holder) else stake.holder,
        interests=_interests(stake),
        component=False,
        components=(),
    )
    day: date = stake.start or snapshot.at
    id_ = _id("stake", stake.record, stake.statement, stake.indirect, day)
    record = _id("record", stake.record, stake.indirect)
    return Statement(id_, day, record, "", entity, stake.source, relationship)


def _interests(stake: Stake) -> tuple[Interest, ...]:
    """The interests behind it. Where only the share or the control is known, that much."""
    types = [each for each in stake.basis.split(", ") if each in INTERESTS]
    details = "" if types else stake.basis
    if not types and stake.control is not Control.NONE:
        sure = stake.control is Control.SURE
        types.append("otherInfluenceOrControl" if sure else "rightsGrantedByContract")
    if stake.ownership is not None and "shareholding" not in types:
        types.append("shareholding" if stake.ownership.stated else "unknownInterest")
    shares = {"shareholding": stake.ownership, "votingRights": stake.votes}
    return tuple(
        Interest(
            type=type_,
            direct="indirect" if stake.indirect else "direct",
            beneficial=None,
            share=_stated(shares.get(type_)),
            start=stake.start,
            end=stake.end,
            details=details,
        )
        for type_ in types or ["unknownInterest"]
    )


def _stated(share: Share | None) -> Share | None:
    return share if share is not None and share.stated else None
