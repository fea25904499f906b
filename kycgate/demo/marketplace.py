"""A small marketplace shaped like io.net's public API: the part of it its command line uses.

It knows nothing of kycgate and checks nothing but the operator's API key. State lives in memory,
and every request it received is kept as it came, so that a test can say what really arrived.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PREFIX = "/enterprise/v1/io-cloud"
Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Hardware:
    """One row of the catalogue. `price` is US dollars per GPU and hour."""

    id: int
    name: str
    brand: str
    price: float
    location: str
    available: int = 16
    per_machine: int = 8


HARDWARE = (
    Hardware(203, "H100 PCIe", "NVIDIA", 2.19, "SG"),
    Hardware(204, "H200", "NVIDIA", 2.99, "US"),
    Hardware(210, "B200", "NVIDIA", 4.99, "US"),
    Hardware(151, "A100 80GB", "NVIDIA", 1.35, "DE"),
    Hardware(77, "GeForce RTX 4090", "NVIDIA", 0.34, "SE"),
    Hardware(78, "GeForce RTX 3090", "NVIDIA", 0.19, "SE"),
    Hardware(301, "Instinct MI300X", "AMD", 2.99, "US"),
)


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


@dataclass(slots=True)
class Deployment:
    """A rented cluster ("caas") or virtual machine ("vmaas")."""

    id: str
    kind: str
    name: str
    hardware: Hardware
    gpus_each: int
    machines: int
    hours: int
    paid: float
    created_at: str
    polls: int = 0
    gone: bool = False
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.gone:
            return "terminated"
        return "running" if self.polls > 1 else "deployment requested"

    def summary(self) -> dict[str, Any]:
        minutes = self.hours * 60
        return {
            "id": self.id,
            "status": self.status,
            "name": self.name,
            "completed_percent": 0,
            "hardware_id": self.hardware.id,
            "hardware_name": self.hardware.name,
            "brand_name": self.hardware.brand,
            "hardware_quantity": self.gpus_each * self.machines,
            "compute_minutes_served": 0,
            "compute_minutes_remaining": 0 if self.gone else minutes,
        }

    def details(self) -> dict[str, Any]:
        per, total = ("vm", "vms") if self.kind == "vmaas" else ("container", "containers")
        return {
            **self.summary(),
            f"gpus_per_{per}": self.gpus_each,
            f"total_{total}": self.machines,
            "total_gpus": self.gpus_each * self.machines,
            "amount_paid": self.paid,
            "created_at": self.created_at,
            "started_at": self.created_at if self.status == "running" else None,
            "finished_at": None,
            "locations": [{"id": 1, "iso2": self.hardware.location, "name": ""}],
            "container_config": self.config,
        }


class _Refusal(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.answer: Answer = (status, {"status": "failed", "error": text})


class _Server(ThreadingHTTPServer):
    """A threaded server that can drop the connections it has."""

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Marketplace:
    """Rents imaginary machines over HTTP on a port of its own. Use as a context manager."""

    def __init__(
        self,
        *,
        api_key: str,
        port: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.fromtimestamp(time.time(), UTC),
    ) -> None:
        """`api_key` is what `x-api-key` must say; `port` 0 takes a free one."""
        self._api_key = api_key
        self._clock = clock
        self._lock = threading.Lock()
        self.received: list[Received] = []
        self.deployments: dict[str, Deployment] = {}
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Marketplace:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Marketplace:
        return self.__enter__()

    def stop(self) -> None:
        """Hang up on everybody; again is harmless."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def requests(self, method: str, ending: str = "") -> list[Received]:
        """What arrived with this method and a path ending so."""
        return [
            each
            for each in self.received
            if each.method == method and urlsplit(each.target).path.endswith(ending)
        ]

    def answer(self, request: Received) -> Answer:
        with self._lock:
            self.received.append(request)
            try:
                if request.header("x-api-key") != self._api_key:
                    raise _Refusal(401, "Invalid API key")
                return self._route(request)
            except _Refusal as refusal:
                return refusal.answer

    def _route(self, request: Received) -> Answer:
        parts = urlsplit(request.target)
        for method, pattern, handle in _ROUTES:
            match = re.fullmatch(PREFIX + pattern, parts.path)
            if match and method == request.method:
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                return handle(self, match["kind"], match.groupdict().get("id", ""), query, request)
        raise _Refusal(404, "Not found")

    # -- routes: (kind, id, query, request) -> answer ----------------------------------------------
    def _hardware(self, kind: str, _id: str, _query: dict[str, str], _request: Received) -> Answer:
        row = _vm_row if kind == "vmaas" else _container_row
        return 200, {"data": [row(each) for each in HARDWARE]}

    def _available(self, *_: object) -> Answer:
        return 200, {"data": [{"id": 1, "iso2": "SG", "name": "SG", "available_replicas": 2}]}

    def _price(self, kind: str, _id: str, query: dict[str, str], _request: Received) -> Answer:
        per = "gpus_per_vm" if kind == "vmaas" else "gpus_per_container"
        hardware = _hardware(query.get("hardware_id"))
        each, count = (
            _int(query.get(per, "8"), per),
            _int(query.get("replica_count", "1"), "replicas"),
        )
        hours = _int(query.get("duration_hours", "1"), "duration_hours")
        cost = round(hardware.price * each * count * hours, 2)
        quote = {"replica_count": count, per: each, "total_cost_usdc": cost, "ionet_fee": 0.0}
        return 200, {"data": {**quote, "available_replica_count": [count], "discount": 0.0}}

    def _deploy(self, kind: str, _id: str, _query: dict[str, str], request: Received) -> Answer:
        body = _json(request)
        hardware = _hardware(body.get("hardware_id"))
        config = body.get("container_config") or {}
        each = _int(body.get("gpus_per_vm" if kind == "vmaas" else "gpus_per_container"), "gpus")
        machines = _int(config.get("replica_count", 1), "replica_count")
        hours = _int(body.get("duration_hours"), "duration_hours")
        new = Deployment(
            id=str(uuid.uuid4()),
            kind=kind,
            name=str(body.get("resource_private_name", "")),
            hardware=hardware,
            gpus_each=each,
            machines=machines,
            hours=hours,
            paid=round(hardware.price * each * machines * hours, 2),
            created_at=self._clock().isoformat(),
            config={"replica_count": machines, "traffic_port": config.get("traffic_port")},
        )
        self.deployments[new.id] = new
        return 200, {"status": "success", "deployment_id": new.id}

    def _list(self, kind: str, _id: str, query: dict[str, str], _request: Received) -> Answer:
        mine = [d for d in self.deployments.values() if d.kind == kind]
        mine = [d for d in mine if query.get("status") in (None, d.status)]
        size = _int(query.get("page_size", "20"), "page_size")
        start = (_int(query.get("page", "1"), "page") - 1) * size
        rows = [d.summary() for d in reversed(mine)][start : start + size]
        return 200, {"data": {"deployments": rows, "total": len(mine), "statuses": []}}

    def _get(self, kind: str, id_: str, _query: dict[str, str], _request: Received) -> Answer:
        found = self._find(kind, id_)
        found.polls += 1
        return 200, {"data": found.details()}

    def _machines(self, kind: str, id_: str, _query: dict[str, str], _request: Received) -> Answer:
        found = self._find(kind, id_)
        name = "vm_id" if kind == "vmaas" else "container_id"
        rows = [
            {name: f"{id_[:8]}-{n}", "status": found.status, "hardware": found.hardware.name}
            for n in range(found.machines)
        ]
        return 200, {"data": {"workers": rows, "total": len(rows)}}

    def _extend(self, kind: str, id_: str, _query: dict[str, str], request: Received) -> Answer:
        found = self._find(kind, id_)
        hours = _int(_json(request).get("duration_hours"), "duration_hours")
        found.hours += hours
        found.paid += round(found.hardware.price * found.gpus_each * found.machines * hours, 2)
        return 200, {"data": found.details()}

    def _update(self, kind: str, id_: str, _query: dict[str, str], request: Received) -> Answer:
        found = self._find(kind, id_)
        found.config.update(_json(request))
        return 200, {"status": "success", "deployment_id": id_}

    def _delete(self, kind: str, id_: str, _query: dict[str, str], _request: Received) -> Answer:
        self._find(kind, id_).gone = True
        return 200, {"status": "success"}

    def _find(self, kind: str, id_: str) -> Deployment:
        found = self.deployments.get(id_)
        if found is None or found.kind != kind:
            raise _Refusal(404, "Deployment not found")
        return found


