"""A marketplace that is nothing but its description in TOML: routes, expressions, a refusal's body.

Decides nothing. What the description does not name is refused in a change, and unknown in a job.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from functools import reduce
from typing import Any, NoReturn

from kycgate.core.claims import Action, JobRequest
from kycgate.errors import Malformed
from kycgate.gateway.adapters.base import (
    ACTIONS,
    Ending,
    Entry,
    Fetch,
    Kind,
    Route,
    Search,
    decode,
    decode_object,
    only,
    succeeded,
    without_keys,
)
from kycgate.gateway.adapters.description import Description, RouteSpec
from kycgate.gateway.adapters.expressions import (
    Expression,
    filled,
    model_of,
    price_of,
    whole_of,
)
from kycgate.gateway.adapters.offers import MAX_GPUS, Catalogue, Offer, id_text, path_of, rows_of
from kycgate.gateway.view import Headers

_MAX_HOURS = 8784
"""One leap year; longer bookings are a mistake or an attack on the arithmetic."""


class Declared:
    """The adapter of one described marketplace."""

    heeds_429 = False  # nothing is known of its client: 403 is shown and never re-sent

    def __init__(
        self, described: Description, *, fetch: Fetch, search: Search, token_decimals: int
    ) -> None:
        self._said = described
        self._unit = Decimal(10) ** token_decimals
        self._routes = {route.name: route for route in described.routes}
        self._plain = [route for route in described.routes if route.exactly is None]
        # A literal path comes before one that could be read as an id.
        self._plain.sort(key=lambda route: "{" in route.path)
        self._id = re.compile(described.form)
        spec = described.catalogue
        self._catalogue = None if spec is None else Catalogue(spec, fetch, search)

    @property
    def name(self) -> str:
        return self._said.name

    def table(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(each.method, each.path, each.kind.value, each.name) for each in self._said.routes
        )

    # -- routes ------------------------------------------------------------------------------------

    def match(self, method: str, path: str) -> Route | None:
        for spec in self._plain:
            if spec.method != method or (found := spec.pattern.fullmatch(path)) is None:
                continue
            words = found.groupdict()
            resource = words.pop("deployment", None)
            kind = spec.kind if spec.resource is None or spec.kind in ACTIONS else Kind.MODIFY
            return Route(kind, spec.name, resource, tuple(words.items()), spec.long_lived)
        return None

    def narrowed(self, route: Route, body: bytes) -> Route:
        spec = self._routes[route.name]
        others = [
            other for other in self._said.routes
            if other.exactly is not None and (other.method, other.path) == (spec.method, spec.path)
        ]  # fmt: skip
        if spec.resource is None and not others:
            return route
        members = decode_object(body)
        for other in others:
            if members == other.exactly:
                return replace(route, kind=other.kind, name=other.name)
        if spec.resource is None:
            return route
        _check_members(spec, members)
        return replace(route, kind=spec.kind, resource=self._resource(spec, members))

    def _resource(self, spec: RouteSpec, members: dict[str, Any]) -> str:
        assert spec.resource is not None
        found = id_text(spec.resource.value({"body": members}))
        if found is None or self._id.fullmatch(found) is None:
            raise Malformed(
                f"{spec.resource.text} must be the id of one deployment.", field=spec.resource.text
            )
        return found

    # -- jobs --------------------------------------------------------------------------------------

    def job(
        self, route: Route, body: bytes, *, recorded: JobRequest | None, now: int
    ) -> JobRequest:
        spec = self._routes[route.name]
        members = decode_object(body)
        if spec.refused is not None:
            raise Malformed(spec.refused, field="path", remedy="one machine per request")
        if spec.exactly is None:
            _check_members(spec, members)
        if route.kind not in ACTIONS or spec.kind not in ACTIONS:
            # It came undecided to a route whose deployment only the body names.
            raise Malformed("The deployment this is about can't be read.", field="body")
        context = {"body": members, "path": dict(route.named), "offer": None}
        offer = self._offer(spec, context, now)
        context["offer"] = None if offer is None else offer.as_context()
        asked = JobRequest(
            marketplace=self.name,
            action=ACTIONS[spec.kind],
            gpu_model=_model(spec, context),
            gpu_count=_count(spec, context),
            hours=_hours(spec, context),
            value=None,
            resource=route.resource,
            end_user=None,
        )
        if spec.kind is Kind.RENT:
            return replace(asked, value=self._value(spec, context, asked))
        return _on_top(recorded, asked)

    def _offer(self, spec: RouteSpec, context: Mapping[str, Any], now: int) -> Offer | None:
        if spec.offer is None or self._catalogue is None:
            return None
        number = id_text(spec.offer.value(context))
        words = {name: id_text(each.value(context)) for name, each in spec.ask.items()}
        if number is None:
            raise Malformed(f"{spec.offer.text} must name an offer.", field=spec.offer.text)
        told = {name: word for name, word in words.items() if word is not None}
        return self._catalogue.find(number, told, now) if len(told) == len(words) else None

    def _value(self, spec: RouteSpec, context: Mapping[str, Any], asked: JobRequest) -> int | None:
        price = None if spec.price is None else price_of(spec.price.value(context))
        times = {
            "job": (),
            "hour": (asked.hours,),
            "gpu_hour": (asked.hours, asked.gpu_count),
        }[spec.per]  # fmt: skip
        if price is None or None in times:
            return None
        whole = reduce(lambda sum_, each: sum_ * (each or 0), times, price * self._unit)
        return int(whole.to_integral_value(ROUND_CEILING))

    # -- keys and refusals -------------------------------------------------------------------------

    def credential(self, fields: dict[str, str]) -> str | None:
        value = fields.get(self._said.key_field.lower(), "")
        scheme = self._said.key_scheme
        if not scheme:
            return value.strip() or None
        start, _, rest = value.partition(" ")
        return (rest.strip() or None) if start.lower() == scheme.lower() else None

    def with_key(self, headers: Headers, key: str | None) -> Headers:
        kept = without_keys(headers)
        if key is None:
            return kept
        said = f"{self._said.key_scheme} {key}".strip()
        return (*kept, (self._said.key_field, said))

    def refusal(self, message: str, code: str) -> tuple[Headers, bytes]:
        body = filled(dict(self._said.refusal), {"message": message, "code": code})
        return (("Content-Type", "application/json"),), json.dumps(body).encode()

    # -- answers -----------------------------------------------------------------------------------

    def accepted(self, status: int, answer: bytes) -> bool:
        if not succeeded(status) or self._said.accepted is None:
            return succeeded(status)
        try:
            return self._said.accepted.value(decode(answer, field="answer")) is True
        except Malformed:
            return False

    def deployment(self, answer: bytes) -> str | None:
        try:
            found = id_text(self._said.deployment.value(decode(answer, field="answer")))
        except Malformed:
            return None
        return found if found is not None and self._id.fullmatch(found) else None

    def stops(self, deployment: str) -> tuple[Ending, ...]:
        if self._id.fullmatch(deployment) is None:
            raise Malformed(f"This is no deployment of {self.name}.", field="deployment")
        words = {"deployment": deployment}
        return tuple(
            Ending(
                stop.method,
                path_of(stop.path, words),
                b"" if stop.body is None else json.dumps(filled(dict(stop.body), words)).encode(),
            )
            for stop in self._said.stops
        )

    def filter_list(self, answer: bytes, owned: Set[str]) -> bytes:
        """Keeps the caller's rows, and beside them what tells of nobody else."""
        row_id = self._said.row_id
        if row_id is None:
            raise Malformed("This marketplace lists nothing.", field="answer")
        said = decode(answer, field="answer")
        kept: Any = [
            row for row in rows_of(said, self._said.rows) if id_text(row_id.value(row)) in owned
        ]
        for name in reversed(self._said.rows):
            kept = {name: kept}
        if isinstance(kept, dict):
            kept |= {
                name: said[name] for name in self._said.keep if name in said and name not in kept
            }
        return json.dumps(kept, default=float).encode()


