"""What the product remembers: one Store, on SQLite inside the container or PostgreSQL outside.

Decides nothing. SQLAlchemy is loaded only when a store is opened.
"""

from __future__ import annotations

from kycgate.store.base import (
    Begun,
    Case,
    CaseEvent,
    Clearance,
    Handoff,
    Hold,
    IssuedAttestation,
    Job,
    KeptProof,
    Key,
    LogEntry,
    OutboxItem,
    Presentation,
    ProviderEvent,
    Refusal,
    RentalState,
    Revocations,
    SealedBlob,
    SealedEvidence,
    SentTransaction,
    Session,
    Store,
    Subject,
    Verification,
)

__all__ = [
    "Begun",
    "Case",
    "CaseEvent",
    "Clearance",
    "Handoff",
    "Hold",
    "IssuedAttestation",
    "Job",
    "KeptProof",
    "Key",
    "LogEntry",
    "OutboxItem",
    "Presentation",
    "ProviderEvent",
    "Refusal",
    "RentalState",
    "Revocations",
    "SealedBlob",
    "SealedEvidence",
    "SentTransaction",
    "Session",
    "Store",
    "Subject",
    "Verification",
    "open_store",
]


def open_store(url: str) -> Store:
    """Open a database, making or migrating its tables first.

    `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user@host/name`.
    Raises Misconfigured when the URL can't be right, Unavailable when the database does not answer.
    """
    from kycgate.store.sql import open_sql_store

    return open_sql_store(url)
