"""An operator's policy file, read strictly: all problems at once, each with its line and remedy.

Opens no file: it is handed the text. Rule books, which a policy may `include`, are read the same
way and hold rules only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

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
    ListedShareReaches,
    Mode,
    MoreGpusThan,
    MoreHoursThan,
    Place,
    Policy,
    Regime,
    RegionIn,
    Rule,
    Status,
    Window,
)
from kycgate.core.policy.switches import Switch, switched
from kycgate.core.policy.values import TOP, Lines, Table, Values, lines_of, shown
from kycgate.errors import Code, Malformed, Misconfigured

MAX_TEXT_LENGTH = 256 * 1024
MAX_RULES = 500
MAX_WINDOWS = 20

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

_BOOK = ("id", "rule")
_TOP = ("id", "mode", "include", "limits", "switch", "rule")
_LIMITS = ("max_wallet_proof_age_hours", "max_list_age_hours")
_RULE = (
    "id",
    "effect",
    "gpu",
    "countries",
    "regions",
    "of",
    "listed_share",
    "more_gpus_than",
    "more_hours_than",
    "level_below",
    "says",
    "basis",
    "citation",
    "code",
    "effective_from",
    "effective_to",
    "window",
    "checked",
)
_WINDOW = ("effective_from", "effective_to", "status", "note", "citation")
_SWITCH = ("rule", "on", "effective_from", "effective_to", "because")
_SHARE = ("at_least", "more_than", "may_reach", "may_exceed")
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_REGION = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}", re.ASCII)


def read(text: str, *, countries: Countries, source: str, books: Mapping[str, str]) -> Policy:
    """A Policy, or Misconfigured with every problem as `source, line N: what: remedy`."""
    document = _document(text, source)
    reading = _Reading(lines_of(text), source, countries)
    policy = reading.policy(document, books)
    if policy is None:
        raise Misconfigured(reading.problems)
    return policy


def read_book(text: str, *, countries: Countries, source: str) -> tuple[Rule, ...]:
    """The rules of one rule book. Raises Misconfigured as `read` does."""
    reading = _Reading(lines_of(text), source, countries)
    rules = reading.book(_document(text, source))
    if reading.problems:
        raise Misconfigured(reading.problems)
    return rules


def _document(text: str, source: str) -> dict[str, Any]:
    if len(text) > MAX_TEXT_LENGTH:
        raise Misconfigured((f"{source}: longer than {MAX_TEXT_LENGTH} characters: shorten it",))
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise Misconfigured((f"{source}: not TOML: {e}: correct the syntax there",)) from e


class _Reading(Values):
    """One pass over a document."""

    def __init__(self, lines: Lines, source: str, countries: Countries) -> None:
        super().__init__(lines, source)
        self._countries = countries

    def policy(self, document: dict[str, Any], books: Mapping[str, str]) -> Policy | None:
        self.known(TOP, document, _TOP)
        policy_id = self.identifier(TOP, document)
        mode = self.choice(TOP, document, "mode", Mode, Mode.ENFORCE)
        limits = self.limits(document.get("limits", {}))
        shipped = self.included(document, books)
        own = self.rules(document.get("rule", []), {rule.id for rule in shipped})
        rules = self.switched(document.get("switch", []), (*shipped, *own))
        if self._found or policy_id is None or mode is None:
            return None
        labels = self._countries.labels()
        return Policy(policy_id, mode, rules, Limits(**limits), labels, frozenset(limits))

    def book(self, document: dict[str, Any]) -> tuple[Rule, ...]:
        self.known(TOP, document, _BOOK)
        self.identifier(TOP, document)
        return self.rules(document.get("rule", []))

    def included(self, document: dict[str, Any], books: Mapping[str, str]) -> tuple[Rule, ...]:
        """The rules of the books named. A damaged book is our fault, not the file's: it raises."""
        if "include" not in document:
            return ()
        names = self.strings(TOP, document, "include", among=tuple(books) or ("(no book here)",))
        if len(set(names)) != len(names):
            self.problem(TOP, "include", "a book twice", "name each once")
            return ()
        found = [name for name in names if name in books]
        return tuple(
            rule
            for name in found
            for rule in read_book(books[name], countries=self._countries, source=name)
        )

    def switched(self, values: Any, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """The rules as the operator's switches leave them, in the order of the file."""
        if not self.tables("switch", values):
            return rules
        by_id = {rule.id: rule for rule in rules}
        for n, each in enumerate(values):
            switch = self.switch(("switch", n), each)
            if switch is None:
                continue
            if switch.rule not in by_id:
                self.problem(("switch", n), "rule", f"no rule {switch.rule}", "the id of a rule")
                continue
            by_id[switch.rule] = switched(by_id[switch.rule], switch)
        return tuple(by_id.values())

    def switch(self, table: Table, values: dict[str, Any]) -> Switch | None:
        before = len(self._found)
        self.known(table, values, _SWITCH)
        rule = self.sentence(table, values, "rule")
        on = values.get("on")
        if type(on) is not bool:
            self.problem(table, "on", "missing" if on is None else "not a switch", "true or false")
        because = self.sentence(table, values, "because")
        starts, ends = self.dates(table, values)
        if len(self._found) > before:
            return None
        assert rule and because and starts is not None  # noqa: PT018 - else there are problems
        return Switch(rule, bool(on), starts, ends, because)

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

    def tables(self, name: str, values: Any) -> bool:
        """Whether it is a list of tables of a bearable length."""
        if type(values) is not list or any(type(each) is not dict for each in values):
            remedy = f"write [[{name}]] above each {name}"
            self.problem(TOP, name, "not a list of tables", remedy)
            return False
        if len(values) > MAX_RULES:
            self.problem(TOP, name, f"more than {MAX_RULES} {name}s", "merge some")
            return False
        return True

    def rules(self, values: Any, taken: set[str] | None = None) -> tuple[Rule, ...]:
        if not self.tables("rule", values):
            return ()
        rules = [self.rule(("rule", n), each) for n, each in enumerate(values)]
        seen = set[object](taken or ())
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
        checked = self.sentence(table, values, "checked") if "checked" in values else ""
        windows = self.windows(table, values)
        if "window" in values:
            starts, ends = (windows[0].starts, windows[-1].ends) if windows else (None, None)
        else:
            starts, ends = self.dates(table, values)
        if len(self._found) == before and ANY_GPU in gpu and not when:
            self.problem(
                table,
                "",
                "an empty rule: it would fire for everybody and every GPU",
                "add gpu, countries, regions, listed_share, more_gpus_than, more_hours_than"
                " or level_below",
            )
        if len(self._found) > before or None in (rule_id, effect, says, basis, citation, starts):
            return None
        assert rule_id and effect and says and basis and citation and starts is not None  # noqa: PT018
        return Rule(
            rule_id,
            effect,
            gpu,
            when,
            says,
            basis,
            citation,
            starts,
            ends,
            code,
            windows,
            checked or "",
        )

    # -- windows ---------------------------------------------------------------------------------

    def windows(self, table: Table, values: dict[str, Any]) -> tuple[Window, ...]:
        """The windows of a rule that has some, in order; () for one with plain dates."""
        if "window" not in values:
            return ()
        if "effective_from" in values or "effective_to" in values:
            self.problem(table, "window", "beside effective_from or effective_to", "either or")
        given = values["window"]
        sound = type(given) is list and all(type(each) is dict for each in given)
        if not sound or not 1 <= len(given) <= MAX_WINDOWS:
            self.problem(
                table, "window", "not a list of tables", f"1 to {MAX_WINDOWS} [[rule.window]]"
            )
            return ()
        found = [self.window(self.within(table, "rule.window"), each) for each in given]
        windows = tuple(window for window in found if window is not None)
        for one, later in pairwise(windows):
            if one.ends is None or later.starts < one.ends:
                self.problem(
                    table, "window", "windows overlap or stand out of order", "oldest first"
                )
        return windows

    def window(self, table: Table, values: dict[str, Any]) -> Window | None:
        before = len(self._found)
        self.known(table, values, _WINDOW)
        starts, ends = self.dates(table, values)
        status = self.choice(table, values, "status", Status, Status.IN_FORCE)
        note = self.sentence(table, values, "note") if "note" in values else ""
        citation = self.sentence(table, values, "citation") if "citation" in values else ""
        if len(self._found) > before or starts is None or status is None:
            return None
        applies = status is not Status.STAYED
        return Window(starts, ends, status, applies, note or "", citation or "")

    # -- conditions ------------------------------------------------------------------------------

    def conditions(self, table: Table, values: dict[str, Any]) -> tuple[Condition, ...]:
        when = [*self.whereabouts(table, values)]
        if (share := self.listed_share(table, values)) is not None:
            when.append(share)
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

    def whereabouts(self, table: Table, values: dict[str, Any]) -> list[Condition]:
        """Countries or regions; both in one rule would both have to hold, which nobody means."""
        if "countries" in values and "regions" in values:
            self.problem(table, "regions", "beside countries", "make two rules")
        if "of" in values and "countries" not in values and "regions" not in values:
            self.problem(table, "of", "no countries beside it", "add countries = [...]")
            return []
        if "countries" in values:
            names = self.strings(table, values, "countries")
            numbers = frozenset[int]().union(*(self.country(table, name) for name in names))
            return [CountryIn(self.places(table, values), numbers)]
        if "regions" in values:
            return [self.region_in(table, values)]
        return []

    def places(self, table: Table, values: dict[str, Any]) -> tuple[Place, ...]:
        if "of" not in values:
            return (Place.SUBJECT, Place.ULTIMATE)
        places = self.strings(table, values, "of", among=tuple(Place))
        return tuple(Place(p) for p in places if p in tuple(Place))

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

    def region_in(self, table: Table, values: dict[str, Any]) -> RegionIn:
        codes = self.strings(table, values, "regions")
        countries = set[int]()
        for code in codes:
            try:
                match = _REGION.fullmatch(code)
                countries.add(self._countries.numeric(match[1] if match else code))
            except Malformed:
                remedy = "ISO 3166-2 such as UA-43"
                self.problem(table, "regions", f"{shown(code)} is no region", remedy)
        return RegionIn(self.places(table, values), frozenset(codes), frozenset(countries))

    def listed_share(self, table: Table, values: dict[str, Any]) -> ListedShareReaches | None:
        """`{ at_least = 50, by = ["us-ofac"] }`; `may_…` where only the upper end reaches it."""
        given = values.get("listed_share")
        if given is None:
            return None
        known = (*_SHARE, "by")
        if type(given) is not dict or any(key not in known for key in given):
            self.problem(table, "listed_share", "not understood", "{ at_least = 50, by = [...] }")
            return None
        stated = [key for key in _SHARE if key in given]
        if len(stated) != 1 or "by" not in given:
            self.problem(table, "listed_share", "not complete", f"by, and one of {_SHARE}")
            return None
        (key,) = stated
        percent = self.whole(table, given, key, least=1, most=100)
        regimes = self.strings(table, given, "by", among=tuple(Regime))
        if percent is None:
            return None
        return ListedShareReaches(
            percent,
            over=key in ("more_than", "may_exceed"),
            maybe=key in ("may_reach", "may_exceed"),
            regimes=frozenset(Regime(each) for each in regimes if each in tuple(Regime)),
        )

    def gpu(self, table: Table, values: dict[str, Any]) -> frozenset[str]:
        if "gpu" not in values:
            return frozenset({ANY_GPU})
        scopes = self.strings(table, values, "gpu", among=GPU_SCOPES)
        if ANY_GPU in scopes and len(scopes) > 1:
            self.problem(table, "gpu", "`any` beside others", "keep `any` alone, or the others")
        return frozenset(scopes)

    def code(self, table: Table, values: dict[str, Any]) -> Code | None:
        value = values.get("code")
        if value is None or (isinstance(value, str) and value in RULE_CODES):
            return None if value is None else Code(value)
        self.problem(table, "code", f"{shown(value)} is not for rules", ", ".join(RULE_CODES))
        return None
