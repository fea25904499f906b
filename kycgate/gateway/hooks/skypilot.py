"""SkyPilot's `admin_policy` over HTTP: what its API server asks before it launches a task.

Decides nothing and changes nothing: task and configuration go back as they came. Facts: SkyPilot
0.14.1 sends a JSON string that holds JSON that holds YAML, waits 30 s, shows a 400's text to its
user, takes any other failure for a refusal, and launches the task that came back.
"""

from __future__ import annotations

import json
from typing import Any

from kycgate.core import wire
from kycgate.errors import Code, Malformed, NotFound, Reason, Refused
from kycgate.gateway.adapters.base import decode_object
from kycgate.gateway.hooks.asking import (
    ANY,
    NONE,
    Asked,
    Classify,
    Gpus,
    Nothing,
    digest_text,
    label,
    mapping,
    model,
    strictest,
    whole,
)
from kycgate.gateway.hooks.task_yaml import read_yaml

PATH = "/policy"
_RENTS_NOTHING = frozenset({"validate", "optimize"})
"""What the command line asks first. `validate` names whatever user the client wrote, even where
that client signed in as another; the launch that follows names who signed in."""
_CONTROLLERS = frozenset({"jobs.launch_controller", "serve.launch_controller"})
"""The server's own machine that watches over jobs or services, in the server's name: the job on it
was decided before. Its resources are configuration, which a client may override."""
_ALWAYS_NEW = frozenset({"serve.up", "serve.update"})
"""Requests that never run on a machine or pool that is there. On any other, a task that names no
GPU may meet one."""
_SHAPES = frozenset({"pod_config", "sbatch_options", "create_instance_kwargs"})
"""Members that describe a machine by hand, and can ask for devices whatever the task names."""


class SkyPilot:
    """Implements `asking.Scheduler`."""

    def __init__(self, classify: Classify) -> None:
        self._classify = classify

    def read(self, path: str, body: bytes) -> Asked | Nothing:
        if path != PATH:
            raise NotFound("This gate knows no such hook of SkyPilot.")
        asked = _envelope(body)
        if asked.get("at_client_side") is not False:
            text = "a policy set on the client's side, where its user can remove it"
            raise Refused(text, reasons=(Reason(Code.DOOR_BLIND, text),))
        user = read_yaml(asked.get("user"), field="user")
        task = read_yaml(asked.get("task"), field="task")
        config = read_yaml(asked.get("skypilot_config") or "{}", field="skypilot_config")
        request = label(asked.get("request_name"), "request_name")
        if request in _RENTS_NOTHING:
            return Nothing(request)
        gpus = self._task(task, config, request)
        if request in _CONTROLLERS:
            if gpus != NONE:
                raise Malformed("a controller that could have a GPU", field="task.resources")
            return Nothing(request)
        options = mapping(asked.get("request_options") or {}, "request_options")
        cluster = options.get("cluster_name")
        return Asked(
            what=request,
            # The id, not the name: names are for people and may be taken twice.
            user=label(user.get("id"), "user.id"),
            place=label(config.get("active_workspace"), "active_workspace", empty=True),
            name=label(task.get("name") or cluster, "task.name", empty=True),
            gpus=gpus,
            hours=None,
            distinct=digest_text({"cluster": cluster, "task": task}),
        )

    def allowed(self, body: bytes) -> tuple[int, str, bytes]:
        asked = _envelope(body)
        said = {name: asked.get(name) for name in ("task", "skypilot_config")}
        return 200, "application/json", json.dumps(json.dumps(said)).encode()

    def refused(self, body: bytes, message: str) -> tuple[int, str, bytes]:
        return 400, "text/plain; charset=utf-8", message.encode()

    # -- what is asked for -----------------------------------------------------------------------

    def _task(self, task: dict[str, Any], config: dict[str, Any], request: str) -> Gpus:
        machines = _machines(task)
        if _shapes_machines(task) or _shapes_machines(config):
            return ANY
        resources = mapping(task.get("resources") or {}, "task.resources")
        gpus = strictest(self._choices(resources), self._classify)
        if gpus == NONE and request not in _ALWAYS_NEW | _CONTROLLERS:
            return ANY
        return gpus.times(machines)

    def _choices(self, resources: dict[str, Any]) -> list[Gpus]:
        """`any_of` and `ordered` each overwrite what stands above them."""
        lists = [resources[name] for name in ("any_of", "ordered") if resources.get(name)]
        if not lists:
            return self._one(resources)
        above = {key: v for key, v in resources.items() if key not in ("any_of", "ordered")}
        found: list[Gpus] = []
        for choices in lists:
            if not isinstance(choices, list):
                raise Malformed("not a list", field="task.resources.any_of")
            for each in choices:
                found += self._one({**above, **mapping(each, "task.resources.any_of")})
        return found

    def _one(self, resources: dict[str, Any]) -> list[Gpus]:
        accelerators, machine = resources.get("accelerators"), resources.get("instance_type")
        if accelerators in (None, "", {}, []):
            # A kind of machine may have GPUs that nobody named.
            return [NONE if machine is None else ANY]
        named = _accelerators(accelerators)
        # Or more of them than were named: SkyPilot checks only that they are there.
        return named if machine is None else [Gpus(each.model, None) for each in named]


