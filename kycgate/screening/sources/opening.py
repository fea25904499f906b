"""Opens list files safely: bounded bytes, known encodings, rows of one width, XML without entities.

Understands no list. Everything it refuses is Malformed, with the place of the trouble.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.etree import ElementTree
from xml.parsers import expat

from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, TooLarge

MAX_DEPTH = 64
"""Elements inside one another. The deepest published list has 12."""
MAX_RECORD = 100_000
"""Elements of one party. The largest published has some hundreds."""

LONGEST_SILENCE = 4 * 2**20
"""Bytes of XML without the start or end of an element."""

_Event = tuple[str, ElementTree.Element]

_PIECE = 2**16
_DOS_END = "\x1a"


def read_bytes(path: Path, limit: int) -> bytes:
    """The whole file, unpacked when gzipped. Raises TooLarge above `limit` bytes, Malformed."""
    with open_bytes(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"more than {limit} bytes", field=path.name)
    return data


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked when gzipped. Raises Malformed, also while they are read."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            if not packed:
                yield plain
                return
            with gzip.open(plain) as unpacked:
                yield cast(BinaryIO, unpacked)
    except (OSError, EOFError, zlib.error) as e:
        words = getattr(e, "strerror", None) or str(e)
        raise Malformed(f"can't be read or unpacked ({words})", field=path.name) from e


def read_text(path: Path, limit: int, *encodings: str) -> str:
    """The whole file as text: its byte order mark decides, else the first encoding that fits."""
    data = read_bytes(path, limit)
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            encodings = (encoding,)
    for encoding in encodings or ("utf-8-sig",):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    tried = ", ".join(encodings or ("UTF-8",))
    raise Malformed(f"is not text in {tried}", field=path.name)


def csv_rows(path: Path, text: str, *, delimiter: str = ",", width: int = 0) -> list[list[str]]:
    """Rows of a CSV file, all as wide as `width` or the first; a DOS end-of-file row is dropped.

    Raises Malformed naming the row: a narrower one means that the file was cut off.
    """
    rows = list[list[str]]()
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if not row or row == [_DOS_END]:
                continue
            width = width or len(row)
            if len(row) != width:
                raise Malformed(
                    f"row {len(rows) + 1} has {len(row)} columns where {width} are expected",
                    field=path.name,
                )
            rows.append(row)
    except csv.Error as e:
        raise Malformed(f"row {len(rows) + 1}: {e}", field=path.name) from e
    return rows


def named_rows(
    path: Path, rows: list[list[str]], required: frozenset[str]
) -> Iterator[dict[str, str]]:
    """Rows by the names in the first. Raises Malformed naming the columns that are missing."""
    header = [name.strip() for name in rows[0]] if rows else []
    if missing := required - set(header):
        raise Malformed(f"lacks the columns {', '.join(sorted(missing))}", field=path.name)
    for row in rows[1:]:
        if row != rows[0]:
            yield dict(zip(header, row, strict=True))


def json_value(path: Path, text: str | bytes) -> Any:
    """The JSON document. Raises Malformed, also for one nested beyond reason."""
    require_shallow(text if isinstance(text, bytes) else text.encode(), field=path.name)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise Malformed(f"is not JSON ({str(e)[:120]})", field=path.name) from e


def xml_records(
    path: Path, limit: int, *, root: str, records: frozenset[str]
) -> Iterator[tuple[str, ElementTree.Element]]:
    """Each element named in `records`, with its local name, when it ends; then it is forgotten.

    The first to come is the root, with its attributes and nothing in it. Namespaces are cut off
    all names: publishers change them. Raises Malformed for another root, for a document type
    (no list has one; entities hide in it) and for bad XML; TooLarge above `limit` bytes.
    """
    with open_bytes(path) as file, _xml_errors(path):
        _refuse_document_type(path, file)
        file.seek(0)
        yield from _walk(path, _Bounded(file, limit, path.name), root, records)


def _walk(
    path: Path, file: _Bounded, root: str, records: frozenset[str]
) -> Iterator[tuple[str, ElementTree.Element]]:
    stack = list[ElementTree.Element]()
    held = inside = 0  # records around here, and elements since the last one ended
    for event, element in _events(path, file):
        if event == "start":
            element.tag = local(element.tag)
            if not stack:
                if element.tag != root:
                    raise Malformed(f"<{element.tag}> where <{root}> belongs", field=path.name)
                yield root, element
            stack.append(element)
            held += element.tag in records
            inside += 1
            if len(stack) > MAX_DEPTH or inside > MAX_RECORD:
                raise TooLarge("a party nested beyond reason", field=path.name)
            continue
        stack.pop()
        held -= element.tag in records
        if held:
            continue
        if element.tag in records:
            yield element.tag, element
        inside = 0
        element.clear()
        if stack:
            stack[-1].remove(element)


def _events(path: Path, file: _Bounded) -> Iterator[_Event]:
    """Starts and ends of elements, as they come.

    Raises TooLarge where none comes for long: the parser looks through an unfinished comment or
    tag again with every piece, which takes minutes for a hundred megabytes of it.
    """
    # The document type is refused before, so no entity can be declared for this parser to expand.
    parser: ElementTree.XMLPullParser[Any] = ElementTree.XMLPullParser(("start", "end"))
    silent = 0
    while piece := file.read(_PIECE):
        parser.feed(piece)
        silent += len(piece)
        for event in parser.read_events():
            silent = 0
            yield cast(_Event, event)
        if silent > LONGEST_SILENCE:
            raise TooLarge("a text, tag or comment beyond reason", field=path.name)
    parser.close()
    for event in parser.read_events():
        yield cast(_Event, event)


def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


def texts(element: ElementTree.Element, path: str) -> list[str]:
    """The texts of the elements at that path, without the empty ones."""
    return [each.text.strip() for each in element.iterfind(path) if each.text and each.text.strip()]


def text(element: ElementTree.Element, path: str) -> str:
    """The first text at that path, or nothing."""
    return next(iter(texts(element, path)), "")


class _Bounded:
    """A file that refuses to be longer than it may."""

    def __init__(self, file: BinaryIO, limit: int, name: str) -> None:
        self._file, self._limit, self._left, self._name = file, limit, limit, name

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(f"more than {self._limit} bytes", field=self._name)
        return data


def _refuse_document_type(path: Path, file: BinaryIO) -> None:
    """Read on to the root element. XML allows a document type only before it."""
    reached = list[str]()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise Malformed("has a document type, which no list needs", field=path.name)

    def started(name: str, _: dict[str, str]) -> None:
        reached.append(name)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = started
    while not reached:
        chunk = file.read(4_096)
        parser.Parse(chunk, not chunk)
        if file.tell() > 2**20:
            raise Malformed("has no root element in its first megabyte", field=path.name)


@contextmanager
def _xml_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError) as e:
        raise Malformed(f"is not whole XML: {e}", field=path.name) from e
