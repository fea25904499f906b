"""A load that changes: known questions, new ones, and strangers' keys, so many and no more.

Usage: python -m tests.bench.churn PORT CONNECTIONS REQUESTS KEY. Prints a JSON object: how often
each status was answered.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections import Counter

import httptools
import uvicorn

PATH = "/enterprise/v1/io-cloud/caas/hardware"
_SALT = os.getpid()


class _Churn(asyncio.Protocol):
    def __init__(
        self, port: int, key: str, numbers: itertools.count[int], most: int, seen: Counter[str]
    ) -> None:
        self._head = f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        self._key = key
        self._numbers = numbers
        self._most = most
        self._seen = seen
        self.finished = False
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        n = next(self._numbers)
        if n >= self._most:
            self.finished = True
            self._transport.close()
            return
        self._parser = httptools.HttpResponseParser(self)
        key, path = self._key, f"{PATH}?page={n % 7}"
        if n % 2:
            path = f"{PATH}?page={_SALT}-{n}"
        if n % 8 == 7:
            key = f"kg_{_SALT:020d}{n:020d}"
        request = f"GET {path} {self._head}x-api-key: {key}\r\n\r\n"
        self._transport.write(request.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._seen[str(self._parser.get_status_code())] += 1
        self._ask()


async def _run(port: int, connections: int, most: int, key: str) -> Counter[str]:
    seen: Counter[str] = Counter()
    numbers = itertools.count()
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        finished = False
        while not finished:  # nginx ends a connection after a thousand requests
            _, asker = await loop.create_connection(
                lambda: _Churn(port, key, numbers, most, seen), "127.0.0.1", port
            )
            await asker.done
            finished = asker.finished

    await asyncio.gather(*(ask() for _ in range(connections)))
    return seen


def main() -> None:
    port, connections, requests, key = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        seen = runner.run(_run(int(port), int(connections), int(requests), key))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
