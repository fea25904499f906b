"""What declared statements amount to: parties, and stakes with the days on which they held.

Adds nothing up. Each published meaning of an interest is written here once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from itertools import pairwise

from kycgate.screening.ownership.bods import (
    Entity,
    Interest,
    Person,
    Relationship,
    Statement,
    Unspecified,
)
from kycgate.screening.ownership.parties import (
    Control,
    Party,
    PartyKind,
    Stake,
    Unknown,
    plain_number,
)
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.screening.ownership.shares import ANY, Share

CountryOf = Callable[[str], int]
"""A country code as published → ISO 3166-1 numeric, 0 where it is none."""

_CONTROL = {
    "appointmentOfBoard": Control.SURE,
    "otherInfluenceOrControl": Control.SURE,
    "controlViaCompanyRulesOrArticles": Control.SURE,
    "controlByLegalFramework": Control.SURE,
    "trustee": Control.SURE,
    "nominator": Control.SURE,
    "seniorManagingOfficial": Control.POSSIBLE,
    "settlor": Control.POSSIBLE,
    "protector": Control.POSSIBLE,
    "rightsGrantedByContract": Control.POSSIBLE,
    "conditionalRightsGrantedByContract": Control.POSSIBLE,
    "unknownInterest": Control.POSSIBLE,
    "unpublishedInterest": Control.POSSIBLE,
    "": Control.POSSIBLE,
}
"""Other interests carry no control of their own; percentages are weighed elsewhere."""

_PERHAPS_OWNERSHIP = frozenset(
    (
        "votingRights",
        "settlor",
        "trustee",
        "beneficiaryOfLegalArrangement",
        "rightsToSurplusAssetsOnDissolution",
        "rightsToProfitOrIncome",
        "rightToProfitOrIncomeFromAssets",
        "enjoymentAndUseOfAssets",
        "unknownInterest",
        "unpublishedInterest",
        "",
    )
)
"""Interests that come with ownership, or may: how much of it only a `shareholding` says."""

_REASONS = {
    "noBeneficialOwners": "nobody has to disclose under the rules of the declaration",
    "subjectUnableToConfirmOrIdentifyBeneficialOwner": "it could not identify its owner",
    "interestedPartyHasNotProvidedInformation": "the owner did not say who it is",
    "subjectExemptFromDisclosure": "it is exempt from disclosing its owner",
    "interestedPartyExemptFromDisclosure": "the owner is exempt from disclosure",
    "unknown": "no reason is given",
    "informationUnknownToPublisher": "the publisher does not know",
}


def register_of(statements: Iterable[Statement], *, country_of: CountryOf) -> MemoryRegister:
    """The register that the statements make together."""
    parties, records = list[Party](), dict[str, list[Statement]]()
    for statement in statements:
        if isinstance(statement.details, Relationship):
            records.setdefault(statement.record, []).append(statement)
        else:
            parties.append(_party(statement, country_of))
    stakes = list[Stake]()
    for versions in records.values():
        versions.sort(key=lambda each: (each.date, each.id))
        for stake, unnamed in _timeline(versions):
            stakes.append(stake)
            parties.extend(unnamed)
    return MemoryRegister(parties, stakes)


def _party(statement: Statement, country_of: CountryOf) -> Party:
    details = statement.details
    assert not isinstance(details, Relationship)
    country, basis = (
        _headquarters(details, country_of)
        if isinstance(details, Entity)
        else (_first_country(details.nationalities, country_of), "nationality")
    )
    hidden = details.type.startswith(("anonymous", "unknown"))
    return Party(
        id=statement.record,
        name=_name(details) or ("(not named)" if hidden else "(no name stated)"),
        kind=_kind(details),
        country=country,
        country_basis=basis if country else "",
        identifiers=tuple(each.id for each in details.identifiers),
        legal=country_of(details.jurisdiction) if isinstance(details, Entity) else 0,
        numbers=_numbers(details, country_of) if isinstance(details, Entity) else (),
        unknown=_unknown(details.unspecified, statement.record) if hidden else None,
        dispersed=isinstance(details, Entity) and details.listed,
        since=statement.date,
        until=statement.date if statement.status == "closed" else None,
        statement=statement.id,
        source=statement.source,
    )


def _name(details: Entity | Person) -> str:
    return details.name if isinstance(details, Entity) else next(iter(details.names), "")


def _kind(details: Entity | Person) -> PartyKind:
    if isinstance(details, Person):
        return PartyKind.PERSON
    if details.subtype == "trust":
        return PartyKind.TRUST
    if details.type == "arrangement":
        return PartyKind.NOMINATION if details.subtype == "nomination" else PartyKind.JOINT
    return PartyKind.STATE if details.type.startswith("state") else PartyKind.ENTITY


def _headquarters(entity: Entity, country_of: CountryOf) -> tuple[int, str]:
    """The country of the business address; where there is none, or several, of registration."""
    for basis in ("business", "registered"):
        found = {country_of(each.country) for each in entity.addresses if each.type == basis}
        if len(found) == 1 and 0 not in found:
            return found.pop(), f"{basis} address"
    if entity.jurisdiction:
        return country_of(entity.jurisdiction), "jurisdiction"
    # Schemes of org-id.guide begin with the country that issues the number: GB-COH.
    schemes = (each.scheme for each in entity.identifiers if each.scheme[2:3] == "-")
    issuers = {country_of(scheme[:2]) for scheme in schemes} - {0}
    return issuers.pop() if len(issuers) == 1 else 0, "registration number"


def _numbers(entity: Entity, country_of: CountryOf) -> tuple[tuple[int, str], ...]:
    """Its registration numbers, with the country whose register issued each."""
    legal = country_of(entity.jurisdiction) if entity.jurisdiction else 0
    found = dict[tuple[int, str], None]()
    for each in entity.identifiers:
        issuer = country_of(each.scheme[:2]) if each.scheme[2:3] == "-" else legal
        number = plain_number(each.id)
        if issuer and number and each.scheme != "XI-LEI":
            found[issuer, number] = None
    return tuple(found)


def _first_country(codes: Iterable[str], country_of: CountryOf) -> int:
    return next(filter(None, map(country_of, codes)), 0)


def _unknown(unspecified: Unspecified | None, party: str) -> Unknown:
    if unspecified is None:
        return Unknown("unspecified", "its identity is withheld, and no reason is given", party)
    text = _REASONS.get(unspecified.reason, unspecified.reason)
    told = f" ({unspecified.description})" if unspecified.description else ""
    return Unknown(unspecified.reason, text + told, party)


# -- one record through time -----------------------------------------------------------------------


def _timeline(versions: list[Statement]) -> Iterator[tuple[Stake, list[Party]]]:
    """The stakes of one record. A version holds until the next one takes effect."""
    starts = [None, *map(_takes_effect, versions[:-1], versions[1:])]
    for at, statement in enumerate(versions):
        window = starts[at], starts[at + 1] if at + 1 < len(versions) else None
        for stake, unnamed in _stakes(statement):
            if (kept := _within(stake, window)) is not None:
                yield kept, unnamed


def _takes_effect(earlier: Statement, later: Statement) -> date:
    """When the later version's news happened: its first date not yet told, else its own date."""
    assert isinstance(later.details, Relationship)
    days = [day for each in later.details.interests for day in (each.start, each.end) if day]
    return min((day for day in days if day > earlier.date), default=later.date)


