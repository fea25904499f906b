"""A small marketplace shaped like Vast.ai's API: what its command line uses, and no more."""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OFFERS = [
    {"id": 384826, "ask_contract_id": 384826, "gpu_name": "H100 SXM", "num_gpus": 8},
    {"id": 5, "ask_contract_id": 5, "gpu_name": "RTX 3090", "num_gpus": 1},
]


class VastMarket:
    """Listens on loopback, checks nothing but the operator's key, keeps all it received."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.received: list[tuple[str, str, dict[str, str], bytes]] = []
        self.instances: dict[int, dict[str, Any]] = {}
        self.busy = 0
        """How many rentals are answered 503 before one is taken."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> VastMarket:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, method: str, path: str) -> list[bytes]:
        """The bodies of the requests that arrived on this method and path."""
        return [body for verb, at, _, body in self.received if (verb, at) == (method, path)]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        instance = re.fullmatch(r"/api/v0/(asks|instances)/([0-9]+)/", path)
        if (method, path) == ("POST", "/api/v0/bundles/"):
            return 200, {"offers": _found(json.loads(body))}
        if (method, path) == ("GET", "/api/v1/instances/"):
            return 200, {"instances": list(self.instances.values()), "total_instances": 99}
        if instance is None:
            return 404, {"success": False, "error": "no_route", "msg": path}
        if (method, instance[1]) == ("PUT", "asks"):
            return self._rent(int(instance[2]))
        return self._change(method, int(instance[2]), body)

    def _rent(self, offer: int) -> tuple[int, dict[str, Any]]:
        if self.busy:
            self.busy -= 1
            return 503, {"success": False, "error": "busy", "msg": "busy"}
        number = 7835610 + len(self.instances)
        row = next(row for row in OFFERS if row["id"] == offer)
        self.instances[number] = {
            "id": number, "gpu_name": row["gpu_name"], "num_gpus": row["num_gpus"],
            "actual_status": "running", "start_date": time.time(), "extra_env": [],
        }  # fmt: skip
        return 200, {"success": True, "new_contract": number}

    def _change(self, method: str, number: int, body: bytes) -> tuple[int, dict[str, Any]]:
        if number not in self.instances:
            return 404, {"success": False, "error": "no_such_instance", "msg": "no such instance"}
        if method == "DELETE":
            del self.instances[number]
        elif method == "PUT":
            self.instances[number]["actual_status"] = json.loads(body)["state"]
        return 200, {"success": True}


def _found(query: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = query.get("id", {}).get("eq")
    return [row for row in OFFERS if wanted in (None, row["id"])]


def _handler(market: VastMarket) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            fields = {name.lower(): value for name, value in self.headers.items()}
            market.received.append((self.command, path, fields, body))
            status, said = 401, {"success": False, "error": "auth", "msg": "Invalid user key"}
            if fields.get("authorization") == f"Bearer {market.api_key}":
                status, said = market.answer(self.command, path, body)
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
