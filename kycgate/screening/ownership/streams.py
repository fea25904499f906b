"""Takes untrusted JSON and XML apart, record by record, in bounded memory.

Knows no format's meaning and opens no file. A document type, an entity, endless nesting or an
endless record ends the reading.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.parsers import expat

from kycgate.errors import Malformed, TooLarge

RECORD_MOST = 1 << 20
"""Characters of one record; real ones have some thousands."""

DEPTH_MOST = 48
"""Nesting of one record; real ones go to about eight."""

Record = dict[str, Any]

_SLICE = 1 << 16
_OPENINGS_MOST = 4_000
"""Brackets opened in the part under the eyes before anybody looks how deep they nest. The decoder
recurses on the machine's stack, and libraries we stand on raise Python's own limit out of reach."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_SPACE = re.compile(r"[\s,]*")
_BLANK = re.compile(r"\s*")
_FIRST_KEY = re.compile(r'\{\s*"([A-Za-z]{0,80})"')


class Number(float):
    """A JSON number that remembers how it was written: `text` is exact."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        if not math.isfinite(number) or len(text) > 400:
            raise ValueError(f"{text[:40]} is no usable number")
        number.text = text
        return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _unique(pairs: list[tuple[str, Any]]) -> Record:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


_DECODER = json.JSONDecoder(
    parse_float=Number, parse_constant=_refuse_constant, object_pairs_hook=_unique
)


def json_records(
    chunks: Iterable[bytes], *, field: str, wrappers: frozenset[str] = frozenset()
) -> Iterator[Record]:
    """The objects of a JSON array, of JSON lines, or of the arrays inside one outer object.

    An outer object is known by its first key: one of `wrappers`, or a header.

    Raises Malformed (naming `field` and the record's number), TooLarge for an endless record.
    """
    window = _Window(chunks, field)
    opening = window.peek()
    if opening == "[":
        window.skip(1)
        yield from window.items("]")
        if window.peek():
            raise Malformed("something follows the end of the array", field=field)
    elif opening == "{":
        yield from _object_records(window, wrappers)
    else:
        raise Malformed("neither a JSON array nor an object", field=field, remedy="UTF-8 JSON")


def _object_records(window: _Window, wrappers: frozenset[str]) -> Iterator[Record]:
    key = window.first_key()
    if key not in wrappers and not key.lower().endswith("header"):
        yield from window.items("")
        return
    window.skip(1)
    while window.next_array():
        yield from window.items("]")
    if window.peek():
        raise Malformed("something follows the end of the object", field=window.field)


def _sliced(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), _SLICE):
            yield chunk[at : at + _SLICE]


class _Window:
    """The part of a text under the eyes; grows by chunks, forgets what was read."""

    def __init__(self, chunks: Iterable[bytes], field: str) -> None:
        self._chunks = _sliced(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended, self._openings = "", 0, False, 0
        self.field, self.number = field, 0

    def _grow(self) -> bool:
        if self._ended:
            return False
        chunk = next(self._chunks, None)
        self._ended = chunk is None
        try:
            more = self._decoder.decode(chunk or b"", final=self._ended)
        except UnicodeDecodeError as e:
            raise Malformed("not UTF-8", field=self.field) from e
        self._text, self._at = self._text[self._at :] + more, 0
        self._openings = self._text.count("[") + self._text.count("{")
        return True

    def peek(self, gap: re.Pattern[str] = _BLANK) -> str:
        """The next sign that is no white space, empty at the end."""
        while True:
            match = gap.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def skip(self, count: int) -> None:
        self._at += count

    def items(self, closing: str) -> Iterator[Record]:
        """The objects up to the closing sign, or to the end of the text where there is none."""
        while (sign := self.peek(_SPACE)) != closing:
            if not sign:
                raise self._broken("the file ends in the middle")
            if sign != "{":
                raise self._broken("not an object")
            yield self._value()
            self.number += 1
        self.skip(len(closing))

    def first_key(self) -> str:
        """The first key of the object ahead, which stays unread; empty where there is none."""
        while len(self._text) - self._at < 256 and self._grow():
            pass
        match = _FIRST_KEY.match(self._text, self._at)
        return match[1] if match else ""

    def next_array(self) -> bool:
        """Go into the next array of records of the outer object; other values are passed over."""
        while (sign := self.peek(_SPACE)) == '"':
            self._value()
            if self.peek() != ":":
                raise self._broken("a key without a value")
            self.skip(1)
            if self.peek() == "[":
                self.skip(1)
                return True
            self._value()
        if sign != "}":
            raise self._broken("the file ends in the middle" if not sign else "no key")
        self.skip(1)
        return False

    def _value(self) -> Any:
        while True:
            if self._openings > _OPENINGS_MOST:
                self._measure()
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as e:
                if not e.msg.startswith("Unterminated") and e.pos < len(self._text) - 64:
                    raise self._broken(f"no JSON: {e.msg}") from e
                if len(self._text) - self._at > RECORD_MOST:
                    raise self._endless() from e
                if not self._grow():
                    raise self._broken(f"no JSON: {e.msg}") from e
            except RecursionError as e:
                raise self._broken("nested without end") from e
            except ValueError as e:
                raise self._broken(str(e)[:120]) from e
            else:
                if end == len(self._text) and self._grow():
                    continue  # a number may go on in the next chunk
                if end - self._at > RECORD_MOST:
                    raise self._endless()
                self._at = end
                return value

    def _measure(self) -> None:
        """Refuse what nests too deep, without recursion."""
        depth = 0
        for token in _TOKEN.finditer(self._text, self._at):
            if token[0] in "[{":
                depth += 1
            elif token[0] in "]}":
                depth -= 1
            if depth > DEPTH_MOST:
                raise self._broken("nested without end")
            if depth <= 0:
                return

    def _broken(self, why: str) -> Malformed:
        return Malformed(f"record {self.number + 1}: {why}", field=self.field)

    def _endless(self) -> TooLarge:
        return TooLarge(
            f"record {self.number + 1} is longer than {RECORD_MOST} characters", field=self.field
        )


# -- XML -------------------------------------------------------------------------------------------


def xml_records(
    chunks: Iterable[bytes], names: frozenset[str], *, field: str
) -> Iterator[tuple[str, Record]]:
    """Each element named in `names` as (name, dict); names are local, prefixes don't count.

    An element with children becomes a dict, one without a text, a repeated one a list. Raises
    Malformed or TooLarge. A document type is refused unread: with it goes every entity.
    """
    reader = _XmlReader(names, field)
    for chunk in chunks:
        reader.feed(chunk, last=False)
        yield from reader.taken()
    reader.feed(b"", last=True)
    yield from reader.taken()


class _XmlReader:
    def __init__(self, names: frozenset[str], field: str) -> None:
        self._names, self._field = names, field
        self._open: list[tuple[str, Record]] = []
        self._text: list[str] = []
        self._size, self._depth, self._number, self._fed = 0, 0, 0, 0
        self._done: list[tuple[str, Record]] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, chunk: bytes, *, last: bool) -> None:
        self._fed += len(chunk)
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as e:
            where = f"line {e.lineno}, record {self._number + 1}"
            raise Malformed(
                f"no XML at {where}: {expat.ErrorString(e.code)}", field=self._field
            ) from e
        except (LookupError, ValueError) as e:
            raise Malformed(f"unreadable encoding: {e}", field=self._field) from e
        # Expat keeps what belongs to one unfinished tag: no tag is that long.
        if self._fed - self._parser.CurrentByteIndex > 4 * RECORD_MOST:
            raise self._too_large("holds a tag without end")

    def taken(self) -> list[tuple[str, Record]]:
        done, self._done = self._done, []
        return done

    def _doctype(self, *_: Any) -> None:
        raise Malformed(
            "a document type is not read", field=self._field, remedy="no DOCTYPE, no entities"
        )

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._depth += 1
        local = name.rpartition(":")[2]
        if self._open or local in self._names:
            self._open.append((local, {}))
            self._text.clear()
            self._count(len(local) + 16)
        if self._depth > DEPTH_MOST:
            raise self._too_large(f"is nested deeper than {DEPTH_MOST}")

    def _characters(self, text: str) -> None:
        if self._open:
            self._text.append(text)
            self._count(len(text))

    def _end(self, _: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        local, children = self._open.pop()
        text = "".join(self._text).strip()
        self._text.clear()
        if self._open:
            _put(self._open[-1][1], local, children or text)
            return
        self._done.append((local, children))
        self._size = 0
        self._number += 1

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > RECORD_MOST:
            raise self._too_large(f"is longer than {RECORD_MOST} characters")

    def _too_large(self, why: str) -> TooLarge:
        return TooLarge(f"record {self._number + 1} {why}", field=self._field)


def _put(parent: Record, name: str, value: Any) -> None:
    if name not in parent:
        parent[name] = value
    elif isinstance(parent[name], list):
        parent[name].append(value)
    else:
        parent[name] = [parent[name], value]
