"""What a verdict costs inside the gate: said again, from memory, and for a caller never seen.

The gate is the real one on SQLite, in this process: no socket, no front. The verdict said again and
those from memory are CPU of one thread; callers never seen are put to the door a front asks, on its
event loop, and all threads are counted. Each figure is the median of the quietest batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth
from kycgate.gateway.standing import StandingAnswers
from kycgate.gateway.view import Forward, RequestView
from tests.bench.running import PATH
from tests.gateway.live import LiveWorld
from tests.gateway.world import Renter

STRANGERS = 1000
_BATCH = 40
CACHED_MOST_US = 2.0
FIRST_MOST_US = 60.0
FIRST_MOST = FIRST_MOST_US / 55
"""Times the Go proxy's CPU per request, which was 55 us where the 60 were set."""
FIRST = "a caller never seen, on top of the same question of a known one, at the door"


def rows() -> list[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(LiveWorld(Path(folder), "http://127.0.0.1:9")) as world,
    ):
        bench = world.renter("bench")
        known = bench.asks("GET", PATH)
        newcomers = [world.stranger(f"newcomer-{n}") for n in range(STRANGERS)]
        cached = _again(world, known)
        remembered = _median(lambda view: _quick(world, view), [known] * STRANGERS)
        signing = _median(lambda view: _new_target(world, view), _targets(known))
        first = asyncio.run(_first(world, bench, newcomers))
    return [
        _row("a verdict said again, in the gate", cached, CACHED_MOST_US),
        _row("a verdict from memory, known caller and target, other fields", remembered, None),
        _row("a verdict from memory, known caller, new target (signs an assertion)", signing, None),
        _row(FIRST, first, FIRST_MOST_US),
    ]


def in_yardsticks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first look once more, beside what the yardstick took in the same run: how fast the
    machine is does not count there."""
    first = next((row for row in rows if row["name"].startswith(FIRST)), None)
    engine = next((row for row in rows if row["name"].startswith("Go httputil")), None)
    if first is None or engine is None:
        return []
    ratio = first["ours"] / engine["ours"]
    row = {
        "name": f"{FIRST}, CPU (peer: {engine['name'].partition(',')[0]})",
        "ours": first["ours"],
        "peer": engine["ours"],
        "ratio": round(ratio, 3),
        "unit": "us",
        "target": round(FIRST_MOST, 2),
        "met": ratio <= FIRST_MOST,
    }
    return [row]


async def _first(world: LiveWorld, known: Renter, newcomers: list[Renter]) -> float:
    """What the door spends more on each newcomer than on a known caller's new question.

    Batches of both take turns; the median of the differences is the figure. As in the server,
    collections leave alone what was made for the start.
    """
    app = ForwardAuth(
        world.gate,
        CONTRACTS["nginx"],
        peers=[ip_network("127.0.0.1")],
        only=frozenset({"read"}),
        clock=time.time,
    )
    await _asks(app, known, PATH)
    gc.collect()
    gc.freeze()
    more = []
    for n in range(0, len(newcomers), _BATCH):
        world.gate.refresh()  # and write down whose keys were used: counted with neither
        begun = time.process_time_ns()
        for m in range(_BATCH):
            await _asks(app, known, f"{PATH}?new={n + m}")
        between = time.process_time_ns()
        for renter in newcomers[n : n + _BATCH]:
            await _asks(app, renter, PATH)
        spent = (between - begun, time.process_time_ns() - between)
        more.append((spent[1] - spent[0]) / _BATCH / 1000)
    gc.unfreeze()
    return statistics.median(more)


async def _asks(app: ForwardAuth, renter: Renter, target: str) -> None:
    fields = {
        "host": "gate.test",
        "x-api-key": renter.secret,
        "x-original-method": "GET",
        "x-original-uri": target,
        "x-original-host": "gate.test",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
    }
    scope = {
        "type": "http",
        "method": "GET",
        "client": ("127.0.0.1", 1),
        "kycgate.target": b"/auth",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }
    answered: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        answered.append(message.get("status", 200))

    await app(scope, receive, send)
    if answered != [200, 200]:
        raise RuntimeError(f"the door answered {answered}")


def _again(world: LiveWorld, view: RequestView) -> float:
    """The door's look-up, with the real mark and clock, on a question of usual length."""
    question = b"GET /auth HTTP/1.1\r\n" + b"x" * 500
    answers = StandingAnswers(world.gate.mark, time.time, lambda peer: True)
    world.gate.check(view)
    mark = world.gate.mark()
    now = int(time.time())
    answers.keep(question, b"a" * 700, since=now, until=now + 60, mark=mark, charge=lambda: True)
    batches = []
    for _ in range(20):
        world.gate.refresh()
        copy = bytes(bytearray(question))  # as it comes off a socket: its hash not known yet
        copies = [bytes(bytearray(copy)) for _ in range(1000)]
        begun = time.thread_time_ns()
        for each in copies:
            if answers.get(each) is None:
                raise RuntimeError("the answer no longer stands")
        batches.append((time.thread_time_ns() - begun) / len(copies) / 1000)
    return statistics.median(batches)


def _quick(world: LiveWorld, view: RequestView) -> None:
    world.gate.refresh()
    assert isinstance(world.gate.quick(view), Forward)


def _new_target(world: LiveWorld, view: RequestView) -> None:
    assert isinstance(world.gate.check(view), Forward)


def _targets(view: RequestView) -> list[RequestView]:
    return [replace(view, target=view.target + b"?page=%d" % n) for n in range(STRANGERS)]


def _median(call: Callable[[RequestView], object], views: list[RequestView]) -> float:
    """Of the quietest batch: what else the machine does only ever adds."""
    taken = []
    for view in views:
        begun = time.thread_time_ns()
        call(view)
        taken.append((time.thread_time_ns() - begun) / 1000)
    return min(statistics.median(taken[n : n + 40]) for n in range(0, len(taken), 40))


def _row(name: str, us: float, most: float | None) -> dict[str, Any]:
    return {
        "name": f"{name}, CPU",
        "ours": round(us, 2),
        "peer": None,
        "ratio": None,
        "unit": "us",
        "target": most,
        "met": most is None or us <= most,
    }
