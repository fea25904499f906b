"""A marketplace described in TOML: read whole, every problem told together, place and remedy.

Asks nothing and matches nothing: `declared` works with what is read here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kycgate.errors import Malformed, Misconfigured
from kycgate.gateway.adapters.base import ACTIONS, Kind
from kycgate.gateway.adapters.expressions import Expression, placeholders
from kycgate.gateway.canonical import KEY_FIELDS

_T = TypeVar("_T")
MOST_BYTES = 64 * 1024
MOST_ROUTES = 200

FORMS = {
    "name": r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}",
    "number": r"[1-9][0-9]{0,15}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}
"""How ids may be spelled: each in one way only, two spellings of one id would be two owners."""
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
PER = ("gpu_hour", "hour", "job")

_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,31}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LITERAL = re.compile(r"[A-Za-z0-9._~\-]+")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~\-]+=(?:[A-Za-z0-9._~\-]+|\{[a-z][a-z0-9_]*\})(?:&|\Z))+")
_DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One entry of the route table."""

    name: str
    method: str
    path: str
    pattern: re.Pattern[str]
    kind: Kind
    members: frozenset[str]
    inside: Mapping[str, frozenset[str]]
    resource: Expression | None
    exactly: Mapping[str, Any] | None
    refused: str | None
    offer: Expression | None
    ask: Mapping[str, Expression]
    model: Expression | None
    count: tuple[Expression, ...]
    duration: Expression | None
    unit: int
    """Seconds."""
    price: Expression | None
    per: str


@dataclass(frozen=True, slots=True)
class CatalogueSpec:
    """Where the gate itself learns what an offer holds."""

    method: str
    path: str
    question: Mapping[str, Any] | None
    rows: tuple[str, ...]
    id: Expression
    model: Expression
    count: Expression | None
    price: Expression | None


@dataclass(frozen=True, slots=True)
class StopSpec:
    method: str
    path: str
    body: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Description:
    """A marketplace, described."""

    name: str
    key_field: str
    key_scheme: str
    refusal: Mapping[str, Any]
    accepted: Expression | None
    deployment: Expression
    form: str
    """A regular expression of a deployment's id."""
    rows: tuple[str, ...]
    row_id: Expression | None
    keep: frozenset[str]
    catalogue: CatalogueSpec | None
    stops: tuple[StopSpec, ...]
    routes: tuple[RouteSpec, ...]


def read(text: str, *, source: str) -> Description:
    """The description in `text`. Raises Misconfigured with every problem found, each as
    `source:line: section.key: what to do`."""
    if len(text) > MOST_BYTES:
        raise Misconfigured((f"{source}: is longer than {MOST_BYTES} characters",))
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Misconfigured((f"{source}: is not TOML: {error}",)) from error
    report = _Report(source, text.splitlines())
    described = _market(_Table(report, "", 0, raw))
    if described is None or report.problems:
        raise Misconfigured(tuple(report.problems))
    return described


# -- problems and their places ---------------------------------------------------------------------


@dataclass(slots=True)
class _Report:
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


class _WrongError(Exception):
    """A value that does not fit. The text says what would."""


@dataclass(slots=True)
class _Table:
    """One TOML table while it is read: hands out values, tells what is wrong or not known."""

    report: _Report
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
        except _WrongError as error:
            self.wrong(key, str(error))
            return None

    def need(self, key: str, read: Callable[[Any], _T]) -> _T | None:
        if key not in self.raw:
            self.asked.add(key)
            self.wrong(key, "is missing and has no default")
            return None
        return self.get(key, read)

    def table(self, key: str) -> _Table | None:
        self.asked.add(key)
        if key not in self.raw:
            return None
        if not isinstance(self.raw[key], dict):
            self.wrong(key, f"needs to be a table: [{key}]")
            return None
        return _Table(self.report, key, 0, self.raw[key])

    def tables(self, key: str) -> list[_Table]:
        self.asked.add(key)
        raw = self.raw.get(key, [])
        if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
            self.wrong(key, f"needs double brackets: [[{key}]]")
            return []
        return [_Table(self.report, key, number, item) for number, item in enumerate(raw)]

    def done(self) -> None:
        for key in self.raw:
            if key not in self.asked:
                self.wrong(key, f"is not known here; there are {', '.join(sorted(self.asked))}")


