"""Whether somebody else's record about an account holds, and what it says.

Pure: reads no chain. What holds is evidence for a reviewer; nothing here passes anybody. The checks
are those of Coinbase's own `AttestationVerifier`, and the ones it leaves to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kycgate.core.claims import ZERO_DIGEST, Address, Digest
from kycgate.errors import Code, Reason

CLOCKS_S: Final = 60
"""How far a chain's clock may run ahead of ours."""
VERIFIED_ACCOUNT: Final = Digest(
    bytes.fromhex("f8b05c79f090979bf4a80270aba232dff11a10d9ca55c4f88de95317970f0de9")
)
"""Coinbase Verifications on Base: `bool verifiedAccount`."""
VERIFIED_COUNTRY: Final = Digest(
    bytes.fromhex("1801901fabd0e6189356b4fb52bb0ab855276d84f7ec140839fbd1f6801ca065")
)
"""Coinbase Verifications on Base: `string verifiedCountry`, ISO 3166-1 alpha-2."""
_TRUE: Final = (1).to_bytes(32)


@dataclass(frozen=True, slots=True)
class Pinned:
    """Whose records of which kind count, and where: nobody else's do."""

    name: str
    chain_id: int
    eas: Address
    issuers: frozenset[Address]
    schemas: frozenset[Digest]


@dataclass(frozen=True, slots=True)
class Record:
    """An attestation as EAS keeps it. Times are Unix seconds UTC, 0 never."""

    uid: Digest
    schema: Digest
    time: int
    expires_at: int
    revoked_at: int
    ref_uid: Digest
    recipient: Address
    attester: Address
    revocable: bool
    data: bytes


def check(
    record: Record, uid: Digest, pinned: Pinned, recipient: Address, *, now: int
) -> Reason | None:
    """The first rule the record breaks; None when it holds."""
    # 1. It exists, and is the one asked for: EAS answers an unknown uid with zeros.
    if record.uid == ZERO_DIGEST:
        return Reason(Code.NOT_FOUND, "there is no such record")
    if record.uid != uid:
        return Reason(Code.UID_MISMATCH, "the answer is about another record")
    # 2. It is about the account that shows it.
    if record.recipient != recipient:
        return Reason(Code.RECIPIENT_MISMATCH, "it is about another account")
    # 3. It says what we can read, by whom the operator pinned.
    if record.schema not in pinned.schemas:
        return Reason(Code.SCHEMA_MISMATCH, "made under a schema this operator does not read")
    if record.attester not in pinned.issuers:
        return Reason(Code.ISSUER_UNKNOWN, "its issuer is not pinned by this operator")
    # 4. It holds today.
    if record.revoked_at:
        return Reason(Code.REVOKED_ATTESTATION, "its issuer has revoked it")
    if record.time == 0 or record.time > now + CLOCKS_S:
        return Reason(Code.NOT_YET_VALID, "it begins in the future")
    if record.expires_at and now >= record.expires_at:
        return Reason(Code.EXPIRED, "it has expired")
    # 5. What its issuer can't take back is not looked at.
    if not record.revocable:
        return Reason(Code.NOT_REVOCABLE, "it claims to be irrevocable")
    # 6. It says it in the schema's one form.
    says = said(record.schema, record.data)
    return says if isinstance(says, Reason) else None


def said(schema: Digest, data: bytes) -> dict[str, Any] | Reason:
    """What a record says, as JSON values: of a known schema its meaning, else its bytes."""
    if schema == VERIFIED_ACCOUNT:
        if data != _TRUE:
            return Reason(Code.DATA_MALFORMED, "it does not say that the account is verified")
        return {"verified_account": True}
    if schema == VERIFIED_COUNTRY:
        country = _two_letters(data)
        if country is None:
            return Reason(Code.DATA_MALFORMED, "it names no country")
        return {"verified_country": country}
    return {"data": "0x" + data.hex()}


def _two_letters(data: bytes) -> str | None:
    """ABI `string` of two capital letters, in its one canonical form."""
    letters = data[64:66]
    canonical = (32).to_bytes(32) + (2).to_bytes(32) + letters + bytes(30)
    plain = len(letters) == 2 and letters.isalpha() and letters.isupper()
    return letters.decode("ascii") if plain and letters.isascii() and data == canonical else None
