"""Reads the consolidated list of the United Nations Security Council, XML.

Aliases of quality `Low` are weak. Several aliases in one element are told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from kycgate.screening.entries import EntryType, NameKind
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.dates import birth_date, moment, parts, span
from kycgate.screening.sources.labels import kind_of
from kycgate.screening.sources.opening import text, texts, xml_records
from kycgate.screening.sources.reading import Named, Numbered, Reading

LIMIT = 64 * MIB

_FILE = "consolidated.xml"
_TYPES = {"INDIVIDUAL": EntryType.PERSON, "ENTITY": EntryType.ORGANISATION}
_ROOT = "CONSOLIDATED_LIST"
_NAMES = ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")
_QUALITIES: dict[str, NameKind] = {"low": "weak", "f.k.a.": "former"}
_PLACE = ("STREET", "CITY", "STATE_PROVINCE", "ZIP_CODE", "COUNTRY")


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read persons and entities."""
    path = files[_FILE]
    for tag, party in xml_records(path, LIMIT, root=_ROOT, records=frozenset(_TYPES)):
        if tag == _ROOT:
            into.as_of = moment(party.get("dateGenerated", ""), field="dateGenerated")
            continue
        into.add(
            "UN",
            text(party, "REFERENCE_NUMBER") or text(party, "DATAID"),
            _TYPES[tag],
            _names(party, tag),
            countries=[
                *texts(party, "NATIONALITY/VALUE"),
                *texts(party, f"{tag}_ADDRESS/COUNTRY"),
            ],
            birth_dates=[_born(each) for each in party.iterfind(f"{tag}_DATE_OF_BIRTH")],
            identifiers=_numbers(party),
            addresses=[
                ", ".join(text(each, key) for key in _PLACE if text(each, key))
                for each in party.iterfind(f"{tag}_ADDRESS")
            ],
            programmes=texts(party, "UN_LIST_TYPE"),
            citation="United Nations Security Council consolidated list",
            notice=text(party, "REFERENCE_NUMBER"),
            url="https://main.un.org/securitycouncil/en/content/un-sc-consolidated-list",
        )


def _names(party: Element, tag: str) -> Iterator[Named]:
    full = " ".join(text(party, key) for key in _NAMES if text(party, key))
    for at, name in enumerate(full.split(" ; ")):
        yield name, "alias" if at else "primary"
    for name in texts(party, "NAME_ORIGINAL_SCRIPT"):
        yield name, "alias"
    for alias in party.iterfind(f"{tag}_ALIAS"):
        kind = _QUALITIES.get(text(alias, "QUALITY").lower(), "alias")
        for name in text(alias, "ALIAS_NAME").split(";"):
            yield name, kind


def _born(element: Element) -> str:
    """One birth date: exact, about, or between two years."""
    first, last = text(element, "FROM_YEAR"), text(element, "TO_YEAR")
    if first and last:
        return span(parts(first), parts(last))
    day = birth_date(text(element, "DATE") or text(element, "YEAR"))
    about = text(element, "TYPE_OF_DATE") == "APPROXIMATELY"
    return f"~{day}" if day and about else day


def _numbers(party: Element) -> Iterator[Numbered]:
    for paper in party.iterfind("INDIVIDUAL_DOCUMENT"):
        label = text(paper, "TYPE_OF_DOCUMENT") or text(paper, "TYPE_OF_DOCUMENT2")
        where = text(paper, "ISSUING_COUNTRY") or text(paper, "COUNTRY_OF_ISSUE")
        if number := text(paper, "NUMBER"):
            yield kind_of(label) or "other", number, where


SOURCE = Source(
    name="un",
    title="United Nations Security Council consolidated list",
    parts=(Part(_FILE, "https://scsanctions.un.org/resources/xml/en/consolidated.xml"),),
    reader=read,
    proven=True,
    quiet_s=120 * DAY,
    max_bytes=LIMIT,
)
