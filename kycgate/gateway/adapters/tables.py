"""TOML tables of a description while they are read: every fault is kept, with its line and remedy.

Knows no marketplace: `description` says which keys there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kycgate.errors import Malformed
from kycgate.gateway.adapters.expressions import Expression

_T = TypeVar("_T")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LITERAL = re.compile(r"[A-Za-z0-9._~\-]+")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~\-]+=(?:[A-Za-z0-9._~\-]+|\{[a-z][a-z0-9_]*\})(?:&|\Z))+")


@dataclass(slots=True)
class Report:
    """What is wrong so far, in a file whose lines are known."""

    source: str
    lines: list[str]
    problems: list[str] = field(default_factory=list)

    def add(self, section: str, index: int, key: str, what: str) -> None:
        place = ".".join(part for part in (section, key) if part)
        self.problems.append(f"{self.source}:{self._line(section, index, key)}: {place}: {what}")

    def _line(self, section: str, index: int, key: str) -> int:
        """Where `key` of the `index`-th table named `section` stands, or the table itself."""
        found, here, left = 1, not section, index
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[{1,2}\s*([A-Za-z0-9_.\-]+)\s*\]", line)
            if header:
                if here:
                    return found
                here = header[1] == section and left == 0
                left -= header[1] == section
                found = number if here else found
            elif here and re.match(rf'\s*"?{re.escape(key or "?")}"?\s*[=.]', line):
                return number
        return found


class WrongError(Exception):
    """A value that does not fit. The text says what would."""


@dataclass(slots=True)
class Table:
    """One TOML table while it is read: hands out values, tells what is wrong or not known."""

    report: Report
    section: str
    index: int
    raw: Any
    asked: set[str] = field(default_factory=set)

    def wrong(self, key: str, what: str) -> None:
        self.report.add(self.section, self.index, key, what)

    def get(self, key: str, read: Callable[[Any], _T], *, default: _T | None = None) -> _T | None:
        """The value, or `default` where there is none; where it is wrong, that is reported."""
        self.asked.add(key)
        if key not in self.raw:
            return default
        try:
            return read(self.raw[key])
        except WrongError as error:
            self.wrong(key, str(error))
            return None

    def need(self, key: str, read: Callable[[Any], _T]) -> _T | None:
        if key not in self.raw:
            self.asked.add(key)
            self.wrong(key, "is missing and has no default")
            return None
        return self.get(key, read)

    def table(self, key: str) -> Table | None:
        self.asked.add(key)
        if key not in self.raw:
            return None
        if not isinstance(self.raw[key], dict):
            self.wrong(key, f"needs to be a table: [{key}]")
            return None
        return Table(self.report, key, 0, self.raw[key])

    def tables(self, key: str) -> list[Table]:
        self.asked.add(key)
        raw = self.raw.get(key, [])
        if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
            self.wrong(key, f"needs double brackets: [[{key}]]")
            return []
        return [Table(self.report, key, number, item) for number, item in enumerate(raw)]

    def done(self) -> None:
        for key in self.raw:
            if key not in self.asked:
                self.wrong(key, f"is not known here; there are {', '.join(sorted(self.asked))}")


# -- readers ---------------------------------------------------------------------------------------


def a_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise WrongError("needs a non-empty string")
    return value


def fitting(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def read_one(value: Any) -> str:
        if pattern.fullmatch(a_text(value)) is None:
            raise WrongError(f"needs {what}")
        return str(value)

    return read_one


def one_of(*choices: str) -> Callable[[Any], str]:
    def read_one(value: Any) -> str:
        if value not in choices:
            raise WrongError("needs one of " + ", ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return read_one


def an_expression(value: Any) -> Expression:
    try:
        return Expression.read(a_text(value))
    except Malformed as error:
        raise WrongError(error.message) from error


def factors(value: Any) -> tuple[Expression, ...]:
    items = value if isinstance(value, list) else [value]
    if not 1 <= len(items) <= 4:
        raise WrongError("needs one expression, or up to 4 that are multiplied")
    return tuple(an_expression(item) for item in items)


def by_name(read_one: Callable[[Any], _T]) -> Callable[[Any], dict[str, _T]]:
    def read_all(value: Any) -> dict[str, _T]:
        if not isinstance(value, dict):
            raise WrongError("needs a table of names and values")
        for name in value:
            if _WORD.fullmatch(name.replace(".", "_")) is None and not name.isidentifier():
                raise WrongError(f"{name!r} is no name")
        return {name: read_one(item) for name, item in value.items()}

    return read_all


def a_set(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise WrongError("needs a list of member names")
    return frozenset(value)


def a_switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongError("needs true or false")
    return value


def an_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongError("needs a table: the JSON object it stands for")
    return value


def a_member_path(value: Any) -> tuple[str, ...]:
    if value == "@":
        return ()
    parts = tuple(a_text(value).split("."))
    if not all(re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", part) for part in parts):
        raise WrongError('needs member names joined by dots, or "@" for the answer itself')
    return parts


def a_path(value: Any) -> str:
    path, mark, query = a_text(value).partition("?")
    parts = path.split("/")
    if len(parts) > 2 and parts[-1] == "":
        parts.pop()
    sound = parts[0] == "" and len(parts) > 1 and (not mark or _QUERY.fullmatch(query))
    if not sound or not all(_LITERAL.fullmatch(p) or placeholder(p) for p in parts[1:]):
        raise WrongError('needs a path such as "/pods/{deployment}"')
    return str(value)


def a_plain_path(value: Any) -> str:
    if "?" in a_path(value):
        raise WrongError("needs a path without a query: requests are matched without theirs")
    return str(value)


def placeholder(part: str) -> str | None:
    inside = part[1:-1] if part[:1] == "{" and part[-1:] == "}" else ""
    return inside if _WORD.fullmatch(inside) else None
