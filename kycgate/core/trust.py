"""Whose signatures count, and in which time: the list that the operator's offline root signs.

Checks no attestation and no permit itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import rfc8785

from kycgate.core import wire
from kycgate.core.claims import (
    UINT64_MAX,
    ZERO_ADDRESS,
    Address,
    Digest,
    checksum,
    parse_address,
)
from kycgate.core.signature import signer_of
from kycgate.core.typed import personal_digest
from kycgate.errors import Code, Malformed, Reason, Refused

LIMIT = 256 * 1024
"""Bytes of a trust list, at most."""

# First line of the signed text: no other kycgate document begins so, and a wallet shows it.
_HEADLINE = b"kycgate trust list, version 1\n"

_NOT_BEFORE = frozenset({"address", "not_before", "not_after"})
_ISSUER_FIELDS = _NOT_BEFORE | {"domain_version", "chain_id", "eas"}
_LIST_FIELDS = frozenset({"sequence", "issued_at", "expires_at", "issuers", "permit_signers"})


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer key, the one EAS domain it may sign under, and its window.

    The window is [not_before, not_after], Unix seconds UTC; `not_after` None: open-ended.
    """

    address: Address
    domain_version: str
    chain_id: int
    eas: Address
    not_before: int
    not_after: int | None

    def covers(self, moment: int) -> bool:
        """Whether the key counts at that moment."""
        return self.not_before <= moment and (self.not_after is None or moment <= self.not_after)


@dataclass(frozen=True, slots=True)
class PermitSigner:
    """A key that signs permits, and its window as for an issuer."""

    address: Address
    not_before: int
    not_after: int | None

    def covers(self, moment: int) -> bool:
        """Whether the key counts at that moment."""
        return self.not_before <= moment and (self.not_after is None or moment <= self.not_after)


@dataclass(frozen=True, slots=True)
class UnsafeAnyRoot:
    """Whoever signed the list: for a reader who got the file from the operator by hand."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """Issuers and permit signers as of one sequence number. `expires_at` is exclusive."""

    sequence: int
    issued_at: int
    expires_at: int
    issuers: tuple[TrustedIssuer, ...]
    permit_signers: tuple[PermitSigner, ...]
    root: Address

    @classmethod
    def pinned(cls, issuer: TrustedIssuer) -> TrustList:
        """One issuer that the caller vouches for (a command line, a test); no root, no expiry."""
        return cls(0, 0, UINT64_MAX, (issuer,), (), ZERO_ADDRESS)

    def unsigned(self) -> bytes:
        """The text under the signature: a headline and the RFC 8785 form of the list."""
        return _HEADLINE + rfc8785.dumps(self._document())

    def digest(self) -> Digest:
        """What the root signs: EIP-191 over `unsigned`, so that any offline wallet can."""
        return Digest(personal_digest(self.unsigned()))

    def to_wire(self, sign: Callable[[bytes], bytes]) -> bytes:
        """The signed list, canonical JSON. `sign` is the root's `sign_digest`."""
        signature = "0x" + sign(self.digest()).hex()
        return rfc8785.dumps({"list": self._document(), "signature": signature})

    @classmethod
    def from_wire(
        cls, data: bytes, *, root: Address | UnsafeAnyRoot, now: int, lowest_sequence: int
    ) -> TrustList:
        """Read a list and hold it against the root key, the clock and the highest sequence seen.

        Raises Malformed for a text that is no trust list; Refused with a TRUST_ code for one that
        is signed by another key, expired, from the future, or older than one already seen.
        """
        document = wire.members(
            wire.read_object(data, limit=LIMIT, field="trust"),
            frozenset({"list", "signature"}),
            field="trust",
        )
        found = _read(document["list"])
        signer = signer_of(found.digest(), wire.signature(document["signature"], field="signature"))
        if isinstance(signer, Reason) or (signer != root and not isinstance(root, UnsafeAnyRoot)):
            raise _refused(Code.TRUST_SIGNATURE, "the root did not sign this list")
        if found.sequence < lowest_sequence:
            text = f"list {found.sequence} is older than {lowest_sequence}, already seen"
            raise _refused(Code.TRUST_ROLLBACK, text)
        if not found.issued_at <= now < found.expires_at:
            raise _refused(Code.TRUST_EXPIRED, "the trust list is not valid now")
        return replace(found, root=signer)

    def _document(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "issuers": [
                {
                    **_window(issuer),
                    "domain_version": issuer.domain_version,
                    "chain_id": issuer.chain_id,
                    "eas": checksum(issuer.eas),
                }
                for issuer in self.issuers
            ],
            "permit_signers": [_window(signer) for signer in self.permit_signers],
        }


def _window(key: TrustedIssuer | PermitSigner) -> dict[str, Any]:
    return {
        "address": checksum(key.address),
        "not_before": key.not_before,
        "not_after": key.not_after,
    }


def _refused(code: Code, text: str) -> Refused:
    return Refused(text, reasons=(Reason(code, text),))


def _read(value: Any) -> TrustList:
    fields = wire.members(value, _LIST_FIELDS, field="list")
    return TrustList(
        sequence=_moment(fields["sequence"], "sequence"),
        issued_at=_moment(fields["issued_at"], "issued_at"),
        expires_at=_moment(fields["expires_at"], "expires_at"),
        issuers=tuple(
            _issuer(entry, f"issuers[{i}]")
            for i, entry in enumerate(_entries(fields["issuers"], "issuers"))
        ),
        permit_signers=tuple(
            _permit_signer(entry, f"permit_signers[{i}]")
            for i, entry in enumerate(_entries(fields["permit_signers"], "permit_signers"))
        ),
        root=ZERO_ADDRESS,
    )


def _entries(value: Any, field: str) -> list[Any]:
    if type(value) is not list:
        raise Malformed("not a list", field=field)
    return value


def _issuer(value: Any, field: str) -> TrustedIssuer:
    entry = wire.members(value, _ISSUER_FIELDS, field=field)
    return TrustedIssuer(
        address=_key(entry["address"], f"{field}.address"),
        domain_version=wire.text(entry["domain_version"], field=f"{field}.domain_version", most=32),
        chain_id=_moment(entry["chain_id"], f"{field}.chain_id"),
        eas=parse_address(entry["eas"], field=f"{field}.eas"),
        not_before=_moment(entry["not_before"], f"{field}.not_before"),
        not_after=_end(entry["not_after"], f"{field}.not_after"),
    )


def _permit_signer(value: Any, field: str) -> PermitSigner:
    entry = wire.members(value, _NOT_BEFORE, field=field)
    return PermitSigner(
        address=_key(entry["address"], f"{field}.address"),
        not_before=_moment(entry["not_before"], f"{field}.not_before"),
        not_after=_end(entry["not_after"], f"{field}.not_after"),
    )


def _key(value: Any, field: str) -> Address:
    address = parse_address(value, field=field)
    if address == ZERO_ADDRESS:
        raise Malformed("the zero address is nobody's key", field=field)
    return address


def _moment(value: Any, field: str) -> int:
    # RFC 8785 numbers are exact up to 2**53 - 1; a time beyond that is a mistake anyway.
    return wire.uint(value, field=field, most=2**53 - 1)


def _end(value: Any, field: str) -> int | None:
    return None if value is None else _moment(value, field)
