"""The operator's signature that one decided job may open in one escrow, until a deadline.

Decides nothing: a permit is only ever made out of an allowance, elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kycgate.core import wire
from kycgate.core.claims import UINT64_MAX, UINT256_MAX, Address, Digest, checksum, parse_address
from kycgate.core.signature import Invalid, recover
from kycgate.core.trust import PermitSigner
from kycgate.core.typed import domain_separator, keccak, typed_digest, word_address, word_uint
from kycgate.errors import Code, Malformed, Reason

LIMIT = 4096
"""Bytes of a permit on the wire, at most."""

DEADLINE_MOST_S = 600
"""Seconds that a deadline may lie ahead, at most."""

DOMAIN_NAME, DOMAIN_VERSION = "kycgate", "1"

# keccak("Permit(bytes32 attestation,uint64 epoch,address renter,address escrow,bytes32 job,"
#        "bytes32 terms,bytes32 policy,uint256 maxValue,uint64 deadline)")
PERMIT_TYPEHASH = bytes.fromhex("87581d1d9e54fb00c50e69ab1b0d90206b6a628821c2b94de6c242399947b7c2")
# keccak("Terms(address provider,address token,bytes32 request)")
TERMS_TYPEHASH = bytes.fromhex("84f8fa100e23bf22315b2e6f994a5b4a12ba7029b426d7e96eeb5e035611b3bc")


def job_id(renter: Address, n: bytes) -> Digest:
    """keccak256(abi.encode(renter, n)): one job's number, in the renter's own name space."""
    if len(n) != 32:
        raise ValueError("n has 32 bytes")
    return Digest(keccak(word_address(renter) + n))


@dataclass(frozen=True, slots=True)
class Terms:
    """What the escrow recomputes from the arguments of `open`. `token` zero: the chain's coin."""

    provider: Address
    token: Address
    request: Digest

    def struct_hash(self) -> Digest:
        """The `terms` word of the permit."""
        words = word_address(self.provider) + word_address(self.token) + self.request
        return Digest(keccak(TERMS_TYPEHASH + words))


@dataclass(frozen=True, slots=True)
class PermitDomain:
    """The chain and the contract that check the permit."""

    chain_id: int
    contract: Address

    @property
    def separator(self) -> bytes:
        return domain_separator(
            name=DOMAIN_NAME,
            version=DOMAIN_VERSION,
            chain_id=self.chain_id,
            contract=self.contract,
        )


@dataclass(frozen=True, slots=True)
class Permit:
    """One job's leave to open.

    `max_value` caps the job's lifetime deposits, in base units of the terms' token; `deadline` is
    the last second to open or top up, Unix seconds UTC.
    """

    attestation: Digest
    epoch: int
    renter: Address
    escrow: Address
    job: Digest
    terms: Terms
    policy: Digest
    max_value: int
    deadline: int

    def struct_hash(self) -> Digest:
        """EIP-712 hashStruct."""
        return Digest(
            keccak(
                PERMIT_TYPEHASH
                + self.attestation
                + word_uint(self.epoch)
                + word_address(self.renter)
                + word_address(self.escrow)
                + self.job
                + self.terms.struct_hash()
                + self.policy
                + word_uint(self.max_value)
                + word_uint(self.deadline)
            )
        )

    def digest(self, domain: PermitDomain) -> Digest:
        """What the permit key signs."""
        return Digest(typed_digest(domain.separator, self.struct_hash()))


_FIELDS = frozenset({"domain", "permit", "terms", "signature"})
_DOMAIN_FIELDS = frozenset({"name", "version", "chainId", "verifyingContract"})
_TERMS_FIELDS = frozenset({"provider", "token", "request"})
_PERMIT_FIELDS = frozenset(
    {
        "attestation",
        "epoch",
        "renter",
        "escrow",
        "job",
        "terms",
        "policy",
        "maxValue",
        "deadline",
    }
)


@dataclass(frozen=True, slots=True)
class SignedPermit:
    """A permit, its domain, and r‖s‖v over the digest."""

    permit: Permit
    domain: PermitDomain
    signature: bytes

    @classmethod
    def seal(
        cls, permit: Permit, domain: PermitDomain, *, sign: Callable[[bytes], bytes]
    ) -> SignedPermit:
        """Sign with a permit key's `sign_digest`."""
        return cls(permit, domain, sign(permit.digest(domain)))

    def to_wire(self) -> bytes:
        """Canonical JSON: fixed member order, numbers as decimal strings."""
        return wire.write_object(
            {"domain": _domain(self.domain), "permit": _permit(self.permit)}
            | {"terms": _terms(self.permit.terms), "signature": "0x" + self.signature.hex()}
        )

    @classmethod
    def from_wire(cls, data: bytes) -> SignedPermit:
        """The inverse of `to_wire`. Raises Malformed, TooLarge."""
        document = wire.members(
            wire.read_object(data, limit=LIMIT, field="document"), _FIELDS, field="document"
        )
        terms = _read_terms(document["terms"])
        return cls(
            permit=_read_permit(document["permit"], terms),
            domain=_read_domain(document["domain"]),
            signature=wire.signature(document["signature"], field="signature"),
        )


