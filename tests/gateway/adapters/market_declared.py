"""Small marketplaces shaped like Lium, Prime Intellect and Clore: what their clients use."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NODE = "11111111-2222-4333-8444-555555555555"
POD = "aaaaaaaa-bbbb-4ccc-8ddd-{:012d}"


class Listening:
    """Listens while entered, checks nothing but the operator's key, keeps all it received."""

    key_field = "authorization"
    key_start = "Bearer "

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.received: list[tuple[str, str, dict[str, str], bytes]] = []
        self.running: dict[str, dict[str, Any]] = {}
        self.rented = 0
        self.lose_answers = 0
        """How many rentals are carried out without an answer: the connection is closed."""

    def __enter__(self) -> Listening:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, method: str, path: str) -> list[bytes]:
        return [body for verb, at, _, body in self.received if (verb, at) == (method, path)]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        raise NotImplementedError


class LiumMarket(Listening):
    key_field, key_start = "x-api-key", ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        pod = re.fullmatch(r"/api/pods/([0-9a-f-]+)", path)
        if (method, path) == ("GET", "/api/executors"):
            gpu = "NVIDIA H100 80GB HBM3"
            return 200, [
                {"id": NODE, "machine_name": gpu, "gpu_count": 8, "price_per_gpu": 2.5, "specs": {}}
            ]
        if (method, path) == ("GET", "/api/pods"):
            return 200, list(self.running.values())
        if (method, path) == ("POST", f"/api/executors/{NODE}/rent"):
            self.rented += 1
            number = POD.format(self.rented)
            asked = json.loads(body)
            self.running[number] = {
                "id": number, "pod_name": asked["pod_name"], "status": "RUNNING",
                "gpu_count": asked.get("gpu_count"), "executor": {"id": NODE}, "price": 20.0,
            }  # fmt: skip
            return 200, {"success": True, "pod_id": number}
        if method == "DELETE" and pod is not None and self.running.pop(pod[1], None):
            return 200, {"success": True}
        if method == "GET" and pod is not None and pod[1] in self.running:
            return 200, self.running[pod[1]]
        return 404, {"detail": "not found"}


class PrimeMarket(Listening):
    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        pod = re.fullmatch(r"/api/v1/pods/([a-z0-9]+)", path)
        if (method, path) == ("GET", "/api/v1/availability/gpus"):
            return 200, {"items": [self._offer()], "totalCount": 1}
        if (method, path) == ("GET", "/api/v1/availability/multi-node"):
            return 200, {"items": [], "totalCount": 0}
        if (method, path) == ("GET", "/api/v1/pods"):
            rows = list(self.running.values())
            return 200, {"data": rows, "total_count": 99, "offset": 0, "limit": 100}
        if (method, path) == ("POST", "/api/v1/pods"):
            self.rented += 1
            number, asked = f"pod{self.rented}", json.loads(body)["pod"]
            self.running[number] = {
                "id": number, "name": asked["name"], "gpuName": asked["gpuType"],
                "gpuCount": asked["gpuCount"], "status": "ACTIVE", "providerType": "runpod",
                "createdAt": "2026-01-01T00:00:00Z", "resources": None, "ip": None, "socket": None,
                "type": None,
            }  # fmt: skip
            return 200, self.running[number]
        if method == "DELETE" and pod is not None and self.running.pop(pod[1], None):
            return 200, {"status": "deleted"}
        if method == "GET" and pod is not None and pod[1] in self.running:
            return 200, self.running[pod[1]]
        return 404, {"detail": "not found"}

    def _offer(self) -> dict[str, Any]:
        none = {"minCount": None, "defaultCount": None, "maxCount": None, "pricePerUnit": None,
                "step": None, "defaultIncludedInPrice": None, "additionalInfo": None}  # fmt: skip
        return {
            "cloudId": "gpu_8x_h100", "gpuType": "H100_80GB", "socket": "SXM5", "gpuCount": 8,
            "provider": "runpod", "dataCenter": "US-1", "country": "US", "gpuMemory": 80,
            "disk": none, "vcpu": none, "memory": none, "stockStatus": "Available",
            "security": "secure_cloud", "images": ["ubuntu_22_cuda_12"],
            "prices": {"onDemand": 20.0, "currency": "USD"}, "interconnect": None,
        }  # fmt: skip


class CloreMarket(Listening):
    key_field, key_start = "auth", ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if (method, path) == ("GET", "/v1/marketplace"):
            return 200, {
                "code": 0,
                "servers": [
                    {"id": 7, "gpu_array": ["NVIDIA H100 80GB HBM3"] * 2, "rented": False},
                    {"id": 8, "gpu_array": ["NVIDIA GeForce RTX 3090"], "rented": False},
                    {"id": 9, "gpu_array": [["GTX 745"], "NVIDIA H100"], "rented": False},
                ],
            }
        if (method, path) == ("GET", "/v1/my_orders"):
            return 200, {"code": 0, "orders": list(self.running.values()), "total": 99}
        if (method, path) == ("POST", "/v1/create_order"):
            self.rented += 1
            number = 100 + self.rented
            order = {"id": number, "renting_server": json.loads(body)["renting_server"]}
            self.running[str(number)] = order
            return 200, {"code": 0, "order": order}
        if (method, path) == ("POST", "/v1/cancel_order"):
            known = self.running.pop(str(json.loads(body)["id"]), None)
            return 200, {"code": 0} if known else {"code": 2, "error": "no such order"}
        return 200, {"code": 4, "error": "no such endpoint"}


def _handler(market: Listening) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            fields = {name.lower(): value for name, value in self.headers.items()}
            market.received.append((self.command, path, fields, body))
            status: int = 401
            said: Any = {"detail": "unauthorized", "code": 3}
            if fields.get(market.key_field) == market.key_start + market.api_key:
                status, said = market.answer(self.command, path, body)
            if market.lose_answers and self.command == "POST":
                market.lose_answers -= 1
                self.close_connection = True
                return
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Quiet: what arrived is in `received`."""

    return Handler
