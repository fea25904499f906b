"""Single values of an operator's file, read strictly, each problem with its line and remedy.

Knows no rule: `kycgate.core.policy.reading` puts the values together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

MAX_SENTENCE = 400

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*[.=]")
_YEARS = range(1940, 2100)

Table = tuple[str, int]
"""A table's name and, for `[[rule]]`, which one of them, from 0."""
TOP: Table = ("", 0)

_COUNTED = ("rule", "switch", "rule.window")
_Choice = TypeVar("_Choice", bound=StrEnum)
Lines = Mapping[tuple[Table, str], int]


def lines_of(text: str) -> dict[tuple[Table, str], int]:
    """Where each key stands, since tomllib keeps no lines. Multi-line strings may mislead it."""
    lines = dict[tuple[Table, str], int]()
    table, seen = TOP, dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            name = header[2]
            seen[name] = seen.get(name, -1) + 1
            table = (name, seen[name])
            lines[table, ""] = number
        elif key := _KEY.match(line):
            lines.setdefault((table, key[1]), number)
    return lines


class Values:
    """Reads values and gathers problems instead of stopping at the first."""

    def __init__(self, lines: Lines, source: str) -> None:
        self._found = list[tuple[int, str]]()
        self._lines = lines
        self._source = source
        self._around = dict[Table, Table]()

    @property
    def problems(self) -> tuple[str, ...]:
        """All of them, in the order of the file."""
        return tuple(text for _, text in sorted(self._found, key=lambda found: found[0]))

    def problem(self, table: Table, key: str, what: str, remedy: str) -> None:
        line = self._lines.get((table, key)) or self._line(table)
        where = f"{table[0]} {table[1] + 1}: " if table[0] in _COUNTED else ""
        subject = f"{key}: " if key else ""
        text = f"{self._source}, line {line}: {where}{subject}{what}: {remedy}"
        self._found.append((line, text))

    def _line(self, table: Table) -> int:
        """Its header's; of an inline table, the header of the one around it."""
        if line := self._lines.get((table, "")):
            return line
        return self._line(self._around[table]) if table in self._around else 1

    def within(self, around: Table, name: str) -> Table:
        """The next table of that name, which stands in another."""
        count = sum(1 for each, _ in self._around if each == name)
        table = (name, count)
        self._around[table] = around
        return table

    def known(self, table: Table, values: dict[str, Any], names: Collection[str]) -> None:
        for key in values:
            if key not in names:
                self.problem(table, key[:80], "unknown", "one of " + ", ".join(names))

    def identifier(self, table: Table, values: dict[str, Any]) -> str | None:
        value = values.get("id")
        if isinstance(value, str) and _ID.fullmatch(value):
            return value
        what = "missing" if value is None else "not an id"
        self.problem(table, "id", what, "lower-case letters, digits, . _ - (64 at most)")
        return None

    def sentence(self, table: Table, values: dict[str, Any], key: str) -> str | None:
        value = values.get(key)
        if value is None:
            self.problem(table, key, "missing", "a sentence for the people who read decisions")
        elif not isinstance(value, str) or not value.strip() or not value.isprintable():
            self.problem(table, key, "not a line of text", 'text in quotes, such as "…"')
        elif len(value) > MAX_SENTENCE:
            self.problem(table, key, "too long", f"{MAX_SENTENCE} characters at most")
        else:
            return value.strip()
        return None

    def whole(
        self, table: Table, values: dict[str, Any], key: str, *, least: int, most: int
    ) -> int | None:
        value = values.get(key)
        if value is None:
            return None
        if type(value) is int and least <= value <= most:
            return value
        self.problem(table, key, f"{shown(value)} is out of range", f"{least} to {most}")
        return None

    def choice(
        self,
        table: Table,
        values: dict[str, Any],
        key: str,
        kind: type[_Choice],
        default: _Choice | None = None,
    ) -> _Choice | None:
        value = values.get(key, default)
        if isinstance(value, str) and value in tuple(kind):
            return kind(value)
        what = "missing" if value is None else f"{shown(value)} is not known"
        self.problem(table, key, what, "one of " + ", ".join(kind))
        return None

    def strings(
        self, table: Table, values: dict[str, Any], key: str, *, among: Collection[str] = ()
    ) -> list[str]:
        value = values[key]
        if type(value) is not list or not value or any(type(each) is not str for each in value):
            self.problem(table, key, "not a list of words", 'such as ["…"], not empty')
            return []
        for each in value:
            if among and each not in among:
                self.problem(
                    table, key, f"{shown(each)} is not known", "one of " + ", ".join(among)
                )
        return value

    def day(self, table: Table, values: dict[str, Any], key: str, *, needed: bool) -> date | None:
        value = values.get(key)
        if value is None:
            if needed:
                self.problem(table, key, "missing", "the first day in force, such as 2023-11-17")
            return None
        if type(value) is not date or value.year not in _YEARS:
            self.problem(table, key, f"{shown(value)} is no day", "such as 2023-11-17, unquoted")
            return None
        return value

    def dates(self, table: Table, values: dict[str, Any]) -> tuple[int | None, int | None]:
        """From the first second of `effective_from` until before the day after `effective_to`."""
        starts = self.day(table, values, "effective_from", needed=True)
        last = self.day(table, values, "effective_to", needed=False)
        if starts is not None and last is not None and last < starts:
            self.problem(table, "effective_to", "before effective_from", "swap or correct them")
        day_after = None if last is None else _midnight(last + timedelta(days=1))
        return (None if starts is None else _midnight(starts)), day_after


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def shown(value: object) -> str:
    text = str(value)
    return f"`{text[:40]}`" if text.isprintable() else "the value"
