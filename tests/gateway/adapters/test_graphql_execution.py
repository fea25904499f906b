"""What the gate reads out of a document is what a GraphQL server executes for it.

The oracle is graphql-core's own validation and execution, against a schema shaped like RunPod's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLResolveInfo, build_schema, graphql_sync
from hypothesis import event, given, settings
from hypothesis import strategies as st

from kycgate.errors import Malformed
from kycgate.gateway.adapters.base import ACTIONS, Kind
from kycgate.gateway.adapters.graphql import Selected, Symbol, read
from kycgate.gateway.adapters.runpod import RunPod

SCHEMA = build_schema("""
    enum Cloud { ALL SECURE }
    input Rent {
      gpuTypeId: String, gpuTypeIdList: [String], gpuCount: Int, name: String, cloudType: Cloud
      minVcpuCount: Int
    }
    input OfPod { podId: String!, gpuCount: Int }
    type Machine { podHostId: String }
    type Pod { id: ID, name: String, gpuCount: Int, machine: Machine }
    type User { pods: [Pod] }
    type Query { pod(input: OfPod): Pod, myself: User, gpuTypes: [Pod] }
    type Mutation {
      podFindAndDeployOnDemand(input: Rent): Pod
      podRentInterruptable(input: Rent!): Pod
      podResume(input: OfPod!): Pod
      podStop(input: OfPod!): Pod
      podTerminate(input: OfPod!): Pod
    }
