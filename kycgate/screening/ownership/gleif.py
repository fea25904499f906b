"""Reads GLEIF's files: LEI-CDF (level 1), RR-CDF (level 2), reporting exceptions; XML and JSON.

Decides nothing about ownership. Files are read as streams, full files before deltas; of several
records about one thing the newest stays.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from kycgate.errors import Malformed, TooLarge
from kycgate.screening.ownership.dates import first_day, last_day
from kycgate.screening.ownership.leis import (
    RELATIONSHIPS,
    ExceptionRecord,
    LeiBuilder,
    LeiRecord,
    LeiRegister,
    LinkRecord,
    is_lei,
)
from kycgate.screening.ownership.parties import NAME_MOST, clean
from kycgate.screening.ownership.shares import Share
from kycgate.screening.ownership.streams import Number, Record, json_records, xml_records

FILE_MOST = 32 << 30
"""Bytes of one file unpacked; the largest, level 1 as XML, has about ten gigabytes."""

CHUNK = 1 << 18
_NUMBER_MOST = 64
"""Characters of a registration number worth comparing."""

CountryOf = Callable[[str], int]
"""A country code as published → ISO 3166-1 numeric, 0 where it is none."""

_WRAPPERS = frozenset(("records", "relations", "exceptions"))
_HEADERS = frozenset(("LEIHeader", "Header"))
_RECORDS = frozenset(("LEIRecord", "RelationshipRecord", "Exception"))
_NEVER_COUNTED = frozenset(("ANNULLED", "DUPLICATE", "ERRONEOUS"))
_ULTIMATE = "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT"


class GleifReader:
    """Takes GLEIF files one after the other; `register()` gives what they say together.

    `notes` names what was left out, so that nothing is missing in silence.
    """

    def __init__(self, *, country_of: CountryOf) -> None:
        self._builder, self._country_of = LeiBuilder(), country_of
        self._content_day = date.min
        self._odd = Counter[str]()
        self.counts = Counter[str]()
        self.digests = dict[str, str]()
        self.notes = list[str]()

    def read(self, chunks: Iterable[bytes], *, name: str) -> bool:
        """Read one file of any of the three kinds. False if it is of none.

        Raises Malformed or TooLarge, naming the file and the record.
        """
        counted, stated = 0, ""
        for kind, record in _records(chunks, name):
            if kind in _HEADERS:
                stated = self._header(record, name)
            elif self._take(record, name):
                counted += 1
            elif not counted:
                return False
            else:
                raise Malformed("a record of no known kind", field=f"{name}, record {counted + 1}")
        if stated.isdecimal() and int(stated) != counted:
            self.notes.append(f"{name}: its header counts {stated} records, {counted} are in it")
        return counted > 0 or bool(stated)

    def register(self) -> LeiRegister:
        """The register. The reader is spent."""
        self.notes += [f"{count} {what}" for what, count in sorted(self._odd.items())]
        return self._builder.build()

    def _header(self, record: Record, name: str) -> str:
        day = _day(record, "ContentDate", where=name)
        if day is not None:
            self._content_day = max(self._content_day, day)
        return _text(record, "RecordCount", where=name)

    def _take(self, record: Record, name: str) -> bool:
        if "Relationship" in record:
            self._link(record, name)
        elif "ExceptionCategory" in record:
            self._exception(record, name)
        elif "LEI" in record and ("Entity" in record or "Extension" in record):
            self._entity(record, name)
        else:
            return False
        return True

    def _entity(self, record: Record, name: str) -> None:
        lei = _lei(record, "LEI", where=name)
        where = f"{name}, {lei}"
        entity = _inner(record, "Entity")
        registration = _text(record, "Registration", "RegistrationStatus", where=where)
        legal = _text(entity, "LegalAddress", "Country", where=where)
        jurisdiction = _text(entity, "LegalJurisdiction", where=where)
        self.counts["entities"] += 1
        self._builder.add_entity(
            LeiRecord(
                lei=lei,
                name=_name(entity, where) or lei,
                headquarters=self._country(
                    _text(entity, "HeadquartersAddress", "Country", where=where)
                ),
                legal=self._country(legal) or self._country(jurisdiction),
                active=_text(entity, "EntityStatus", where=where) != "INACTIVE",
                updated=self._updated(record, where),
                deleted=_deleted(record) or registration in _NEVER_COUNTED,
                number=_text(
                    entity, "RegistrationAuthority", "RegistrationAuthorityEntityID", where=where
                )[:_NUMBER_MOST],
            )
        )

    def _country(self, code: str) -> int:
        return self._country_of(code[:2].upper()) if code else 0

    def _updated(self, record: Record, where: str) -> date:
        """When the record was last touched: what orders the versions of it."""
        updated = _day(record, "Registration", "LastUpdateDate", where=where)
        if _deletion(record) is not None:
            return self._deleted_on(record, updated, where)
        return updated or self._content_day

    def _deleted_on(self, record: Record, updated: date | None, where: str) -> date:
        deletion = {key.rpartition(":")[2]: each for key, each in (_deletion(record) or {}).items()}
        day = _day(deletion, "DeletedAt", where=where)
        return max(day or date.min, updated or date.min, self._content_day)

    def _link(self, record: Record, name: str) -> None:
        relationship = _inner(record, "Relationship")
        start, end = (_inner(relationship, each) for each in ("StartNode", "EndNode"))
        types = {_text(each, "NodeIDType", where=name) for each in (start, end)}
        type_ = _text(relationship, "RelationshipType", where=name)
        self.counts["relationships"] += 1
        if types != {"LEI"} or type_ not in RELATIONSHIPS:
            self._odd["relationships of an unknown type or without two LEIs were left out"] += 1
            return
        lei = _lei(start, "NodeID", where=f"{name}, StartNode")
        parent = _lei(end, "NodeID", where=f"{name}, EndNode")
        where = f"{name}, {lei} {type_} {parent}"
        updated = self._updated(record, where)
        begins, ends = _period(relationship, where)
        inactive = _text(relationship, "RelationshipStatus", where=where) == "INACTIVE"
        registration = _text(record, "Registration", "RegistrationStatus", where=where)
        if ends is None and (inactive or registration == "RETIRED"):
            ends = updated
        self._builder.add_link(
            LinkRecord(
                lei=lei,
                parent=parent,
                type=type_,
                share=self._share(relationship, where),
                start=begins,
                end=ends,
                updated=updated,
                lapsed=registration == "LAPSED",
                deleted=_deleted(record) or registration in _NEVER_COUNTED,
            )
        )

    def _share(self, relationship: Record, where: str) -> Share | None:
        """The percentage consolidated, where stated. One of 1 or less may be a fraction meant as
        such, so it counts as anything from that to a hundred times it."""
        for each in _many(relationship, "RelationshipQuantifiers", "RelationshipQuantifier"):
            if _text(each, "QuantifierUnits", where=where) != "PERCENTAGE":
                continue
            amount = _amount(each)
            if amount is None:
                self._odd["impossible percentages were taken as not stated"] += 1
            elif amount > 1:
                return Share.exact(amount)
            elif amount > 0:
                return Share.between(amount, amount * 100)
        return None

    def _exception(self, record: Record, name: str) -> None:
        lei = _lei(record, "LEI", where=name)
        where = f"{name}, {lei}"
        category = _text(record, "ExceptionCategory", where=where)
        stated = record.get("ExceptionReason", [])
        reasons = [_plain(each) for each in (stated if isinstance(stated, list) else [stated])]
        if not all(isinstance(each, str) and len(each) < 80 for each in reasons):
            raise Malformed("not a reason", field=f"{where}: ExceptionReason")
        told = _day(record, "ContentDate", where=where)
        updated = told or self._content_day
        if _deleted(record):
            updated = self._deleted_on(record, told, where)
        self.counts["exceptions"] += 1
        self._builder.add_exception(
            ExceptionRecord(
                lei=lei,
                ultimate=category == _ULTIMATE,
                reasons=() if _deleted(record) else tuple(cast(list[str], reasons)),
                updated=updated,
            )
        )


def read_directory(path: Path, *, country_of: CountryOf) -> tuple[LeiRegister, GleifReader]:
    """Every GLEIF file of a directory: .xml, .json, or either in a .zip; deltas after full files.

    Files of other kinds are left out and noted. Raises Malformed, naming file and record.
    """
    reader = GleifReader(country_of=country_of)
    try:
        files = [each for each in path.iterdir() if each.is_file() and not _ours(each)]
    except OSError as e:
        raise Malformed(f"{path} can't be read: {e.strerror}", field="--gleif") from e
    for file in sorted(files, key=lambda each: ("delta" in each.name.lower(), each.name)):
        with _opened(file) as stream:
            if stream is None or not reader.read(
                _chunks(stream, file.name, reader.digests), name=file.name
            ):
                reader.notes.append(f"{file.name}: no GLEIF file, left out")
    if not reader.counts["entities"] and not reader.counts["relationships"]:
        raise Malformed(
            f"{path} holds no LEI and no relationship records",
            field="--gleif",
            remedy="GLEIF's files as XML or JSON, zipped or not",
        )
    return reader.register(), reader


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO | None]:
    """The file, or the one file in a .zip; None for other endings."""
    try:
        if file.suffix.lower() in (".xml", ".json"):
            with file.open("rb") as stream:
                yield stream
        elif file.suffix.lower() == ".zip":
            with zipfile.ZipFile(file) as archive:
                members = [each for each in archive.infolist() if not each.is_dir()]
                if len(members) != 1:
                    raise Malformed("not one file in the archive", field=file.name)
                with archive.open(members[0]) as member:
                    yield cast(BinaryIO, member)
        else:
            yield None
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
        raise Malformed(f"can't be read: {e}", field=file.name) from e


def _ours(file: Path) -> bool:
    """Whether it is what was kept of the directory, or hidden."""
    return file.name.startswith(".") or ".register" in file.suffixes


def _chunks(stream: BinaryIO, name: str, digests: dict[str, str]) -> Iterator[bytes]:
    size, digest = 0, sha256()
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > FILE_MOST:
            raise TooLarge(f"more than {FILE_MOST >> 30} GB unpacked", field=name)
        digest.update(chunk)
        yield chunk
    digests[name] = digest.hexdigest()


def _records(chunks: Iterable[bytes], name: str) -> Iterator[tuple[str, Record]]:
    """(kind, record) of either format; the first sign tells which."""
    rest = iter(chunks)
    first = next(rest, b"")
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        yield from xml_records(chain([first], rest), _HEADERS | _RECORDS, field=name)
        return
    for record in json_records(chain([first], rest), field=name, wrappers=_WRAPPERS):
        inner = next(iter(record.values()), None)
        wrapped = len(record) == 1 and isinstance(inner, dict) and next(iter(record)) in _RECORDS
        yield "", cast(Record, inner) if wrapped else record


# -- fields: the JSON of the golden copy says {"$": "text"} for XML's text -------------------------


def _plain(value: Any) -> Any:
    return value["$"] if isinstance(value, dict) and "$" in value else value


def _inner(record: Record, key: str) -> Record:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _text(record: Record, *path: str, where: str) -> str:
    """The text at the end of the path, empty where missing."""
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    value = _plain(value)
    if value is None or value == {}:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise Malformed("not a text", field=f"{where}: {'/'.join(path)}")
    return value


def _name(entity: Record, where: str) -> str:
    name = _text(entity, "LegalName", where=where)
    if len(name) > NAME_MOST:
        raise TooLarge(f"longer than {NAME_MOST} characters", field=f"{where}: LegalName")
    return clean(name)


def _lei(record: Record, *path: str, where: str) -> str:
    lei = _text(record, *path, where=where)
    if not is_lei(lei):
        raise Malformed(
            f"`{clean(lei[:40])}` is no LEI", field=f"{where}: {path[-1]}", remedy="20 characters"
        )
    return lei


def _day(record: Record, *path: str, where: str, last: bool = False) -> date | None:
    text = _text(record, *path, where=where)
    try:
        return (last_day if last else first_day)(text) if text else None
    except ValueError as e:
        raise Malformed(str(e), field=f"{where}: {path[-1]}") from e


def _many(record: Record, container: str, item: str) -> list[Record]:
    """The items of `{container: {item: …}}`, or of `{container: […]}`."""
    value = record.get(container)
    if isinstance(value, dict):
        value = value.get(item, value)
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, dict)]


def _period(relationship: Record, where: str) -> tuple[date | None, date | None]:
    """When the relationship held, its accounting and filing periods left aside."""
    periods = [
        (_day(each, "StartDate", where=where), _day(each, "EndDate", where=where, last=True))
        for each in _many(relationship, "RelationshipPeriods", "RelationshipPeriod")
        if _text(each, "PeriodType", where=where) == "RELATIONSHIP_PERIOD"
    ]
    starts, ends = [each[0] for each in periods], [each[1] for each in periods]
    start = None if not starts or None in starts else min(filter(None, starts))
    end = None if not ends or None in ends else max(filter(None, ends))
    if start and end and end < start:
        raise Malformed("the period ends before it begins", field=f"{where}: EndDate")
    return start, end


def _amount(quantifier: Record) -> Fraction | None:
    value = _plain(quantifier.get("QuantifierAmount"))
    text = value.text if isinstance(value, Number) else str(value)
    try:
        amount = Decimal(text.strip()[:60])
        usable = 0 <= amount <= 100 and amount.adjusted() > -20
    except InvalidOperation:
        return None
    return Fraction(amount) if usable else None


def _deletion(record: Record) -> Record | None:
    """What an extension says of the record's deletion, None where it stands."""
    for key, value in _inner(record, "Extension").items():
        if key.rpartition(":")[2] == "Deletion":
            return value if isinstance(value, dict) else {}
    return None


def _deleted(record: Record) -> bool:
    return _deletion(record) is not None
