"""Who is signed in, by which key or hand-off, and which scheduler's user stands for whom.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass

TOUCH_S = 60
"""How old the last noted use of a key is before another is noted: a write to disk at each use would
cost more than it tells."""


LINK_KEPT_S = 90 * 86_400
"""How long past its end it is known which user a link was of: what that user started may run on,
and must still be found when the account is revoked."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser or tool. The token itself is never stored, only its SHA-256."""

    token_hash: bytes
    account: str
    scope: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Handoff:
    """An account's leave for one phone to prove its renter's identity. The code is never stored."""

    id: str
    code_hash: bytes
    """SHA-256 of the code in the link"""
    account: str
    match: str
    """two digits both screens show"""
    created_at: int
    expires_at: int
    """of the code until it is claimed, then of the phone's session"""
    opened_at: int | None = None
    """when a phone first showed the link's page"""
    claimed_at: int | None = None
    session_hash: bytes | None = None
    """the phone's session, from when the code was claimed"""


@dataclass(frozen=True, slots=True)
class Key:
    """A gate API key. The secret is never stored, only its SHA-256; `prefix` is for people."""

    id: str
    secret_hash: bytes
    account: str
    label: str
    scope: tuple[str, ...]
    prefix: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    last_used_at: int | None = None

    def use_is_news(self, at: int) -> bool:
        """Whether a use then is worth writing down."""
        return self.last_used_at is None or at >= self.last_used_at + TOUCH_S


@dataclass(frozen=True, slots=True)
class UserLink:
    """A scheduler's user that stands for an account, or the code by which one is about to.

    The code itself is never stored, only its SHA-256. Until the code was shown by a user,
    `linked_at` is None and `scheduler` and `user` are empty.
    """

    id: str
    account: str
    code_hash: bytes
    code_expires_at: int
    created_at: int
    scheduler: str = ""
    """the caller's name in the configuration: one name, one scheduler"""
    user: str = ""
    linked_at: int | None = None
    expires_at: int = 0
    """when the link must be proven again, or ended; 0 for a code"""
