"""io.net's wire: bodies read strictly, totals found, the catalogue believed while fresh."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Action, JobRequest
from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import Kind, Route
from kycgate.gateway.adapters.ionet import IoNet

NOW = 1_800_000_000
CAAS = "/enterprise/v1/io-cloud/caas"
VMAAS = "/enterprise/v1/io-cloud/vmaas"
UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
CAPTURES = Path(__file__).parent / "captures"

HARDWARE = {
    f"{CAAS}/hardware": [
        {"hardware_id": 203, "hardware_name": "H100 PCIe", "brand_name": "NVIDIA", "price": 2.19},
        {"hardware_id": "7", "hardware_name": "RTX 4090", "price": 0.4},
        {"hardware_id": 8, "hardware_name": "RTX 4090", "price": 0.4},
        {"hardware_id": 8, "hardware_name": "H100 SXM", "price": 3},
    ],
    f"{VMAAS}/hardware": [{"id": "11", "deploy_id": "203", "name": "H100 PCIe", "price": 2.19}],
}


class Upstream:
    """Answers catalogue fetches and counts them; `down` makes it fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False
        self.answer: Callable[[str], bytes] = lambda path: json.dumps(
            {"data": HARDWARE[path]}
        ).encode()

    def fetch(self, path: str) -> bytes:
        self.asked.append(path)
        if self.down:
            raise Unavailable("upstream is down")
        return self.answer(path)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def ionet(upstream: Upstream) -> IoNet:
    return IoNet(fetch=upstream.fetch, token_decimals=6)


RENT = Route(Kind.RENT, "caas.deploy")
RENT_VM = Route(Kind.RENT, "vmaas.deploy")
EXTEND = Route(Kind.EXTEND, "caas.extend", UUID)
UPDATE = Route(Kind.MODIFY, "caas.update", UUID)


def container(**changes: Any) -> dict[str, Any]:
    return {
        "resource_private_name": "k",
        "hardware_id": 203,
        "duration_hours": 24,
        "gpus_per_container": 8,
        "container_config": {"replica_count": 1, "traffic_port": 8000},
        "registry_config": {"image_url": "nginx:latest"},
    } | changes


def machine(**changes: Any) -> dict[str, Any]:
    return {"resource_private_name": "k", "hardware_id": "203", "duration_hours": 24,
            "gpus_per_vm": 8} | changes  # fmt: skip


def read(ionet: IoNet, body: Any, *, route: Route = RENT, now: int = NOW) -> JobRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ionet.job(route, data, recorded=None, now=now)


# -- routes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "kind", "resource"),
    [
        ("POST", f"{CAAS}/deploy", Kind.RENT, None),
        ("POST", f"{VMAAS}/deploy", Kind.RENT, None),
        ("POST", f"{CAAS}/deployment/{UUID}/extend", Kind.EXTEND, UUID),
        ("POST", f"{VMAAS}/deployment/{UUID}/extend", Kind.EXTEND, UUID),
        ("PATCH", f"{CAAS}/deployment/{UUID}", Kind.MODIFY, UUID),
        ("DELETE", f"{CAAS}/deployment/{UUID}", Kind.STOP, UUID),
        ("DELETE", f"{VMAAS}/deployment/{UUID}", Kind.STOP, UUID),
        ("GET", f"{CAAS}/deployment/{UUID}", Kind.OWN_READ, UUID),
        ("GET", f"{CAAS}/deployment/{UUID}/containers", Kind.OWN_READ, UUID),
        ("GET", f"{CAAS}/deployment/{UUID}/containers-jobs/c1", Kind.OWN_READ, UUID),
        ("GET", f"{CAAS}/deployment/{UUID}/log/c1", Kind.OWN_READ, UUID),
        ("GET", f"{VMAAS}/deployment/{UUID}/vms", Kind.OWN_READ, UUID),
        ("GET", f"{CAAS}/deployments", Kind.LIST, None),
        ("GET", f"{VMAAS}/deployments", Kind.LIST, None),
        ("GET", f"{CAAS}/node-pools", Kind.ACCOUNT_READ, None),
        ("GET", f"{CAAS}/hardware", Kind.PUBLIC_READ, None),
        ("GET", f"{CAAS}/price", Kind.PUBLIC_READ, None),
        ("GET", f"{VMAAS}/available-vms", Kind.PUBLIC_READ, None),
    ],
)
def test_every_route_of_the_client_has_its_kind(
    ionet: IoNet, method: str, path: str, kind: Kind, resource: str | None
) -> None:
    route = ionet.match(method, path)
    assert route is not None
    assert (route.kind, route.resource) == (kind, resource)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{CAAS}/deploy"),
        ("GET", f"{CAAS}/deploy"),
        ("HEAD", f"{CAAS}/deployments"),
        ("POST", f"{CAAS}/deploy/"),
        ("POST", f"{CAAS}/deploy;x"),
        ("POST", f"{CAAS}/Deploy"),
        ("POST", f"{CAAS}/dep%6coy"),
        ("POST", f"{CAAS}/deployment/{UUID}/restart"),
        ("GET", f"{CAAS}/deployment/{UUID}/secrets"),
        ("GET", f"{CAAS}/deployment/"),
        ("DELETE", f"{CAAS}/deployment/{UUID}/extend"),
        ("PATCH", f"{VMAAS}/deployment/{UUID}"),
        ("GET", "/enterprise/v1/users"),
        ("GET", "/"),
    ],
)
def test_anything_else_is_no_route(ionet: IoNet, method: str, path: str) -> None:
    assert ionet.match(method, path) is None


