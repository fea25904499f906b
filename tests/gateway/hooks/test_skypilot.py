"""What SkyPilot asks, read at its strictest: every choice it leaves open counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kycgate.errors import Malformed, NotFound, Refused
from kycgate.gateway.hooks.asking import NO_GPU, Asked, Nothing
from kycgate.gateway.hooks.skypilot import SkyPilot
from tests.gateway.hooks.conftest import capture, task
from tests.gateway.world import GPUS

SKY = SkyPilot(GPUS.classify)


def read(body: dict[str, Any]) -> Asked:
    asked = SKY.read("/policy", json.dumps(json.dumps(body)).encode())
    assert isinstance(asked, Asked)
    return asked


def asked_for(text: str, **changes: Any) -> tuple[str | None, int | None]:
    gpus = read(task(text, **changes)).gpus
    return gpus.model, gpus.count


def test_the_captured_task_is_read() -> None:
    body = capture("sky_admin_policy.json")
    asked = read(task(body["task"]))
    assert (asked.what, asked.user, asked.place) == ("launch", "8f3a2b1c", "default")
    assert (asked.name, asked.gpus.model, asked.gpus.count) == ("kyc-demo", "H100", 8)
    assert asked.hours is None


def test_a_policy_on_the_clients_side_is_refused() -> None:
    with pytest.raises(Refused, match="client"):
        read(capture("sky_admin_policy.json"))
    body = task("run: x")
    del body["at_client_side"]
    with pytest.raises(Refused, match="client"):
        read(body)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("resources:\n  accelerators: H100:8\n", ("H100", 8)),
        ("resources:\n  accelerators: H100\n", ("H100", 1)),
        ("resources:\n  accelerators: H100:0.5\n", ("H100", 1)),
        ("resources:\n  accelerators: {H100: 8}\n", ("H100", 8)),
        ("resources:\n  accelerators: {T4: 16, H100: 8}\n", ("H100", 16)),
        ("resources:\n  accelerators: ['T4:1', 'H100:8']\n", ("H100", 8)),
        ("resources:\n  accelerators: !!set {'T4:1', 'H100:8'}\n", ("H100", 8)),
        ("resources:\n  accelerators: {'H100:8': null}\n", ("H100", 8)),
        ("resources:\n  any_of:\n  - accelerators: T4:1\n  - accelerators: H100:2\n", ("H100", 2)),
        ("resources:\n  ordered:\n  - accelerators: T4\n  - infra: aws\n", ("T4", 1)),
        (
            "resources:\n  accelerators: H100:8\n  any_of:\n  - infra: aws\n  - accelerators: T4\n",
            ("H100", 8),
        ),
        ("resources:\n  accelerators: tpu-v5p-8\n", ("tpu-v5p-8", 1)),
        ("resources:\n  accelerators: H100:8\nnum_nodes: 4\n", ("H100", 32)),
        # A kind of machine may hold GPUs that nobody named, or more than were.
        ("resources:\n  instance_type: p5.48xlarge\n", (None, None)),
        ("resources:\n  instance_type: p5.48xlarge\n  accelerators: H100:1\n", ("H100", None)),
    ],
)
def test_the_strictest_choice_counts(text: str, expected: tuple[str | None, int | None]) -> None:
    assert asked_for(text) == expected


@pytest.mark.parametrize(
    "service, count",
    [
        ("replicas: 3", 24),
        ("replica_policy: {min_replicas: 1, max_replicas: 5}", 40),
        ("replica_policy: {min_replicas: 2}", 16),
        ("replica_policy: {min_replicas: 1, target_qps_per_replica: 2}", None),
        ("readiness_probe: /", 8),
    ],
)
def test_a_service_counts_at_its_largest(service: str, count: int | None) -> None:
    text = f"resources:\n  accelerators: H100:8\nservice:\n  {service}\n"
    assert asked_for(text) == ("H100", count)


@pytest.mark.parametrize(
    "request_name",
    ["launch", "exec", "jobs.launch", "jobs.launch_cluster", "serve.launch_replica", "new.one"],
)
def test_work_on_a_machine_that_may_be_there_may_meet_any_gpu(request_name: str) -> None:
    assert asked_for("run: nvidia-smi\n", request_name=request_name) == (None, None)
    assert asked_for("resources:\n  cpus: 2\n", request_name=request_name) == (None, None)


@pytest.mark.parametrize("request_name", ["serve.up", "serve.update"])
def test_a_service_that_names_no_gpu_gets_none(request_name: str) -> None:
    text = "resources:\n  cpus: 2\nservice:\n  replicas: 3\n"
    assert asked_for(text, request_name=request_name) == (NO_GPU, 0)


@pytest.mark.parametrize(
    "shape",
    [
        "kubernetes:\n    pod_config: {spec: {containers: []}}",
        "ssh:\n    pod_config: {spec: {runtimeClassName: nvidia}}",
        "slurm:\n    sbatch_options: {gres: 'gpu:h100:8'}",
        "vast:\n    create_instance_kwargs: {x: 1}",
    ],
)
def test_a_machine_shaped_by_hand_may_have_any_gpu_whatever_is_named(shape: str) -> None:
    named = "resources:\n  accelerators: T4:1\nservice: {replicas: 1}\n"
    in_task = asked_for(f"{named}config:\n  {shape}\n", request_name="serve.up")
    in_config = asked_for(named, skypilot_config=f"{shape}\n", request_name="serve.up")
    assert (in_task, in_config) == ((None, None), (None, None))


@pytest.mark.parametrize("request_name", ["validate", "optimize"])
def test_what_rents_nothing_is_not_decided_and_links_nobody(request_name: str) -> None:
    """At `validate` the user is what the client wrote: no code may be shown there."""
    code = "name: kycgate-" + "a" * 24 + "\n"
    body = json.dumps(json.dumps(task(code, request_name=request_name))).encode()
    assert SKY.read("/policy", body) == Nothing(request_name)


@pytest.mark.parametrize("request_name", ["jobs.launch_controller", "serve.launch_controller"])
def test_a_controller_passes_only_where_it_can_have_no_gpu(request_name: str) -> None:
    def ask(text: str) -> Asked | Nothing:
        body = task(text, request_name=request_name)
        return SKY.read("/policy", json.dumps(json.dumps(body)).encode())

    assert ask("resources:\n  cpus: 4+\n") == Nothing(request_name)
    for resources in ("accelerators: H100:8", "instance_type: p5.48xlarge"):
        with pytest.raises(Malformed, match="controller"):
            ask(f"resources:\n  {resources}\n")


def test_one_task_on_two_clusters_is_two_pieces_of_work() -> None:
    text = "name: n\nresources:\n  accelerators: H100:8\n"
    first, again, other = (
        read(task(text, request_options={"cluster_name": name})).distinct for name in "aab"
    )
    assert first == again != other


def test_an_unknown_hook_is_refused() -> None:
    with pytest.raises(NotFound):
        SKY.read("/", b'"{}"')


@pytest.mark.parametrize(
    "body, field",
    [
        (b"{}", "body"),
        (b'"[]"', "body"),
        (b'"not json"', "body"),
        (b'"\\ud800"', "body"),
        (b"\xff", "body"),
        (json.dumps('{"task": "a: 1", "task": "b: 1"}').encode(), "task"),
        (json.dumps("[" * 500 + "]" * 500).encode(), "body"),
        (json.dumps(json.dumps(task("run: x", user=""))).encode(), "user"),
        (json.dumps(json.dumps(task("run: x", user="name: ann"))).encode(), "user.id"),
        (json.dumps(json.dumps(task("- a\n- b\n"))).encode(), "task"),
        (json.dumps(json.dumps(task("resources: {accelerators: '(no GPU)'}"))).encode(),
         "task.resources.accelerators"),
        (json.dumps(json.dumps(task("resources: {accelerators: 8}"))).encode(),
         "task.resources.accelerators"),
        (json.dumps(json.dumps(task("num_nodes: many"))).encode(), "task.num_nodes"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_name(body: bytes, field: str) -> None:
    with pytest.raises(Malformed) as caught:
        SKY.read("/policy", body)
    assert caught.value.field == field
