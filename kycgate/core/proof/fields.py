"""Reads the two headers of a signed HTTP request: dictionaries of structured fields (RFC 9651).

Only what signatures need, and strictly: what this can't read is refused, never skipped.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import NamedTuple

from kycgate.errors import Malformed

HEADER_MOST = 16 * 1024
"""Characters of one header, at most: a contract account's signature fits."""

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_INTEGER = re.compile(r"-?[0-9]{1,15}(?![0-9.])")
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*")
_BYTES = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_FLAG = re.compile(r"\?([01])")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


class Token(str):
    """A bare word, told apart from a quoted text."""

    __slots__ = ()


Bare = int | str | bytes | bool | Token
Parameters = tuple[tuple[str, Bare], ...]


class Item(NamedTuple):
    """A value and its parameters."""

    value: Bare
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class InnerList:
    """Items in parentheses, their parameters, and the text as it stood in the header."""

    items: tuple[Item, ...]
    parameters: Parameters
    text: str


def dictionary(header: str, *, field: str) -> dict[str, Item | InnerList]:
    """A whole header. Raises Malformed; a member that stands twice is refused too."""
    if len(header) > HEADER_MOST or not header.isascii():
        raise Malformed("too long or not ASCII", field=field)
    cursor = _Cursor(header.strip(" \t"), field)
    members: dict[str, Item | InnerList] = {}
    while True:
        key = cursor.take(_KEY)[0]
        if key in members:
            raise Malformed(f"{key} stands twice", field=field)
        cursor.expect("=")
        members[key] = cursor.inner_list() if cursor.at("(") else cursor.item()
        if cursor.done():
            return members
        cursor.take(_COMMA)


def quoted(text: str) -> str:
    """A text as a structured string. Raises ValueError where it can't be one."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("only printable ASCII can be quoted")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encoded(content: bytes) -> str:
    """Bytes as a structured byte sequence."""
    return f":{base64.b64encode(content).decode()}:"


class _Cursor:
    """A place in the text; every method moves it forward or raises Malformed."""

    def __init__(self, text: str, field: str) -> None:
        self._text = text
        self._place = 0
        self._field = field

    def done(self) -> bool:
        return self._place == len(self._text)

    def at(self, mark: str) -> bool:
        return self._text.startswith(mark, self._place)

    def expect(self, mark: str) -> None:
        if not self.at(mark):
            raise self._wrong()
        self._place += len(mark)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = self._try(pattern)
        if found is None:
            raise self._wrong()
        return found

    def inner_list(self) -> InnerList:
        start = self._place
        self.expect("(")
        items: list[Item] = []
        while not self.at(")"):
            if items:
                self.expect(" ")
            items.append(self.item())
        self.expect(")")
        parameters = self._parameters()
        return InnerList(tuple(items), parameters, self._text[start : self._place])

    def item(self) -> Item:
        return Item(self._bare(), self._parameters())

    def _parameters(self) -> Parameters:
        found: list[tuple[str, Bare]] = []
        while self.at(";"):
            self.expect(";")
            key = self.take(_KEY)[0]
            if any(key == earlier for earlier, _ in found):
                raise Malformed(f"parameter {key} stands twice", field=self._field)
            value: Bare = True
            if self.at("="):
                self.expect("=")
                value = self._bare()
            found.append((key, value))
        return tuple(found)

    def _bare(self) -> Bare:
        if found := self._try(_STRING):
            return re.sub(r"\\(.)", r"\1", found[1])
        if found := self._try(_INTEGER):
            return int(found[0])
        if found := self._try(_BYTES):
            return self._decode(found[1])
        if found := self._try(_FLAG):
            return found[1] == "1"
        return Token(self.take(_TOKEN)[0])

    def _decode(self, text: str) -> bytes:
        try:
            content = base64.b64decode(text, validate=True)
        except binascii.Error as e:
            raise self._wrong() from e
        # Spare bits set would be a second spelling of the same bytes.
        if base64.b64encode(content).decode() != text:
            raise self._wrong()
        return content

    def _try(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._place)
        if found is not None:
            self._place = found.end()
        return found

    def _wrong(self) -> Malformed:
        return Malformed(f"can't be read at character {self._place}", field=self._field)
