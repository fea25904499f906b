"""Keeps a door's gate up to date from beside: no request waits to hear whether anything changed.

Decides nothing. If this stops, requests ask themselves, and nothing stands longer than it may.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from kycgate.gateway.view import GatePort

EVERY_S = 0.5
"""Well within the gate's own bound (`parts.Limits.poll_s`)."""


@contextlib.asynccontextmanager
async def watching(gate: GatePort, threads: Executor) -> AsyncIterator[None]:
    """While inside, the gate looks for changes twice a second."""

    async def look() -> None:
        loop = asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(threads, gate.refresh)
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
