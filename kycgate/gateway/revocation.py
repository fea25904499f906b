"""The store's snapshot of revocations, as the verifier reads it.

Fetches nothing and judges no age: whoever holds a view renews it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kycgate.core.claims import Address
from kycgate.errors import Code
from kycgate.store.records.attesting import Revocations


@dataclass(frozen=True, slots=True)
class StoreRevocations:
    """Implements `core.attestation.RevocationView` over one snapshot."""

    snapshot: Revocations

    def revoked(
        self, *, issuer: Address, domain: bytes, uid: bytes, account: Address, epoch: int
    ) -> Code | None:
        said_by = "0x" + issuer.hex()
        if said_by in self.snapshot.issuers:
            return Code.REVOKED_ISSUER
        if epoch < self.snapshot.epochs.get("0x" + account.hex(), 0):
            return Code.REVOKED_EPOCH
        if (said_by, domain, uid) in self.snapshot.attestations:
            return Code.REVOKED_ATTESTATION
        return None
