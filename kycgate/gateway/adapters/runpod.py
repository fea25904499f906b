"""RunPod: its GraphQL and its REST v2 API, which stand on one origin.

Decides nothing. Facts: the client `runpod` 1.11.0 sends GraphQL with its values inlined; RunPod's
public pages describe REST v2. REST v1 lived on another origin and is retired.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from dataclasses import replace
from typing import Any

from kycgate.core.claims import JobRequest
from kycgate.errors import Malformed
from kycgate.gateway.adapters import graphql
from kycgate.gateway.adapters.base import (
    ACTIONS,
    Ending,
    Entry,
    Kind,
    Route,
    bearer,
    decode_object,
    entry,
    only,
    succeeded,
    with_key_in,
)
from kycgate.gateway.adapters.runpod_fields import REST_PATCH_MEMBERS, REST_POD_MEMBERS
from kycgate.gateway.adapters.runpod_graphql import (
    ENTRIES,
    ID,
    MAX_GPUS,
    count,
    id_text,
    model_text,
    mutation,
    reading,
)
from kycgate.gateway.view import Headers

_GRAPHQL, _PATH = "graphql", "/graphql"

_EXACT = {
    # A rental, until its document says what it is (`narrowed`).
    ("POST", _PATH): Route(Kind.RENT, _GRAPHQL),
    ("POST", "/v2/pods"): Route(Kind.RENT, "v2.create"),
    ("GET", "/v2/pods"): Route(Kind.LIST, "v2.pods"),
    ("GET", "/v2/catalog/gpus"): Route(Kind.PUBLIC_READ, "v2.gpus"),
    ("GET", "/v2/catalog/cpus"): Route(Kind.PUBLIC_READ, "v2.cpus"),
    ("GET", "/v2/catalog/datacenters"): Route(Kind.PUBLIC_READ, "v2.datacenters"),
    ("GET", "/v2/templates"): Route(Kind.ACCOUNT_READ, "v2.templates"),
    ("GET", "/v2/network-volumes"): Route(Kind.ACCOUNT_READ, "v2.volumes"),
    ("GET", "/v2/serverless"): Route(Kind.ACCOUNT_READ, "v2.endpoints"),
    ("GET", "/v2/billing"): Route(Kind.ACCOUNT_READ, "v2.billing"),
    ("GET", "/v2/billing/pods"): Route(Kind.ACCOUNT_READ, "v2.billing.pods"),
}
_OF_ONE = tuple(
    (method, re.compile(f"/v2/{path}"), kind, name)
    for method, path, kind, name in (
        ("GET", f"pods/{ID}", Kind.OWN_READ, "v2.pod"),
        ("GET", f"pods/{ID}/logs", Kind.OWN_READ, "v2.logs"),
        ("DELETE", f"pods/{ID}", Kind.STOP, "v2.terminate"),
        ("PATCH", f"pods/{ID}", Kind.MODIFY, "v2.update"),
        # A start, until its body says that it is a stop (`narrowed`).
        ("POST", f"pods/{ID}/action", Kind.EXTEND, "v2.action"),
        ("GET", f"serverless/{ID}", Kind.OWN_READ, "v2.endpoint"),
        ("DELETE", f"serverless/{ID}", Kind.STOP, "v2.endpoint.delete"),
    )
)
_NEXT_PAGE = ("nextCursor", "nextPageToken")
_CATALOGUE_ITEM = re.compile(r"/v2/catalog/(?:gpus|cpus|datacenters)/[A-Za-z0-9%._\-]{1,128}")
_BY_ITSELF = re.compile(r"/v2/(?:serverless|clusters|sandboxes)")
"""POST here would rent several machines, or let the marketplace rent them later."""


class RunPod:
    """The RunPod adapter. Rentals are open-ended: neither hours nor value are ever known."""

    name = "runpod"
    heeds_429 = False  # not known of its client: 403 is shown and never re-sent

    def table(self) -> tuple[Entry, ...]:
        exact = (
            entry(*at, route.kind, route.name) for at, route in _EXACT.items() if at[1] != _PATH
        )
        return (
            *exact,
            *(entry(m, path.pattern, kind, name) for m, path, kind, name in _OF_ONE),
            *ENTRIES,
        )

    def match(self, method: str, path: str) -> Route | None:
        route = _EXACT.get((method, path))
        if route is not None:
            return route
        for wanted, pattern, kind, name in _OF_ONE:
            if method == wanted and (found := pattern.fullmatch(path)) is not None:
                return Route(kind, name, found["id"], long_lived=name == "v2.logs")
        if method == "GET" and _CATALOGUE_ITEM.fullmatch(path) is not None:
            return Route(Kind.PUBLIC_READ, "v2.catalogue")
        if method == "POST" and _BY_ITSELF.fullmatch(path) is not None:
            return Route(Kind.RENT, "v2.refused")
        return None

    def narrowed(self, route: Route, body: bytes) -> Route:
        if route.name == _GRAPHQL:
            operation = graphql.read(body)
            return reading(operation) if operation.kind == "query" else mutation(operation).route
        if route.name == "v2.action":
            return _action(route, decode_object(body))
        return route

    def job(
        self, route: Route, body: bytes, *, recorded: JobRequest | None, now: int
    ) -> JobRequest:
        if route.name.startswith("v2."):
            return self._rest(route, decode_object(body), recorded)
        asked = mutation(graphql.read(body))
        if asked.makes:
            return self._rent(asked.route, *asked.machines())
        return self._change(asked.route, asked.input.get("gpuCount"), recorded)

    def _rent(self, route: Route, model: str | None, gpus: int | None) -> JobRequest:
        return JobRequest(
            marketplace=self.name,
            action=ACTIONS[route.kind],
            gpu_model=model,
            gpu_count=gpus,
            hours=None,
            value=None,
            resource=route.resource,
            end_user=None,
        )

    def _change(self, route: Route, gpus: int | None, recorded: JobRequest | None) -> JobRequest:
        """The model is the recorded pod's; so is the count, unless a resume names its own."""
        if recorded is None:
            return self._rent(route, None, gpus)
        count = recorded.gpu_count if gpus is None else gpus
        return replace(
            recorded, action=ACTIONS[route.kind], gpu_count=count, resource=route.resource
        )

    def _rest(
        self, route: Route, members: dict[str, Any], recorded: JobRequest | None
    ) -> JobRequest:
        if route.name == "v2.refused":
            raise Malformed(
                "This would let the marketplace rent machines later, with nobody asked.",
                field="path",
                remedy="rent pods one by one",
            )
        if route.name == "v2.create":
            return self._rent(route, *_rest_pod(members))
        if route.name == "v2.update":
            only(members, REST_PATCH_MEMBERS)
        elif members not in ({"action": "start"}, {"action": "restart"}):
            raise Malformed("action must be start, stop, restart or terminate.", field="action")
        return self._change(route, None, recorded)

    def credential(self, fields: dict[str, str]) -> str | None:
        """The Bearer token: the only way the client shows its key."""
        return bearer(fields)

    def with_key(self, headers: Headers, key: str | None) -> Headers:
        said = None if key is None else f"Bearer {key}"
        return with_key_in("Authorization", said, headers)

    def refusal(self, message: str, code: str) -> tuple[Headers, bytes]:
        """The GraphQL error body; `title` and `detail` are where REST clients look."""
        body = graphql.refusal(message, code) | {"title": "Forbidden", "detail": message}
        return (("Content-Type", "application/json"),), json.dumps(body).encode()

    def accepted(self, status: int, answer: bytes) -> bool:
        """GraphQL says no with a status of 200; an error beside a result spoils that part only."""
        if not succeeded(status) or not answer.strip():
            return succeeded(status)
        try:
            members = decode_object(answer, field="answer")
        except Malformed:
            return False
        data = members.get("data")
        done = isinstance(data, dict) and any(value is not None for value in data.values())
        return done or not members.get("errors")

    def deployment(self, answer: bytes) -> str | None:
        data = graphql.answered(answer)
        try:
            made = decode_object(answer) if data is None else next(iter(data.values()), None)
        except Malformed:
            return None
        if (data is not None and len(data) != 1) or not isinstance(made, dict):
            return None
        return id_text(made.get("id"))

    def stops(self, deployment: str) -> tuple[Ending, ...]:
        """By REST, whose status says whether it was done; an id doesn't say what it names."""
        if id_text(deployment) is None:
            raise Malformed("This is no pod of RunPod.", field="deployment")
        return tuple(
            Ending("DELETE", f"/v2/{what}/{deployment}") for what in ("pods", "serverless")
        )

    def filter_list(self, answer: bytes, owned: Set[str]) -> bytes:
        """Keeps the caller's pods, and the way to the next page."""
        members = decode_object(answer, field="answer")
        if "data" not in members:
            said = {"pods": _owned(members.get("pods"), owned)}
            said |= {name: members[name] for name in _NEXT_PAGE if name in members}
            return json.dumps(said, default=float).encode()
        data = members["data"]
        myself = data.get("myself") if isinstance(data, dict) else None
        pods = _owned(myself.get("pods") if isinstance(myself, dict) else None, owned)
        return json.dumps({"data": {"myself": {"pods": pods}}}, default=float).encode()


def _owned(rows: Any, owned: Set[str]) -> list[Any]:
    if not isinstance(rows, list):
        raise Malformed("The answer holds no list of pods.", field="answer")
    return [row for row in rows if isinstance(row, dict) and id_text(row.get("id")) in owned]


# -- REST ------------------------------------------------------------------------------------------


def _rest_pod(members: dict[str, Any]) -> tuple[str | None, int | None]:
    only(members, REST_POD_MEMBERS)
    gpu = members.get("gpu")
    if gpu is None:
        return None, 0 if "cpu" in members else None
    if not isinstance(gpu, dict) or "cpu" in members:
        raise Malformed("gpu must be an object, and then there is no cpu.", field="gpu")
    only(gpu, frozenset({"id", "count", "minCudaVersion", "cudaVersions"}))
    return model_text(gpu.get("id"), "gpu.id"), count(gpu, "count", MAX_GPUS)


def _action(route: Route, members: dict[str, Any]) -> Route:
    kinds = {"stop": Kind.PAUSE, "terminate": Kind.STOP, "restart": Kind.MODIFY}
    action = members.get("action")
    kind = kinds.get(action) if isinstance(action, str) and set(members) == {"action"} else None
    return route if kind is None else replace(route, kind=kind)
