"""A running sidecar, and a raw local caller of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kycgate.client.sidecar import Proof, Relay, Settings, Standing
from tests.gateway.wire import body_of, get, status, talk

TOKEN = "kgl_" + "t" * 43


@dataclass
class Sidecar:
    """Where it listens, and how a tool that was set up rightly asks it."""

    port: int

    def raw(self, data: bytes, *, seconds: float = 20) -> bytes:
        return talk(self.port, data, seconds=seconds)

    def ask(
        self,
        target: str,
        *fields: str,
        method: str = "GET",
        body: bytes | None = None,
        token: str | None = TOKEN,
        host: str | None = None,
    ) -> bytes:
        lines = [f"Host: {host or f'127.0.0.1:{self.port}'}", "Connection: close", *fields]
        if token is not None:
            lines.append(f"X-Api-Key: {token}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join((f"{method} {target} HTTP/1.1", *lines, "", ""))
        return self.raw(head.encode("latin-1") + (body or b""))

    def json(self, target: str, *fields: str, **how: Any) -> tuple[int, Any]:
        answer = self.ask(target, *fields, **how)
        return status(answer), json.loads(body_of(answer))


class Unasked:
    """A control plane for tests that need none."""

    def status(self) -> dict[str, Any]:
        return {}


@contextmanager
def sidecar(
    upstream: str,
    proof: Proof,
    *,
    standing: Standing | None = None,
    token: str | None = TOKEN,
    **settings: Any,
) -> Iterator[Sidecar]:
    """On a loop of its own, in a thread."""
    loop = asyncio.new_event_loop()
    known = standing or Standing(Unasked(), account=None, clock=lambda: 0)  # type: ignore[arg-type]
    relay = Relay(Settings(upstream=upstream, **settings), proof, known, token=token)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(relay.start("127.0.0.1", 0), loop).result(10)
        yield Sidecar(port)
    finally:
        asyncio.run_coroutine_threadsafe(relay.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


__all__ = ["TOKEN", "Sidecar", "get", "sidecar"]
