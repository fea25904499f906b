"""Reads JSON that strangers wrote, refusing whatever could be read in two ways.

Knows no document: each value says which fields it has.
"""

from __future__ import annotations

import json
import re
from typing import Any, Never

from kycgate.core.claims import UINT64_MAX, Digest
from kycgate.errors import Malformed, TooLarge

DEPTH_MOST = 64
"""Levels of arrays and objects in any JSON we read from outside."""
_NESTING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)


class _Repeated(Exception):
    """A key stands twice in one object."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Repeated
    return members


def _no_constant(text: str) -> Never:
    raise ValueError(f"{text} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_unrepeated, parse_constant=_no_constant)


def require_shallow(data: bytes, *, field: str) -> None:
    """Raises Malformed for JSON nested deeper than `DEPTH_MOST`; to be asked before it is parsed.

    Python's own bound can't be relied on: a library that raises the recursion limit (one that
    eth-account loads does) turns a deep document into a crash of the process.
    """
    if data.count(b"[") + data.count(b"{") <= DEPTH_MOST:
        return
    depth = 0
    # Strings are one token each: brackets inside them nest nothing.
    for token in _NESTING.finditer(data):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
            if depth > DEPTH_MOST:
                raise Malformed(
                    "nested too deep", field=field, remedy=f"at most {DEPTH_MOST} levels"
                )
        elif mark in (b"]", b"}"):
            depth -= 1


def read_object(data: bytes, *, limit: int, field: str) -> dict[str, Any]:
    """One JSON object in UTF-8, at most `limit` bytes, no key twice. Raises Malformed, TooLarge."""
    value = _read(data, limit=limit, field=field)
    if type(value) is not dict:
        raise Malformed("not a JSON object", field=field)
    return value


def read_array(data: bytes, *, limit: int, field: str) -> list[Any]:
    """One JSON array, read as strictly as `read_object` reads an object."""
    value = _read(data, limit=limit, field=field)
    if type(value) is not list:
        raise Malformed("not a JSON array", field=field)
    return value


def _read(data: bytes, *, limit: int, field: str) -> Any:
    if len(data) > limit:
        raise TooLarge(f"longer than {limit} bytes", field=field)
    require_shallow(data, field=field)
    try:
        return _STRICT.decode(data.decode())
    except _Repeated as e:
        raise Malformed("a key stands twice in one object", field=field) from e
    except ValueError as e:
        raise Malformed(f"not JSON: {e}", field=field) from e


def write_object(document: dict[str, Any]) -> bytes:
    """Compact JSON in the order given, ASCII only: the same value is always the same bytes."""
    return json.dumps(document, separators=(",", ":")).encode()


def members(value: Any, names: frozenset[str], *, field: str) -> dict[str, Any]:
    """An object with exactly these members. Raises Malformed naming the first that differs."""
    if type(value) is not dict:
        raise Malformed("not a JSON object", field=field)
    if value.keys() != names:
        for name in sorted(names - value.keys()):
            raise Malformed("the field is missing", field=f"{field}.{name}")
        for name in sorted(value.keys() - names):
            raise Malformed("unknown field", field=f"{field}.{name[:64]}")
    return value


def uint(value: Any, *, field: str, most: int = UINT64_MAX) -> int:
    """A whole number 0..most, as a JSON integer or as decimal text without leading zeros."""
    if type(value) is str and len(value) <= 78 and value.isdecimal():
        number = int(value)
        # Written back it must be the same text: no leading zeros, no digits of other scripts.
        value = number if str(number) == value else None
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed("not a whole number in range", field=field, remedy=f"0 to {most}")
    return value


def text(value: Any, *, field: str, most: int) -> str:
    """Printable ASCII text of 1..most characters."""
    if type(value) is not str or not 0 < len(value) <= most:
        raise Malformed(f"not a text of 1 to {most} characters", field=field)
    if not (value.isascii() and value.isprintable()):
        raise Malformed("not printable ASCII", field=field)
    return value


def hex_bytes(value: Any, *, field: str, most: int) -> bytes:
    """`0x` and an even number of hex digits, at most `most` bytes."""
    if type(value) is str and value.startswith("0x") and len(value) <= 2 + 2 * most:
        try:
            content = bytes.fromhex(value[2:])
        except ValueError as e:
            raise Malformed("not hex", field=field, remedy="0x and hex digits") from e
        # `fromhex` skips white space; the length shows whether it did.
        if 2 * len(content) == len(value) - 2:
            return content
    raise Malformed("not hex", field=field, remedy=f"0x and at most {2 * most} hex digits")


def digest(value: Any, *, field: str) -> Digest:
    """`0x` and 64 hex digits."""
    content = hex_bytes(value, field=field, most=32)
    if len(content) != 32:
        raise Malformed("not a 32-byte value", field=field, remedy="0x and 64 hex digits")
    return Digest(content)


def signature(value: Any, *, field: str) -> bytes:
    """`0x` and 130 hex digits: r‖s‖v."""
    content = hex_bytes(value, field=field, most=65)
    if len(content) != 65:
        raise Malformed("not a signature", field=field, remedy="0x and 130 hex digits, r s v")
    return content
