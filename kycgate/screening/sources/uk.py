"""Reads the UK Sanctions List of the Foreign, Commonwealth and Development Office, XML.

It is the one list of the United Kingdom since 2026-01-28. OFSI's consolidated list, closed that
day, is refused by its root element: a dead list that still loads is the worst kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from kycgate.screening.entries import EntryType, NameKind
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.dates import birth_date, moment
from kycgate.screening.sources.opening import text, texts, xml_records
from kycgate.screening.sources.reading import Named, Numbered, Reading

LIMIT = 128 * MIB

_FILE = "uk-sanctions-list.xml"
_ROOT = "Designations"
_TYPES = {
    "individual": EntryType.PERSON,
    "entity": EntryType.ORGANISATION,
    "ship": EntryType.VESSEL,
}
# Written in half a dozen ways (`Primary name`, `ALias`): compared in lower case.
_KINDS: dict[str, NameKind] = {"primary name": "primary"}
_PLACE = (*(f"AddressLine{number}" for number in range(1, 7)), "AddressPostalCode")
_COUNTRIES = (
    "Addresses/Address/AddressCountry",
    "IndividualDetails/Individual/Nationalities/Nationality",
    "ShipDetails/Ship/CurrentBelievedFlagOfShips/CurrentBelievedFlagOfShip",
)


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read every designation."""
    records = frozenset({"Designation", "DateGenerated"})
    for tag, element in xml_records(files[_FILE], LIMIT, root=_ROOT, records=records):
        if tag == "DateGenerated":
            into.as_of = moment(birth_date(element.text or ""), field="DateGenerated")
        elif tag == "Designation":
            _add(into, element)


def _add(into: Reading, party: Element) -> None:
    individual = "IndividualDetails/Individual/"
    into.add(
        "UK",
        text(party, "UniqueID"),
        _TYPES.get(text(party, "IndividualEntityShip").lower(), EntryType.UNSTATED),
        _names(party),
        countries=[word for path in _COUNTRIES for word in texts(party, path)],
        birth_dates=map(birth_date, texts(party, individual + "DOBs/DOB")),
        identifiers=_numbers(party),
        addresses=[
            ", ".join(text(place, key) for key in (*_PLACE, "AddressCountry") if text(place, key))
            for place in party.iterfind("Addresses/Address")
        ],
        programmes=texts(party, "RegimeName"),
        citation="Sanctions and Anti-Money Laundering Act 2018",
        notice=text(party, "UniqueID"),
        url="https://www.gov.uk/government/publications/the-uk-sanctions-list",
    )


def _names(party: Element) -> Iterator[Named]:
    for each in party.iterfind("Names/Name"):
        words = (text(each, f"Name{number}") for number in range(1, 7))
        kind = _KINDS.get(text(each, "NameType").lower(), "alias")
        weak = kind != "primary" and "low" in text(each, "AliasStrength").lower()
        yield " ".join(word for word in words if word), "weak" if weak else kind
    for name in texts(party, "NonLatinNames/NonLatinName/NameNonLatinScript"):
        yield name, "alias"


def _numbers(party: Element) -> Iterator[Numbered]:
    individual = "IndividualDetails/Individual/"
    for number in texts(party, individual + "PassportDetails/Passport/PassportNumber"):
        yield "passport", number, ""
    papers = individual + "NationalIdentifierDetails/NationalIdentifier/NationalIdentifierNumber"
    for number in texts(party, papers):
        yield "national", number, ""
    entity = "EntityDetails/Entity/BusinessRegistrationNumbers/BusinessRegistrationNumber"
    for number in texts(party, entity):
        yield "registration", number, ""
    for number in texts(party, "ShipDetails/Ship/IMONumbers/IMONumber"):
        yield "imo", number.upper().removeprefix("IMO").strip(), ""


SOURCE = Source(
    name="uk",
    title="UK Sanctions List (FCDO)",
    parts=(Part(_FILE, "https://sanctionslist.fcdo.gov.uk/docs/UK-Sanctions-List.xml"),),
    reader=read,
    proven=False,
    quiet_s=60 * DAY,
    max_bytes=LIMIT,
)
