"""The decision log's lines.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass

LOG_GENESIS = bytes(32)
"""What the first entry of the decision log has for a previous hash."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the decision log: canonical JSON `body`, chained by SHA-256."""

    seq: int
    at: int
    kind: str
    body: bytes
    prev_hash: bytes
    hash: bytes
