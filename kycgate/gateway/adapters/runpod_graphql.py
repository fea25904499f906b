"""RunPod's GraphQL documents: what a query shows, and which one thing a mutation does.

Decides nothing, and reads no bytes: `graphql` did.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kycgate.errors import Malformed
from kycgate.gateway.adapters.base import Entry, Kind, Route, only, whole
from kycgate.gateway.adapters.graphql import Operation, Selected
from kycgate.gateway.adapters.runpod_fields import (
    CATALOGUE,
    EDIT_MEMBERS,
    ENDPOINT,
    ENDPOINT_MEMBERS,
    POD,
    POD_MEMBERS,
    Shape,
)

MAX_GPUS = 1024
_MAX_WORKERS = 10_000
ID = r"(?P<id>[A-Za-z0-9][A-Za-z0-9_\-]{0,63})"
_ID = re.compile(ID)
_MODEL = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")

_RENTING = frozenset({"podFindAndDeployOnDemand", "podRentInterruptable", "deployCpuPod"})
_OF_POD: dict[str, tuple[Kind, frozenset[str]]] = {
    "podResume": (Kind.EXTEND, frozenset({"podId", "gpuCount", "syncMachine", "computeType"})),
    "podBidResume": (Kind.EXTEND, frozenset({"podId", "gpuCount", "bidPerGpu"})),
    "podEditJob": (Kind.MODIFY, EDIT_MEMBERS),
    "podStop": (Kind.PAUSE, frozenset({"podId", "incrementVersion"})),
    "podTerminate": (Kind.STOP, frozenset({"podId"})),
}
ENTRIES = tuple(
    Entry("POST", "/graphql", kind.value, name)
    for name, kind in (
        *((name, Kind.RENT) for name in sorted({*_RENTING, "saveEndpoint"})),
        *((name, kind) for name, (kind, _) in _OF_POD.items()),
        ("deleteEndpoint", Kind.STOP),
        *((name, Kind.PUBLIC_READ) for name in CATALOGUE),
        ("myself { pods }", Kind.LIST),
        ("pod", Kind.OWN_READ),
        ("any other query", Kind.ACCOUNT_READ),
    )
)
_KNOWN = _RENTING | {"saveEndpoint"} | _OF_POD.keys()
_ONE_MUTATION = "This gate keeps a record of every pod: one mutation per request."


@dataclass(frozen=True, slots=True)
class Asked:
    """A mutation, classified."""

    route: Route
    input: Mapping[str, Any]

    def machines(self) -> tuple[str | None, int | None]:
        """Model and count of what it rents; what it leaves open is None."""
        if self.route.name == "saveEndpoint":
            return _endpoint(self.input)
        return _pod(self.input, cpu=self.route.name == "deployCpuPod")

    @property
    def makes(self) -> bool:
        """Whether it says itself what runs afterwards, instead of naming what runs already."""
        return self.route.name in _RENTING or self.route.name == "saveEndpoint"


# -- queries ---------------------------------------------------------------------------------------


def reading(operation: Operation) -> Route:
    """What a query may show. What is not known to show one pod, the caller's pods or the catalogue
    needs the account's own key: a pod leads to its machine, and that to everybody's pods."""
    fields = operation.fields
    if fields and all(_shows(field, CATALOGUE) for field in fields):
        return Route(Kind.PUBLIC_READ, "catalogue")
    if len(fields) == 1 and _lists(fields[0]):
        return Route(Kind.LIST, "pods")
    asked = [_id_of(field) for field in fields if field.name == "pod"]
    pod = asked[0] if len(asked) == len(fields) == 1 else None
    if pod is not None and _within(fields[0].fields, POD):
        return Route(Kind.OWN_READ, "pod", pod)
    return Route(Kind.ACCOUNT_READ, "query", pod)


def _lists(field: Selected) -> bool:
    """`{ myself { pods { id … } } }` as it stands: the answer is filtered by these names."""
    if (field.name, field.key, field.arguments) != ("myself", "myself", {}):
        return False
    if [(each.name, each.key, each.arguments) for each in field.fields] != [("pods", "pods", {})]:
        return False
    pods = field.fields[0].fields
    return _within(pods, POD) and _says_id(pods)


def _id_of(field: Selected) -> str | None:
    asked = field.arguments.get("input")
    if set(field.arguments) != {"input"} or not isinstance(asked, dict) or set(asked) != {"podId"}:
        return None
    return id_text(asked["podId"])


def _shows(field: Selected, shape: Shape) -> bool:
    if field.name == "__typename":
        return not field.fields
    if field.name not in shape:
        return False
    inside = shape[field.name]
    return _within(field.fields, inside) if inside is not None else not field.fields


def _within(fields: tuple[Selected, ...], shape: Shape) -> bool:
    return bool(fields) and all(_shows(field, shape) for field in fields)


def _says_id(fields: tuple[Selected, ...]) -> bool:
    """Whether the answer's `id` is the id and nothing else that was given its name."""
    names = {field.name for field in fields if field.key == "id"}
    return names == {"id"}


