"""RunPod's captured requests and its tricks through the gate: what one renter may do and see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kycgate.gateway.adapters.runpod import RunPod
from kycgate.gateway.gate import Gate
from kycgate.gateway.view import Forward, RequestView
from tests.gateway.world import Renter, World

CAPTURES = Path(__file__).parent.parent / "captures"
RENT = (
    'mutation { podFindAndDeployOnDemand(input: {name: "k", gpuTypeId: "NVIDIA H100 80GB HBM3",'
    " gpuCount: 8}) { id } }"
)
STOP = 'mutation { podStop(input: {podId: "pod123"}) { id } }'
TERMINATE = 'mutation { podTerminate(input: {podId: "pod123"}) }'


class RunPodWorld(World):
    """`World` in front of RunPod: every rental is pod123."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = replace(self.parts, adapter=RunPod())
        self.gate = Gate(self.parts)
        self.says({"data": {"podFindAndDeployOnDemand": {"id": "pod123"}}})

    def says(self, answer: Any, status: int = 200) -> None:
        said = json.dumps(answer).encode()
        self.upstream.answer = lambda forward: (status, (), said)


@pytest.fixture
def world() -> RunPodWorld:
    return RunPodWorld()


def asks(renter: Renter, document: str, path: str = "/graphql", **members: Any) -> RequestView:
    bearer = ("Authorization", f"Bearer {renter.secret}")
    return renter.world.view("POST", path, {"query": document, **members}, bearer)


def rented(world: World, renter: Renter) -> None:
    assert world.send(asks(renter, RENT)).status == 200


def message(reply: Any) -> str:
    said = json.loads(reply.body)
    assert said["data"] is None
    return str(said["errors"][0]["message"])


def replayed(world: World, request: dict[str, Any], key: str) -> RequestView:
    """As it crossed the wire, but for the dummy key and the body's spacing."""
    body = json.dumps(request["body"]).encode()
    own = {"Authorization": f"Bearer {key}", "Content-Length": str(len(body))}
    fields = tuple((name, own.get(name, value)) for name, value in request["headers"])
    return RequestView(
        request["method"], request["path"].encode(), dict(fields)["Host"], "http", fields, body,
        "127.0.0.1", world.now, "test",
    )  # fmt: skip


def test_unmodified_client_of_a_verified_renter_gets_every_answer(world: RunPodWorld) -> None:
    alice = world.renter()
    for request in json.loads((CAPTURES / "runpod_sdk.json").read_text()):
        world.says(request["stub_response"])
        reply = world.send(replayed(world, request, alice.secret))
        assert (reply.status, json.loads(reply.body)) == (200, request["stub_response"])
    (line,) = world.decisions()
    assert line["granted"] is True
    assert world.store.deployments_of(alice.account) == ["pod123"]


def test_unmodified_client_of_a_stranger_is_shown_where_to_go(world: RunPodWorld) -> None:
    request = json.loads((CAPTURES / "runpod_sdk_denied.json").read_text())[-1]
    reply = world.send(replayed(world, request, world.stranger("bob").secret))
    assert reply.status == 403
    said = json.loads(reply.body)
    assert set(request["stub_response"]) <= set(said)
    assert said["errors"][0]["extensions"] == {"code": "missing:attestation"}
    assert "https://kyc.example/r/" in message(reply)
    assert world.upstream.received == []


def test_a_document_is_read_whole_before_it_is_judged(world: RunPodWorld) -> None:
    assert world.gate.needs_body(asks(world.renter(), RENT)) == world.parts.limits.body_bytes


def test_a_refused_renter_stops_and_terminates_what_it_rented(world: RunPodWorld) -> None:
    alice = world.renter()
    rented(world, alice)
    world.issued.clear()
    world.pass_time(61)
    resume = 'mutation { podResume(input: {podId: "pod123", gpuCount: 8}) { id } }'
    assert world.send(asks(alice, resume)).status == 403
    world.says({"data": {"podStop": {"id": "pod123"}}})
    assert world.send(asks(alice, STOP)).status == 200
    assert world.store.deployments_of(alice.account) == ["pod123"]
    world.says({"data": {"podTerminate": None}})
    assert world.send(asks(alice, TERMINATE)).status == 200
    assert world.store.deployments_of(alice.account) == []


