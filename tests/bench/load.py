"""A small load generator: keep-alive connections that ask again at once, or at a steady rate.

At a rate, a request counts from the moment it was due: a server that stops for a while does not get
away with the requests that were not sent meanwhile. Prints one JSON object: requests, seconds,
p50_ms, p99_ms. Usage: python -m tests.bench.load PORT CONNECTIONS SECONDS RATE PATH FIELD…
(RATE 0: at once).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from functools import partial

import httptools
import uvicorn


class _Asker(asyncio.Protocol):
    def __init__(self, request: bytes, times: list[float], every: float, first: float) -> None:
        self._request = request
        self._times = times
        self._every = every
        self._due = first
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self.lost = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def _next(self) -> None:
        if not self._every:
            self._ask(time.perf_counter())
            return
        self._due += self._every
        self._loop.call_later(max(0.0, self._due - time.perf_counter()), self._ask, self._due)

    def _ask(self, due: float) -> None:
        self._asked = due
        if not self._transport.is_closing():
            self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200:
            raise SystemExit(f"answered {self._parser.get_status_code()}")
        self._times.append(time.perf_counter() - self._asked)
        self._next()


async def _load(
    port: int, connections: int, seconds: float, rate: int, path: str, fields: list[str]
) -> list[float]:
    rows = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *fields]
    request = ("\r\n".join(rows) + "\r\n\r\n").encode()
    times: list[float] = []
    loop = asyncio.get_running_loop()
    every = connections / rate if rate else 0.0
    start = time.perf_counter()

    async def ask(n: int) -> None:
        begin = start + every * n / connections
        while True:
            transport, asker = await loop.create_connection(
                partial(_Asker, request, times, every, begin), "127.0.0.1", port
            )
            try:
                await asker.lost  # servers end a connection after so many requests
            finally:
                transport.abort()
            begin = time.perf_counter()

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(ask(n) for n in range(connections)))
    return times


def main() -> None:
    port, connections, seconds, rate, path, *fields = sys.argv[1:]
    load = _load(int(port), int(connections), float(seconds), int(rate), path, fields)
    begun = time.perf_counter()
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        times = sorted(runner.run(load))
    print(
        json.dumps(
            {
                "requests": len(times),
                "seconds": time.perf_counter() - begun,
                "p50_ms": times[len(times) // 2] * 1000,
                "p99_ms": times[len(times) * 99 // 100] * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
