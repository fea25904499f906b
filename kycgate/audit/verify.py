"""Checks a decision log from its first entry to its last, and against a signed head.

Needs no key and no database: an auditor runs it over an export. Does not judge what was decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kycgate.audit.entry import entry_hash
from kycgate.audit.head import SignedHead
from kycgate.errors import Malformed
from kycgate.store.records.log import LOG_GENESIS, LogEntry


@dataclass(frozen=True, slots=True)
class Verified:
    """Each entry follows from the one before. Without a head the end may be missing."""

    count: int
    head_hash: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The log is not what was written. `seq` is the first place where it shows."""

    seq: int
    why: str


_BEFORE_FIRST = LogEntry(seq=0, at=0, kind="", body=b"", prev_hash=b"", hash=LOG_GENESIS)


def verify_log(entries: Iterable[LogEntry], *, head: SignedHead | None = None) -> Verified | Broken:
    """Check entries given in order from the first; reads them once, holds one.

    With a head, the log must contain it: entries after it are fine, a log that ends before it is
    Broken. So is an entry that can't be read.
    """
    last, count = _BEFORE_FIRST, 0
    try:
        for entry in entries:
            why = _wrong(entry, last) or _not_the_head(entry, head)
            if why is not None:
                return Broken(count + 1, why)
            last, count = entry, count + 1
    except Malformed as error:
        return Broken(count + 1, f"{error.field}: {error.message}")
    if head is not None and head.seq > count:
        return Broken(count + 1, f"the log ends here; the signed head saw {head.seq} entries")
    return Verified(count, last.hash)


def _wrong(entry: LogEntry, last: LogEntry) -> str | None:
    if entry.seq != last.seq + 1:
        return f"entry {entry.seq} stands in the place of {last.seq + 1}"
    if entry.prev_hash != last.hash:
        return "does not follow the entry before"
    if entry.at < last.at:
        return "is dated before the entry before"
    try:
        expected = entry_hash(
            prev_hash=last.hash, seq=entry.seq, at=entry.at, kind=entry.kind, body=entry.body
        )
    except (ValueError, OverflowError):
        return "has a field no entry can have"
    return None if entry.hash == expected else "was changed: its hash does not match"


def _not_the_head(entry: LogEntry, head: SignedHead | None) -> str | None:
    if head is None or head.seq != entry.seq or head.hash == entry.hash:
        return None
    return "the signed head names another entry here"