def test_every_captured_request_of_the_real_client_has_a_route(ionet: IoNet) -> None:
    seen = 0
    for capture in CAPTURES.glob("ionet_cli*.json"):
        for request in json.loads(capture.read_text()):
            if not request["path"].startswith("/g/"):  # a path prefix of the capture's own making
                assert ionet.match(request["method"], request["path"]) is not None, request
                seen += 1
    assert seen >= 8


# -- what a rental asks for -----------------------------------------------------------------------


def test_captured_deploy_is_eight_h100_for_a_day(ionet: IoNet) -> None:
    body = json.loads((CAPTURES / "ionet_cli.json").read_text())[2]["body"]
    assert read(ionet, body) == JobRequest(
        "ionet", Action.RENT, "H100 PCIe", 8, 24, 420_480_000, None, None
    )


def test_captured_vm_deploy_is_eight_h100_for_a_day(ionet: IoNet) -> None:
    body = json.loads((CAPTURES / "ionet_cli_vm_extend.json").read_text())[1]["body"]
    job = read(ionet, body, route=RENT_VM)
    assert (job.gpu_model, job.gpu_count, job.hours) == ("H100 PCIe", 8, 24)


def test_replicas_multiply_the_gpus(ionet: IoNet) -> None:
    assert read(ionet, container(container_config={"replica_count": 16})).gpu_count == 128


def test_machine_count_multiplies_the_gpus(ionet: IoNet) -> None:
    assert read(ionet, machine(vms_qty=4), route=RENT_VM).gpu_count == 32


def test_value_is_rounded_up_to_the_token_unit(upstream: Upstream) -> None:
    ionet = IoNet(fetch=upstream.fetch, token_decimals=0)
    assert read(ionet, container(duration_hours=1, gpus_per_container=1)).value == 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gpus_per_container": "8"}, "gpus_per_container"),
        ({"gpus_per_container": 8.0}, "gpus_per_container"),
        ({"gpus_per_container": True}, "gpus_per_container"),
        ({"gpus_per_container": -8}, "gpus_per_container"),
        ({"gpus_per_container": 0}, "gpus_per_container"),
        ({"gpus_per_container": 10**30}, "gpus_per_container"),
        ({"gpus_per_container": None}, "gpus_per_container"),
        ({"duration_hours": 0}, "duration_hours"),
        ({"duration_hours": 8785}, "duration_hours"),
        ({"duration_hours": "24"}, "duration_hours"),
        ({"hardware_id": None}, "hardware_id"),
        ({"hardware_id": True}, "hardware_id"),
        ({"hardware_id": 203.0}, "hardware_id"),
        ({"hardware_id": "20 3"}, "hardware_id"),
        ({"hardware_id": ["203"]}, "hardware_id"),
        ({"container_config": None}, "container_config"),
        ({"container_config": {}}, "replica_count"),
        ({"container_config": {"replica_count": "1"}}, "replica_count"),
        ({"container_config": {"replica_count": 1, "Replica_Count": 9}}, "Replica_Count"),
        ({"Hardware_id": 7}, "Hardware_id"),
        ({"resource_id": UUID}, "resource_id"),
        ({"vms_qty": 4}, "vms_qty"),
    ],
)
def test_body_that_could_mean_more_than_it_says_is_refused_by_field(
    ionet: IoNet, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Malformed) as caught:
        read(ionet, container(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["hardware_id", "duration_hours", "gpus_per_container"])
def test_missing_member_is_refused_by_name(ionet: IoNet, field: str) -> None:
    body = container()
    del body[field]
    with pytest.raises(Malformed) as caught:
        read(ionet, body)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"8", b"{", b'{"a":NaN}', b'{"a":1}x', b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}', "{}".encode("utf-16"), b'{"a":1,"a":2}', b'{"a":{"b":1,"\\u0062":2}}',
        b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1e999999999999999999999}',
    ],
)  # fmt: skip
def test_body_two_readers_could_read_apart_is_refused(ionet: IoNet, body: bytes) -> None:
    with pytest.raises(Malformed):
        read(ionet, body)