def _accelerators(value: Any) -> list[Gpus]:
    """`H100`, `H100:8`, `{H100: 8}`, a list or set of them: each a choice."""
    if isinstance(value, str):
        name, colon, count = value.partition(":")
        asked = whole(count, "task.resources.accelerators") if colon else 1
        return [Gpus(model(name, "task.resources.accelerators"), asked)]
    if isinstance(value, dict):
        return [
            Gpus(
                model(name, "task.resources.accelerators"),
                1 if count is None else whole(count, "task.resources.accelerators"),
            )
            if ":" not in str(name) or count is not None
            else _accelerators(str(name))[0]
            for name, count in value.items()
        ]
    if isinstance(value, list | set | tuple):
        return [each for item in sorted(value, key=str) for each in _accelerators(item)]
    raise Malformed("not accelerators", field="task.resources.accelerators")


def _machines(task: dict[str, Any]) -> int | None:
    """Nodes times the most replicas; None where no bound is given."""
    nodes = task.get("num_nodes")
    each = 1 if nodes is None else max(1, whole(nodes, "task.num_nodes"))
    service = task.get("service")
    pool = task.get("pool")
    if service is None and pool is None:
        return each
    most = _replicas(mapping(service if service is not None else pool, "task.service"))
    return None if most is None else each * max(1, most)


def _replicas(service: dict[str, Any]) -> int | None:
    policy = service.get("replica_policy")
    if policy is not None:
        policy = mapping(policy, "task.service.replica_policy")
        if policy.get("max_replicas") is not None:
            return whole(policy["max_replicas"], "task.service.replica_policy.max_replicas")
        # Without an upper end it scales as far as the lower, unless there is a target to follow.
        if policy.get("target_qps_per_replica") is not None:
            return None
        return whole(policy.get("min_replicas", 1), "task.service.replica_policy.min_replicas")
    for name in ("max_workers", "workers", "replicas"):
        if service.get(name) is not None:
            return whole(service[name], f"task.service.{name}")
    return 1


def _shapes_machines(value: Any) -> bool:
    """Whether a machine is described by hand, anywhere in it."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if any(each.get(name) for name in _SHAPES):
                return True
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return False


def _envelope(body: bytes) -> dict[str, Any]:
    wire.require_shallow(body, field="body")
    try:
        inner = json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise Malformed("not JSON", field="body") from error
    if not isinstance(inner, str):
        raise Malformed("not a JSON string that holds JSON", field="body")
    try:
        data = inner.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("not text", field="body") from error
    return decode_object(data)
