"""An operator's policy file, read strictly: all problems at once, each with its line and remedy.

Opens no file: it is handed the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from kycgate.core.claims import Level
from kycgate.core.policy import (
    ANY_GPU,
    GPU_SCOPES,
    HOUR_S,
    UNKNOWN_COUNTRY,
    Basis,
    Condition,
    Countries,
    CountryIn,
    Effect,
    LevelBelow,
    Limits,
    Mode,
    MoreGpusThan,
    MoreHoursThan,
    Place,
    Policy,
    Rule,
)
from kycgate.errors import Code, Malformed, Misconfigured

MAX_TEXT_LENGTH = 256 * 1024
MAX_RULES = 500
MAX_SENTENCE = 400

# Codes an operator's rule may speak with: what a country, GPU or quantity can be refused for.
RULE_CODES = (
    Code.COUNTRY_EMBARGOED,
    Code.COUNTRY_RESTRICTED,
    Code.ULTIMATE_COUNTRY_RESTRICTED,
    Code.GPU_RESTRICTED,
    Code.LEVEL_TOO_LOW,
    Code.QUANTITY_LIMIT,
    Code.OPERATOR_RULE,
)

_TOP = ("id", "mode", "limits", "rule")
_LIMITS = ("max_wallet_proof_age_hours", "max_list_age_hours")
_RULE = (
    "id",
    "effect",
    "gpu",
    "countries",
    "of",
    "more_gpus_than",
    "more_hours_than",
    "level_below",
    "says",
    "basis",
    "citation",
    "code",
    "effective_from",
    "effective_to",
)
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.-]+)\s*\]")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*[.=]")
_YEARS = range(1990, 2100)

Table = tuple[str, int]
"""A table's name and, for `[[rule]]`, which one of them, from 0."""
TOP: Table = ("", 0)

_Choice = TypeVar("_Choice", bound=StrEnum)


def read(text: str, *, countries: Countries, source: str) -> Policy:
    """A Policy, or Misconfigured with every problem as `source, line N: what: remedy`."""
    if len(text) > MAX_TEXT_LENGTH:
        raise Misconfigured((f"{source}: longer than {MAX_TEXT_LENGTH} characters: shorten it",))
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise Misconfigured((f"{source}: not TOML: {e}: correct the syntax there",)) from e
    reading = _Reading(_lines(text), source, countries)
    policy = reading.policy(document)
    if policy is None:
        raise Misconfigured(reading.problems)
    return policy


def _lines(text: str) -> dict[tuple[Table, str], int]:
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


