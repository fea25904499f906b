"""A renter's visits to wallets and hosted identity providers.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Presentation:
    """One request to a renter's wallet, from asking to outcome."""

    id: str
    account: str
    session: bytes
    """SHA-256 of the token of the session that began it; empty: a signed request did"""
    mode: Literal["dc", "redirect"]
    kinds: tuple[str, ...]
    state: Literal["waiting", "received", "proving", "accepted", "refused"]
    """received: answered, the session that began it has yet to return; proving: all is there"""
    sealed: bytes
    """what only the gate opens; empty once there is nothing left to remember"""
    created_at: int
    expires_at: int
    keep_until: int
    """when the record may be forgotten"""
    code_hash: bytes = b""
    """SHA-256 of the code the returning browser must bring"""
    reason: str = ""
    checked_at: int = 0
    """when the answer was complete, then when its status was last asked; 0: it has none"""


@dataclass(frozen=True, slots=True)
class Verification:
    """One visit to a hosted identity provider. Holds no personal data.

    `id` is ours, 128 random bits, and all the provider learns of the account; `reference` is the
    provider's own id, empty until it has answered. Times are Unix seconds UTC.
    """

    id: str
    account: str
    provider: str
    reference: str
    state: str
    """issuer.providers.visit.State"""
    started_at: int
    expires_at: int
    polled_at: int
    """when the provider was last asked; 0 never"""
    poll_at: int | None
    """when it is asked next without being told to; None never"""
    ended_at: int | None = None
    """set: the account may begin another with this provider"""
    note: str = ""
    """what the renter may read: which thing to mend"""
    busy_until: int = 0
    """somebody works on it until then"""


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A provider's message, remembered so that it counts once. Its content is not kept."""

    provider: str
    event_id: str
    received_at: int
    digest: bytes
    """SHA-256 of the body as it came"""
