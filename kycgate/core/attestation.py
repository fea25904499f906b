"""An issuer's signed statement about an account: written, read and held against every rule.

The form is an EAS off-chain attestation, version 2, so that EAS tools read ours and we read theirs.
Knows no clock and no chain: `now`, the trust list and what is revoked are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from kycgate.core.claims import (
    SCHEMA_UID,
    UINT64_MAX,
    ZERO_ADDRESS,
    ZERO_DIGEST,
    Address,
    Claims,
    Digest,
)
from kycgate.core.eas import VERSION, Attestation, Domain, SignedAttestation
from kycgate.core.signature import signer_of
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Code, Malformed, Reason

__all__ = [
    "LIFE_MOST_S",
    "Attestation",
    "Domain",
    "ForeignAttestation",
    "InvalidAttestation",
    "RevocationView",
    "SignedAttestation",
    "UnsafeAnyRecipient",
    "UnsafeAnySchema",
    "UnsafeNoRevocations",
    "ValidAttestation",
    "compose",
    "verify",
    "verify_foreign",
]

LIFE_MOST_S = 24 * 60 * 60
"""Seconds an attestation may live (DESIGN 4.1): revocation is the belt, expiry the braces."""

_DAY_S = 24 * 60 * 60


class RevocationView(Protocol):
    """What is revoked, as of a moment the view vouches for.

    Raises Unavailable when it is too old to tell: never None for "don't know".
    """

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        """REVOKED_ISSUER, REVOKED_EPOCH, REVOKED_ATTESTATION, or None: not revoked."""
        ...


@dataclass(frozen=True, slots=True)
class UnsafeNoRevocations:
    """A view that knows of no revocation: for a verdict that says it has not looked."""

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        """Never anything."""
        return None


@dataclass(frozen=True, slots=True)
class UnsafeAnyRecipient:
    """Whoever it is about: for reading an attestation, never for letting its bearer pass."""


@dataclass(frozen=True, slots=True)
class UnsafeAnySchema:
    """Whatever it says: for other people's attestations. Also lifts the life and refUID rules."""


@dataclass(frozen=True, slots=True)
class ValidAttestation:
    """Every rule holds. `domain` is the EIP-712 separator; key caches by (issuer, domain, uid)."""

    uid: Digest
    issuer: Address
    account: Address
    claims: Claims
    time: int
    expires_at: int
    domain: bytes


@dataclass(frozen=True, slots=True)
class ForeignAttestation:
    """Somebody else's statement that holds: evidence for a case, and no key to the gate.

    `expires_at` None: it never expires.
    """

    uid: Digest
    issuer: Address
    account: Address
    schema: Digest
    time: int
    expires_at: int | None
    domain: bytes


@dataclass(frozen=True, slots=True)
class InvalidAttestation:
    """A rule does not hold. `uid` is the recomputed one, None before it could be."""

    reason: Reason
    uid: Digest | None


def verify(
    signed: SignedAttestation,
    *,
    trust: TrustList,
    revocations: RevocationView,
    recipient: Address | UnsafeAnyRecipient,
    schema: Digest,
    now: int,
) -> ValidAttestation | InvalidAttestation:
    """Hold an attestation against every rule of DESIGN 4.1; the first that fails is the reason.

    `schema` must carry our claims; `now` is Unix seconds UTC. Raises what the view raises.
    """
    said = signed.attestation
    uid = said.uid()
    refusal = (
        _statement(signed, uid, recipient, schema) or _strict(said) or _alive(said, trust, now)
    )
    if refusal is not None:
        return InvalidAttestation(refusal, uid)
    try:
        claims = Claims.decode(said.data)
    except Malformed as e:
        return InvalidAttestation(Reason(Code.DATA_MALFORMED, e.message), uid)
    issuer = _issuer(signed, trust, now)
    if isinstance(issuer, Reason):
        return InvalidAttestation(issuer, uid)
    domain = signed.domain.separator
    refusal = _not_revoked(said, uid, issuer, domain, claims.epoch, revocations)
    if refusal is not None:
        return InvalidAttestation(refusal, uid)
    return ValidAttestation(
        uid, issuer, said.recipient, claims, said.time, said.expiration_time, domain
    )


def verify_foreign(
    signed: SignedAttestation,
    *,
    trust: TrustList,
    revocations: RevocationView,
    recipient: Address | UnsafeAnyRecipient,
    schema: Digest | UnsafeAnySchema,
    now: int,
) -> ForeignAttestation | InvalidAttestation:
    """Hold somebody else's attestation against the rules, without reading what it says.

    With `UnsafeAnySchema` the schema, life and refUID rules are lifted (an expiry of 0 is then
    "never"); issuer, signature, UID, recipient and revocation rules always hold.
    """
    said = signed.attestation
    uid = said.uid()
    refusal = _statement(signed, uid, recipient, schema)
    if refusal is None and not isinstance(schema, UnsafeAnySchema):
        refusal = _strict(said)
    refusal = refusal or _alive(said, trust, now)
    if refusal is not None:
        return InvalidAttestation(refusal, uid)
    issuer = _issuer(signed, trust, now)
    if isinstance(issuer, Reason):
        return InvalidAttestation(issuer, uid)
    domain = signed.domain.separator
    refusal = _not_revoked(said, uid, issuer, domain, 0, revocations)
    if refusal is not None:
        return InvalidAttestation(refusal, uid)
    expires_at = said.expiration_time or None
    return ForeignAttestation(
        uid, issuer, said.recipient, said.schema, said.time, expires_at, domain
    )