def test_a_terminate_the_marketplace_declined_leaves_the_pod_on_the_record(
    world: RunPodWorld,
) -> None:
    alice = world.renter()
    rented(world, alice)
    world.says({"data": {"podTerminate": None}, "errors": [{"message": "try again"}]})
    assert world.send(asks(alice, TERMINATE)).status == 200
    assert world.store.deployments_of(alice.account) == ["pod123"]


def test_a_rent_declined_with_a_status_of_200_gives_no_permit(world: RunPodWorld) -> None:
    alice = world.renter()
    world.says({"data": None, "errors": [{"message": "sold out"}]})
    reply = world.send(asks(alice, RENT))
    assert message(reply) == "sold out"
    assert world.permits == []
    assert world.store.deployments_of(alice.account) == []


@pytest.mark.parametrize(
    "document",
    [
        STOP,
        TERMINATE,
        'mutation { podResume(input: {podId: "pod123", gpuCount: 1}) { id } }',
        'mutation { podEditJob(input: {podId: "pod123", imageName: "x"}) { id } }',
        '{ pod(input: {podId: "pod123"}) { id env } }',
        '{ a: pod(input: {podId: "pod123"}) { apiKey } }',
        "query($i: PodFilter) { pod(input: $i) { id } }",
        'query { ...F } fragment F on Query { pod(input: {podId: "pod123"}) { id } }',
    ],
)
def test_a_strangers_pod_can_be_neither_seen_nor_stopped_nor_started(
    world: RunPodWorld, document: str
) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")
    rented(world, alice)
    before = len(world.upstream.received)
    view = asks(mallory, document, variables={"i": {"podId": "pod123"}} if "$i" in document else {})
    reply = world.send(view)
    assert reply.status == 404
    assert "No such deployment of yours" in message(reply)
    assert len(world.upstream.received) == before


def test_a_listing_shows_the_callers_own_pods_only(world: RunPodWorld) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")
    rented(world, alice)
    world.says({"data": {"myself": {"pods": [{"id": "pod123"}, {"id": "pod9"}]}}})
    query = "query myPods { myself { pods { id } } }"
    assert json.loads(world.send(asks(alice, query)).body) == {
        "data": {"myself": {"pods": [{"id": "pod123"}]}}
    }
    assert json.loads(world.send(asks(mallory, query)).body) == {"data": {"myself": {"pods": []}}}


@pytest.mark.parametrize(
    "document",
    [
        "{ myself { clientBalance } }",
        "{ myself { pods { id: name env } } }",
        "{ myself { pods { id machine { pods { id } } } } }",
        "{ __schema { types { name } } }",
        "{ dataCenters { storage { pw } } }",
    ],
)
def test_the_operators_account_is_not_shown_under_its_shared_key(
    world: RunPodWorld, document: str
) -> None:
    alice = world.renter()
    assert world.send(asks(alice, document)).status == 404
    assert world.upstream.received == []
    world.upstream_keys[alice.account] = "alices-own"
    world.pass_time(61)
    assert world.send(asks(alice, document)).status == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda view: replace(view, headers=(*view.headers, ("Content-Encoding", "gzip"))),
        lambda view: replace(view, target=b"/graphql?operationName=B"),
        lambda view: replace(view, target=b"/graphql?query=%7Ba%7D"),
        lambda view: replace(view, body=b"[" + (view.body or b"") + b"]"),
        lambda view: replace(view, body=(view.body or b"")[:-1] + b', "query": "{ a }"}'),
        lambda view: replace(view, body=(view.body or b"")[:-1] + b', "extensions": {}}'),
        lambda view: replace(
            view,
            headers=tuple(
                (name, "application/graphql" if name == "Content-Type" else value)
                for name, value in view.headers
            ),
        ),
    ],
)
@pytest.mark.parametrize("document", [STOP, "{ gpuTypes { id } }", RENT])
def test_a_document_that_might_be_read_in_two_ways_is_refused(
    world: RunPodWorld, document: str, spoil: Callable[[RequestView], RequestView]
) -> None:
    alice = world.renter()
    rented(world, alice)
    before = len(world.upstream.received)
    assert world.send(spoil(asks(alice, document))).status == 400
    assert len(world.upstream.received) == before


def test_several_mutations_in_one_document_rent_nothing(world: RunPodWorld) -> None:
    twice = RENT.replace("{ podFind", "{ a: podFind", 1)[:-1] + RENT[len("mutation {") :]
    reply = world.send(asks(world.renter(), twice))
    assert reply.status == 400
    assert "one mutation per request" in message(reply)
    assert world.upstream.received == []


