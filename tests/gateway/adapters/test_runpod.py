"""RunPod's wire: every mutation is one kind of thing, every query shows what its caller may see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Action, JobRequest
from kycgate.errors import Malformed
from kycgate.gateway.adapters.base import Ending, Kind, Route
from kycgate.gateway.adapters.runpod import RunPod

RUNPOD = RunPod()
GRAPHQL = Route(Kind.RENT, "graphql")
H100 = "NVIDIA H100 80GB HBM3"
RENTED = JobRequest("runpod", Action.RENT, H100, 8, None, None, None, None)


def body(document: str, **variables: Any) -> bytes:
    return json.dumps({"query": document, "variables": variables}).encode()


def narrowed(document: str, **variables: Any) -> Route:
    return RUNPOD.narrowed(GRAPHQL, body(document, **variables))


def job(document: str, *, recorded: JobRequest | None = None, **variables: Any) -> JobRequest:
    said = body(document, **variables)
    return RUNPOD.job(RUNPOD.narrowed(GRAPHQL, said), said, recorded=recorded, now=0)


def rest(method: str, path: str, said: Any, *, recorded: JobRequest | None = None) -> JobRequest:
    route = RUNPOD.match(method, path)
    assert route is not None
    data = json.dumps(said).encode()
    return RUNPOD.job(RUNPOD.narrowed(route, data), data, recorded=recorded, now=0)


def deploy(inside: str, *, mutation: str = "podFindAndDeployOnDemand", want: str = "id") -> str:
    return f"mutation {{ {mutation}(input: {{{inside}}}) {{ {want} }} }}"


# -- kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "kind", "resource"),
    [
        (deploy(f'gpuTypeId: "{H100}", gpuCount: 8'), Kind.RENT, None),
        (deploy("bidPerGpu: 0.2", mutation="podRentInterruptable"), Kind.RENT, None),
        (deploy('instanceId: "cpu3c-2-4"', mutation="deployCpuPod"), Kind.RENT, None),
        (deploy('gpuIds: "AMPERE_16"', mutation="saveEndpoint"), Kind.RENT, None),
        (deploy('id: "e1", gpuIds: "AMPERE_16"', mutation="saveEndpoint"), Kind.EXTEND, "e1"),
        ('mutation { podResume(input: {podId: "p1", gpuCount: 1}) { id } }', Kind.EXTEND, "p1"),
        ('mutation { podBidResume(input: {podId: "p1", bidPerGpu: 1}) { id } }', Kind.EXTEND, "p1"),
        ('mutation { podEditJob(input: {podId: "p1", imageName: "x"}) { id } }', Kind.MODIFY, "p1"),
        ('mutation { podStop(input: {podId: "p1"}) { id desiredStatus } }', Kind.PAUSE, "p1"),
        ('mutation { podTerminate(input: {podId: "p1"}) }', Kind.STOP, "p1"),
        ('mutation { deleteEndpoint(id: "e1") }', Kind.STOP, "e1"),
        ("{ gpuTypes { id lowestPrice(input: {gpuCount: 1}) { minimumBidPrice } } }",
         Kind.PUBLIC_READ, None),
        ("{ __typename }", Kind.PUBLIC_READ, None),
        ("{ a: gpuTypes { id } dataCenters { id name } }", Kind.PUBLIC_READ, None),
        ("{ myself { pods { id name runtime { ports { ip } } } } }", Kind.LIST, None),
        ('{ mine: pod(input: {podId: "p1"}) { n: name id } }', Kind.OWN_READ, "p1"),
        ("{ myself { id pubKey } }", Kind.ACCOUNT_READ, None),
        ("{ myself { endpoints { id aiKey } } }", Kind.ACCOUNT_READ, None),
    ],
)  # fmt: skip
def test_every_document_has_its_kind(document: str, kind: Kind, resource: str | None) -> None:
    route = narrowed(document)
    assert (route.kind, route.resource) == (kind, resource)


@pytest.mark.parametrize(
    "document",
    [
        "{ myself { pods { id: name env } } }",
        "{ myself { pods { name } } }",
        "{ myself { mine: pods { id } } }",
        "{ me: myself { pods { id } } }",
        "{ myself { pods { id } id } }",
        "{ myself { pods { id } } gpuTypes { id } }",
        "{ myself { pods { id } pods { id } } }",
        "{ myself { pods { id machine { pods { id env } } } } }",
        "{ myself { pods { id apiKey } } }",
        "{ gpuTypes { id secret } }",
        "{ gpuTypes { id } myself { id } }",
        "{ dataCenters { id storage { user pw } } }",
        "{ __schema { types { name } } }",
        '{ pod(input: {podId: "p1"}) { id apiKey } }',
        '{ pod(input: {podId: "p1"}) { endpoint { pods { id } } } }',
        '{ pod(input: {podId: "p1"}) { id } other: pod(input: {podId: "p2"}) { id } }',
        '{ pod(input: {podId: "p1", x: 1}) { id } }',
        '{ pod(input: {podId: " p1"}) { id } }',
        '{ pod(id: "p1") { id } }',
        "{ anything { id } }",
    ],
)
def test_a_query_that_may_show_what_is_not_the_callers_needs_the_own_key(document: str) -> None:
    assert narrowed(document).kind is Kind.ACCOUNT_READ


@pytest.mark.parametrize(
    "document",
    [
        'mutation { podStop(input: {podId: "p1"}) { id } podTerminate(input: {podId: "p1"}) }',
        deploy("gpuCount: 1")[:-1] + ' b: podStop(input: {podId: "p1"}) { id } }',
        f'mutation {{ a: podFindAndDeployOnDemand(input: {{gpuTypeId: "{H100}"}}) {{ id }}'
        f' b: podFindAndDeployOnDemand(input: {{gpuTypeId: "{H100}"}}) {{ id }} }}',
        "mutation { ...F ...F } fragment F on Mutation"
        ' { podFindAndDeployOnDemand(input: {gpuTypeId: "x"}) { id } }',
    ],
)
def test_several_mutations_in_one_document_are_refused_with_the_reason(document: str) -> None:
    with pytest.raises(Malformed, match="one mutation per request"):
        narrowed(document)


@pytest.mark.parametrize(
    "document",
    [
        'mutation { updateUserSettings(input: {pubKey: "x"}) { id } }',
        'mutation { saveTemplate(input: {name: "x"}) { id } }',
        "mutation { createCluster(input: {podCount: 8}) { id } }",
        "mutation { podFindAndDeployOnDemandV2(input: {}) { id } }",
        "mutation { __typename }",
    ],
)
def test_a_mutation_nobody_classified_is_refused(document: str) -> None:
    with pytest.raises(Malformed, match="not one this gate passes on"):
        narrowed(document)


@pytest.mark.parametrize(
    "document",
    [
        deploy("gpuCount: 1", want="name"),
        deploy("gpuCount: 1", want="id: name"),
        deploy("gpuCount: 1", want="id id: name"),
        deploy("gpuCount: 1", want="number: id"),
        deploy("gpuCount: 1", want="id apiKey"),
        deploy("gpuCount: 1", want="id machine { pods { id } }"),
        deploy("gpuCount: 1", want="id consumerUserId"),
        deploy("gpuCount: 1, podCount: 8"),
        deploy("gpuCount: 0"),
        deploy("gpuCount: 8.0"),
        deploy('gpuCount: "8"'),
        deploy("gpuCount: 99999"),
        deploy("gpuTypeId: H100"),
        deploy('gpuTypeId: " H100"'),
        deploy('gpuTypeId: ""'),
        deploy('gpuTypeId: "H\u00b9\u2070\u2070"'),
        deploy('gpuTypeIdList: "H100"'),
        deploy("gpuTypeIdList: [1]"),
        "mutation { podFindAndDeployOnDemand { id } }",
        'mutation { podFindAndDeployOnDemand(input: {}, extra: "x") { id } }',
        "mutation { podFindAndDeployOnDemand(input: [{}]) { id } }",
        'mutation { podStop(input: {podId: "p1", podIds: ["p2"]}) { id } }',
        'mutation { podStop(input: {podId: "p1/../p2"}) { id } }',
        "mutation { podStop(input: {podId: 1}) { id } }",
        "mutation { podStop(input: {}) { id } }",
        'mutation { podStop(input: {podId: "p1"}) { id apiKey } }',
        'mutation { podResume(input: {podId: "p1", gpuCount: 0}) { id } }',
        "mutation { deleteEndpoint(id: 1) }",
        'mutation { deleteEndpoint(input: {id: "e1"}) }',
        deploy('id: 7, gpuIds: "x"', mutation="saveEndpoint"),
        deploy('gpuIds: "x", gpuCount: -1', mutation="saveEndpoint"),
    ],
)
def test_a_mutation_that_may_do_or_show_more_than_we_read_is_refused(document: str) -> None:
    with pytest.raises(Malformed):
        job(document)


# -- jobs -----------------------------------------------------------------------------------------


def test_a_rental_is_what_its_document_says_written_down_or_in_variables() -> None:
    written = job(deploy(f'gpuTypeId: "{H100}", gpuCount: 8, cloudType: ALL'))
    assert (written.marketplace, written.action) == ("runpod", Action.RENT)
    assert (written.gpu_model, written.gpu_count) == (H100, 8)
    assert (written.hours, written.value, written.resource) == (None, None, None)
    document = "mutation($i: I) { x: podFindAndDeployOnDemand(input: $i) { id } }"
    assert job(document, i={"gpuTypeId": H100, "gpuCount": 8}) == written
    document = "mutation($n: Int = 8, $t: String) " + deploy("gpuCount: $n, gpuTypeId: $t")[9:]
    assert job(document, t=H100) == written


@pytest.mark.parametrize(
    ("inside", "model", "gpus"),
    [
        ("", None, None),
        ("gpuTypeId: null, gpuCount: null", None, None),
        (f'gpuTypeIdList: ["{H100}"], gpuCount: 2', H100, 2),
        (f'gpuTypeId: "{H100}", gpuTypeIdList: ["{H100}"]', H100, None),
        (f'gpuTypeId: "NVIDIA GeForce RTX 3090", gpuTypeIdList: ["{H100}"]', None, None),
        (f'gpuTypeIdList: ["NVIDIA GeForce RTX 3090", "{H100}"], gpuCount: 1', None, 1),
        ('instanceId: "x"', None, None),
    ],
)
def test_a_model_the_marketplace_may_choose_is_unknown(
    inside: str, model: str | None, gpus: int | None
) -> None:
    asked = job(deploy(inside))
    assert (asked.gpu_model, asked.gpu_count) == (model, gpus)


def test_a_machine_without_gpus_has_none() -> None:
    asked = job(deploy('instanceId: "cpu3c-2-4"', mutation="deployCpuPod"))
    assert (asked.gpu_model, asked.gpu_count) == (None, 0)


def test_an_endpoint_is_as_many_gpus_as_it_may_grow_to() -> None:
    said = deploy(f'gpuIds: "{H100}", gpuCount: 2, workersMax: 3', mutation="saveEndpoint")
    assert (job(said).gpu_model, job(said).gpu_count) == (H100, 6)
    several = job(deploy('gpuIds: "ADA_24,AMPERE_80", gpuCount: 1', mutation="saveEndpoint"))
    assert (several.gpu_model, several.gpu_count) == (None, None)


def test_a_resume_stands_on_what_was_rented_and_counts_what_it_asks_for() -> None:
    said = 'mutation { podResume(input: {podId: "p1", gpuCount: 4}) { id } }'
    asked = job(said, recorded=RENTED)
    assert (asked.action, asked.gpu_model, asked.gpu_count) == (Action.EXTEND, H100, 4)
    assert asked.resource == "p1"
    assert job(said).gpu_model is None
    edit = 'mutation { podEditJob(input: {podId: "p1", imageName: "x"}) { id } }'
    assert (job(edit, recorded=RENTED).action, job(edit, recorded=RENTED).gpu_count) == (
        Action.MODIFY, 8,
    )  # fmt: skip


# -- REST -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "kind", "resource"),
    [
        ("POST", "/graphql", Kind.RENT, None),
        ("POST", "/v2/pods", Kind.RENT, None),
        ("GET", "/v2/pods", Kind.LIST, None),
        ("GET", "/v2/pods/p1", Kind.OWN_READ, "p1"),
        ("GET", "/v2/pods/p1/logs", Kind.OWN_READ, "p1"),
        ("DELETE", "/v2/pods/p1", Kind.STOP, "p1"),
        ("PATCH", "/v2/pods/p1", Kind.MODIFY, "p1"),
        ("POST", "/v2/pods/p1/action", Kind.EXTEND, "p1"),
        ("DELETE", "/v2/serverless/e1", Kind.STOP, "e1"),
        ("GET", "/v2/catalog/gpus", Kind.PUBLIC_READ, None),
        ("GET", "/v2/catalog/gpus/NVIDIA%20L4", Kind.PUBLIC_READ, None),
        ("GET", "/v2/billing/pods", Kind.ACCOUNT_READ, None),
        ("POST", "/v2/serverless", Kind.RENT, None),
        ("POST", "/v2/clusters", Kind.RENT, None),
    ],
)
def test_every_route_has_its_kind(method: str, path: str, kind: Kind, resource: str | None) -> None:
    route = RUNPOD.match(method, path)
    assert route is not None
    assert (route.kind, route.resource) == (kind, resource)
    assert route.long_lived == path.endswith("/logs")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/graphql"),
        ("PUT", "/graphql"),
        ("POST", "/graphql/"),
        ("POST", "/GraphQL"),
        ("POST", "/v1/pods"),
        ("POST", "/v2/pods/"),
        ("POST", "/v2/pods/p1/stop"),
        ("POST", "/v2/network-volumes"),
        ("PUT", "/v2/account/ssh-keys"),
        ("DELETE", "/v2/clusters/c1"),
    ],
)
def test_other_spellings_and_unknown_routes_have_none(method: str, path: str) -> None:
    assert RUNPOD.match(method, path) is None


def test_a_pod_rented_by_rest_is_what_its_body_says() -> None:
    asked = rest("POST", "/v2/pods", {"name": "k", "gpu": {"id": H100, "count": 8}})
    assert (asked.gpu_model, asked.gpu_count) == (H100, 8)
    assert rest("POST", "/v2/pods", {"name": "k", "cpu": {"id": "cpu3c"}}).gpu_count == 0
    assert rest("POST", "/v2/pods", {"name": "k", "templateId": "t"}).gpu_count is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/pods", {"gpu": {"id": H100, "count": 8, "pools": ["x"]}}),
        ("/v2/pods", {"gpu": {"id": H100, "count": "8"}}),
        ("/v2/pods", {"gpu": {"count": 8}}),
        ("/v2/pods", {"gpu": [H100]}),
        ("/v2/pods", {"gpu": {"id": H100}, "cpu": {"id": "c"}}),
        ("/v2/pods", {"podCount": 8}),
        ("/v2/pods/p1/action", {"action": "start", "ids": ["p2"]}),
        ("/v2/pods/p1/action", {"action": "clone"}),
        ("/v2/pods/p1/action", {}),
        ("/v2/serverless", {"name": "x"}),
        ("/v2/clusters", {"podCount": 8}),
    ],
)
def test_a_rest_body_that_may_say_more_than_we_read_is_refused(path: str, said: Any) -> None:
    with pytest.raises(Malformed):
        rest("POST", path, said, recorded=RENTED)


@pytest.mark.parametrize(
    ("action", "kind"),
    [("stop", Kind.PAUSE), ("terminate", Kind.STOP), ("restart", Kind.MODIFY),
     ("start", Kind.EXTEND)],
)  # fmt: skip
def test_an_action_is_what_its_body_says(action: str, kind: Kind) -> None:
    route = RUNPOD.match("POST", "/v2/pods/p1/action")
    assert route is not None
    assert RUNPOD.narrowed(route, json.dumps({"action": action}).encode()).kind is kind
    spoiled = json.dumps({"action": action, "ids": ["p2"]}).encode()
    assert RUNPOD.narrowed(route, spoiled).kind is Kind.EXTEND


def test_a_pod_started_by_rest_stands_on_what_was_rented() -> None:
    asked = rest("POST", "/v2/pods/p1/action", {"action": "start"}, recorded=RENTED)
    assert (asked.action, asked.gpu_model, asked.resource) == (Action.EXTEND, H100, "p1")
    asked = rest("PATCH", "/v2/pods/p1", {"image": "x"}, recorded=RENTED)
    assert (asked.action, asked.gpu_count) == (Action.MODIFY, 8)
    with pytest.raises(Malformed):
        rest("PATCH", "/v2/pods/p1", {"gpu": {"count": 16}}, recorded=RENTED)


# -- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer", "accepted", "deployment"),
    [
        (200, b'{"data": {"podFindAndDeployOnDemand": {"id": "p1"}}}', True, "p1"),
        (200, b'{"data": {"alias": {"id": "p1"}}, "errors": [{"message": "m"}]}', True, "p1"),
        (200, b'{"data": {"podTerminate": null}}', True, None),
        (200, b'{"data": {"podTerminate": null}, "errors": [{"message": "m"}]}', False, None),
        (200, b'{"data": null, "errors": [{"message": "no instances"}]}', False, None),
        (200, b'{"errors": [{"message": "no instances"}]}', False, None),
        (400, b'{"data": {"a": {"id": "p1"}}}', False, "p1"),
        (201, b'{"id": "p1", "name": "k"}', True, "p1"),
        (204, b"", True, None),
        (200, b"<html>", False, None),
        (200, b'{"data": {"a": {"id": "p1"}, "b": {"id": "p2"}}}', True, None),
        (200, b'{"data": {"a": {"id": 7}}}', True, None),
        (200, b'{"data": {"a": {"id": "p1/../p2"}}}', True, None),
        (200, b'{"data": {"a": [{"id": "p1"}]}}', True, None),
    ],
)
def test_an_answer_says_whether_it_was_done_and_what_was_made(
    status: int, answer: bytes, accepted: bool, deployment: str | None
) -> None:
    assert RUNPOD.accepted(status, answer) is accepted
    assert RUNPOD.deployment(answer) == deployment


def test_a_pod_is_ended_where_the_status_tells_the_truth() -> None:
    assert RUNPOD.stops("p1") == (
        Ending("DELETE", "/v2/pods/p1"), Ending("DELETE", "/v2/serverless/p1"),
    )  # fmt: skip
    with pytest.raises(Malformed):
        RUNPOD.stops("p1/../p2")


def test_a_listing_shows_the_callers_own_and_no_errors_of_others() -> None:
    rows = [{"id": "p1", "costPerHr": 0.5}, {"id": "p2"}, {"id": 1}, "p1"]
    answer = {"data": {"myself": {"pods": rows, "id": "operator"}}, "errors": [{"message": "p2"}]}
    kept = RUNPOD.filter_list(json.dumps(answer).encode(), frozenset({"p1"}))
    assert json.loads(kept) == {"data": {"myself": {"pods": rows[:1]}}}
    kept = RUNPOD.filter_list(
        json.dumps({"pods": rows, "nextCursor": "n", "total": 3}).encode(), frozenset({"p1"})
    )
    assert json.loads(kept) == {"pods": rows[:1], "nextCursor": "n"}
    for unread in (b'{"data": null}', b'{"data": {"myself": null}}', b"{}", b'{"pods": {}}'):
        with pytest.raises(Malformed):
            RUNPOD.filter_list(unread, frozenset())


def test_a_refusal_stands_where_both_kinds_of_client_look() -> None:
    headers, said = RUNPOD.refusal('open "https://x"', "missing:attestation")
    told = json.loads(said)
    assert ("Content-Type", "application/json") in headers
    assert told["errors"] == [
        {"message": 'open "https://x"', "extensions": {"code": "missing:attestation"}}
    ]
    assert (told["data"], told["detail"]) == (None, 'open "https://x"')


def test_the_key_is_a_bearer_token_and_every_other_credential_is_dropped() -> None:
    assert RUNPOD.credential({"authorization": "Bearer kg_1"}) == "kg_1"
    assert RUNPOD.credential({"x-api-key": "kg_1"}) is None
    sent = (("Authorization", "Bearer kg_1"), ("X-API-Key", "k"), ("Cookie", "c"), ("Accept", "*"))
    assert RUNPOD.with_key(sent, "up") == (("Accept", "*"), ("Authorization", "Bearer up"))
    assert RUNPOD.with_key(sent, None) == (("Accept", "*"),)


@given(st.binary(max_size=200))
def test_no_body_raises_anything_but_malformed(data: bytes) -> None:
    for route in (GRAPHQL, *filter(None, [RUNPOD.match("POST", "/v2/pods")])):
        try:
            RUNPOD.job(RUNPOD.narrowed(route, data), data, recorded=None, now=0)
        except Malformed:
            continue
