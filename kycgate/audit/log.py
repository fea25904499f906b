"""The decision log: what was decided, one entry after another, durable before it takes effect.

Decides nothing and reads no body. Whoever owns the database can rewrite all of it: only a signed
head kept elsewhere shows that.
"""

from __future__ import annotations

from typing import Any, Final

from kycgate.audit.entry import canonical_body, chained
from kycgate.audit.head import SignedHead
from kycgate.errors import Misconfigured, Unavailable
from kycgate.keys import Signer
from kycgate.store.base import LOG_GENESIS, LogEntry, Store

CLOCK_TOLERANCE_S: Final = 60
"""How far `now` may be behind the last entry, whose time then is ours: replicas' clocks differ, and
a request reads its moment when it arrives, then may wait seconds for a node or a turn to write."""


class DecisionLog:
    """Appends to the log of a store. Safe for many threads and several processes."""

    def __init__(self, store: Store, signer: Signer | None) -> None:
        """`signer` is the log key; without it entries are chained but no head can be signed."""
        self._store = store
        self._signer = signer

    def append(self, kind: str, body: dict[str, Any], *, now: int) -> LogEntry:
        """Add an entry; it has reached the disk when this returns.

        Raises Malformed for a body the vocabulary does not allow, Unavailable when the log can't be
        written or the clock is more than `CLOCK_TOLERANCE_S` behind it.
        """
        content = canonical_body(kind, body)

        def build(seq: int, prev_hash: bytes) -> LogEntry:
            at = _in_order(self._store.log_head(), now)
            return chained(seq, prev_hash, at=at, kind=kind, body=content)

        return self._store.append_log(build)

    def head(self, now: int) -> dict[str, Any]:
        """The signed head: `seq`, `hash`, `at`, `signer`, `signature`; seq 0 while empty.

        Raises Misconfigured without a log key, Unavailable when the clock is behind the log.
        """
        if self._signer is None:
            raise Misconfigured(("keys.log: no log key, so the log's head can't be signed",))
        last = self._store.log_head()
        seq, digest = (last.seq, last.hash) if last else (0, LOG_GENESIS)
        at = _in_order(last, now)
        return SignedHead.sign(seq=seq, digest=digest, at=at, signer=self._signer).document()


def _in_order(last: LogEntry | None, now: int) -> int:
    """The time to write after `last`: never before it, so that no series of entries drifts back."""
    if last is None or now >= last.at:
        return now
    if now < last.at - CLOCK_TOLERANCE_S:
        raise Unavailable(
            "the clock is behind the decision log: nothing is decided until it is set"
        )
    return last.at
