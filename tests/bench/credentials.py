"""What verifying a wallet's credential costs: the check alone, and the whole answer opened.

    python -m tests.bench.credentials

CPU time, the median of the rounds. There is no peer: the one Python mdoc verifier in use leaves out
the chain, the validity, the holder and half of the document types (see the decisions).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from kycgate.issuer.credentials.presentations import WAITING_MOST
from kycgate.issuer.credentials.query import PID_DOCTYPE
from tests.fakes import MemoryStore
from tests.issuer.credentials.showing import begin, dc_answer, respond
from tests.issuer.credentials.test_sdjwt import presented
from tests.issuer.credentials.world import PID, WALLET, build, checked, checked_sd, shown

TARGET_MS = 5.0
_CALLS, _ROUNDS = 40, 9


def rows() -> list[dict[str, Any]]:
    """Measure; milliseconds of CPU per credential."""
    licence, card, token = shown(), shown(WALLET.credentials[PID]), presented()
    return [
        _row("mdoc driving licence verified", _each(lambda: checked(licence)), TARGET_MS),
        _row(
            "mdoc identity card verified",
            _each(lambda: checked(card, doctype=PID_DOCTYPE)),
            TARGET_MS,
        ),
        _row("SD-JWT VC identity card verified", _each(lambda: checked_sd(token)), TARGET_MS),
        _row("wallet's answer opened, verified twice and recorded", _answers(), None),
    ]


def _each(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        for _ in range(_CALLS):
            work()
        times.append((time.process_time() - started) / _CALLS * 1000)
    return statistics.median(times)


def _answers() -> float:
    times = []
    for _ in range(_ROUNDS):
        world = build(MemoryStore())
        asked = [begin(world) for _ in range(WAITING_MOST)]
        given = [(begun, dc_answer(begun)) for begun in asked]
        started = time.process_time()
        for begun, response in given:
            respond(world, begun, response)
        times.append((time.process_time() - started) / WAITING_MOST * 1000)
    return statistics.median(times)


def _row(name: str, ours: float, target: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": None,
        "ratio": None,
        "unit": "ms",
        "target": None if target is None else f"<= {target:g} ms",
        "met": None if target is None else ours <= target,
    }


if __name__ == "__main__":
    for row in rows():
        print(row)