class _Reading:
    """One pass over a document, gathering problems instead of stopping at the first."""

    def __init__(
        self, lines: Mapping[tuple[Table, str], int], source: str, countries: Countries
    ) -> None:
        self._found = list[tuple[int, str]]()
        self._lines = lines
        self._source = source
        self._countries = countries

    @property
    def problems(self) -> tuple[str, ...]:
        """All of them, in the order of the file."""
        return tuple(text for _, text in sorted(self._found, key=lambda found: found[0]))

    def problem(self, table: Table, key: str, what: str, remedy: str) -> None:
        line = self._lines.get((table, key)) or self._lines.get((table, "")) or 1
        where = f"rule {table[1] + 1}: " if table[0] == "rule" else ""
        subject = f"{key}: " if key else ""
        text = f"{self._source}, line {line}: {where}{subject}{what}: {remedy}"
        self._found.append((line, text))

    def policy(self, document: dict[str, Any]) -> Policy | None:
        self.known(TOP, document, _TOP)
        policy_id = self.identifier(TOP, document)
        mode = self.choice(TOP, document, "mode", Mode, Mode.ENFORCE)
        limits = self.limits(document.get("limits", {}))
        rules = self.rules(document.get("rule", []))
        if self._found or policy_id is None or mode is None:
            return None
        labels = self._countries.labels()
        return Policy(policy_id, mode, rules, Limits(**limits), labels, frozenset(limits))

    def limits(self, values: Any) -> dict[str, int]:
        """The limits the file states, by their names in Limits, in seconds."""
        table: Table = ("limits", 0)
        if type(values) is not dict:
            self.problem(TOP, "limits", "not a table", "write [limits]")
            return {}
        self.known(table, values, _LIMITS)
        proof = self.whole(table, values, "max_wallet_proof_age_hours", least=1, most=24 * 90)
        lists = self.whole(table, values, "max_list_age_hours", least=1, most=24 * 366 * 5)
        stated = {"max_wallet_proof_age_s": proof, "max_list_age_s": lists}
        return {name: hours * HOUR_S for name, hours in stated.items() if hours is not None}

    def rules(self, values: Any) -> tuple[Rule, ...]:
        if type(values) is not list or any(type(each) is not dict for each in values):
            self.problem(TOP, "rule", "not a list of tables", "write [[rule]] above each rule")
            return ()
        if len(values) > MAX_RULES:
            self.problem(TOP, "rule", f"more than {MAX_RULES} rules", "merge some")
            return ()
        rules = [self.rule(("rule", n), each) for n, each in enumerate(values)]
        seen = set[object]()
        for n, each in enumerate(values):
            name = each.get("id")
            if isinstance(name, str) and name in seen:
                self.problem(
                    ("rule", n), "id", f"`{name[:64]}` is taken", "give each rule its own id"
                )
            seen.add(name if isinstance(name, str) else None)
        return tuple(rule for rule in rules if rule is not None)

    def rule(self, table: Table, values: dict[str, Any]) -> Rule | None:
        before = len(self._found)
        self.known(table, values, _RULE)
        rule_id = self.identifier(table, values)
        effect = self.choice(table, values, "effect", Effect)
        gpu = self.gpu(table, values)
        when = self.conditions(table, values)
        says = self.sentence(table, values, "says")
        basis = self.choice(table, values, "basis", Basis)
        citation = self.sentence(table, values, "citation")
        code = self.code(table, values)
        starts, ends = self.dates(table, values)
        if len(self._found) == before and ANY_GPU in gpu and not when:
            self.problem(
                table,
                "",
                "an empty rule: it would fire for everybody and every GPU",
                "add gpu, countries, more_gpus_than, more_hours_than or level_below",
            )
        if len(self._found) > before or None in (rule_id, effect, says, basis, citation, starts):
            return None
        assert rule_id and effect and says and basis and citation and starts is not None  # noqa: PT018
        return Rule(rule_id, effect, gpu, when, says, basis, citation, starts, ends, code)

    def conditions(self, table: Table, values: dict[str, Any]) -> tuple[Condition, ...]:
        when = list[Condition]()
        if (country := self.country_in(table, values)) is not None:
            when.append(country)
        gpus = self.whole(table, values, "more_gpus_than", least=0, most=1_000_000)
        if gpus is not None:
            when.append(MoreGpusThan(gpus))
        hours = self.whole(table, values, "more_hours_than", least=0, most=87_600)
        if hours is not None:
            when.append(MoreHoursThan(hours))
        level = self.whole(table, values, "level_below", least=2, most=3)
        if level is not None:
            when.append(LevelBelow(Level(level)))
        return tuple(when)

    def country_in(self, table: Table, values: dict[str, Any]) -> CountryIn | None:
        if "countries" not in values:
            if "of" in values:
                self.problem(table, "of", "no countries beside it", "add countries = [...]")
            return None
        names = self.strings(table, values, "countries")
        numbers = set[int]()
        for name in names:
            numbers |= self.country(table, name)
        default = [Place.SUBJECT, Place.ULTIMATE]
        places = (
            self.strings(table, values, "of", among=tuple(Place)) if "of" in values else default
        )
        return CountryIn(tuple(Place(p) for p in places if p in tuple(Place)), frozenset(numbers))

    def country(self, table: Table, name: str) -> frozenset[int]:
        if name == "unknown":
            return frozenset({UNKNOWN_COUNTRY})
        try:
            if _COUNTRY.fullmatch(name):
                return frozenset({self._countries.numeric(name)})
            return self._countries.group(name)
        except Malformed as e:
            remedy = "ISO 3166-1 alpha-2 such as SG, a group such as D:5, or unknown"
            self.problem(table, "countries", e.message, remedy)
            return frozenset()

    def gpu(self, table: Table, values: dict[str, Any]) -> frozenset[str]:
        if "gpu" not in values:
            return frozenset({ANY_GPU})
        scopes = self.strings(table, values, "gpu", among=GPU_SCOPES)
        if ANY_GPU in scopes and len(scopes) > 1:
            self.problem(table, "gpu", "`any` beside others", "keep `any` alone, or the others")
        return frozenset(scopes)

    def dates(self, table: Table, values: dict[str, Any]) -> tuple[int | None, int | None]:
        starts = self.day(table, values, "effective_from", needed=True)
        last = self.day(table, values, "effective_to", needed=False)
        if starts is not None and last is not None and last < starts:
            self.problem(table, "effective_to", "before effective_from", "swap or correct them")
        day_after = None if last is None else _midnight(last + timedelta(days=1))
        return (None if starts is None else _midnight(starts)), day_after

    # -- single values ---------------------------------------------------------------------------

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
        self.problem(table, key, f"{_shown(value)} is out of range", f"{least} to {most}")
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
        what = "missing" if value is None else f"{_shown(value)} is not known"
        self.problem(table, key, what, "one of " + ", ".join(kind))
        return None

    def code(self, table: Table, values: dict[str, Any]) -> Code | None:
        value = values.get("code")
        if value is None or (isinstance(value, str) and value in RULE_CODES):
            return None if value is None else Code(value)
        self.problem(table, "code", f"{_shown(value)} is not for rules", ", ".join(RULE_CODES))
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
                    table, key, f"{_shown(each)} is not known", "one of " + ", ".join(among)
                )
        return value

    def day(self, table: Table, values: dict[str, Any], key: str, *, needed: bool) -> date | None:
        value = values.get(key)
        if value is None:
            if needed:
                self.problem(table, key, "missing", "the first day in force, such as 2023-11-17")
            return None
        if type(value) is not date or value.year not in _YEARS:
            self.problem(table, key, f"{_shown(value)} is no day", "such as 2023-11-17, unquoted")
            return None
        return value


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _shown(value: object) -> str:
    text = str(value)
    return f"`{text[:40]}`" if text.isprintable() else "the value"