def _within(stake: Stake, window: tuple[date | None, date | None]) -> Stake | None:
    starts = [day for day in (stake.start, window[0]) if day]
    ends = [day for day in (stake.end, window[1]) if day]
    start, end = max(starts, default=None), min(ends, default=None)
    if start and end and start >= end:
        return None
    return replace(stake, start=start, end=end)


def _stakes(statement: Statement) -> Iterator[tuple[Stake, list[Party]]]:
    """One stake for what is held directly, one for what is held through others, per period."""
    details = statement.details
    assert isinstance(details, Relationship)
    if isinstance(details.subject, Unspecified):
        return
    holder, unnamed = details.holder, list[Party]()
    if isinstance(holder, Unspecified):
        unnamed = [_unnamed(statement, details.subject, holder)]
        holder = unnamed[0].id
    interests = details.interests or (Interest("", "", None, None, None, None),)
    for indirect in (False, True):
        group = [each for each in interests if (each.direct == "indirect") is indirect]
        for start, end in _periods(group):
            present = [each for each in group if _covers(each, start, end)]
            if not present:
                continue
            stake = Stake(
                subject=details.subject,
                holder=holder,
                record=statement.record,
                statement=statement.id,
                ownership=_ownership(present),
                votes=_total(present, "votingRights"),
                control=max(_CONTROL.get(each.type, Control.NONE) for each in present),
                basis=", ".join(dict.fromkeys(each.type or "not stated" for each in present)),
                indirect=indirect,
                nominee=any(each.type == "nominee" for each in present),
                nominator=any(each.type == "nominator" for each in present),
                start=start,
                end=end or (statement.date if statement.status == "closed" else None),
                source=statement.source,
                components=details.components if indirect else (),
            )
            yield stake, unnamed


def _unnamed(statement: Statement, subject: str, holder: Unspecified) -> Party:
    return Party(
        id=f"unspecified:{statement.record}",
        name="(not named)",
        kind=PartyKind.UNSTATED,
        unknown=_unknown(holder, subject),
        since=statement.date,
        statement=statement.id,
        source=statement.source,
    )


def _periods(interests: list[Interest]) -> Iterator[tuple[date | None, date | None]]:
    """The stretches between the days on which one of the interests begins or ends."""
    days = sorted({day for each in interests for day in (each.start, each.end) if day})
    edges: list[date | None] = [None, *days, None]
    return pairwise(edges)


def _covers(interest: Interest, start: date | None, end: date | None) -> bool:
    begun = interest.start is None or (start is not None and interest.start <= start)
    return begun and (interest.end is None or (end is not None and end <= interest.end))


def _ownership(interests: list[Interest]) -> Share | None:
    """How much is owned; 0 to 100 where something is and nobody says how much; None: nothing."""
    held = _total(interests, "shareholding")
    if held is not None:
        return held
    if any(each.type == "nominator" for each in interests):
        return ANY
    perhaps = [each for each in interests if each.type in _PERHAPS_OWNERSHIP]
    stated = [each.share for each in perhaps if each.share and each.type not in ("votingRights",)]
    if stated:
        return Share(0, max(each.high for each in stated))
    return ANY if perhaps else None


def _total(interests: list[Interest], type_: str) -> Share | None:
    """Several interests of one kind may be classes to add up or one told twice: both fit in."""
    shares = [ANY if each.share is None else each.share for each in interests if each.type == type_]
    if not shares:
        return None
    total = shares[0]
    for each in shares[1:]:
        total = total.larger(each).hull(total + each)
    return total
