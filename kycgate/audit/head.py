"""The signed head: how long the log was at a moment, so that a shortened log is noticed.

A head is worth what its keeping is worth: an auditor keeps it away from the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kycgate.core.claims import Address, checksum, parse_address
from kycgate.core.signature import Valid, recover
from kycgate.core.typed import personal_digest
from kycgate.core.wire import digest, members, read_object, signature, uint
from kycgate.errors import Code, Malformed
from kycgate.keys import Signer

_FIELDS = frozenset({"seq", "hash", "at", "signer", "signature"})
_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class SignedHead:
    """At second `at` the log ended with entry `seq` of this hash; seq 0 is the empty log."""

    seq: int
    hash: bytes
    at: int
    signer: Address
    signature: bytes

    @classmethod
    def sign(cls, *, seq: int, digest: bytes, at: int, signer: Signer) -> SignedHead:
        """Sign a head with the log key (EIP-191)."""
        signed = signer.sign_digest(personal_digest(_message(seq, digest, at)))
        return cls(seq=seq, hash=digest, at=at, signer=signer.address, signature=signed)

    @classmethod
    def from_wire(cls, data: bytes, *, signer: Address | None) -> SignedHead:
        """Read a head and check its signature.

        `signer` is the log key that counts. None takes the head's own word for it, which shows
        that the head is whole, not whose it is. Raises Malformed.
        """
        document = members(read_object(data, limit=_LIMIT, field="head"), _FIELDS, field="head")
        head = cls(
            seq=uint(document["seq"], field="head.seq"),
            hash=digest(document["hash"], field="head.hash"),
            at=uint(document["at"], field="head.at"),
            signer=parse_address(document["signer"], field="head.signer"),
            signature=signature(document["signature"], field="head.signature"),
        )
        found = recover(personal_digest(_message(head.seq, head.hash, head.at)), head.signature)
        if found != Valid(head.signer) or signer not in (None, head.signer):
            raise Malformed(
                "is not signed by the log key", field="head", code=Code.SIGNATURE_INVALID
            )
        return head

    def document(self) -> dict[str, Any]:
        """The head as it is published."""
        return {
            "seq": self.seq,
            "hash": f"0x{self.hash.hex()}",
            "at": self.at,
            "signer": checksum(self.signer),
            "signature": f"0x{self.signature.hex()}",
        }


def _message(seq: int, head_hash: bytes, at: int) -> bytes:
    return f"kycgate decision log head\nseq: {seq}\nhash: 0x{head_hash.hex()}\nat: {at}".encode()
