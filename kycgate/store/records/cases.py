"""Subjects and their cases: proofs, history, and what is sealed about them.

Holds no rules: who may read or change a record is decided above.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A verified person or organisation. `pseudonym` is 32 random bytes, pairwise per operator."""

    id: str
    pseudonym: bytes
    kind: int
    created_at: int
    wrapped_key: bytes
    """Data key of this subject, sealed by the vault's key-encryption key. Deleting it shreds."""
    restricted_until: int | None = None
    """erasure was asked for, and the law keeps the data so long; None: not asked for"""


@dataclass(frozen=True, slots=True)
class Case:
    """One verification of one subject. `state` is issuer.cases.State; `claims` holds no names."""

    id: str
    subject_id: str
    account: str
    kind: int
    state: str
    opened_at: int
    updated_at: int
    refusal_id: str | None = None
    level: int = 0
    country: int = 0
    ultimate_country: int = 0
    verified_at: int = 0
    screened_at: int = 0
    reason_codes: tuple[str, ...] = ()
    proof_source: str = ""
    """with `proof_reference`: the proof an approval stands on; empty: a reviewer alone"""
    proof_reference: str = ""
    re_verify_at: int | None = None
    """from when on nothing is renewed until identity is proven again; None: not approved since"""
    needs: bytes | None = None
    """what the renter is asked for, sealed"""


@dataclass(frozen=True, slots=True)
class KeptProof:
    """One proof of identity that was taken. (`source`, `reference`) counts once, for ever.

    One that its source took back before it came has no case, subject or account.
    """

    source: str
    reference: str
    case_id: str
    subject_id: str
    account: str
    means: str
    """issuer.proven.Means"""
    level: int
    kept_at: int
    proven_at: int
    valid_until: int | None
    document: bytes | None
    """keyed digest of the document's number, by which the same document is known again"""
    evidence_id: str
    withdrawn_at: int | None = None
    withdrawn_code: str = ""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A step in a case's history: who did what, when. `note` is internal, without identity data."""

    case_id: str
    at: int
    actor: str
    action: str
    from_state: str
    to_state: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SealedEvidence:
    """Evidence as stored: ciphertext under the subject's data key, and a salted commitment."""

    id: str
    case_id: str
    subject_id: str
    kind: str
    sealed: bytes
    commitment: bytes
    created_at: int


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """An image as stored: ciphertext under the subject's data key. `size` is that of the image."""

    id: str
    case_id: str
    subject_id: str
    kind: str
    media: str
    size: int
    sealed: bytes
    """empty where images are only listed"""
    created_at: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a subject's data must be kept, and until when. `reason` is sealed."""

    id: str
    subject_id: str
    until: int
    reason: bytes
    placed_by: str
    placed_at: int
    released_at: int | None = None

    def stands(self, now: int) -> bool:
        """Whether it keeps the data at this moment."""
        return self.released_at is None and now < self.until


@dataclass(frozen=True, slots=True)
class Clearance:
    """A reviewer's "not this person", as a key that only the subject's own secret can make."""

    subject_id: str
    key: bytes
    """32 bytes, keyed: names neither who was asked about nor the list entry"""
    case_id: str
    reviewer: str
    decided_at: int
