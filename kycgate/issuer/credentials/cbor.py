"""Reads CBOR that strangers wrote (RFC 8949), refusing what has two readings or costs too much.

Writes nothing and knows no document: `cbor2` encodes where we do, and a test holds that whatever
this reads, `cbor2` reads alike.

Refused: indefinite lengths, a key twice in a map, keys other than text and integers, floats, simple
values other than false, true and null, big numbers, every tag not named here, trailing bytes.
Accepted: lengths and integers longer than need be. ISO/IEC 18013-5 asks for the shortest, several
wallets write longer ones, and nothing here is compared or hashed but the bytes as they were sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kycgate.errors import Malformed, TooLarge

SIZE_MOST: Final = 64 * 1024
"""Bytes; a credential without a portrait has three to ten thousand."""
DEPTH_MOST: Final = 16
ITEMS_MOST: Final = 4096

DATE_TIME: Final = 0
EMBEDDED: Final = 24
FULL_DATE: Final = 1004
_TAGS: Final = frozenset({DATE_TIME, EMBEDDED, FULL_DATE})


@dataclass(frozen=True, slots=True)
class Embedded:
    """A byte string that holds CBOR (tag 24). `raw` is the item as sent, tag included."""

    raw: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class Dated:
    """A date or a moment in text (tags 1004 and 0)."""

    tag: int
    text: str


def read(data: bytes, *, field: str, most: int = SIZE_MOST) -> Any:
    """The one item `data` holds. Raises Malformed or TooLarge naming `field`."""
    if len(data) > most:
        raise TooLarge(f"longer than {most} bytes", field=field)
    reader = _Reader(data, field)
    value = reader.item(0)
    if reader.at != len(data):
        raise reader.wrong("bytes follow the end")
    return value


def read_sequence_tagged(data: bytes, tag: int, *, field: str, most: int) -> Any:
    """Like `read`, for an item that may stand under this one further tag (COSE's 18)."""
    header = bytes([0xC0 | tag])
    return read(data[1:] if data[:1] == header else data, field=field, most=most)


class _Reader:
    __slots__ = ("at", "data", "field", "items")

    def __init__(self, data: bytes, field: str) -> None:
        self.data = data
        self.field = field
        self.at = 0
        self.items = 0

    def wrong(self, text: str) -> Malformed:
        return Malformed(f"not strict CBOR: {text}, at byte {self.at}", field=self.field)

    def item(self, depth: int) -> Any:
        self.items += 1
        if depth > DEPTH_MOST:
            raise self.wrong(f"nested deeper than {DEPTH_MOST} levels")
        if self.items > ITEMS_MOST:
            raise self.wrong(f"more than {ITEMS_MOST} items")
        start = self.at
        major, argument = self._head()
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self._bytes(argument)
        if major == 3:
            return self._text(argument)
        if major == 4:
            self._fits(argument)
            return [self.item(depth + 1) for _ in range(argument)]
        if major == 5:
            return self._map(argument, depth)
        if major == 6:
            return self._tagged(argument, start)
        return self._simple(argument)

    def _head(self) -> tuple[int, int]:
        first = self._bytes(1)[0]
        major, short = first >> 5, first & 0x1F
        if short < 24:
            return major, short
        if short > 27:
            raise self.wrong("an indefinite or reserved length")
        if major == 7:
            raise self.wrong("a float or an unknown simple value")
        return major, int.from_bytes(self._bytes(1 << (short - 24)))

    def _bytes(self, length: int) -> bytes:
        self._fits(length)
        start, self.at = self.at, self.at + length
        return self.data[start : self.at]

    def _text(self, length: int) -> str:
        try:
            return self._bytes(length).decode()
        except UnicodeDecodeError as e:
            raise self.wrong("text that is not UTF-8") from e

    def _map(self, length: int, depth: int) -> dict[int | str, Any]:
        self._fits(2 * length)
        members: dict[int | str, Any] = {}
        for _ in range(length):
            key = self.item(depth + 1)
            if type(key) is not str and type(key) is not int:
                raise self.wrong("a key that is neither text nor a whole number")
            if key in members:
                raise self.wrong("a key twice in one map")
            members[key] = self.item(depth + 1)
        return members

    def _tagged(self, tag: int, start: int) -> Embedded | Dated:
        if tag not in _TAGS:
            raise self.wrong("a tag no credential needs")
        major, length = self._head()
        if major != (2 if tag == EMBEDDED else 3):
            raise self.wrong("a tag over something it does not fit")
        if tag == EMBEDDED:
            content = self._bytes(length)
            return Embedded(self.data[start : self.at], content)
        return Dated(tag, self._text(length))

    def _simple(self, value: int) -> bool | None:
        if value == 20:
            return False
        if value == 21:
            return True
        if value == 22:
            return None
        raise self.wrong("an unknown simple value")

    def _fits(self, length: int) -> None:
        # Asked before anything is allocated: a length is a claim, not a fact.
        if length > len(self.data) - self.at:
            raise self.wrong("a length beyond the end")