_KIND = "/(?P<kind>caas|vmaas)"
_ONE = _KIND + "/deployment/(?P<id>[0-9a-f-]+)"
_Route = Callable[[Marketplace, str, str, dict[str, str], Received], Answer]
_ROUTES: tuple[tuple[str, str, _Route], ...] = (
    ("GET", _KIND + "/hardware", Marketplace._hardware),
    ("GET", _KIND + "/available-vms", Marketplace._available),
    ("GET", _KIND + "/price", Marketplace._price),
    ("POST", _KIND + "/deploy", Marketplace._deploy),
    ("GET", _KIND + "/deployments", Marketplace._list),
    ("GET", _ONE, Marketplace._get),
    ("GET", _ONE + "/(containers|vms)", Marketplace._machines),
    ("POST", _ONE + "/extend", Marketplace._extend),
    ("PATCH", _ONE, Marketplace._update),
    ("DELETE", _ONE, Marketplace._delete),
)


def _container_row(each: Hardware) -> dict[str, Any]:
    return {
        "hardware_id": each.id,
        "hardware_name": each.name,
        "brand_name": each.brand,
        "location": each.location,
        "price": each.price,
        "available": each.available,
        "network": 2,
        "max_gpus_per_container": each.per_machine,
        "confidential_compute": False,
    }


def _vm_row(each: Hardware) -> dict[str, Any]:
    return {
        "id": f"{each.name.lower().replace(' ', '-')}-{each.id}",
        "deploy_id": str(each.id),
        "name": each.name,
        "num_cards": each.per_machine,
        "price": each.price,
        "brand_name": each.brand,
        "location": each.location,
        "available": each.available,
        "max_gpus_per_vm": each.per_machine,
    }


def _hardware(id_: object) -> Hardware:
    for each in HARDWARE:
        if str(each.id) == str(id_):
            return each
    raise _Refusal(422, "Unknown hardware_id")


def _int(value: object, name: str) -> int:
    if not isinstance(value, int | str) or not re.fullmatch(r"[0-9]{1,6}", str(value)):
        raise _Refusal(422, f"{name} must be a positive integer")
    return int(value)


def _json(request: Received) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as e:
        raise _Refusal(400, "The body is not JSON") from e
    if not isinstance(body, dict):
        raise _Refusal(400, "The body is not a JSON object")
    return body


def _handler(market: Marketplace) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            fields = tuple(self.headers.items())
            received = Received(self.command, self.path, fields, self.rfile.read(length))
            status, document = market.answer(received)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    return Handler
