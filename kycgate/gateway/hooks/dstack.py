"""dstack's `rest_plugin`: what its server asks before it applies a run, fleet, volume or gateway.

Decides nothing and changes nothing: the spec goes back as it came. Facts: dstack 0.22.5 asks at
plan and again at apply, waits 8 s, and takes anything but a 200 with `spec` and `error` for a
refusal without words.
"""

from __future__ import annotations

import json
import math
from typing import Any

from kycgate.core import wire
from kycgate.errors import Malformed, NotFound
from kycgate.gateway.adapters.base import decode_object, only
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
    together,
    whole,
)

_PREFIX = "/apply_policies/on_"
_RENTS = {f"{_PREFIX}run_apply": "run", f"{_PREFIX}fleet_apply": "fleet"}
_RENTS_NOTHING = {f"{_PREFIX}volume_apply": "volume", f"{_PREFIX}gateway_apply": "gateway"}
_RUN_TYPES = frozenset({"task", "dev-environment", "service"})
_MEMBERS = frozenset({"user", "project", "spec"})
# The server fills these in between plan and apply; what they ask for is in `Gpus` already.
_FILLED_IN = frozenset({"priority", "nodes", "resources", "working_dir", "name"})
_HOUR = 3600
_LONGEST_H = 24 * 366 * 10


class Dstack:
    """Implements `asking.Scheduler`."""

    def __init__(self, classify: Classify) -> None:
        self._classify = classify

    def read(self, path: str, body: bytes) -> Asked | Nothing:
        if path not in _RENTS and path not in _RENTS_NOTHING:
            raise NotFound("This gate knows no such hook of dstack.")
        asked = decode_object(body)
        only(asked, _MEMBERS)
        user, project = label(asked.get("user"), "user"), label(asked.get("project"), "project")
        spec = mapping(asked.get("spec"), "spec")
        if path in _RENTS_NOTHING:
            return Nothing(_RENTS_NOTHING[path])
        configuration = mapping(spec.get("configuration"), "spec.configuration")
        profile = mapping(spec.get("profile") or {}, "spec.profile")
        if path.endswith("run_apply"):
            gpus, hours = self._run(configuration), _hours(configuration, profile)
        elif _own_hosts(configuration):
            return Nothing("fleet of own hosts")
        else:
            gpus, hours = self._fleet(configuration), None
        name = spec.get("run_name") or configuration.get("name")
        told = {key: each for key, each in configuration.items() if key not in _FILLED_IN}
        return Asked(
            what=_RENTS[path],
            user=user,
            place=project,
            name=label(name, "spec.run_name", empty=True),
            gpus=gpus,
            hours=hours,
            distinct=digest_text(told),
        )

    def allowed(self, body: bytes) -> tuple[int, str, bytes]:
        return _answer(body, None)

    def refused(self, body: bytes, message: str) -> tuple[int, str, bytes]:
        return _answer(body, message)

    # -- what is asked for -----------------------------------------------------------------------

    def _run(self, configuration: dict[str, Any]) -> Gpus:
        if configuration.get("type") not in _RUN_TYPES:
            raise Malformed(
                "a kind of run this gate does not know", field="spec.configuration.type"
            )
        groups = configuration.get("groups")
        if groups is None and isinstance(configuration.get("replicas"), list):
            groups = configuration["replicas"]
        if groups is None:
            return self._group(configuration, "spec.configuration")
        if not isinstance(groups, list) or not groups:
            raise Malformed("not a list of groups", field="spec.configuration.groups")
        place = "spec.configuration.groups"
        # A group that names no resources takes those above it, or what the server holds usual.
        return together([self._group(mapping(g, place), place) for g in groups], self._classify)

    def _group(self, group: dict[str, Any], place: str) -> Gpus:
        per_machine = self._resources(group.get("resources"), place)
        nodes = group.get("nodes")
        machines = 1 if nodes is None else whole(nodes, f"{place}.nodes")
        replicas = group.get("replicas", group.get("count"))
        most = 1 if replicas is None else _most(replicas, f"{place}.replicas")
        # A service scaled to nothing for now may scale up; a task of no machines is nonsense.
        return per_machine.times(None if most is None else max(1, machines) * max(1, most))

    def _fleet(self, configuration: dict[str, Any]) -> Gpus:
        per_machine = self._resources(configuration.get("resources"), "spec.configuration")
        nodes = configuration.get("nodes")
        return per_machine.times(
            None if nodes is None else _most(nodes, "spec.configuration.nodes")
        )

    def _resources(self, resources: Any, place: str) -> Gpus:
        """Nothing said is not "none": dstack then takes any machine, with GPUs or without."""
        if resources is None:
            return ANY
        gpu = mapping(resources, f"{place}.resources").get("gpu")
        if gpu is None:
            return ANY
        return self._gpu(gpu, f"{place}.resources.gpu")

    def _gpu(self, gpu: Any, place: str) -> Gpus:
        if not isinstance(gpu, dict):
            raise Malformed("not as dstack's server writes it", field=place)
        count = _most(gpu.get("count", {"min": 1}), f"{place}.count")
        if count == 0:
            return NONE
        names = gpu.get("name")
        if not names:
            return Gpus(None, count)
        if not isinstance(names, list):
            raise Malformed("not a list", field=f"{place}.name")
        return strictest(
            (Gpus(model(name, f"{place}.name"), count) for name in names), self._classify
        )


def _most(value: Any, place: str) -> int | None:
    """The upper end of a range: `8`, `{"min": 1, "max": 8}`, `"1..8"`; None where it is open."""
    if isinstance(value, dict):
        only(value, frozenset({"min", "max", "target"}))
        end = value.get("max")
        return None if end is None else whole(end, place)
    if isinstance(value, str) and ".." in value:
        end = value.partition("..")[2]
        return whole(end, place) if end else None
    return whole(value, place)


def _hours(configuration: dict[str, Any], profile: dict[str, Any]) -> int | None:
    """The longest a run may last; None for no bound, and for what starts anew on a schedule."""

    def said(name: str) -> Any:
        own = configuration.get(name)
        return profile.get(name) if own is None else own

    seconds = said("max_duration")
    if type(seconds) is not int or seconds <= 0 or said("schedule") is not None:
        return None
    hours = math.ceil(seconds / _HOUR)
    return hours if hours <= _LONGEST_H else None


def _own_hosts(configuration: dict[str, Any]) -> bool:
    """A fleet of machines the project has already, reached by SSH: nothing is rented."""
    return configuration.get("ssh_config") is not None and configuration.get("nodes") is None


def _answer(body: bytes, error: str | None) -> tuple[int, str, bytes]:
    try:
        wire.require_shallow(body, field="body")
        spec = json.loads(body).get("spec")
    except (Malformed, ValueError, AttributeError):
        spec = None
    answer = {"spec": spec, "error": error}
    return 200, "application/json", json.dumps(answer).encode()
