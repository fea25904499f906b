"""Reads OFAC's advanced XML: parties, names in every script, papers, places and wallets.

A hundred megabytes of numbers that point into tables at its head: tickers, countries and kinds
of paper are read from those tables, so that a new one needs no new code. Ownership relations are
not read here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from kycgate.errors import Malformed
from kycgate.screening.entries import EntryType, NameKind
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.dates import moment, parts, span
from kycgate.screening.sources.labels import kind_of, wallet_ticker
from kycgate.screening.sources.ofac_csv import DETAILS, URL
from kycgate.screening.sources.opening import text, texts, xml_records
from kycgate.screening.sources.reading import Named, Numbered, Reading

LIMIT = 512 * MIB

_FILE = "sdn_advanced.xml"
_ROOT = "Sanctions"
_TABLES = frozenset(
    {"AliasType", "FeatureType", "IDRegDocType", "Country", "PartyType", "PartySubType", "List"}
)
_RECORDS = _TABLES | {"DateOfIssue", "Location", "IDRegDocument", "DistinctParty", "SanctionsEntry"}
_TYPES = {
    "individual": EntryType.PERSON,
    "entity": EntryType.ORGANISATION,
    "vessel": EntryType.VESSEL,
    "aircraft": EntryType.AIRCRAFT,
}
_LISTED_AS = {"sdn list": "SDN"}


@dataclass(slots=True)
class _Party:
    """A party before the sanctions entries, at the end of the file, say on which list it is."""

    id: str
    type: EntryType
    names: list[Named]
    features: list[tuple[str, Element]]
    identities: list[str]
    lists: list[str] = field(default_factory=list)
    programmes: list[str] = field(default_factory=list)


class _File:
    """Everything of the file that something else in it points to."""

    def __init__(self) -> None:
        self.issued = ""
        self.tables = {name: dict[str, str]() for name in _TABLES}
        self.subtypes = dict[str, str]()  # party subtype → party type
        self.places = dict[str, tuple[str, str]]()  # location → (address, country)
        self.papers = defaultdict[str, list[Numbered]](list)  # identity → numbers
        self.parties = dict[str, _Party]()  # profile → party

    def word(self, table: str, key: str | None) -> str:
        """What a number stands for. A number that stands for nothing stands for nothing."""
        return self.tables[table].get(key or "", "")


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read the whole file once, then put together what belongs together."""
    path, file = files[_FILE], _File()
    steps = {
        "DateOfIssue": _read_issue,
        "Location": _read_place,
        "IDRegDocument": _read_paper,
        "DistinctParty": _read_party,
        "SanctionsEntry": _read_listing,
    }
    for tag, element in xml_records(path, LIMIT, root=_ROOT, records=_RECORDS):
        if tag in _TABLES:
            _read_word(file, tag, element)
        elif tag in steps:
            steps[tag](file, element)
    if not file.tables["FeatureType"]:
        raise Malformed("has no table of features: wallets could not be found", field=path.name)
    into.as_of = moment(file.issued, field="DateOfIssue")
    for party in file.parties.values():
        _add(into, file, party)


def _read_word(file: _File, tag: str, element: Element) -> None:
    key = element.get("ID", "")
    file.tables[tag][key] = (element.text or "").strip()
    if tag == "PartySubType":
        file.subtypes[key] = element.get("PartyTypeID", "")


def _read_issue(file: _File, element: Element) -> None:
    file.issued = _day(element)


def _read_place(file: _File, element: Element) -> None:
    values = texts(element, "LocationPart/LocationPartValue[@Primary='true']/Value")
    if not values:
        values = texts(element, "LocationPart/LocationPartValue/Value")
    where = element.find("LocationCountry")
    land = "" if where is None else file.word("Country", where.get("CountryID"))
    file.places[element.get("ID", "")] = (", ".join(filter(None, [*values, land])), land)


def _read_paper(file: _File, element: Element) -> None:
    label = file.word("IDRegDocType", element.get("IDRegDocTypeID"))
    issuer = element.find("IssuedBy")
    land = element.get("IssuedBy-CountryID") or (
        None if issuer is None else issuer.get("CountryID")
    )
    number = text(element, "IDRegistrationNo")
    if kind := kind_of(label) if number else None:
        if kind == "imo":
            number = number.upper().removeprefix("IMO").strip()
        numbered = (kind, number, file.word("Country", land))
        file.papers[element.get("IdentityID", "")].append(numbered)


