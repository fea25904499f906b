"""A sanctions oracle on a chain, asked about a wallet as a second opinion beside the lists.

Reaches no chain itself: it is handed the question's way there. What it does not answer, and what it
answers alone, never blocks: it is late, knows addresses only, and may keep who was delisted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kycgate.core.claims import Address, checksum
from kycgate.core.typed import keccak
from kycgate.errors import Conflict, Unavailable
from kycgate.screening.lists import Band, Hit

LIST: Final = "chainalysis-oracle"
_SELECTOR: Final = keccak(b"isSanctioned(address)")[:4]

Call = Callable[[Address, bytes], bytes]
"""`eth_call`: contract, data → what it returned. Raises Unavailable, or Conflict on a revert."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """`hit` where the oracle says yes; `note` says what it answered, for the evidence."""

    hit: Hit | None
    note: str


@dataclass(frozen=True, slots=True)
class Oracle:
    """One oracle contract."""

    call: Call
    address: Address

    def __call__(self, wallet: Address) -> Opinion:
        """What the oracle says of the wallet. Raises nothing of its own: no answer is a note."""
        try:
            answer = self.call(self.address, _SELECTOR + bytes(12) + wallet)
        except (Unavailable, Conflict) as error:
            return Opinion(None, f"oracle: no answer for {checksum(wallet)} ({error.message})")
        if len(answer) != 32 or int.from_bytes(answer) > 1:
            # A chain without the contract answers with nothing at all.
            return Opinion(None, f"oracle: {checksum(self.address)} is no oracle on that chain")
        if not answer[-1]:
            return Opinion(None, f"oracle: {checksum(wallet)} is not sanctioned")
        return Opinion(self._hit(wallet), f"oracle: {checksum(wallet)} is sanctioned")

    def _hit(self, wallet: Address) -> Hit:
        text = "0x" + wallet.hex()
        where = checksum(self.address)
        return Hit(LIST, "latest", text, text, text, 1.0, Band.REVIEW, where, "wallet")
