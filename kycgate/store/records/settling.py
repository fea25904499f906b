"""Work to be done after the fact, and what happened on chains.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """Work to be done after the fact, at least once: revocations to publish, jobs to stop."""

    id: int
    kind: str
    payload: dict[str, Any]
    due_at: int
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """One signed transaction, written down before any node sees it.

    A replacement has the same number and the next `attempt`: at most one of them is ever taken up.
    """

    chain_id: int
    sender: str
    """address, 0x… lower case"""
    nonce: int
    attempt: int
    hash: bytes
    raw: bytes
    to: bytes
    """address of the contract called, 20 bytes"""
    data: bytes
    gas: int
    max_fee: int
    tip: int
    """wei per gas, as `max_fee`"""
    items: tuple[int, ...]
    """outbox items that it carries"""
    sent_at: int


@dataclass(frozen=True, slots=True)
class RentalState:
    """One job's money as its escrow kept it at a block. Amounts in base units of `token`.

    `state` is none | open | closed | held | sanctioned; none: its opening was undone by the chain.
    """

    chain_id: int
    escrow: str
    """address, 0x… lower case, as `renter`, `provider` and `token`"""
    job: bytes
    state: str
    renter: str
    provider: str
    token: str
    epoch: int
    start: int
    end: int
    held_at: int
    """Unix seconds; 0: not held"""
    total: int
    settled: int
    returned: int
    """what went back to the renter when the job closed"""
    event: str
    """the contract's last event on this job"""
    block: int
    seen_at: int
