"""What the product remembers: one Store, on SQLite inside the container or PostgreSQL outside.

Decides nothing. SQLAlchemy is loaded only when a store is opened.
"""

from __future__ import annotations

from kycgate.store.base import Store
from kycgate.store.records.attesting import IssuedAttestation, Revocations
from kycgate.store.records.cases import (
    Case,
    CaseEvent,
    Clearance,
    Hold,
    KeptProof,
    SealedBlob,
    SealedEvidence,
    Subject,
)
from kycgate.store.records.jobs import Begun, Job, Refusal
from kycgate.store.records.log import LogEntry
from kycgate.store.records.settling import OutboxItem, RentalState, SentTransaction
from kycgate.store.records.signin import Handoff, Key, Session
from kycgate.store.records.visits import Presentation, ProviderEvent, Verification

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
