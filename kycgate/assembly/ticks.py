"""What runs once a second behind the doors, each round in a thread of its own.

Knows no room: it is given named rounds of work, and keeps one's failure from the others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from kycgate.errors import KycgateError

Tick = Callable[[int], None]
"""One round of work at a moment, Unix seconds UTC."""
SWEEP_S = 60
"""Used nonces and ended sessions are forgotten this often, so that strangers can't pile them up."""
_TICK_S = 1.0

_log = logging.getLogger("kycgate")


def attempt(work: Callable[[], object]) -> None:
    """Do one piece of a round; what can't be done now waits for the next."""
    try:
        work()
    except KycgateError as error:
        _log.error("background work waits: %s", error.message)


@contextmanager
def running(rounds: Iterable[tuple[str, Tick]], *, close: Callable[[], None]) -> Iterator[None]:
    """Tick while inside; a slow round delays no other. `close` ends what a round may wait for."""
    leave = threading.Event()

    def work(tick: Tick) -> None:
        while not leave.wait(_TICK_S):
            try:
                tick(int(time.time()))
            except Exception:  # noqa: BLE001
                # A fault of ours in one round must not end all that follow: nobody would be stopped
                # any more, and nothing would say so.
                _log.exception("background work failed and goes on with its next round")

    threads = [
        threading.Thread(target=work, args=(tick,), name=f"kycgate-{name}", daemon=True)
        for name, tick in rounds
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        leave.set()
        close()
        for thread in threads:
            thread.join()