def _check_members(spec: RouteSpec, members: dict[str, Any]) -> None:
    only(members, spec.members)
    for path, known in spec.inside.items():
        inside: Any = members
        for name in path.split("."):
            inside = inside.get(name) if isinstance(inside, dict) else None
        if inside is None:
            continue
        if not isinstance(inside, dict):
            raise Malformed(f"{path} must be an object.", field=path)
        only(inside, known)


def _wrong(expression: Expression, needed: str) -> NoReturn:
    raise Malformed(f"{expression.text} must be {needed}.", field=expression.text, remedy=needed)


def _model(spec: RouteSpec, context: Mapping[str, Any]) -> str | None:
    """None where nothing is said, or several models are: then it is unknown which is rented."""
    found = None if spec.model is None else spec.model.value(context)
    if found is None or (isinstance(found, list) and all(isinstance(each, str) for each in found)):
        return model_of(found)
    model = model_of(found)
    if model is None:
        assert spec.model is not None
        _wrong(spec.model, "the name of a GPU")
    return model


def _count(spec: RouteSpec, context: Mapping[str, Any]) -> int | None:
    """The product of all that multiplies the GPUs; None where one factor is not said."""
    factors: list[int | None] = []
    for each in spec.count:
        found = each.value(context)
        number = whole_of(found, least=1, most=MAX_GPUS)
        if found is not None and number is None:
            _wrong(each, f"a whole number from 1 to {MAX_GPUS}")
        factors.append(number)
    if not factors or None in factors:
        return None
    return reduce(lambda product, factor: product * (factor or 0), factors, 1)


def _hours(spec: RouteSpec, context: Mapping[str, Any]) -> int | None:
    """Whole hours, rounded up; None where the rental is open-ended."""
    found = None if spec.duration is None else spec.duration.value(context)
    if spec.duration is None or found is None:
        return None
    most = _MAX_HOURS * 3600 // spec.unit
    number = whole_of(found, least=1, most=most)
    if number is None:
        _wrong(spec.duration, f"a whole number from 1 to {most}")
    return -(-number * spec.unit // 3600)


def _on_top(recorded: JobRequest | None, asked: JobRequest) -> JobRequest:
    """A change of what was rented: its model and count unless the change names its own. An
    extension's hours and value are the new totals, unknown where it doesn't say for how long."""
    if recorded is None:
        return asked
    hours, value = recorded.hours, recorded.value
    if asked.action is Action.EXTEND:
        known = hours is not None and asked.hours is not None
        if value is not None and hours and asked.hours is not None:
            value += -(-value * asked.hours // hours)
        else:
            value = None
        hours = (hours or 0) + (asked.hours or 0) if known else None
    return replace(
        recorded,
        action=asked.action,
        gpu_model=asked.gpu_model or recorded.gpu_model,
        gpu_count=recorded.gpu_count if asked.gpu_count is None else asked.gpu_count,
        hours=hours,
        value=value,
        resource=asked.resource,
    )
