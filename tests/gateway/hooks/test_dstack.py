"""What dstack asks, read at its strictest: models, counts, machines, hours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kycgate.errors import Malformed, NotFound
from kycgate.gateway.hooks.asking import NO_GPU, Asked, Nothing
from kycgate.gateway.hooks.dstack import Dstack
from tests.gateway.hooks.conftest import FLEET, RUN, capture, fleet, gpu, run
from tests.gateway.world import GPUS

DSTACK = Dstack(GPUS.classify)


def read(body: Any, path: str = RUN) -> Asked:
    asked = DSTACK.read(path, json.dumps(body).encode())
    assert isinstance(asked, Asked)
    return asked


def model_and_count(body: Any, path: str = RUN) -> tuple[str | None, int | None]:
    gpus = read(body, path).gpus
    return gpus.model, gpus.count


def test_the_captured_run_is_read() -> None:
    asked = read(capture("dstack_rest_plugin.json"))
    assert (asked.what, asked.user, asked.place, asked.name) == ("run", "admin", "main", "kyc-demo")
    assert (asked.gpus.model, asked.gpus.count, asked.hours) == ("H100", 8, 24)


@pytest.mark.parametrize(
    "resources, expected",
    [
        (gpu(["H100"], {"min": 1, "max": 8}), ("H100", 8)),
        (gpu(["H100"], {"min": 1, "max": None}), ("H100", None)),
        (gpu(["H100"], "1..8"), ("H100", 8)),
        (gpu(["H100"], "8"), ("H100", 8)),
        (gpu(["T4", "H100", "A10"], 2), ("H100", 2)),
        (gpu(["T4", "NoSuch"], 2), ("NoSuch", 2)),
        # By memory alone: any model, which is an unknown one.
        (gpu(None, 1) | {}, (None, 1)),
        (gpu(["H100"], 0), (NO_GPU, 0)),
        # dstack's own default takes a machine with GPUs too.
        (gpu(None, {"min": 0, "max": None}), (None, None)),
        ({"gpu": None}, (None, None)),
        (None, (None, None)),
    ],
)
def test_the_strictest_machine_that_could_be_had_counts(
    resources: Any, expected: tuple[str | None, int | None]
) -> None:
    assert model_and_count(run(resources=resources)) == expected


def test_machines_multiply() -> None:
    assert model_and_count(run(nodes=4)) == ("H100", 32)


def test_a_service_counts_at_its_largest() -> None:
    service = run(type="service", replicas={"min": 0, "max": 4})
    assert model_and_count(service) == ("H100", 32)
    assert model_and_count(run(type="service", replicas={"min": 1, "max": None})) == ("H100", None)


def test_groups_are_added_and_the_strictest_names_them() -> None:
    groups = [
        {"nodes": 2, "resources": gpu(["T4"], 4)},
        {"replicas": {"min": 1, "max": 3}, "resources": gpu(["H100"], 8)},
        {"nodes": 9, "resources": gpu(["T4"], 0)},
    ]
    assert model_and_count(run(groups=groups, resources=gpu(["T4"], 0))) == ("H100", 32)
    as_replicas = run(type="service", replicas=groups)
    assert model_and_count(as_replicas) == ("H100", 32)


@pytest.mark.parametrize(
    "said, hours",
    [
        ({"max_duration": 3601}, 2),
        ({"max_duration": None}, None),
        ({"max_duration": -1}, None),
        ({"max_duration": "off"}, None),
        ({"max_duration": True}, None),
        ({"max_duration": 3600, "schedule": {"cron": "* * * * *"}}, None),
    ],
)
def test_what_may_run_for_ever_is_open_ended(said: dict[str, Any], hours: int | None) -> None:
    assert read(run(**said)).hours == hours


def test_the_profile_bounds_what_the_configuration_leaves_open() -> None:
    body = run(max_duration=None)
    body["spec"]["profile"]["max_duration"] = 7200
    assert read(body).hours == 2


@pytest.mark.parametrize(
    "nodes, count",
    [
        ({"min": 0, "target": 0, "max": 2}, 16),
        ({"min": 1, "max": None}, None),
        (3, 24),
        ("1..4", 32),
        (None, None),
    ],
)
def test_a_fleet_counts_at_its_largest_and_has_no_end(nodes: Any, count: int | None) -> None:
    asked = read(fleet(nodes=nodes), FLEET)
    assert (asked.what, asked.gpus.model, asked.gpus.count, asked.hours) == (
        "fleet", "H100", count, None,
    )  # fmt: skip


def test_a_fleet_of_own_hosts_rents_nothing() -> None:
    hosts = fleet(nodes=None, ssh_config={"hosts": ["10.0.0.1"]})
    assert isinstance(DSTACK.read(FLEET, json.dumps(hosts).encode()), Nothing)
    both = fleet(ssh_config={"hosts": ["10.0.0.1"]})
    assert read(both, FLEET).gpus.count == 16


@pytest.mark.parametrize("hook", ["volume", "gateway"])
def test_volumes_and_gateways_rent_no_gpu(hook: str) -> None:
    body = {"user": "admin", "project": "main", "spec": {"configuration": {}}}
    path = f"/apply_policies/on_{hook}_apply"
    assert DSTACK.read(path, json.dumps(body).encode()) == Nothing(hook)


@pytest.mark.parametrize(
    "path", ["/apply_policies/on_pool_apply", "/apply_policies/on_run_apply/", "/", RUN + "?x=1"]
)
def test_an_unknown_hook_is_refused(path: str) -> None:
    with pytest.raises(NotFound):
        DSTACK.read(path, json.dumps(run()).encode())


@pytest.mark.parametrize(
    "body, field",
    [
        (b"{", "body"),
        (b'{"user": "a", "user": "b", "project": "p", "spec": {}}', "user"),
        (json.dumps(run() | {"as": "root"}).encode(), "as"),
        (json.dumps(run() | {"user": ""}).encode(), "user"),
        (json.dumps(run() | {"user": "\ud800"}).encode(), "user"),
        (json.dumps(run() | {"spec": None}).encode(), "spec"),
        (json.dumps(run(type="pipeline")).encode(), "spec.configuration.type"),
        (json.dumps(run(resources=gpu(["(no GPU)"]))).encode(), "name"),
        (json.dumps(run(resources=gpu(["H100"], -1))).encode(), "count"),
        (json.dumps(run(resources=gpu(["H100"], {"min": 1, "most": 2}))).encode(), "most"),
        (json.dumps(run(groups=[])).encode(), "groups"),
        (b'{"user":' + b"[" * 500 + b"]" * 500 + b"}", "body"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(body: bytes, field: str) -> None:
    with pytest.raises(Malformed) as caught:
        DSTACK.read(RUN, body)
    assert caught.value.field.endswith(field)
