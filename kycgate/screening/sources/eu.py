"""Reads the European Union's consolidated list of financial sanctions (FSF), XML 1.1.

Its address carries a token of the operator's own: KYCGATE_LIST_EU_URL. Names stand there in all
languages of the Union; aliases that are not `strong` are weak.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from kycgate.screening.entries import EntryType, IdentifierType
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.dates import birth_date, moment, parts, span
from kycgate.screening.sources.labels import kind_of
from kycgate.screening.sources.opening import text, xml_records
from kycgate.screening.sources.reading import Named, Numbered, Reading

LIMIT = 256 * MIB

_FILE = "fsf.xml"
_ROOT = "export"
_TYPES = {"P": EntryType.PERSON, "E": EntryType.ORGANISATION}
_CODES = {"person": "P", "enterprise": "E", "entity": "E"}
_KINDS: dict[str, IdentifierType] = {
    "passport": "passport",
    "id": "national",
    "ssn": "national",
    "regnumber": "registration",
    "fiscalcode": "tax",
    "taxid": "tax",
    "imo": "imo",
}
_PLACE = ("street", "poBox", "zipCode", "city", "region", "countryDescription")


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read every sanctioned party."""
    records = frozenset({"sanctionEntity"})
    for tag, element in xml_records(files[_FILE], LIMIT, root=_ROOT, records=records):
        if tag == _ROOT:
            into.as_of = moment(element.get("generationDate", ""), field="generationDate")
        else:
            _add(into, element)


def _add(into: Reading, party: Element) -> None:
    rule = party.find("regulation")
    into.add(
        "EU",
        party.get("euReferenceNumber", "") or party.get("logicalId", ""),
        _type(party.find("subjectType")),
        _names(party),
        countries=[*_where(party, "citizenship"), *_where(party, "address")],
        birth_dates=[_born(each) for each in party.iterfind("birthdate")],
        identifiers=_numbers(party),
        addresses=[
            ", ".join(each.get(key, "") for key in _PLACE if each.get(key))
            for each in party.iterfind("address")
        ],
        programmes=[each.get("programme", "") for each in party.iterfind("regulation")],
        citation="European Union restrictive measures",
        notice="" if rule is None else rule.get("numberTitle", ""),
        url="" if rule is None else text(rule, "publicationUrl"),
    )


def _type(subject: Element | None) -> EntryType:
    if subject is None:
        return EntryType.UNSTATED
    letter = subject.get("classificationCode") or _CODES.get(subject.get("code", ""), "")
    return _TYPES.get(letter, EntryType.UNSTATED)


def _names(party: Element) -> Iterator[Named]:
    primary = False
    for each in party.iterfind("nameAlias"):
        parts_of = (each.get(key, "") for key in ("firstName", "middleName", "lastName"))
        name = each.get("wholeName") or " ".join(filter(None, parts_of))
        if each.get("strong") == "false":
            yield name, "weak"
        elif name.strip():
            yield name, "alias" if primary else "primary"
            primary = True


def _where(party: Element, tag: str) -> Iterator[str]:
    """Countries; `00` stands for none."""
    for each in party.iterfind(tag):
        code = each.get("countryIso2Code", "")
        yield each.get("countryDescription", "") if code in ("", "00") else code


def _born(element: Element) -> str:
    first, last = element.get("yearRangeFrom", ""), element.get("yearRangeTo", "")
    numbers = (element.get(key, "") for key in ("year", "monthOfYear", "dayOfMonth"))
    day = birth_date(element.get("birthdate", "")) or parts(*numbers)
    if not day and first and last:
        day = span(parts(first), parts(last))
    return f"~{day}" if day and element.get("circa") == "true" else day


def _numbers(party: Element) -> Iterator[Numbered]:
    for each in party.iterfind("identification"):
        code = each.get("identificationTypeCode", "")
        kind = _KINDS.get(code) or kind_of(each.get("identificationTypeDescription", code))
        yield kind or "other", each.get("number", ""), each.get("countryIso2Code", "")


SOURCE = Source(
    name="eu",
    title="European Union financial sanctions (FSF)",
    parts=(Part(_FILE),),
    reader=read,
    proven=False,
    quiet_s=60 * DAY,
    max_bytes=LIMIT,
)