@dataclass(frozen=True, slots=True)
class ValidPermit:
    """The permit holds for exactly what was asked."""

    permit: Permit
    signer: Address


@dataclass(frozen=True, slots=True)
class InvalidPermit:
    """The permit does not hold; every ground is named."""

    reasons: tuple[Reason, ...]


def verify(
    signed: SignedPermit,
    *,
    signers: Iterable[PermitSigner],
    domain: PermitDomain,
    renter: Address,
    escrow: Address,
    job: Digest,
    terms: Terms,
    value: int,
    now: int,
) -> ValidPermit | InvalidPermit:
    """Hold a permit against what is being opened, as the escrow contract does.

    `value` is the lifetime deposit after this step, base units; `now` Unix seconds UTC.
    """
    permit = signed.permit
    # Under the domain that is asked about, as a contract must: it sees no other.
    verdict = recover(permit.digest(domain), signed.signature)
    # In the order in which the contract looks, so that both name the same ground first.
    checks = (
        # 1. For this escrow, this renter, this job, these terms.
        (permit.escrow == escrow, Code.PERMIT_ESCROW, "made for another escrow"),
        (permit.renter == renter, Code.PERMIT_RENTER, "made for another renter"),
        (permit.job == job, Code.PERMIT_JOB, "made for another job"),
        (permit.terms == terms, Code.PERMIT_TERMS, "made for other terms"),
        # 2. Within its cap and its time.
        (0 <= value <= permit.max_value, Code.PERMIT_VALUE, "more than the permit covers"),
        (now <= permit.deadline, Code.PERMIT_EXPIRED, "the deadline has passed"),
        (
            permit.deadline <= now + DEADLINE_MOST_S,
            Code.PERMIT_DEADLINE,
            f"the deadline lies more than {DEADLINE_MOST_S} seconds ahead",
        ),
        # 3. Signed by a permit key inside its window, for this contract on this chain.
        (_signer_counts(verdict, signers, now), Code.PERMIT_SIGNER, "no permit key signed this"),
        (signed.domain == domain, Code.PERMIT_ESCROW, "made for another contract or chain"),
    )
    reasons = tuple(Reason(code, text) for holds, code, text in checks if not holds)
    if reasons or isinstance(verdict, Invalid):
        return InvalidPermit(reasons)
    return ValidPermit(permit, verdict.signer)


def _signer_counts(verdict: Any, signers: Iterable[PermitSigner], now: int) -> bool:
    return not isinstance(verdict, Invalid) and any(
        signer.address == verdict.signer and signer.covers(now) for signer in signers
    )


def _domain(domain: PermitDomain) -> dict[str, str]:
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": str(domain.chain_id),
        "verifyingContract": checksum(domain.contract),
    }


def _terms(terms: Terms) -> dict[str, str]:
    return {
        "provider": checksum(terms.provider),
        "token": checksum(terms.token),
        "request": "0x" + terms.request.hex(),
    }


def _permit(permit: Permit) -> dict[str, str]:
    return {
        "attestation": "0x" + permit.attestation.hex(),
        "epoch": str(permit.epoch),
        "renter": checksum(permit.renter),
        "escrow": checksum(permit.escrow),
        "job": "0x" + permit.job.hex(),
        "terms": "0x" + permit.terms.struct_hash().hex(),
        "policy": "0x" + permit.policy.hex(),
        "maxValue": str(permit.max_value),
        "deadline": str(permit.deadline),
    }


def _read_domain(value: Any) -> PermitDomain:
    fields = wire.members(value, _DOMAIN_FIELDS, field="domain")
    if (fields["name"], fields["version"]) != (DOMAIN_NAME, DOMAIN_VERSION):
        raise Malformed("not a kycgate permit, version 1", field="domain.name")
    return PermitDomain(
        wire.uint(fields["chainId"], field="domain.chainId", most=UINT256_MAX),
        parse_address(fields["verifyingContract"], field="domain.verifyingContract"),
    )


def _read_terms(value: Any) -> Terms:
    fields = wire.members(value, _TERMS_FIELDS, field="terms")
    return Terms(
        provider=parse_address(fields["provider"], field="terms.provider"),
        token=parse_address(fields["token"], field="terms.token"),
        request=wire.digest(fields["request"], field="terms.request"),
    )


def _read_permit(value: Any, terms: Terms) -> Permit:
    fields = wire.members(value, _PERMIT_FIELDS, field="permit")
    if wire.digest(fields["terms"], field="permit.terms") != terms.struct_hash():
        raise Malformed("not the hash of the terms beside it", field="permit.terms")
    return Permit(
        attestation=wire.digest(fields["attestation"], field="permit.attestation"),
        epoch=wire.uint(fields["epoch"], field="permit.epoch"),
        renter=parse_address(fields["renter"], field="permit.renter"),
        escrow=parse_address(fields["escrow"], field="permit.escrow"),
        job=wire.digest(fields["job"], field="permit.job"),
        terms=terms,
        policy=wire.digest(fields["policy"], field="permit.policy"),
        max_value=wire.uint(fields["maxValue"], field="permit.maxValue", most=UINT256_MAX),
        deadline=wire.uint(fields["deadline"], field="permit.deadline", most=UINT64_MAX),
    )
