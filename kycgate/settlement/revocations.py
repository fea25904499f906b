"""Revocations that must reach the chain: from the outbox, through the revoker contract, onto EAS.

Revokes nobody itself: the issuer did, and inside the gate that already holds.
"""

from __future__ import annotations

from typing import Protocol

from kycgate.chain import Chain, TransactionSigner
from kycgate.core.claims import Account, Address, Digest
from kycgate.core.typed import keccak, word_address, word_uint
from kycgate.settlement.compiled import artifact
from kycgate.store.base import OutboxItem

KIND = "revoke_onchain"
"""Outbox items: {"account": account key, "epoch": the last epoch that is void}."""

_BATCH = 100
"""Revocations per transaction: about 2.6 million gas, well inside any block."""

_EAS = artifact("EAS")
_REVOKER = artifact("Revoker")


def revocation_key(renter: Address, epoch: int) -> Digest:
    """keccak256(abi.encode(renter, epoch)): the word that EAS keeps and the escrow asks for."""
    return Digest(keccak(word_address(renter) + word_uint(epoch)))


class Outbox(Protocol):
    """The part of the store that this room uses: oldest due first, gone once done."""

    def due(self, kind: str, *, now: int, limit: int = 100) -> list[OutboxItem]: ...
    def done(self, item_id: int) -> None: ...


def waiting_s(outbox: Outbox, *, now: int) -> int:
    """Seconds that the oldest unpublished revocation has waited; 0 when none waits."""
    oldest = outbox.due(KIND, now=now, limit=1)
    return now - oldest[0].due_at if oldest else 0


class Revocations:
    """Publishes one chain's revocations. May be killed at any point and started again."""

    def __init__(
        self,
        chain: Chain,
        *,
        eas: Address,
        revoker: Address,
        publisher: TransactionSigner,
        outbox: Outbox,
    ) -> None:
        self._chain = chain
        self._eas = eas
        self._revoker = revoker
        self._publisher = publisher
        self._outbox = outbox

    def publish(self, *, now: int) -> int:
        """Publish what waits, one batch; how many were new on the chain.

        Raises Unavailable and Reverted with everything still waiting, under its first due time, so
        that `waiting_s` tells the truth. An item is done only once the chain shows its key.
        """
        items = self._outbox.due(KIND, now=now, limit=_BATCH)
        new = self._unpublished(items)
        if new:
            data = _REVOKER.encode("publish", new)
            self._chain.send(self._publisher, self._revoker, data)
        for item in items:
            self._outbox.done(item.id)
        return len(new)

    def published_at(self, renter: Address, epoch: int) -> int | None:
        """When the chain says that an epoch was revoked, Unix seconds; None when it was not."""
        return self._read(revocation_key(renter, epoch)) or None

    def _unpublished(self, items: list[OutboxItem]) -> list[Digest]:
        accounts = [(Account.from_key(i.payload["account"]), i.payload["epoch"]) for i in items]
        keys = {
            revocation_key(account.address, epoch)
            for account, epoch in accounts
            # A contract account is nobody on another chain.
            if account.chain_id in (None, self._chain.chain_id)
        }
        return [key for key in sorted(keys) if not self._read(key)]

    def _read(self, key: Digest) -> int:
        asked = _EAS.encode("getRevokeOffchain", self._revoker, key)
        return int(_EAS.decode("getRevokeOffchain", self._chain.call(self._eas, asked))[0])