def test_duplicate_member_is_named(ionet: IoNet) -> None:
    text = json.dumps(container())[:-1] + ',"hardware_id":7}'
    with pytest.raises(Malformed) as caught:
        read(ionet, text.encode())
    assert caught.value.field == "hardware_id"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_job_or_malformed(body: bytes) -> None:
    ionet = IoNet(fetch=Upstream().fetch, token_decimals=6)
    for route in (RENT, RENT_VM, EXTEND, UPDATE):
        try:
            job = read(ionet, body, route=route)
        except Malformed:
            continue
        assert job.action in Action


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(["hardware_id", "duration_hours", "gpus_per_container", "container_config"]),
    json_values,
)
def test_any_member_value_is_read_exactly_or_malformed(field: str, value: Any) -> None:
    ionet = IoNet(fetch=Upstream().fetch, token_decimals=6)
    try:
        job = read(ionet, container(**{field: value}))
    except Malformed:
        return
    assert type(job.gpu_count) is int
    assert type(job.hours) is int
    if field == "duration_hours":
        assert job.hours == value
    if field == "gpus_per_container":
        assert job.gpu_count == value


# -- the catalogue --------------------------------------------------------------------------------


def test_unknown_hardware_is_an_unknown_model_never_a_guess(ionet: IoNet) -> None:
    job = read(ionet, container(hardware_id=999))
    assert (job.gpu_model, job.value, job.gpu_count) == (None, None, 8)


def test_hardware_id_means_the_same_as_number_and_as_text(ionet: IoNet) -> None:
    assert read(ionet, container(hardware_id="203")) == read(ionet, container(hardware_id=203))


def test_hardware_listed_under_two_names_is_unknown(ionet: IoNet) -> None:
    job = read(ionet, container(hardware_id=8, gpus_per_container=1, duration_hours=1))
    assert job.gpu_model is None
    assert job.value == 3_000_000


def test_catalogue_is_fetched_once_and_believed_for_sixty_seconds(
    ionet: IoNet, upstream: Upstream
) -> None:
    for now in (NOW, NOW + 59):
        assert read(ionet, container(hardware_id=7), now=now).gpu_model == "RTX 4090"
    assert upstream.asked == [f"{CAAS}/hardware"]
    upstream.down = True
    assert read(ionet, container(hardware_id=7), now=NOW + 60).gpu_model is None


def test_clock_set_back_does_not_make_a_catalogue_young(ionet: IoNet, upstream: Upstream) -> None:
    read(ionet, container(), now=NOW)
    read(ionet, container(), now=NOW - 1000)
    assert len(upstream.asked) == 2


def test_dead_upstream_is_not_asked_at_every_rental(ionet: IoNet, upstream: Upstream) -> None:
    upstream.down = True
    for now in (NOW, NOW + 1, NOW + 4):
        assert read(ionet, container(), now=now).gpu_model is None
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [b"", b"nope", b"[]", b'{"data":{}}', b'{"data":[1]}', b'{"data":[{"hardware_id":203}]}',
     b'{"data":[{"hardware_id":203,"hardware_name":7,"price":"2"}]}',
     b'{"data":[{"hardware_id":203,"hardware_name":"","price":-1}]}'],
)  # fmt: skip
def test_catalogue_that_can_not_be_read_teaches_nothing(
    ionet: IoNet, upstream: Upstream, answer: bytes
) -> None:
    upstream.answer = lambda path: answer
    job = read(ionet, container())
    assert (job.gpu_model, job.value) == (None, None)