def _statement(
    signed: SignedAttestation,
    uid: Digest,
    recipient: Address | UnsafeAnyRecipient,
    schema: Digest | UnsafeAnySchema,
) -> Reason | None:
    """1 to 5: it is the statement we asked for."""
    said = signed.attestation
    # 1. EAS off-chain version 2, the first with a salt.
    if said.version != VERSION:
        return Reason(Code.VERSION_UNSUPPORTED, f"only version {VERSION} is read")
    # 2. The UID in the document is the one its content gives.
    if signed.uid != uid:
        return Reason(Code.UID_MISMATCH, "the uid does not belong to this content")
    # 3. It says what we can read.
    if said.schema != schema and not isinstance(schema, UnsafeAnySchema):
        return Reason(Code.SCHEMA_MISMATCH, "made under another schema")
    # 4. It is about the account that shows it, and about somebody.
    if said.recipient == ZERO_ADDRESS:
        return Reason(Code.RECIPIENT_MISMATCH, "it is about no account")
    if said.recipient != recipient and not isinstance(recipient, UnsafeAnyRecipient):
        return Reason(Code.RECIPIENT_MISMATCH, "it is about another account")
    # 5. What cannot be revoked is not accepted.
    if not said.revocable:
        return Reason(Code.NOT_REVOCABLE, "it claims to be irrevocable")
    return None


def _strict(said: Attestation) -> Reason | None:
    """6 and 7: the rules that only our own attestations must meet."""
    # 6. It refers to nothing else.
    if said.ref_uid != ZERO_DIGEST:
        return Reason(Code.REF_UID_SET, "it refers to another attestation")
    # 7. It ends, and soon. Both times are 64 bits: the difference cannot wrap.
    if said.expiration_time == 0 or said.expiration_time - said.time > LIFE_MOST_S:
        return Reason(Code.LIFE_TOO_LONG, f"it lives longer than {LIFE_MOST_S} seconds")
    return None


def _alive(said: Attestation, trust: TrustList, now: int) -> Reason | None:
    """8 and 9: `now` lies within its life and within the trust list's."""
    # 8. time <= now < expirationTime; 0 is "never" in EAS, and was refused above where it matters.
    if now < said.time:
        return Reason(Code.NOT_YET_VALID, "it begins in the future")
    if said.expiration_time != 0 and now >= said.expiration_time:
        return Reason(Code.EXPIRED, "it has expired")
    # 9. An expired trust list trusts nobody.
    if now >= trust.expires_at:
        return Reason(Code.TRUST_EXPIRED, "the trust list has expired")
    return None


def _issuer(signed: SignedAttestation, trust: TrustList, now: int) -> Address | Reason:
    """10 to 13: who signed, and whether that key counts, here and at both moments."""
    # 10. The signature is in its one accepted form, and by whom the sender claims.
    signer = signer_of(signed.attestation.digest(signed.domain), signed.signature)
    if isinstance(signer, Reason):
        return signer
    if signed.signer is not None and signed.signer != signer:
        return Reason(Code.SIGNATURE_INVALID, "not signed by the signer it names")
    # 11. A key on the trust list; 12. under the domain pinned for it; 13. in one window that holds
    # both the signing and the reading. The reason is the furthest that any entry came.
    nearest, time = _UNKNOWN, signed.attestation.time
    for entry in trust.issuers:
        if entry.address != signer:
            continue
        if not _pinned(entry, signed.domain):
            nearest = _WINDOW if nearest is _WINDOW else _DOMAIN
        elif entry.covers(time) and entry.covers(now):
            return signer
        else:
            nearest = _WINDOW
    return nearest


_UNKNOWN = Reason(Code.ISSUER_UNKNOWN, "the issuer is not on the trust list")
_DOMAIN = Reason(Code.DOMAIN_MISMATCH, "not the domain pinned for this issuer")
_WINDOW = Reason(Code.ISSUER_WINDOW, "outside the issuer's window")


def _pinned(entry: TrustedIssuer, domain: Domain) -> bool:
    return (
        entry.eas == domain.eas
        and entry.chain_id == domain.chain_id
        and entry.domain_version == domain.version
    )


def _not_revoked(
    said: Attestation,
    uid: Digest,
    issuer: Address,
    domain: bytes,
    epoch: int,
    revocations: RevocationView,
) -> Reason | None:
    """14: not the issuer, not the account's epoch, not this attestation."""
    code = revocations.revoked(
        issuer=issuer, domain=domain, uid=uid, account=said.recipient, epoch=epoch
    )
    return None if code is None else Reason(code, "revoked")


def compose(
    claims: Claims, *, recipient: Address, time: int, life_s: int, salt: bytes
) -> Attestation:
    """An attestation of our own schema, unsigned.

    `time` Unix seconds UTC, `life_s` seconds, `salt` 32 random bytes. `verified_at` is rounded
    down to the day: the hour of a visit is nobody's business.
    """
    if not 0 < life_s <= LIFE_MOST_S:
        raise Malformed(f"a life has 1 to {LIFE_MOST_S} seconds", field="life_s")
    if not 0 <= time <= UINT64_MAX - life_s:
        raise Malformed("not a moment in time", field="time")
    if len(salt) != 32 or len(recipient) != 20 or recipient == ZERO_ADDRESS:
        raise Malformed("a salt of 32 bytes and a recipient are needed", field="recipient")
    day = claims.verified_at - claims.verified_at % _DAY_S
    return Attestation(
        schema=SCHEMA_UID,
        recipient=recipient,
        time=time,
        expiration_time=time + life_s,
        revocable=True,
        ref_uid=ZERO_DIGEST,
        data=replace(claims, verified_at=day).encode(),
        salt=Digest(salt),
    )
