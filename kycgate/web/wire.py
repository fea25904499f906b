"""The shape of a call and of an answer, and the strict reading of JSON at the door.

Knows no framework and no business: what a field means is decided by the handler that asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kycgate.core.claims import Address, parse_address
from kycgate.core.wire import require_shallow
from kycgate.errors import Malformed, NotFound, TooLarge

BODY_LIMIT: Final = 64 * 1024
"""Bytes."""
DEPTH_LIMIT: Final = 16
"""Levels of nesting: a case with its eight parents has ten."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]")
_REQUIRED: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request as the handlers see it. `now` was read once, when the request arrived."""

    method: str
    path: str
    query: str
    args: Mapping[str, str]
    headers: tuple[tuple[str, str], ...]
    cookies: Mapping[str, str]
    body: bytes
    now: int
    request_id: str

    def header(self, name: str) -> str | None:
        """The header's value; a repeated one is refused, because two readers could pick
        differently.
        """
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(values) > 1:
            raise Malformed("the header is sent more than once", field=name, remedy="send it once")
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie to set, or to remove when `max_age_s` is 0. Always HttpOnly and SameSite=Strict."""

    name: str
    value: str
    max_age_s: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON document (None: no body), cookies and headers."""

    status: int
    document: dict[str, Any] | bytes | None = None
    cookies: tuple[Cookie, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object whose field names were checked; each getter checks type and limits."""

    values: Mapping[str, Any]
    prefix: str = field(default="")

    def _get(self, name: str, default: Any) -> Any:
        value = self.values.get(name, default)
        if value is _REQUIRED:
            raise Malformed("the field is missing", field=self.prefix + name, remedy="add it")
        return value

    def text(self, name: str, *, most: int, default: Any = _REQUIRED) -> Any:
        """One line of text, 1 to `most` characters, without control characters."""
        value = self._get(name, default)
        if value is default:
            return value
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        if not 1 <= len(value) <= most or _CONTROL.search(value):
            raise self._wrong(name, f"one line of 1 to {most} characters")
        return value

    def visible(self, name: str, *, most: int) -> str | None:
        """Visible ASCII, what a header field can carry; None when left out."""
        value: str | None = self.text(name, most=most, default=None)
        if value is not None and not re.fullmatch(r"[!-~]+", value):
            raise self._wrong(name, "visible ASCII characters")
        return value

    def message(self, name: str, *, most: int) -> str:
        """Text of several lines; line feeds are the only control characters."""
        value = self._get(name, _REQUIRED)
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        if not 1 <= len(value) <= most or _CONTROL.search(value.replace("\n", "")):
            raise self._wrong(name, f"text of 1 to {most} characters")
        return value

    def whole(self, name: str, *, least: int, most: int, default: Any = _REQUIRED) -> Any:
        value = self._get(name, default)
        if value is default:
            return value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self._wrong(name, f"a whole number from {least} to {most}")
        return value

    def amount(self, name: str, *, default: Any = _REQUIRED) -> Any:
        """A uint256 as a decimal string: JSON numbers lose digits beyond 2^53 in many readers."""
        value = self._get(name, default)
        if value is default:
            return value
        if not isinstance(value, str) or not re.fullmatch(r"0|[1-9][0-9]{0,77}", value):
            raise self._wrong(name, "a decimal number of token base units, as a string")
        if int(value) >= 1 << 256:
            raise self._wrong(name, "less than 2^256")
        return int(value)

    def choice(self, name: str, among: tuple[str, ...], *, default: Any = _REQUIRED) -> Any:
        value = self._get(name, default)
        if value is default:
            return value
        if not isinstance(value, str) or value not in among:
            raise self._wrong(name, "one of " + ", ".join(among))
        return value

    def choices(self, name: str, among: tuple[str, ...], *, default: Any = _REQUIRED) -> Any:
        value = self._get(name, default)
        if value is default:
            return value
        known = isinstance(value, list) and all(isinstance(v, str) and v in among for v in value)
        if not known or not value or len(set(value)) != len(value):
            raise self._wrong(name, "a list without repeats of " + ", ".join(among))
        return tuple(value)

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._get(name, _REQUIRED)
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return value

    def address(self, name: str) -> Address:
        return parse_address(self.text(name, most=42), field=self.prefix + name)

    def octets(self, name: str, *, most: int) -> bytes:
        """0x-prefixed hex, at most `most` bytes."""
        return unhex(self.text(name, most=2 + 2 * most), field=self.prefix + name)

    def _wrong(self, name: str, right: str) -> Malformed:
        return Malformed(
            "the value can't be used", field=self.prefix + name, remedy=f"give {right}"
        )


def unhex(text: str, *, field: str, length: int | None = None) -> bytes:
    """Bytes of a 0x-prefixed hex string, of exactly `length` bytes where given."""
    if not re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", text) or length not in (None, len(text) // 2 - 1):
        size = f" of {length} bytes" if length else ""
        raise Malformed("not a hex value", field=field, remedy=f"give 0x-prefixed hex{size}")
    return bytes.fromhex(text[2:])


def read_fields(call: Call, allowed: tuple[str, ...]) -> Fields:
    """The JSON object of the body. Refuses duplicate and unknown names, other media types, deep
    nesting.
    """
    media = (call.header("Content-Type") or "").split(";")[0].strip().lower()
    if media != "application/json":
        raise Malformed("unknown media type", field="Content-Type", remedy="send application/json")
    if len(call.body) > BODY_LIMIT:
        raise TooLarge(
            "the body is too large", field="body", remedy=f"send at most {BODY_LIMIT} bytes"
        )
    values = _parse(call.body)
    if not isinstance(values, dict):
        raise Malformed("not a JSON object", field="body", remedy="send one JSON object")
    for name in values:
        if name not in allowed:
            raise Malformed(
                "unknown field", field=_shown(name), remedy="known: " + ", ".join(allowed)
            )
    return Fields(values)


def read_query(call: Call, allowed: tuple[str, ...]) -> Fields:
    """The query's parameters, each at most once, none unknown."""
    values: dict[str, str] = {}
    for pair in filter(None, call.query.split("&")):
        name, _, value = pair.partition("=")
        if name not in allowed or name in values:
            known = "known, once each: " + ", ".join(allowed) if allowed else "send none"
            raise Malformed("unknown or repeated parameter", field=_shown(name), remedy=known)
        values[name] = value
    return Fields(values)


def _parse(body: bytes) -> Any:
    require_shallow(body, field="body")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_no_float,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate is no text
    except ValueError as error:
        raise Malformed("not valid JSON", field="body", remedy="send one JSON object") from error
    if not _shallow(value, DEPTH_LIMIT):
        remedy = f"nest at most {DEPTH_LIMIT} levels"
        raise Malformed("nested too deeply", field="body", remedy=remedy)
    return value


def _shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return True
    return levels > 0 and all(_shallow(each, levels - 1) for each in inner)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed("the field is given twice", field=_shown(twice), remedy="give it once")
    return values


def _no_constant(text: str) -> Any:
    raise Malformed(f"{text} is not JSON", field="body", remedy="send numbers as JSON knows them")


def _no_float(text: str) -> Any:
    raise Malformed(f"{text[:40]} is not a whole number", field="body", remedy="send whole numbers")


def _shown(name: str) -> str:
    return _CONTROL.sub("?", name)[:60]


def argument(call: Call, name: str, pattern: str) -> str:
    """A part of the path. What can't exist is answered like what doesn't."""
    value = call.args[name]
    if not re.fullmatch(pattern, value):
        raise NotFound("no such thing here")
    return value
