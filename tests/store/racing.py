"""Makes calls collide: all start together, each outcome is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from kycgate.errors import KycgateError


def race(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each call in a thread of its own; returns what each returned, or the KycgateError."""
    start = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        start.wait()
        try:
            outcomes[place] = call()
        except KycgateError as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
