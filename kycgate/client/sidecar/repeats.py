"""One key for a request and its re-sends, so that a tool that tries again never rents twice.

Remembers digests only. A key drawn anew for each try would be worse than none: the gate would take
every try for another job. So the key stays until the caller had a whole, final answer.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

KEY_FIELD: Final = "Idempotency-Key"
KEYED: Final = frozenset({"POST", "PUT"})
HELD_S: Final = 600
"""As long as the gate lets an identical request join an unfinished one."""
_HELD_MOST: Final = 10_000


@dataclass(slots=True)
class Repeats:
    """The keys of requests whose outcome their caller may not know yet."""

    _held: OrderedDict[bytes, tuple[str, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, method: str, target: str, body: bytes, *, now: float) -> str:
        """The key of this request: that of an earlier, unfinished one if it is the same."""
        digest = _digest(method, target, body)
        with self._lock:
            held = self._held.pop(digest, None)
            if held is None or now - held[1] >= HELD_S:
                held = (secrets.token_urlsafe(24), now)
            self._held[digest] = held
            while len(self._held) > _HELD_MOST:
                self._held.popitem(last=False)
            return held[0]

    def over(self, method: str, target: str, body: bytes) -> None:
        """The caller has a whole, final answer: the same request again is another one."""
        with self._lock:
            self._held.pop(_digest(method, target, body), None)


def final(status: int) -> bool:
    """Whether this answer says what became of the request. A price or a wait does not."""
    return status < 500 and status not in (402, 408, 409, 425, 429)


def _digest(method: str, target: str, body: bytes) -> bytes:
    parts = (method.encode(), target.encode("latin-1"), body)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
