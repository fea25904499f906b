"""A small load generator for machines without wrk: keep-alive connections that ask again at once.

Prints one JSON object: requests, seconds, p50_ms, p99_ms.
Usage: python -m tests.bench.load PORT CONNECTIONS SECONDS FIELD…
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httptools
import uvicorn


class _Asker(asyncio.Protocol):
    def __init__(self, request: bytes, times: list[float]) -> None:
        self._request = request
        self._times = times
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200:
            raise SystemExit(f"answered {self._parser.get_status_code()}")
        self._times.append(time.perf_counter() - self._asked)
        self._ask()


async def _load(port: int, connections: int, seconds: float, fields: list[str]) -> list[float]:
    rows = ["GET /enterprise/v1/io-cloud/caas/hardware HTTP/1.1", "Host: 127.0.0.1", *fields]
    request = ("\r\n".join(rows) + "\r\n\r\n").encode()
    times: list[float] = []
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Asker(request, times), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    return times


def main() -> None:
    port, connections, seconds, *fields = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        times = sorted(runner.run(_load(int(port), int(connections), float(seconds), fields)))
    print(
        json.dumps(
            {
                "requests": len(times),
                "seconds": float(seconds),
                "p50_ms": times[len(times) // 2] * 1000,
                "p99_ms": times[len(times) * 99 // 100] * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