# -- readers ---------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _WrongError("needs a non-empty string")
    return value


def _fits(pattern: re.Pattern[str], what: str) -> Callable[[Any], str]:
    def read_one(value: Any) -> str:
        if pattern.fullmatch(_text(value)) is None:
            raise _WrongError(f"needs {what}")
        return str(value)

    return read_one


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read_one(value: Any) -> str:
        if value not in choices:
            raise _WrongError("needs one of " + ", ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return read_one


def _expression(value: Any) -> Expression:
    try:
        return Expression.read(_text(value))
    except Malformed as error:
        raise _WrongError(error.message) from error


def _expressions(value: Any) -> tuple[Expression, ...]:
    items = value if isinstance(value, list) else [value]
    if not 1 <= len(items) <= 4:
        raise _WrongError("needs one expression, or up to 4 that are multiplied")
    return tuple(_expression(item) for item in items)


def _named(read_one: Callable[[Any], _T]) -> Callable[[Any], dict[str, _T]]:
    def read_all(value: Any) -> dict[str, _T]:
        if not isinstance(value, dict):
            raise _WrongError("needs a table of names and values")
        for name in value:
            if _WORD.fullmatch(name.replace(".", "_")) is None and not name.isidentifier():
                raise _WrongError(f"{name!r} is no name")
        return {name: read_one(item) for name, item in value.items()}

    return read_all


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _WrongError("needs a list of member names")
    return frozenset(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError("needs a table: the JSON object it stands for")
    return value


def _member_path(value: Any) -> tuple[str, ...]:
    if value == "@":
        return ()
    parts = tuple(_text(value).split("."))
    if not all(re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", part) for part in parts):
        raise _WrongError('needs member names joined by dots, or "@" for the answer itself')
    return parts


def _path(value: Any) -> str:
    path, mark, query = _text(value).partition("?")
    parts = path.split("/")
    if len(parts) > 2 and parts[-1] == "":
        parts.pop()
    sound = parts[0] == "" and len(parts) > 1 and (not mark or _QUERY.fullmatch(query))
    if not sound or not all(_LITERAL.fullmatch(p) or _placeholder(p) for p in parts[1:]):
        raise _WrongError('needs a path such as "/pods/{deployment}"')
    return str(value)


def _plain_path(value: Any) -> str:
    if "?" in _path(value):
        raise _WrongError("needs a path without a query: requests are matched without theirs")
    return str(value)


def _placeholder(part: str) -> str | None:
    inside = part[1:-1] if part[:1] == "{" and part[-1:] == "}" else ""
    return inside if _WORD.fullmatch(inside) else None


# -- sections --------------------------------------------------------------------------------------


def _market(top: _Table) -> Description | None:
    name = top.need("name", _fits(_NAME, "a name of small letters, digits and dashes"))
    top.need("facts", _text)
    ids = top.need("ids", _named(_one_of(*FORMS))) or {}
    key_field, scheme = _key(top.table("key"), top)
    refusal = top.need("refusal", _object)
    if refusal is not None and not {"message"} <= placeholders(refusal) <= {"message", "code"}:
        top.wrong("refusal", 'needs "{message}" as one of its texts; "{code}" is the only other')
    answer = top.table("answer")
    accepted = deployment = None
    if answer is None:
        top.wrong("answer", "is missing: a table with deployment, and accepted where it is needed")
    else:
        accepted, deployment = (
            answer.get("accepted", _expression),
            answer.need("deployment", _expression),
        )
        answer.done()
    rows, row_id, keep = _listing(top.table("list"))
    catalogue = _catalogue(top.table("catalogue"))
    stops = tuple(filter(None, (_stop(each) for each in top.tables("stop"))))
    routes = tuple(filter(None, (_route(each, ids) for each in top.tables("route"))))
    if _DEPLOYMENT not in ids:
        top.wrong("ids", f"needs deployment = one of {', '.join(FORMS)}")
    top.done()
    _cross_check(top, routes, stops, catalogue, row_id)
    if None in (name, key_field, refusal, deployment) or top.report.problems:
        return None
    assert name is not None
    assert key_field is not None
    assert refusal is not None
    assert deployment is not None
    return Description(
        name, key_field, scheme or "", refusal, accepted, deployment, FORMS[ids[_DEPLOYMENT]],
        rows or (), row_id, keep, catalogue, stops, routes,
    )  # fmt: skip


def _key(table: _Table | None, top: _Table) -> tuple[str | None, str | None]:
    if table is None:
        top.wrong("key", "is missing: a table with header, and scheme where there is one")
        return None, None
    header = table.need("header", _text)
    if header is not None and header.lower() not in KEY_FIELDS:
        table.wrong("header", f"needs one of {', '.join(sorted(KEY_FIELDS))}")
    scheme = table.get("scheme", _one_of("Bearer", "Token", ""), default="")
    table.done()
    return header, scheme


def _listing(
    table: _Table | None,
) -> tuple[tuple[str, ...] | None, Expression | None, frozenset[str]]:
    if table is None:
        return None, None, frozenset()
    rows, row_id = table.need("rows", _member_path), table.need("id", _expression)
    keep = table.get("keep", _names)
    table.done()
    return rows, row_id, keep or frozenset()


def _catalogue(table: _Table | None) -> CatalogueSpec | None:
    if table is None:
        return None
    method = table.get("method", _one_of("GET", "POST"), default="GET")
    path, question = table.need("path", _path), table.get("question", _object)
    rows, row_id = table.need("rows", _member_path), table.need("id", _expression)
    model = table.need("model", _expression)
    count, price = table.get("count", _expression), table.get("price", _expression)
    table.done()
    if (method == "POST") != (question is not None):
        table.wrong("question", 'goes with method = "POST", and only with it')
    if method is None or path is None or rows is None or row_id is None or model is None:
        return None
    return CatalogueSpec(method, path, question, rows, row_id, model, count, price)


def _stop(table: _Table) -> StopSpec | None:
    method = table.need("method", _one_of(*_METHODS))
    path, body = table.need("path", _plain_path), table.get("body", _object)
    table.done()
    words = set() if path is None else {w for p in path.split("/") if (w := _placeholder(p))}
    inside = placeholders(body or {})
    named = words | {word.partition(":")[0] for word in inside}
    if named != {_DEPLOYMENT} or not inside <= {_DEPLOYMENT, f"{_DEPLOYMENT}:number"}:
        table.wrong("path", "needs {deployment} in path or body, and nothing else in braces")
    return None if method is None or path is None else StopSpec(method, path, body)


def _route(table: _Table, ids: Mapping[str, str]) -> RouteSpec | None:
    name = table.need("name", _fits(_NAME, "a name of small letters, digits and dashes"))
    method, path = table.need("method", _one_of(*_METHODS)), table.need("path", _plain_path)
    kind_text = table.need("kind", _one_of(*(kind.value for kind in Kind)))
    kind = None if kind_text is None else Kind(kind_text)
    members = table.get("members", _names)
    inside = table.get("inside", _named(_names))
    resource, exactly = table.get("resource", _expression), table.get("exactly", _object)
    refused = table.get("refused", _text)
    offer, ask = table.get("offer", _expression), table.get("ask", _named(_expression))
    model, count = table.get("model", _expression), table.get("count", _expressions)
    duration = table.get("duration", _expression)
    unit = table.get("unit", _one_of(*UNITS), default="hours")
    price, per = table.get("price", _expression), table.get("per", _one_of(*PER), default=PER[0])
    table.done()
    pattern = None if path is None else _pattern(table, path, ids)
    if kind is not None and path is not None:
        _check_route(table, kind, path, members, resource, refused, model, exactly)
    if name is None or method is None or path is None or kind is None or pattern is None:
        return None
    return RouteSpec(
        name, method, path, pattern, kind, members or frozenset(), inside or {}, resource,
        exactly, refused, offer, ask or {}, model, count or (), duration, UNITS[unit or "hours"],
        price, per or PER[0],
    )  # fmt: skip


def _pattern(table: _Table, path: str, ids: Mapping[str, str]) -> re.Pattern[str] | None:
    parts = []
    for part in path.split("/"):
        word = _placeholder(part)
        if word is None:
            parts.append(re.escape(part))
        elif word in ids and f"(?P<{word}>" not in "".join(parts):
            parts.append(f"(?P<{word}>{FORMS[ids[word]]})")
        else:
            table.wrong("path", f"{{{word}}} needs a form in ids, and to stand there once")
            return None
    return re.compile("/".join(parts))


def _check_route(
    table: _Table,
    kind: Kind,
    path: str,
    members: frozenset[str] | None,
    resource: Expression | None,
    refused: str | None,
    model: Expression | None,
    exactly: Mapping[str, Any] | None,
) -> None:
    of_one = "{deployment}" in path or resource is not None
    if "{deployment}" in path and resource is not None:
        table.wrong("resource", "names the deployment a second time: path does already")
    reads_body = kind in ACTIONS or resource is not None
    if reads_body and members is None and refused is None and exactly is None:
        table.wrong("members", "is missing: every member of the body that may be sent")
    if kind is Kind.RENT and refused is None and model is None:
        table.wrong("model", "is missing: where the GPU's name stands; null means unknown")
    needs_one = (Kind.EXTEND, Kind.MODIFY, Kind.STOP, Kind.PAUSE, Kind.OWN_READ)
    if kind in needs_one and not of_one and refused is None:
        table.wrong("path", "needs {deployment}, or resource says where the body names it")
    if kind in (Kind.LIST, Kind.ACCOUNT_READ, Kind.PUBLIC_READ) and of_one:
        table.wrong("kind", "is for what concerns no single deployment")
    if refused is not None and kind is not Kind.RENT:
        table.wrong("refused", 'goes with kind = "rent": it is decided, and then refused')


def _cross_check(
    top: _Table,
    routes: tuple[RouteSpec, ...],
    stops: tuple[StopSpec, ...],
    catalogue: CatalogueSpec | None,
    row_id: Expression | None,
) -> None:
    if not 1 <= len(routes) <= MOST_ROUTES:
        top.wrong("route", f"needs 1 to {MOST_ROUTES} [[route]] tables")
    if not stops:
        top.wrong("stop", "needs a [[stop]] table: how the gate ends a revoked renter's machine")
    if any(route.kind is Kind.LIST for route in routes) and row_id is None:
        top.wrong("list", "is missing: a table with rows and id, for the routes that list")
    if any(route.offer is not None for route in routes) and catalogue is None:
        top.wrong("catalogue", "is missing: a route looks up an offer")
    names = [route.name for route in routes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        top.wrong("route", f'two routes are named "{name}"')
    bases = {(r.method, r.path): r for r in routes if r.exactly is None}
    if len(bases) != sum(route.exactly is None for route in routes):
        top.wrong("route", "two routes have one method and path, and no exactly tells them apart")
    for route in routes:
        base = bases.get((route.method, route.path))
        if route.exactly is not None and (base is None or base.kind not in ACTIONS):
            top.wrong(
                "route", f'"{route.name}" needs a decided route of its method and path beside'
            )
    words = {word for r in routes if r.offer is not None for word in r.ask} | {"offer"}
    asked = set() if catalogue is None else set(re.findall(r"\{([^}]*)\}", catalogue.path))
    asked |= set() if catalogue is None else set(placeholders(catalogue.question or {}))
    for word in sorted({word.partition(":")[0] for word in asked} - words):
        top.wrong("catalogue", f"{{{word}}} is neither offer nor in the ask of a route")
