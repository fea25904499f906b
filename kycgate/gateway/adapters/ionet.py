"""io.net: routes, bodies and error shape of its container and VM clouds.

Decides nothing. Facts: the client `ionet-cloud` 0.4.1 (command `iocloud`) sends exactly these.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Set
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any
from urllib.parse import quote

from kycgate.core.claims import JobRequest
from kycgate.errors import Malformed, Unavailable
from kycgate.gateway.adapters.base import (
    ACTIONS,
    Ending,
    Entry,
    Fetch,
    Kind,
    Route,
    decode_object,
    entry,
    only,
    succeeded,
    text_of,
    whole,
    with_key_in,
)
from kycgate.gateway.view import Headers

_CAAS = "/enterprise/v1/io-cloud/caas"
_VMAAS = "/enterprise/v1/io-cloud/vmaas"

CATALOGUE_AGE_S = 60
"""Oldest catalogue on whose word a GPU may count as uncontrolled (issue A, point 3)."""
_RETRY_S = 5
"""After a failed catalogue fetch: so that a dead upstream is not asked once per rental."""
MAX_HOURS = 8784
"""One leap year; longer bookings are a mistake or an attack on the arithmetic."""
_MAX_GPUS = 1024
_MAX_REPLICAS = 10_000

_ID = r"(?P<id>[A-Za-z0-9][A-Za-z0-9\-]{0,63})"
_SUB = r"[A-Za-z0-9][A-Za-z0-9\-_.]{0,127}"
_HARDWARE_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")

_EXACT = {
    ("POST", f"{_CAAS}/deploy"): Route(Kind.RENT, "caas.deploy"),
    ("POST", f"{_VMAAS}/deploy"): Route(Kind.RENT, "vmaas.deploy"),
    ("GET", f"{_CAAS}/deployments"): Route(Kind.LIST, "caas.deployments"),
    ("GET", f"{_VMAAS}/deployments"): Route(Kind.LIST, "vmaas.deployments"),
    ("GET", f"{_CAAS}/node-pools"): Route(Kind.ACCOUNT_READ, "caas.node-pools"),
    ("GET", f"{_CAAS}/hardware"): Route(Kind.PUBLIC_READ, "caas.hardware"),
    ("GET", f"{_CAAS}/price"): Route(Kind.PUBLIC_READ, "caas.price"),
    ("GET", f"{_VMAAS}/hardware"): Route(Kind.PUBLIC_READ, "vmaas.hardware"),
    ("GET", f"{_VMAAS}/price"): Route(Kind.PUBLIC_READ, "vmaas.price"),
    ("GET", f"{_VMAAS}/available-vms"): Route(Kind.PUBLIC_READ, "vmaas.available"),
}
_OF_ONE = tuple(
    (method, re.compile(re.escape(prefix) + f"/deployment/{_ID}{tail}"), kind, name)
    for method, prefix, tail, kind, name in (
        ("GET", _CAAS, "", Kind.OWN_READ, "caas.deployment"),
        ("GET", _CAAS, "/containers", Kind.OWN_READ, "caas.containers"),
        ("GET", _CAAS, f"/containers-jobs/{_SUB}", Kind.OWN_READ, "caas.containers-jobs"),
        ("GET", _CAAS, f"/log/{_SUB}", Kind.OWN_READ, "caas.log"),
        ("POST", _CAAS, "/extend", Kind.EXTEND, "caas.extend"),
        ("PATCH", _CAAS, "", Kind.MODIFY, "caas.update"),
        ("DELETE", _CAAS, "", Kind.STOP, "caas.delete"),
        ("GET", _VMAAS, "", Kind.OWN_READ, "vmaas.deployment"),
        ("GET", _VMAAS, "/vms", Kind.OWN_READ, "vmaas.vms"),
        ("POST", _VMAAS, "/extend", Kind.EXTEND, "vmaas.extend"),
        ("DELETE", _VMAAS, "", Kind.STOP, "vmaas.delete"),
    )
)
_LONG_LIVED = frozenset({"caas.log"})

# Every member the client sends. One we don't know might multiply the machines, as `vms_qty` does,
# or, as `resource_id` does, name a machine that exists: it is refused, not passed along.
_CAAS_MEMBERS = frozenset(
    {
        "resource_private_name", "hardware_id", "duration_hours", "gpus_per_container",
        "container_config", "registry_config", "location_ids", "node_pool_id", "payment_source",
        "on_incomplete_booking",
    }
)  # fmt: skip
_CONTAINER_MEMBERS = frozenset(
    {
        "replica_count", "traffic_port", "env_variables", "secret_env_variables", "entrypoint",
        "args", "command", "public_ingress_enabled", "tls_required",
    }
)  # fmt: skip
_VMAAS_MEMBERS = frozenset(
    {
        "resource_private_name", "hardware_id", "duration_hours", "gpus_per_vm", "ssh_keys",
        "node_pool_id", "location_ids", "github_ids", "vm_image_type", "network_services",
        "vms_qty",
    }
)  # fmt: skip
_UPDATE_MEMBERS = frozenset(
    {
        "env_variables", "secret_env_variables", "entrypoint", "args", "command", "traffic_port",
        "image_url", "registry_username", "registry_secret", "public_ingress_enabled",
        "tls_required",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Hardware:
    """What the catalogue says about one hardware id."""

    model: str | None
    """None when it gives the id two names: then it is unknown what would be rented."""
    price: Decimal | None
    """Highest price per GPU and hour named for it, in dollars."""


class _Catalogue:
    """One hardware listing, fetched by the gate itself and at most `CATALOGUE_AGE_S` old."""

    def __init__(
        self, fetch: Fetch, path: str, ids: tuple[str, ...], names: tuple[str, ...]
    ) -> None:
        self._fetch, self._path, self._ids, self._names = fetch, path, ids, names
        self._lock = threading.Lock()
        self._rows: dict[str, _Hardware] = {}
        self._good_until = 0

    def find(self, hardware_id: str, now: int) -> _Hardware | None:
        """None when the listing doesn't know the id, or can't be had or read."""
        with self._lock:
            # A clock set back must not make an old listing young again.
            if not self._good_until - CATALOGUE_AGE_S <= now < self._good_until:
                self._renew(now)
            return self._rows.get(hardware_id)

    def _renew(self, now: int) -> None:
        try:
            self._rows = self._read(self._fetch(self._path))
            self._good_until = now + CATALOGUE_AGE_S
        except (Unavailable, Malformed):
            self._rows = {}
            self._good_until = now + _RETRY_S

    def _read(self, answer: bytes) -> dict[str, _Hardware]:
        rows: dict[str, _Hardware] = {}
        for item in _items(decode_object(answer), "hardware")[1]:
            if not isinstance(item, dict):
                raise Malformed("A hardware entry is not an object.", field="hardware")
            entry = _Hardware(text_of(item, *self._names), _price(item.get("price")))
            for key in {_id_text(item.get(name)) for name in self._ids} - {None}:
                rows[str(key)] = _merge(rows.get(str(key)), entry)
        return rows


def _merge(known: _Hardware | None, entry: _Hardware) -> _Hardware:
    if known is None:
        return entry
    same = known.model is not None and known.model == entry.model
    prices = [price for price in (known.price, entry.price) if price is not None]
    return _Hardware(known.model if same else None, max(prices, default=None))


def _price(value: object) -> Decimal | None:
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not 0 <= value < 1_000_000:
        return None
    return value


def _id_text(value: object) -> str | None:
    text = str(value) if type(value) is int else value
    return text if isinstance(text, str) and _HARDWARE_ID.fullmatch(text) else None


class IoNet:
    """The io.net adapter. `token_decimals` says how a dollar is written in token base units."""

    name = "ionet"
    heeds_429 = True  # shows "Rate limited", one request

    def __init__(self, *, fetch: Fetch, token_decimals: int) -> None:
        self._unit = Decimal(10) ** token_decimals
        self._caas = _Catalogue(fetch, f"{_CAAS}/hardware", ("hardware_id",), ("hardware_name",))
        self._vmaas = _Catalogue(fetch, f"{_VMAAS}/hardware", ("deploy_id", "id"), ("name",))

    def table(self) -> tuple[Entry, ...]:
        exact = (entry(*at, route.kind, route.name) for at, route in _EXACT.items())
        return (*exact, *(entry(m, path.pattern, kind, name) for m, path, kind, name in _OF_ONE))

    def match(self, method: str, path: str) -> Route | None:
        route = _EXACT.get((method, path))
        if route is not None or "/deployment/" not in path:
            return route
        for wanted, pattern, kind, name in _OF_ONE:
            if method == wanted and (found := pattern.fullmatch(path)) is not None:
                return Route(kind, name, found["id"], long_lived=name in _LONG_LIVED)
        return None

    def narrowed(self, route: Route, body: bytes) -> Route:
        return route

    def job(
        self, route: Route, body: bytes, *, recorded: JobRequest | None, now: int
    ) -> JobRequest:
        members = decode_object(body)
        if route.kind is Kind.EXTEND:
            return self._extend(route, members, recorded)
        if route.kind is Kind.MODIFY:
            return self._modify(route, members, recorded)
        if route.name == "vmaas.deploy":
            return self._rent(route, members, self._vmaas, _vm_gpus(members), now)
        return self._rent(route, members, self._caas, _container_gpus(members), now)

    def _rent(
        self, route: Route, members: dict[str, Any], catalogue: _Catalogue, gpus: int, now: int
    ) -> JobRequest:
        hardware_id = _id_text(members.get("hardware_id"))
        if hardware_id is None:
            raise Malformed(
                "hardware_id must be the id of a hardware entry.",
                field="hardware_id",
                remedy="a whole number or its text, as the hardware listing gives it",
            )
        hours = whole(members, "duration_hours", least=1, most=MAX_HOURS)
        hardware = catalogue.find(hardware_id, now)
        price = None if hardware is None else hardware.price
        return JobRequest(
            marketplace=self.name,
            action=ACTIONS[route.kind],
            gpu_model=None if hardware is None else hardware.model,
            gpu_count=gpus,
            hours=hours,
            value=None if price is None else self._value(price, gpus * hours),
            resource=None,
            end_user=None,
        )

    def _value(self, price: Decimal, gpu_hours: int) -> int:
        return int((price * gpu_hours * self._unit).to_integral_value(ROUND_CEILING))

    def _extend(
        self, route: Route, members: dict[str, Any], recorded: JobRequest | None
    ) -> JobRequest:
        """Model and count are the running deployment's; hours and value the new totals."""
        only(members, frozenset({"duration_hours"}))
        hours = whole(members, "duration_hours", least=1, most=MAX_HOURS)
        if recorded is None:
            return self._unrecorded(route, hours)
        value = None
        if recorded.value is not None and recorded.hours:
            # Both are totals since the rental began: one hour costs their quotient.
            value = recorded.value + -(-recorded.value * hours // recorded.hours)
        total = None if recorded.hours is None else recorded.hours + hours
        return replace(
            recorded, action=ACTIONS[route.kind], hours=total, value=value, resource=route.resource
        )

    def _modify(
        self, route: Route, members: dict[str, Any], recorded: JobRequest | None
    ) -> JobRequest:
        only(members, _UPDATE_MEMBERS)
        if recorded is None:
            return self._unrecorded(route, None)
        return replace(recorded, action=ACTIONS[route.kind], resource=route.resource)

    def _unrecorded(self, route: Route, hours: int | None) -> JobRequest:
        return JobRequest(
            marketplace=self.name,
            action=ACTIONS[route.kind],
            gpu_model=None,
            gpu_count=None,
            hours=hours,
            value=None,
            resource=route.resource,
            end_user=None,
        )

    def credential(self, fields: dict[str, str]) -> str | None:
        """`x-api-key` as the client sends it, else a Bearer token as the public pages show."""
        key = fields.get("x-api-key")
        bearer = fields.get("authorization", "")
        token = bearer[7:].strip() if bearer[:7].lower() == "bearer " else None
        if key is not None and token is not None and key != token:
            raise Malformed(
                "Two different keys: send x-api-key or Authorization, not both.",
                field="Authorization",
            )
        return key or token

    def with_key(self, headers: Headers, key: str | None) -> Headers:
        return with_key_in("x-api-key", key, headers)

    def refusal(self, message: str, code: str) -> tuple[Headers, bytes]:
        body = json.dumps({"status": "failed", "error": message}).encode()
        return (("Content-Type", "application/json"),), body

    def accepted(self, status: int, answer: bytes) -> bool:
        return succeeded(status)

    def deployment(self, answer: bytes) -> str | None:
        try:
            members = decode_object(answer)
        except Malformed:
            return None
        data = members.get("data")
        found = text_of(
            data if isinstance(data, dict) else members, "deployment_id", "id", "resource_id"
        )
        return found if found is not None and re.fullmatch(_ID, found) else None

    def stops(self, deployment: str) -> tuple[Ending, ...]:
        # A deployment's id does not say which of the two services runs it.
        name = quote(deployment, safe="-")
        return tuple(Ending("DELETE", f"{prefix}/deployment/{name}") for prefix in (_CAAS, _VMAAS))

    def filter_list(self, answer: bytes, owned: Set[str]) -> bytes:
        """Keeps the caller's rows, and no total or status count that would tell of others'."""
        name, items = _items(decode_object(answer, field="answer"), "deployments", "clusters")
        kept = [
            item
            for item in items
            if isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"] in owned
        ]
        data: Any = kept if name is None else {name: kept, "total": len(kept)}
        return json.dumps({"data": data}, default=float).encode()


def _container_gpus(members: dict[str, Any]) -> int:
    """The hidden total of a container deployment: GPUs per container times replicas."""
    only(members, _CAAS_MEMBERS)
    config = members.get("container_config")
    if not isinstance(config, dict):
        raise Malformed("container_config must be an object.", field="container_config")
    only(config, _CONTAINER_MEMBERS)
    each = whole(members, "gpus_per_container", least=1, most=_MAX_GPUS)
    return each * whole(config, "replica_count", least=1, most=_MAX_REPLICAS)


def _vm_gpus(members: dict[str, Any]) -> int:
    only(members, _VMAAS_MEMBERS)
    each = whole(members, "gpus_per_vm", least=1, most=_MAX_GPUS)
    machines = 1
    if "vms_qty" in members:
        machines = whole(members, "vms_qty", least=1, most=_MAX_REPLICAS)
    return each * machines


def _items(answer: dict[str, Any], *names: str) -> tuple[str | None, list[Any]]:
    """The list in an answer's `data` envelope, and the member it stood under (None: bare)."""
    data = answer.get("data", answer)
    if isinstance(data, list):
        return None, data
    if isinstance(data, dict):
        for name in names:
            if isinstance(data.get(name), list):
                return name, data[name]
    raise Malformed("The answer holds no list.", field="answer")