""")


@dataclass
class Server:
    """Executes a request and keeps what it resolved: at the root, and anywhere."""

    seen: list[tuple[tuple[str, ...], str, dict[str, Any]]] = field(default_factory=list)

    def execute(self, request: dict[str, Any]) -> list[str]:
        """The errors; `seen` is filled."""
        result = graphql_sync(
            SCHEMA,
            request["query"],
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
            field_resolver=self._resolve,
        )
        return [error.message for error in result.errors or ()]

    def _resolve(self, source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        path = tuple(key for key in info.path.as_list() if isinstance(key, str))
        self.seen.append((path, info.field_name, arguments))
        leaf = {"id": "p1", "gpuCount": 1}.get(info.field_name, "x")
        type_name = str(info.return_type)
        if type_name.startswith("["):
            return [{}]
        return {} if type_name in ("Pod", "User", "Machine") else leaf

    def roots(self) -> list[tuple[str, dict[str, Any]]]:
        return [(name, arguments) for path, name, arguments in self.seen if len(path) == 1]


# -- documents, most of them sound, some of them tricks --------------------------------------------

TEXTS = st.sampled_from(["H100", "RTX 3090", "p1", "p2", 'a"b', "\u00e9", "# x", "}", ""])


def literal(text: str, style: int) -> str:
    if style == 1:
        return '"' + "".join(f"\\u{ord(c):04x}" for c in text) + '"'
    if style == 2:
        return f'"""{text}"""' if '"' not in text else json.dumps(text)
    return json.dumps(text)


@st.composite
def values(draw: st.DrawFn, kind: str, made: dict[str, Any]) -> str:
    """A value for an input of type `kind`, written down or behind a variable."""
    value = draw(TEXTS if kind == "String" else st.integers(-1, 9) | st.none())
    text = (
        literal(value, draw(st.integers(0, 2))) if isinstance(value, str)
        else "null" if value is None else str(value)
    )  # fmt: skip
    if not draw(st.booleans()):
        return text
    name = f"v{len(made['declared'])}"
    default = f" = {text}" if draw(st.booleans()) else ""
    made["declared"].append(f"${name}: {kind}{default}")
    if draw(st.booleans()):
        made["variables"][name] = draw(
            st.sampled_from([value, None, "8", 8, 8.0]) if draw(st.booleans()) else st.just(value)
        )
    return f"${name}"


@st.composite
def members(draw: st.DrawFn, known: dict[str, str], made: dict[str, Any]) -> str:
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=4, unique=draw(st.booleans())))
    parts = []
    for name in names:
        kind = known[name]
        if kind == "Cloud":
            parts.append(
                f"{name}: {draw(st.sampled_from(['ALL', 'SECURE', chr(34) + 'ALL' + chr(34)]))}"
            )
        elif kind == "[String]":
            items = [draw(values("String", made)) for _ in range(draw(st.integers(0, 2)))]
            parts.append(f"{name}: [{', '.join(items)}]" if items else f'{name}: "H100"')
        else:
            parts.append(f"{name}: {draw(values(kind, made))}")
    return "{" + ", ".join(parts) + "}"


RENT = {
    "gpuTypeId": "String", "gpuTypeIdList": "[String]", "gpuCount": "Int", "name": "String",
    "cloudType": "Cloud", "minVcpuCount": "Int",
}  # fmt: skip
OF_POD = {"podId": "String!", "gpuCount": "Int"}
ROOTS = {
    "mutation": {
        "podFindAndDeployOnDemand": RENT, "podRentInterruptable": RENT, "podResume": OF_POD,
        "podStop": OF_POD, "podTerminate": OF_POD,
    },
    "query": {"pod": OF_POD, "myself": {}, "gpuTypes": {}},
}  # fmt: skip


@st.composite
def fields(draw: st.DrawFn, kind: str, made: dict[str, Any], depth: int = 0) -> str:
    """One selection at the root: a field, or fragments around one."""
    shape = draw(st.integers(0, 5)) if depth < 3 else 0
    root = kind.capitalize() if draw(st.integers(0, 9)) else "Pod"
    if shape == 4:
        return f"... on {root} {{ {draw(fields(kind, made, depth + 1))} }}"
    if shape == 5:
        name = f"F{len(made['fragments'])}"
        made["fragments"].append("")
        place = len(made["fragments"]) - 1
        inside = draw(fields(kind, made, depth + 1))
        made["fragments"][place] = f"fragment {name} on {root} {{ {inside} }}"
        return f"...{name}" + (f" ...{name}" if not draw(st.integers(0, 5)) else "")
    name = draw(st.sampled_from(sorted(ROOTS[kind])))
    alias = draw(st.sampled_from(["", "", "a: ", "id: "]))
    inner = "pods { id name }" if name == "myself" else draw(
        st.sampled_from(["id", "id name", "n: id", "id: name", "id machine { podHostId }",
                         "... on Pod { id }", "id id", "__typename id"])
    )  # fmt: skip
    known = ROOTS[kind][name]
    if name == "pod" or kind == "mutation":
        sure = {n: k.rstrip("!") for n, k in known.items()}
        given = draw(members(sure, made))
        if "podId" in known and "podId" not in given:
            given = '{podId: "p1"' + (", " if given != "{}" else "") + given[1:]
        arguments = f"(input: {given})"
    else:
        arguments = ""
    directive = draw(st.sampled_from([""] * 12 + [" @skip(if: true)", " @include(if: false)"]))
    comment = draw(st.sampled_from([""] * 6 + ["# podStop\n", "# }\r\n", "# x\r", ",,", "\ufeff"]))
    return f"{comment}{alias}{name}{arguments}{directive} {{ {inner} }}"


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"declared": [], "variables": {}, "fragments": []}
    kind = draw(st.sampled_from(["mutation", "mutation", "query"]))
    body = " ".join(draw(fields(kind, made)) for _ in range(draw(st.sampled_from([1, 1, 1, 2]))))
    declared = f"({', '.join(made['declared'])})" if made["declared"] else ""
    document = f"{kind} A{declared} {{ {body} }} " + " ".join(made["fragments"])
    request: dict[str, Any] = {"query": document}
    if made["variables"] or draw(st.booleans()):
        request["variables"] = made["variables"]
    if not draw(st.integers(0, 5)):
        request["query"] += ' mutation B { podTerminate(input: {podId: "p9"}) { id } }'
        request["operationName"] = draw(st.sampled_from(["A", "B", None, ""]))
    return request


def plain(value: Any) -> Any:
    """Our reading in the words of an executor: enums as texts, and a single value for a list."""
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, dict):
        return {
            name: [plain(item)] if name == "gpuTypeIdList" and not isinstance(item, list | None)
            else plain(item) for name, item in value.items()
        }  # fmt: skip
    return [plain(item) for item in value] if isinstance(value, list) else value


def walked(
    selected: tuple[Selected, ...], path: tuple[str, ...] = ()
) -> dict[tuple[str, ...], tuple[str, Any]]:
    found: dict[tuple[str, ...], tuple[str, Any]] = {}
    for each in selected:
        if each.name != "__typename":
            found[(*path, each.key)] = (each.name, plain(dict(each.arguments)))
            found |= walked(each.fields, (*path, each.key))
    return found


@settings(max_examples=200, deadline=None)
@given(requests())
def test_what_is_read_is_what_a_server_resolves(request: dict[str, Any]) -> None:
    server = Server()
    errors = server.execute(request)
    try:
        operation = read(json.dumps(request).encode())
    except Malformed:
        event("refused by the gate")
        return
    if errors:
        event("refused by the server")
        return
    event(f"compared: {operation.kind}")
    resolved = {path: (name, arguments) for path, name, arguments in server.seen}
    assert walked(operation.fields) == resolved


@settings(max_examples=200, deadline=None)
@given(requests())
def test_the_job_decided_is_the_job_a_server_would_start(request: dict[str, Any]) -> None:
    adapter, body, server = RunPod(), json.dumps(request).encode(), Server()
    server.execute(request)
    executed = [(n, a) for n, a in server.roots() if n in ROOTS["mutation"]]
    base = adapter.match("POST", "/graphql")
    assert base is not None
    try:
        route = adapter.narrowed(base, body)
        job = adapter.job(route, body, recorded=None, now=0) if route.kind in ACTIONS else None
    except Malformed:
        return
    if not executed:
        return
    # A server that acts must have been told to by the one mutation that was decided.
    ((name, arguments),) = executed
    event(f"acted: {name}")
    assert route.name == name
    asked = arguments["input"]
    if "podId" in asked:
        assert route.resource == asked["podId"]
        wanted = {"podResume": Kind.EXTEND, "podStop": Kind.PAUSE, "podTerminate": Kind.STOP}
        assert route.kind is wanted[name]
        return
    assert route.kind is Kind.RENT
    assert job is not None
    listed = [*(asked.get("gpuTypeIdList") or ()), asked.get("gpuTypeId")]
    models = {model for model in listed if model is not None}
    assert job.gpu_model == (models.pop() if len(models) == 1 else None)
    assert job.gpu_count == asked.get("gpuCount")
