"""The bytes of a transaction: EIP-1559 fields, RLP, the digest to sign.

Sends nothing and knows no key.
"""

from __future__ import annotations

from dataclasses import dataclass

from kycgate.core.claims import Address
from kycgate.core.typed import keccak

_TYPE = b"\x02"
"""EIP-2718: the transaction type of EIP-1559."""

Item = bytes | int | list["Item"]


def _length(size: int, offset: int) -> bytes:
    if size < 56:
        return bytes([offset + size])
    width = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(width)]) + width


def rlp(item: Item) -> bytes:
    """Recursive length prefix (yellow paper, appendix B). Integers carry no leading zeros."""
    if isinstance(item, list):
        body = b"".join(rlp(part) for part in item)
        return _length(len(body), 0xC0) + body
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if len(item) == 1 and item[0] < 0x80:
        return item
    return _length(len(item), 0x80) + item


@dataclass(frozen=True, slots=True)
class Transaction:
    """An EIP-1559 transaction. Fees in wei per gas; `to` None creates a contract."""

    chain_id: int
    nonce: int
    max_priority_fee: int
    max_fee: int
    gas: int
    to: Address | None
    value: int
    data: bytes

    def _fields(self) -> list[Item]:
        fees: list[Item] = [self.max_priority_fee, self.max_fee, self.gas]
        return [self.chain_id, self.nonce, *fees, self.to or b"", self.value, self.data, []]

    def digest(self) -> bytes:
        """What the sender signs."""
        return keccak(_TYPE + rlp(self._fields()))

    def raw(self, signature: bytes) -> bytes:
        """The signed transaction as a node takes it. `signature` is r‖s‖v, v 27 or 28."""
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:64], "big")
        return _TYPE + rlp([*self._fields(), signature[64] - 27, r, s])
