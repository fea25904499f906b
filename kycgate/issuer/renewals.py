"""Which attestations were due for renewal and could not be, for want of something of ours.

Decides nothing: it remembers, so that the operator hears of it half a life (by default twelve
hours) before the first renter is cut off.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

_MOST = 10_000
_LOG_EVERY_S = 60

_log = logging.getLogger("kycgate.renewals")


@dataclass(frozen=True, slots=True)
class Waiting:
    """`count` accounts wait; the first of them is cut off at `first_ends_at` (Unix seconds)."""

    count: int
    first_ends_at: int | None


class Renewals:
    """Failed renewals of this process. Thread-safe."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._lock = threading.Lock()
        self._logged_at = -_LOG_EVERY_S

    def failed(self, account: str, *, ends_at: int, why: str, now: int) -> None:
        """Something of ours stood between an account and its renewal."""
        with self._lock:
            if len(self._ends) < _MOST or account in self._ends:
                self._ends[account] = ends_at
            due = now - self._logged_at >= _LOG_EVERY_S
            if due:
                self._logged_at = now
        if due:
            waiting = self.waiting(now=now)
            left = max(0, (waiting.first_ends_at or now) - now)
            _log.error(
                "attestations can not be renewed: %s; %d wait, the first ends in %d h %d min",
                why, waiting.count, left // 3600, left % 3600 // 60,
            )  # fmt: skip

    def done(self, account: str) -> None:
        if account in self._ends:
            with self._lock:
                self._ends.pop(account, None)

    def waiting(self, *, now: int) -> Waiting:
        with self._lock:
            self._ends = {account: end for account, end in self._ends.items() if end > now}
            return Waiting(len(self._ends), min(self._ends.values(), default=None))