# -- mutations -------------------------------------------------------------------------------------


def mutation(operation: Operation) -> Asked:
    """The one mutation of a document. Raises Malformed for every other document."""
    if operation.kind != "mutation" or len(operation.fields) != 1:
        raise Malformed(_ONE_MUTATION, field="query", remedy="send them one after the other")
    field = operation.fields[0]
    if field.name == "deleteEndpoint":
        return _ending_endpoint(field)
    if field.name not in _KNOWN:
        raise Malformed(
            f"The mutation {field.name[:64]!r} is not one this gate passes on.", field="query"
        )
    asked = field.arguments.get("input")
    if set(field.arguments) != {"input"} or not isinstance(asked, dict):
        raise Malformed(f"{field.name[:64]} takes an input object.", field="input")
    if field.name in _RENTING:
        return _new(field, asked, POD_MEMBERS, POD)
    if field.name == "saveEndpoint":
        return _saved_endpoint(field, asked)
    return _of_pod(field, asked)


def _new(field: Selected, asked: dict[str, Any], known: frozenset[str], shape: Shape) -> Asked:
    only(asked, known)
    _check_answer(field, shape)
    if not _says_id(field.fields):
        raise Malformed(
            "Ask for the id of what is created: without it this gate can't keep it for you.",
            field="query",
            remedy="select id, under its own name",
        )
    return Asked(Route(Kind.RENT, field.name), asked)


def _of_pod(field: Selected, asked: dict[str, Any]) -> Asked:
    kind, known = _OF_POD[field.name]
    only(asked, known)
    if field.fields:
        _check_answer(field, POD)
    if asked.get("gpuCount") is not None:
        whole(asked, "gpuCount", least=1, most=MAX_GPUS)
    return Asked(Route(kind, field.name, _required_id(asked, "podId")), asked)


def _saved_endpoint(field: Selected, asked: dict[str, Any]) -> Asked:
    """Serverless workers: a new endpoint, or, where it names one, a change of its size."""
    made = _new(field, asked, ENDPOINT_MEMBERS, ENDPOINT)
    if asked.get("id") is None:
        return made
    return Asked(Route(Kind.EXTEND, field.name, _required_id(asked, "id")), asked)


def _ending_endpoint(field: Selected) -> Asked:
    if set(field.arguments) != {"id"}:
        raise Malformed("deleteEndpoint takes an id.", field="id")
    if field.fields:
        _check_answer(field, ENDPOINT)
    return Asked(Route(Kind.STOP, field.name, _required_id(field.arguments, "id")), {})


def _check_answer(field: Selected, shape: Shape) -> None:
    if not _within(field.fields, shape):
        raise Malformed(
            f"{field.name} may be asked for what it did to the one machine, and nothing besides.",
            field="query",
            remedy="select id, name, desiredStatus or other plain fields of it",
        )


def _required_id(asked: Mapping[str, Any], name: str) -> str:
    found = id_text(asked.get(name))
    if found is None:
        raise Malformed(f"{name} must be the id of one machine.", field=name)
    return found


def _pod(asked: Mapping[str, Any], *, cpu: bool) -> tuple[str | None, int | None]:
    """Model and count of a new pod; a model only where the marketplace has no choice."""
    listed = asked.get("gpuTypeIdList")
    if listed is not None and not isinstance(listed, list):
        raise Malformed("gpuTypeIdList must be a list.", field="gpuTypeIdList")
    one = asked.get("gpuTypeId")
    named = {model_text(each, "gpuTypeId") for each in (*(listed or ()), one) if each is not None}
    gpus = count(dict(asked), "gpuCount", MAX_GPUS)
    if cpu and not named and gpus is None:
        gpus = 0
    return named.pop() if len(named) == 1 else None, gpus


def _endpoint(asked: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """An endpoint's most: GPUs of a worker times the workers it may grow to."""
    pools = asked.get("gpuIds")
    model = None if pools is None else model_text(pools, "gpuIds")
    each = count(dict(asked), "gpuCount", MAX_GPUS)
    workers = count(dict(asked), "workersMax", _MAX_WORKERS)
    return (
        None if model is None or "," in model else model,
        None if each is None or workers is None else each * workers,
    )


def model_text(value: Any, name: str) -> str:
    if not isinstance(value, str) or _MODEL.fullmatch(value) is None:
        raise Malformed(f"{name} must be the id of a GPU type.", field=name)
    return value


def count(asked: dict[str, Any], name: str, most: int) -> int | None:
    """None where it is left to the marketplace."""
    return None if asked.get(name) is None else whole(asked, name, least=1, most=most)


def id_text(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
