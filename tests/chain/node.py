"""Nodes that answer as a test says: silent, wrong, lagging, or true to anvil up to a point.

Holds no assertions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from tests.chain_world import CHAIN_ID, Anvil

Answer = Callable[[dict[str, Any]], bytes]


class Node:
    """A node that answers as the test says; it remembers what it was asked."""

    def __init__(self, answer: Answer, *, status: int = 200) -> None:
        asked: list[dict[str, Any]] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(question)
                body = answer(question)
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def methods(self) -> list[str]:
        return [question["method"] for question in self.asked]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answering(**results: Any) -> Answer:
    """Results by method name; the chain id is right; other methods are unknown."""
    known = {"eth_chainId": hex(CHAIN_ID)} | results

    def answer(question: dict[str, Any]) -> bytes:
        method = question["method"]
        told = {"jsonrpc": "2.0", "id": question["id"]}
        if method not in known:
            return json.dumps(told | {"error": {"code": -32601, "message": "no"}}).encode()
        if isinstance(known[method], dict) and "code" in known[method]:
            return json.dumps(told | {"error": known[method]}).encode()
        return json.dumps(told | {"result": known[method]}).encode()

    return answer


def forwarded(anvil: Anvil, question: dict[str, Any]) -> bytes:
    """What anvil answers."""
    return requests.post(anvil.url, json=question, timeout=5).content


def losing(anvil: Anvil, method: str) -> Answer:
    """Hands questions on to anvil; the answers to one method are lost on the way."""

    def answer(question: dict[str, Any]) -> bytes:
        found = forwarded(anvil, question)
        return b"" if question["method"] == method else found

    return answer
