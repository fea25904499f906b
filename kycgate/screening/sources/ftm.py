"""Reads FollowTheMoney entities, one JSON object a line, as OpenSanctions publishes them.

Their data is paid for in business use; the address is the operator's own. Only entities that are
themselves listed are read: politically exposed persons and neighbours in the graph are not hits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, TooLarge
from kycgate.screening.entries import EntryType, IdentifierType, NameKind
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.dates import birth_date
from kycgate.screening.sources.opening import open_bytes
from kycgate.screening.sources.reading import Named, Numbered, Reading

LIMIT = 4_096 * MIB
LONGEST_LINE = 4 * MIB

_FILE = "entities.ftm.json"
_TYPES = {
    "Person": EntryType.PERSON,
    "Organization": EntryType.ORGANISATION,
    "Company": EntryType.ORGANISATION,
    "PublicBody": EntryType.ORGANISATION,
    "LegalEntity": EntryType.UNSTATED,
    "Vessel": EntryType.VESSEL,
    "Airplane": EntryType.AIRCRAFT,
    "CryptoWallet": EntryType.WALLET,
}
_LISTED = ("sanction", "sanction.linked", "sanction.control", "debarment")
_LISTED_STEM = "export.control"
_NAMES: tuple[tuple[str, NameKind], ...] = (
    ("name", "primary"),
    ("alias", "alias"),
    ("previousName", "former"),
    ("weakAlias", "weak"),
)
_COUNTRIES = ("country", "nationality", "citizenship", "jurisdiction", "mainCountry", "flag")
_NUMBERS: dict[str, IdentifierType] = {
    "leiCode": "lei",
    "uscCode": "uscc",
    "passportNumber": "passport",
    "imoNumber": "imo",
    "idNumber": "national",
    "taxNumber": "tax",
    "vatCode": "tax",
    "innCode": "tax",
    "registrationNumber": "registration",
    "ogrnCode": "registration",
    "okpoCode": "registration",
    "swiftBic": "other",
    "mmsi": "other",
    "uniqueEntityId": "other",
}


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read line by line; a line that breaks off means a file that was cut off."""
    path = files[_FILE]
    for number, line in enumerate(_lines(path), 1):
        require_shallow(line, field=path.name)
        try:
            entity = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise Malformed(f"line {number} is not JSON", field=path.name) from e
        if not isinstance(entity, dict) or not isinstance(entity.get("properties"), dict):
            raise Malformed(f"line {number} is no entity", field=path.name)
        if _is_listed(entity):
            _add(into, entity)


def _lines(path: Path) -> Iterator[bytes]:
    read_so_far = 0
    with open_bytes(path) as file:
        while line := file.readline(LONGEST_LINE + 1):
            read_so_far += len(line)
            if len(line) > LONGEST_LINE or read_so_far > LIMIT:
                raise TooLarge("a line or the file is beyond its limit", field=path.name)
            if line.strip():
                yield line


def _is_listed(entity: Mapping[str, Any]) -> bool:
    """By its topics; an entity that has none is listed by standing in the operator's file."""
    schema = entity.get("schema")
    if not isinstance(schema, str) or schema not in _TYPES:
        return False
    topics = _values(entity, "topics")
    if not topics:
        return entity.get("target") is not False
    return any(topic in _LISTED or topic.startswith(_LISTED_STEM) for topic in topics)


def _add(into: Reading, entity: Mapping[str, Any]) -> None:
    type_ = _TYPES[entity["schema"]]
    datasets = entity.get("datasets")
    into.add(
        "FTM",
        str(entity.get("id", "")),
        type_,
        list(_names(entity)),
        countries=[word for key in _COUNTRIES for word in _values(entity, key)],
        birth_dates=map(birth_date, _values(entity, "birthDate")),
        identifiers=list(_identifiers(entity)),
        wallets=[
            (next(iter(_values(entity, "currency")), ""), key)
            for key in _values(entity, "publicKey")
        ],
        addresses=_values(entity, "address"),
        programmes=[*_values(entity, "program"), *_values(entity, "topics")],
        citation=", ".join(map(str, datasets)) if isinstance(datasets, list) else "",
        url=next(iter(_values(entity, "sourceUrl")), ""),
    )


def _names(entity: Mapping[str, Any]) -> Iterator[Named]:
    caption = str(entity.get("caption") or "")
    names = _values(entity, "name")
    if caption in names:
        yield caption, "primary"
    for key, kind in _NAMES:
        for at, name in enumerate(_values(entity, key)):
            first = key == "name" and at == 0 and caption not in names
            yield name, "primary" if first else "alias" if kind == "primary" else kind


def _identifiers(entity: Mapping[str, Any]) -> Iterator[Numbered]:
    for key, kind in _NUMBERS.items():
        for number in _values(entity, key):
            yield kind, number.upper().removeprefix("IMO") if kind == "imo" else number, ""


def _values(entity: Mapping[str, Any], key: str) -> list[str]:
    """The texts of a property; nested entities, as in `targets.nested.json`, are passed over."""
    values = entity["properties"].get(key)
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []


SOURCE = Source(
    name="opensanctions",
    title="FollowTheMoney entities (OpenSanctions)",
    parts=(Part(_FILE),),
    reader=read,
    proven=False,
    quiet_s=14 * DAY,
    max_bytes=LIMIT,
)
