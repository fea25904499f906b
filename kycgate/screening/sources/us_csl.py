"""Reads the US Consolidated Screening List: trade.gov's JSON and CSV, and the form in the package.

Twelve lists of three departments in one file. It marks no alias as weak, and BIS and the State
Department say of no entry whether it is a person; nothing is made up for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kycgate.errors import Malformed
from kycgate.screening.sources import DAY, MIB, Part, Source
from kycgate.screening.sources.dates import birth_date, moment
from kycgate.screening.sources.labels import kind_of, wallet_ticker
from kycgate.screening.sources.opening import csv_rows, json_value, named_rows, read_text
from kycgate.screening.sources.reading import Numbered, Reading
from kycgate.screening.sources.shipped import entry_type, read_compact_text

LIMIT = 256 * MIB

_FILE = "consolidated.json"
_COLUMNS = frozenset(
    {
        "source", "entity_number", "type", "programs", "name", "addresses", "alt_names", "ids",
        "federal_register_notice", "end_date", "source_list_url", "citizenships", "nationalities",
        "dates_of_birth",
    }
)  # fmt: skip
_TYPES = {
    "Individual": "P",
    "Entity": "O",
    "Vessel": "V",
    "Aircraft": "A",
    "": "",
}
_CITATIONS = {
    "CAP": "OFAC (correspondent account / payable-through account sanctions)",
    "CMIC": "E.O. 13959 as amended (OFAC)",
    "DPL": "15 C.F.R. Part 764, Supplement No. 2",
    "DTC": "22 C.F.R. § 127.7 (ITAR)",
    "EL": "15 C.F.R. § 744.16 and Supplement No. 4 to Part 744",
    "FSE": "E.O. 13608 (OFAC)",
    "ISN": "State Department nonproliferation sanctions",
    "MEU": "15 C.F.R. § 744.21 and Supplement No. 7 to Part 744",
    "NS-MBS": "OFAC menu-based sanctions",
    "PLC": "OFAC",
    "SDN": "31 C.F.R. (OFAC); EAR licence requirement via 15 C.F.R. § 744.8",
    "SSI": "31 C.F.R. Part 589 (OFAC directives)",
    "UVL": "15 C.F.R. § 744.15 and Supplement No. 6 to Part 744",
}
_CODE = re.compile(r"\(([A-Z][A-Z-]+)(?: List)?\)")
_COUNTRY_AT_END = re.compile(r"(?:^|, ?)([A-Z]{2})$")


def read(files: Mapping[str, Path], into: Reading) -> None:
    """Read whichever of the three forms it is."""
    path = files[_FILE]
    text = read_text(path, LIMIT, "utf-8-sig").lstrip()
    if text.startswith(('{"list": "us-csl"', '{"list":"us-csl"')):
        _read_compact(path, text, into)
    elif text.startswith(("{", "[")):
        _read_json(path, text, into)
    else:
        _read_csv(path, text, into)


def _read_compact(path: Path, text: str, into: Reading) -> None:
    try:
        data = read_compact_text(text)
    except (ValueError, LookupError, TypeError, AttributeError) as e:
        raise Malformed(f"is not the compact form: {e}", field=path.name) from e
    into.as_of = data.as_of
    into.entries.extend(data.entries)


def _read_json(path: Path, text: str, into: Reading) -> None:
    document = json_value(path, text)
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise Malformed('has no "results"', field=path.name)
    if isinstance(stamp := document.get("search_performed_at"), str):
        into.as_of = moment(stamp, field=f"{path.name} search_performed_at")
    for number, row in enumerate(rows, 1):
        said = [row.get(key) for key in ("source", "name")] if isinstance(row, dict) else [None]
        if not (said[0] and all(isinstance(each, str) for each in said)):
            raise Malformed(f"entry {number} has no source or name", field=path.name)
        row = {key: value for key, value in row.items() if value is not None}
        places = _objects(row.get("addresses"))
        ids = _objects(row.get("ids"))
        _add(
            into,
            row,
            {key: _strings(row.get(key)) for key in _MANY},
            addresses=[_join(each) for each in places],
            countries=[str(each.get("country") or "") for each in places],
            ids=[
                (str(i.get("type")), str(i.get("number")), str(i.get("country") or "")) for i in ids
            ],
        )


def _read_csv(path: Path, text: str, into: Reading) -> None:
    for row in named_rows(path, csv_rows(path, text), _COLUMNS):
        if not row["source"]:
            raise Malformed("an entry has no source", field=path.name)
        places = _split(row["addresses"])
        ends = (_COUNTRY_AT_END.search(place) for place in places)
        _add(
            into,
            row,
            {key: _split(row[key]) for key in _MANY},
            addresses=places,
            countries=[found[1] for found in ends if found],
            ids=[_number(each) for each in _split(row["ids"])],
        )


_MANY = ("alt_names", "programs", "citizenships", "nationalities", "dates_of_birth")


def _add(
    into: Reading,
    row: Mapping[str, Any],
    many: Mapping[str, list[str]],
    *,
    addresses: list[str],
    countries: list[str],
    ids: list[tuple[str, str, str]],
) -> None:
    source, name = str(row["source"]), str(row["name"])
    found = _CODE.search(source)
    code = found[1] if found else source[:60]
    if code == "DPL" and into.expired(str(row.get("end_date", ""))[:10]):
        return
    kind = _TYPES.get(str(row.get("type", "")).capitalize(), "")
    into.add(
        code,
        str(row.get("entity_number", "")),
        entry_type(code, kind, name),
        [(name, "primary"), *((alias, "alias") for alias in many["alt_names"])],
        countries=[*countries, *many["nationalities"], *many["citizenships"]],
        birth_dates=map(birth_date, many["dates_of_birth"]),
        identifiers=_identifiers(ids),
        wallets=[(t, number) for label, number, _ in ids if (t := wallet_ticker(label))],
        addresses=addresses,
        programmes=many["programs"],
        citation=_CITATIONS.get(code, source),
        notice=str(row.get("federal_register_notice", "")),
        url=str(row.get("source_list_url", "")),
    )


def _identifiers(ids: Iterable[tuple[str, str, str]]) -> Iterator[Numbered]:
    for label, number, where in ids:
        if not wallet_ticker(label) and (kind := kind_of(label)):
            yield kind, number, where


def _number(text: str) -> tuple[str, str, str]:
    """`Passport, 836238033, KP`: label, number and the country, if one is given."""
    label, _, rest = text.partition(", ")
    found = _COUNTRY_AT_END.search(rest)
    return label, rest[: found.start()] if found else rest, found[1] if found else ""


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split("; ") if part.strip()]


def _strings(value: Any) -> list[str]:
    return _split(value) if isinstance(value, str) else [str(each) for each in _list(value) if each]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise Malformed("has something else where an entry lists several", field=_FILE)
    return value or []


def _join(place: Mapping[str, Any]) -> str:
    keys = ("address", "city", "state", "postal_code", "country")
    return ", ".join(str(place[key]) for key in keys if place.get(key))


SOURCE = Source(
    name="us-csl",
    title="US Consolidated Screening List (Commerce, State, Treasury)",
    parts=(
        Part(
            _FILE,
            "https://data.trade.gov/downloadable_consolidated_screening_list/v1/consolidated.json",
        ),
    ),
    reader=read,
    # The CSV and the compact form have read real files; the JSON behind the address has not.
    proven=False,
    quiet_s=14 * DAY,
    max_bytes=LIMIT,
)