def test_a_query_by_get_has_no_route(world: RunPodWorld) -> None:
    view = asks(world.renter(), "")
    view = replace(view, method="GET", target=b"/graphql?query=%7BgpuTypes%7Bid%7D%7D", body=None)
    assert world.send(view).status == 403
    assert world.upstream.received == []


def test_a_key_in_the_address_is_refused(world: RunPodWorld) -> None:
    reply = world.send(asks(world.renter(), RENT, "/graphql?api_key=rpa_secret"))
    assert reply.status == 400
    assert "header" in message(reply)


def test_anybody_may_see_the_catalogue_without_a_key(world: RunPodWorld) -> None:
    view = world.view("POST", "/graphql", {"query": "{ gpuTypes { id securePrice } }"})
    verdict = world.gate.check(view)
    assert isinstance(verdict, Forward)
    assert "authorization" not in {name.lower() for name, _ in verdict.headers}
    hidden = world.view("POST", "/graphql", {"query": "{ gpuTypes { id } myself { id } }"})
    assert world.send(hidden).status == 403


def test_the_same_document_twice_at_once_reaches_the_marketplace_once(world: RunPodWorld) -> None:
    alice = world.renter()
    first = world.forwarded(asks(alice, RENT))
    again = world.send(asks(alice, RENT))
    assert "still being carried out" in message(again)
    assert first.finish is not None
    assert world.upstream.received == []


def test_a_long_document_is_not_read_on_the_event_loop(world: RunPodWorld) -> None:
    alice = world.renter()
    short = "{ gpuTypes { id } }"
    world.gate.check(asks(alice, short))
    assert world.gate.quick(asks(alice, short)) is not None
    long = asks(alice, short + " " * 4096)
    assert world.gate.quick(long) is None
    assert isinstance(world.gate.check(long), Forward)


def test_a_pod_rented_by_rest_is_its_renters_to_see_and_to_end(world: RunPodWorld) -> None:
    alice, mallory = world.renter("alice"), world.renter("mallory")

    def rest(renter: Renter, method: str, path: str, body: Any = None) -> Any:
        bearer = ("Authorization", f"Bearer {renter.secret}")
        return world.send(world.view(method, path, body, bearer))

    world.says({"id": "pod123", "name": "k"}, status=201)
    body = {"name": "k", "image": "i", "gpu": {"id": "NVIDIA H100 80GB HBM3", "count": 8}}
    assert rest(alice, "POST", "/v2/pods", body).status == 201
    assert world.store.deployments_of(alice.account) == ["pod123"]
    for method, path, said in (
        ("GET", "/v2/pods/pod123", None), ("DELETE", "/v2/pods/pod123", None),
        ("POST", "/v2/pods/pod123/action", {"action": "stop"}),
        ("POST", "/v2/pods/pod123/action", {"action": "start"}),
    ):  # fmt: skip
        assert rest(mallory, method, path, said).status == 404
    world.issued.clear()
    world.pass_time(61)
    assert rest(alice, "POST", "/v2/pods/pod123/action", {"action": "start"}).status == 403
    assert rest(alice, "POST", "/v2/pods/pod123/action", {"action": "stop"}).status == 201
    assert world.store.deployments_of(alice.account) == ["pod123"]
    assert rest(alice, "POST", "/v2/pods/pod123/action", {"action": "terminate"}).status == 201
    assert world.store.deployments_of(alice.account) == []
    assert "detail" in json.loads(rest(world.stranger("bob"), "POST", "/v2/pods", body).body)


@pytest.mark.parametrize(
    ("scope", "document", "status"),
    [
        ("read", "{ myself { pods { id } } }", 200),
        ("read", STOP, 403),
        ("read", RENT, 403),
        ("stop", STOP, 200),
        ("stop", "{ myself { pods { id } } }", 403),
        ("stop", RENT, 403),
    ],
)
def test_a_keys_scope_is_held_against_what_the_document_does(
    world: RunPodWorld, scope: str, document: str, status: int
) -> None:
    alice = world.renter()
    rented(world, alice)
    narrow = f"kg_{scope * 10}"
    world.add_key(narrow, alice.account, scope=(scope,))
    world.says({"data": {"myself": {"pods": []}}})
    view = world.view(
        "POST", "/graphql", {"query": document}, ("Authorization", f"Bearer {narrow}")
    )
    assert world.send(view).status == status
