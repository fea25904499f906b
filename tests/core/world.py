"""The keys, moments and statements that the tests of this room share. All keys are well known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kycgate.core.attestation import (
    Attestation,
    Domain,
    SignedAttestation,
    UnsafeNoRevocations,
    compose,
    verify,
)
from kycgate.core.claims import SCHEMA_UID, Claims, Digest, Kind, Level, parse_address
from kycgate.core.permit import Permit, PermitDomain, SignedPermit, Terms, job_id
from kycgate.core.trust import PermitSigner, TrustedIssuer, TrustList
from kycgate.keys import LocalSigner

NOW = 1_800_000_000
"""2027-01-15 08:00:00 UTC."""

ISSUER = LocalSigner(bytes.fromhex("11" * 32))
STRANGER = LocalSigner(bytes.fromhex("22" * 32))
RENTER = LocalSigner(bytes.fromhex("33" * 32))
PERMIT_KEY = LocalSigner(bytes.fromhex("44" * 32))
ROOT = LocalSigner(bytes.fromhex("55" * 32))

EAS = parse_address("0xA1207F3BBa224E2c9c3c6D5aF63D0eb1582Ce587")
ESCROW = parse_address("0x00000000000000000000000000000000000E5C20")
PROVIDER = parse_address("0x000000000000000000000000000000000000b0b0")
TOKEN = parse_address("0x0000000000000000000000000000000000057ab1")
DOMAIN = Domain("1.4.0", 1, EAS)
PERMIT_DOMAIN = PermitDomain(1, ESCROW)

CLAIMS = Claims(
    subject=Digest(bytes.fromhex("a1" * 32)),
    kind=Kind.ORGANISATION,
    level=Level.SUBSTANTIAL,
    country=702,
    ultimate_country=840,
    verified_at=NOW - NOW % 86400,
    screened_at=NOW - 600,
    epoch=3,
    policy=Digest(bytes.fromhex("b2" * 32)),
    evidence=Digest(bytes.fromhex("c3" * 32)),
)
SAID = compose(
    CLAIMS, recipient=RENTER.address, time=NOW - 60, life_s=86400, salt=bytes.fromhex("d4" * 32)
)

TRUSTED = TrustedIssuer(ISSUER.address, "1.4.0", 1, EAS, NOW - 86400, NOW + 86400)
TRUST = TrustList(
    sequence=7,
    issued_at=NOW - 3600,
    expires_at=NOW + 3600,
    issuers=(TRUSTED,),
    permit_signers=(PermitSigner(PERMIT_KEY.address, NOW - 86400, None),),
    root=ROOT.address,
)

REQUEST = Digest(bytes.fromhex("e5" * 32))
TERMS = Terms(PROVIDER, TOKEN, REQUEST)
JOB = job_id(RENTER.address, bytes.fromhex("f6" * 32))
PERMIT = Permit(
    attestation=SAID.uid(),
    epoch=3,
    renter=RENTER.address,
    escrow=ESCROW,
    job=JOB,
    terms=TERMS,
    policy=Digest(bytes.fromhex("07" * 32)),
    max_value=10**21,
    deadline=NOW + 300,
)


def signed(
    said: Attestation = SAID, domain: Domain = DOMAIN, key: LocalSigner = ISSUER
) -> SignedAttestation:
    return SignedAttestation.seal(said, domain, signer=key.address, sign=key.sign_digest)


def altered(**changes: Any) -> SignedAttestation:
    """A properly signed attestation that says something else."""
    return signed(replace(SAID, **changes))


def permit(
    domain: PermitDomain = PERMIT_DOMAIN, key: LocalSigner = PERMIT_KEY, **changes: Any
) -> SignedPermit:
    return SignedPermit.seal(replace(PERMIT, **changes), domain, sign=key.sign_digest)


def judge(document: SignedAttestation, **changes: Any) -> Any:
    """Verify as the gate would: our schema, this renter, now; `changes` replace an argument."""
    arguments: dict[str, Any] = {
        "trust": TRUST,
        "revocations": UnsafeNoRevocations(),
        "recipient": RENTER.address,
        "schema": SCHEMA_UID,
        "now": NOW,
    }
    return verify(document, **(arguments | changes))


def high_s(signature: bytes) -> bytes:
    """The other spelling of the same signature: n - s, and the other v."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
