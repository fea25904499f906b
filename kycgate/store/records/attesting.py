"""What was attested and what was revoked, and what a gate must know of owners.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IssuedAttestation:
    """An attestation we signed. `wire` is the EAS off-chain JSON, byte for byte as handed out."""

    issuer: str
    domain: bytes
    uid: bytes
    account: str
    subject_id: str
    case_id: str
    epoch: int
    issued_at: int
    expires_at: int
    wire: bytes
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Revocations:
    """A snapshot of everything revoked. `version` rises with every change to any of it."""

    version: int
    as_of: int
    issuers: frozenset[str] = frozenset()
    attestations: frozenset[tuple[str, bytes, bytes]] = frozenset()
    """(issuer lower-case hex, domain separator, uid)"""
    epochs: dict[str, int] = field(default_factory=dict)
    """account address (0x… lower case) → lowest epoch still honoured"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a gate must know of a case's owners and places: shares and region codes, no names.

    `body` is canonical JSON, which issuer.ownership writes and reads.
    """

    case_id: str
    made_at: int
    body: bytes
