"""Decided jobs, refusals, and what each decision stood on.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Job:
    """One decided rental. Never deleted: the record is the replay guard (DESIGN 4.3, 4.4)."""

    id: bytes
    """keccak256(abi.encode(renter, n)), 32 bytes"""
    account: str
    fingerprint: bytes
    """digest of account, method, authority, target, body digest and Idempotency-Key"""
    idempotency_key: str | None
    state: Literal["decided", "forwarded", "answered", "unknown"]
    decision_id: str
    request: bytes
    """canonical job request (RFC 8785)"""
    created_at: int
    updated_at: int
    deployment: str | None = None
    answer_status: int | None = None
    answer_headers: tuple[tuple[str, str], ...] = ()
    answer_body: bytes = b""
    permit: bytes | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """Answer to begin_job. `fresh` is true for the one caller that may forward."""

    job: Job
    fresh: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refusal's link shows. Holds no account; `asked` is the job in plain fields."""

    id: str
    created_at: int
    asked: dict[str, Any]
    codes: tuple[str, ...]
    """outward codes only"""
    host: str


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """Everything one decision stood on, as canonical JSON without names; the log holds its digest.

    It may be forgotten before the log is: a decision can then be proven, and no longer replayed.
    """

    decision_id: str
    at: int
    body: bytes