def _read_party(file: _File, element: Element) -> None:
    for profile in element.iterfind("Profile"):
        key = profile.get("ID", "")
        identities = list(profile.iterfind("Identity"))
        file.parties[key] = _Party(
            id=element.get("FixedRef") or key,
            type=_type(file, profile.get("PartySubTypeID")),
            names=[name for each in identities for name in _names(file, each)],
            features=list(_features(file, profile)),
            identities=[each.get("ID", "") for each in identities],
        )


def _features(file: _File, profile: Element) -> Iterator[tuple[str, Element]]:
    """Features with what they are. One of unknown kind could be a wallet: it is not passed over."""
    for each in profile.iterfind("Feature"):
        kind = file.word("FeatureType", each.get("FeatureTypeID"))
        if not kind:
            raise Malformed(
                f"feature type {each.get('FeatureTypeID')!r} is not in the file's table",
                field="FeatureType",
            )
        for version in each.iterfind("FeatureVersion"):
            yield kind, version


def _type(file: _File, key: str | None) -> EntryType:
    words = (file.word("PartySubType", key), file.word("PartyType", file.subtypes.get(key or "")))
    found = (_TYPES.get(word.lower()) for word in words)
    return next((each for each in found if each), EntryType.UNSTATED)


def _names(file: _File, identity: Element) -> Iterator[Named]:
    """Names in the order of the file; of a primary alias only the first spelling is primary."""
    for alias in identity.iterfind("Alias"):
        kind: NameKind = "alias"
        if alias.get("LowQuality") == "true":
            kind = "weak"
        elif file.word("AliasType", alias.get("AliasTypeID")).startswith("F.K.A"):
            kind = "former"
        elif alias.get("Primary") == "true" and identity.get("Primary") != "false":
            kind = "primary"
        for written in alias.iterfind("DocumentedName"):
            yield " ".join(texts(written, "DocumentedNamePart/NamePartValue")), kind
            kind = "alias" if kind == "primary" else kind


def _read_listing(file: _File, element: Element) -> None:
    party = file.parties.get(element.get("ProfileID", ""))
    if party is None:
        return
    name = file.word("List", element.get("ListID"))
    party.lists.append(_LISTED_AS.get(name.lower(), name[:40]) or "SDN")
    party.programmes += texts(element, "SanctionsMeasure/Comment")


def _add(into: Reading, file: _File, party: _Party) -> None:
    places = list(_places(file, party))
    details = [(label, each.strip()) for label, each in _details(party)]
    into.add(
        party.lists[0] if party.lists else "SDN",
        party.id,
        party.type,
        party.names,
        countries=[land for _, land in places],
        birth_dates=[_period(version) for label, version in party.features if label == "Birthdate"],
        identifiers=[paper for key in party.identities for paper in file.papers.get(key, ())],
        wallets=[(ticker, each) for label, each in details if (ticker := wallet_ticker(label))],
        addresses=[address for address, _ in places],
        programmes=party.programmes,
        citation="31 C.F.R. Chapter V (OFAC)",
        url=DETAILS + party.id,
    )


def _details(party: _Party) -> Iterator[tuple[str, str]]:
    for label, version in party.features:
        for each in version.iterfind("VersionDetail"):
            yield label, each.text or ""


def _places(file: _File, party: _Party) -> Iterator[tuple[str, str]]:
    """Addresses with their countries; of nationalities and flags the country alone."""
    for label, version in party.features:
        for each in version.iterfind("VersionLocation"):
            address, land = file.places.get(each.get("LocationID", ""), ("", ""))
            if label == "Location":
                yield address, land
            elif label in ("Nationality Country", "Citizenship Country", "Vessel Flag"):
                yield "", land or address


def _period(version: Element) -> str:
    """A birth date, or the span it lies in; a whole year is that year."""
    period = version.find("DatePeriod")
    if period is None:
        return ""
    start, end = period.find("Start"), period.find("End")
    first = "" if start is None else _day(start.find("From"))
    ends = end if end is not None else start
    last = "" if ends is None else _day(ends.find("To"))
    about = any(each is not None and each.get("Approximate") == "true" for each in (start, end))
    day = span(first, last or first) if first else ""
    return f"~{day}" if day and about else day


def _day(element: Element | None) -> str:
    if element is None:
        return ""
    return parts(*(text(element, key) for key in ("Year", "Month", "Day")))


SOURCE = Source(
    name="ofac-advanced",
    title="OFAC Specially Designated Nationals, advanced XML",
    parts=(Part(_FILE, URL + "SDN_ADVANCED.XML"),),
    reader=read,
    proven=False,
    quiet_s=30 * DAY,
    max_bytes=LIMIT,
)