# -- extend, update -------------------------------------------------------------------------------


def test_extension_counts_on_top_of_what_is_booked(ionet: IoNet) -> None:
    booked = read(ionet, container())
    job = ionet.job(EXTEND, b'{"duration_hours": 12}', recorded=booked, now=NOW)
    assert job == JobRequest("ionet", Action.EXTEND, "H100 PCIe", 8, 36, 630_720_000, UUID, None)


def test_extension_of_an_unrecorded_deployment_is_of_unknown_gpus(ionet: IoNet) -> None:
    job = read(ionet, {"duration_hours": 12}, route=EXTEND)
    assert (job.gpu_model, job.gpu_count, job.hours, job.resource) == (None, None, 12, UUID)


@pytest.mark.parametrize(
    "body", [{}, {"duration_hours": 0}, {"duration_hours": 12, "gpus_per_container": 64}]
)
def test_extension_with_anything_but_hours_is_refused(ionet: IoNet, body: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(ionet, body, route=EXTEND)


def test_update_stands_on_the_recorded_job(ionet: IoNet) -> None:
    booked = read(ionet, container())
    job = ionet.job(UPDATE, b'{"image_url": "other:1"}', recorded=booked, now=NOW)
    assert (job.action, job.gpu_model, job.gpu_count) == (Action.MODIFY, "H100 PCIe", 8)


@pytest.mark.parametrize("field", ["replica_count", "gpus_per_container", "hardware_id"])
def test_update_may_not_change_the_hardware(ionet: IoNet, field: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(ionet, {"image_url": "x", field: 2}, route=UPDATE)
    assert caught.value.field == field


# -- keys, answers --------------------------------------------------------------------------------


def test_callers_key_is_replaced_not_added(ionet: IoNet) -> None:
    headers = (
        ("X-Api-Key", "kg_a"),
        ("Authorization", "Bearer kg_a"),
        ("Cookie", "s=1"),
        ("A", "b"),
    )
    assert ionet.with_key(headers, "up") == (("A", "b"), ("x-api-key", "up"))
    assert ionet.with_key(headers, None) == (("A", "b"),)


def test_two_different_keys_are_refused(ionet: IoNet) -> None:
    with pytest.raises(Malformed):
        ionet.credential({"x-api-key": "a", "authorization": "Bearer b"})
    assert ionet.credential({"x-api-key": "a", "authorization": "Bearer a"}) == "a"


@pytest.mark.parametrize(
    ("answer", "deployment"),
    [
        ({"status": "success", "deployment_id": UUID}, UUID),
        ({"data": {"deployment_id": UUID}}, UUID),
        ({"data": {"id": UUID}}, UUID),
        ({"status": "success"}, None),
        ({"deployment_id": 7}, None),
        ({"deployment_id": "../x"}, None),
    ],
)
def test_deployment_is_read_from_the_answer(
    ionet: IoNet, answer: dict[str, Any], deployment: str | None
) -> None:
    assert ionet.deployment(json.dumps(answer).encode()) == deployment


@pytest.mark.parametrize("member", ["deployments", "clusters"])
def test_list_keeps_only_the_owned_and_no_totals(ionet: IoNet, member: str) -> None:
    rows = [{"id": "a", "amount_paid": 1.5}, {"id": "b"}, {"name": "no id"}, 7]
    answer = json.dumps({"data": {member: rows, "total": 90, "statuses": ["x"]}}).encode()
    kept = json.loads(ionet.filter_list(answer, {"a", "z"}))
    assert kept == {"data": {member: [{"id": "a", "amount_paid": 1.5}], "total": 1}}


def test_bare_list_is_filtered_too(ionet: IoNet) -> None:
    assert json.loads(ionet.filter_list(b'{"data":[{"id":"a"},{"id":"b"}]}', {"b"})) == {
        "data": [{"id": "b"}]
    }


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"data":{}}', b'{"error":"x"}'])
def test_list_that_can_not_be_read_is_not_passed(ionet: IoNet, answer: bytes) -> None:
    with pytest.raises(Malformed):
        ionet.filter_list(answer, {"a"})
