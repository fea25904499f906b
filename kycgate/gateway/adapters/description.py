"""A marketplace described in TOML: read whole, every problem told together, place and remedy.

Asks nothing and matches nothing: `declared` works with what is read here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kycgate.errors import Misconfigured
from kycgate.gateway.adapters.base import ACTIONS, Kind
from kycgate.gateway.adapters.expressions import Expression, placeholders
from kycgate.gateway.adapters.tables import (
    Report,
    Table,
    a_member_path,
    a_path,
    a_plain_path,
    a_set,
    a_switch,
    a_text,
    an_expression,
    an_object,
    by_name,
    factors,
    fitting,
    one_of,
    placeholder,
)
from kycgate.gateway.canonical import KEY_FIELDS

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
_KINDS = tuple(kind.value for kind in Kind if kind is not Kind.ADMIT)
"""Admission is what schedulers ask for, in words of their own."""

_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,31}")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True, kw_only=True)
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
    long_lived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    report = Report(source, text.splitlines())
    described = _market(Table(report, "", 0, raw))
    if described is None or report.problems:
        raise Misconfigured(tuple(report.problems))
    return described


# -- sections --------------------------------------------------------------------------------------


def _market(top: Table) -> Description | None:
    name = top.need("name", fitting(_NAME, "a name of small letters, digits and dashes"))
    top.need("facts", a_text)
    ids = top.need("ids", by_name(one_of(*FORMS))) or {}
    key_field, scheme = _key(top.table("key"), top)
    refusal = top.need("refusal", an_object)
    if refusal is not None and not {"message"} <= placeholders(refusal) <= {"message", "code"}:
        top.wrong("refusal", 'needs "{message}" as one of its texts; "{code}" is the only other')
    answer = top.table("answer")
    accepted = deployment = None
    if answer is None:
        top.wrong("answer", "is missing: a table with deployment, and accepted where it is needed")
    else:
        accepted, deployment = (
            answer.get("accepted", an_expression),
            answer.need("deployment", an_expression),
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
        name=name,
        key_field=key_field,
        key_scheme=scheme or "",
        refusal=refusal,
        accepted=accepted,
        deployment=deployment,
        form=FORMS[ids[_DEPLOYMENT]],
        rows=rows or (),
        row_id=row_id,
        keep=keep,
        catalogue=catalogue,
        stops=stops,
        routes=routes,
    )


def _key(table: Table | None, top: Table) -> tuple[str | None, str | None]:
    if table is None:
        top.wrong("key", "is missing: a table with header, and scheme where there is one")
        return None, None
    header = table.need("header", a_text)
    if header is not None and header.lower() not in KEY_FIELDS:
        table.wrong("header", f"needs one of {', '.join(sorted(KEY_FIELDS))}")
    scheme = table.get("scheme", one_of("Bearer", "Token", ""), default="")
    table.done()
    return header, scheme


def _listing(
    table: Table | None,
) -> tuple[tuple[str, ...] | None, Expression | None, frozenset[str]]:
    if table is None:
        return None, None, frozenset()
    rows, row_id = table.need("rows", a_member_path), table.need("id", an_expression)
    keep = table.get("keep", a_set)
    table.done()
    return rows, row_id, keep or frozenset()


def _catalogue(table: Table | None) -> CatalogueSpec | None:
    if table is None:
        return None
    method = table.get("method", one_of("GET", "POST"), default="GET")
    path, question = table.need("path", a_path), table.get("question", an_object)
    rows, row_id = table.need("rows", a_member_path), table.need("id", an_expression)
    model = table.need("model", an_expression)
    count, price = table.get("count", an_expression), table.get("price", an_expression)
    table.done()
    if (method == "POST") != (question is not None):
        table.wrong("question", 'goes with method = "POST", and only with it')
    if method is None or path is None or rows is None or row_id is None or model is None:
        return None
    return CatalogueSpec(
        method=method,
        path=path,
        question=question,
        rows=rows,
        id=row_id,
        model=model,
        count=count,
        price=price,
    )


def _stop(table: Table) -> StopSpec | None:
    method = table.need("method", one_of(*_METHODS))
    path, body = table.need("path", a_plain_path), table.get("body", an_object)
    table.done()
    words = set() if path is None else {w for p in path.split("/") if (w := placeholder(p))}
    inside = placeholders(body or {})
    named = words | {word.partition(":")[0] for word in inside}
    if named != {_DEPLOYMENT} or not inside <= {_DEPLOYMENT, f"{_DEPLOYMENT}:number"}:
        table.wrong("path", "needs {deployment} in path or body, and nothing else in braces")
    return None if method is None or path is None else StopSpec(method, path, body)


def _route(table: Table, ids: Mapping[str, str]) -> RouteSpec | None:
    name = table.need("name", fitting(_NAME, "a name of small letters, digits and dashes"))
    method, path = table.need("method", one_of(*_METHODS)), table.need("path", a_plain_path)
    kind_text = table.need("kind", one_of(*_KINDS))
    kind = None if kind_text is None else Kind(kind_text)
    members = table.get("members", a_set)
    inside = table.get("inside", by_name(a_set))
    resource, exactly = table.get("resource", an_expression), table.get("exactly", an_object)
    refused = table.get("refused", a_text)
    offer, ask = table.get("offer", an_expression), table.get("ask", by_name(an_expression))
    model, count = table.get("model", an_expression), table.get("count", factors)
    duration = table.get("duration", an_expression)
    unit = table.get("unit", one_of(*UNITS), default="hours")
    price, per = table.get("price", an_expression), table.get("per", one_of(*PER), default=PER[0])
    long_lived = table.get("long_lived", a_switch) or False
    if long_lived and kind is not Kind.OWN_READ:
        table.wrong("long_lived", 'goes with kind = "own_read": logs and events of one machine')
    table.done()
    pattern = None if path is None else _pattern(table, path, ids)
    if kind is not None and path is not None:
        _check_route(table, kind, path, members, resource, refused, model, exactly)
    if name is None or method is None or path is None or kind is None or pattern is None:
        return None
    return RouteSpec(
        name=name,
        method=method,
        path=path,
        pattern=pattern,
        kind=kind,
        members=members or frozenset(),
        inside=inside or {},
        resource=resource,
        exactly=exactly,
        refused=refused,
        offer=offer,
        ask=ask or {},
        model=model,
        count=count or (),
        duration=duration,
        unit=UNITS[unit or "hours"],
        price=price,
        per=per or PER[0],
        long_lived=long_lived,
    )


def _pattern(table: Table, path: str, ids: Mapping[str, str]) -> re.Pattern[str] | None:
    parts = []
    for part in path.split("/"):
        word = placeholder(part)
        if word is None:
            parts.append(re.escape(part))
        elif word in ids and f"(?P<{word}>" not in "".join(parts):
            parts.append(f"(?P<{word}>{FORMS[ids[word]]})")
        else:
            table.wrong("path", f"{{{word}}} needs a form in ids, and to stand there once")
            return None
    return re.compile("/".join(parts))


def _check_route(
    table: Table,
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
    top: Table,
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
