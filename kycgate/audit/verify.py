"""Checks a decision log from its first entry to its last, and against a signed head.

Needs no key and no database: an auditor runs it over an export. Does not judge what was decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kycgate.audit.entry import entry_hash
from kycgate.audit.head import SignedHead
from kycgate.store.base import LOG_GENESIS, LogEntry


@dataclass(frozen=True, slots=True)
class Verified:
    """Every entry follows from the one before. Without a head, entries may be missing at the end."""

    count: int
    head_hash: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The log is not what was written. `seq` is the first place where it shows."""

    seq: int
    why: str


def verify_log(entries: Iterable[LogEntry], *, head: SignedHead | None = None) -> Verified | Broken:
    """Check entries given in order from the first; reads them once, holds one.

    With a head, the log must contain it: entries after it are fine, a log that ends before it is
    Broken.
    """
    count, last_hash, last_at = 0, LOG_GENESIS, 0
    for count, entry in enumerate(entries, 1):
        why = _wrong(entry, count, last_hash, last_at)
        if why is None and head is not None and head.seq == count and head.hash != entry.hash:
            why = "the signed head names another entry here"
        if why is not None:
            return Broken(count, why)
        last_hash, last_at = entry.hash, entry.at
    if head is not None and head.seq > count:
        return Broken(count + 1, f"the log ends here; the signed head saw {head.seq} entries")
    return Verified(count, last_hash)


def _wrong(entry: LogEntry, seq: int, prev_hash: bytes, not_before: int) -> str | None:
    if entry.seq != seq:
        return f"entry {entry.seq} stands in the place of {seq}"
    if entry.prev_hash != prev_hash:
        return "does not follow the entry before"
    if entry.at < not_before:
        return "is dated before the entry before"
    try:
        expected = entry_hash(
            prev_hash=prev_hash, seq=seq, at=entry.at, kind=entry.kind, body=entry.body
        )
    except (ValueError, OverflowError):
        return "has a field no entry can have"
    return None if entry.hash == expected else "was changed: its hash does not match"
