"""How long an answer may flow: until its proof ends, and a long one only while its account may.

Decides nothing: it asks the gate again and again, and cuts off what may not go on. What is cut off
ends without an end, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor

from kycgate.errors import Unavailable
from kycgate.gateway.view import Forward, RequestView

LOOK_S = 1.5
"""With the gate's own second, a revocation ends a long answer well within five."""


@contextlib.asynccontextmanager
async def lifetime(
    forward: Forward, view: RequestView, *, clock: Callable[[], float], threads: Executor
) -> AsyncIterator[asyncio.Timeout]:
    """While inside, the answer may flow; raises TimeoutError when it may not. Only the part of it
    that sends belongs inside."""
    identity = forward.identity
    end = None if identity is None else identity.expires_at
    seconds = None if end is None else float(max(0, end - view.now))
    async with asyncio.timeout(seconds) as timeout:
        if forward.goes_on is None:
            yield timeout
            return
        watching = asyncio.create_task(_watch(forward.goes_on, timeout, clock, threads))
        try:
            yield timeout
        finally:
            watching.cancel()


async def _watch(
    goes_on: Callable[[int], int],
    timeout: asyncio.Timeout,
    clock: Callable[[], float],
    threads: Executor,
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_S)
        now = clock()
        try:
            until = await loop.run_in_executor(threads, goes_on, int(now))
        except Unavailable:
            continue  # nobody knows: what was known last holds, and nothing is extended
        if timeout.expired():
            return
        timeout.reschedule(loop.time() + max(0.0, until - now))
