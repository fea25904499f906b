"""Whose signature stands under a text: a key pair's, settled here, or perhaps a contract's.

Asks no chain: what only a contract can answer leaves here as an exact question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from kycgate.core.claims import Account, Address, Digest
from kycgate.core.signature import Undecided, Valid, recover

SIGNATURE_MOST = 8 * 1024
"""Bytes of a contract account's signature, at most (ERC-6492 carries a deployment in it)."""

CLOCK_SKEW_S = 15
"""Seconds that a caller's clock may run ahead of ours."""

# ERC-6492: the signature ends so when the account is not deployed yet.
ERC6492_MAGIC = bytes.fromhex("6492" * 16)

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class ProvenAccount:
    """The caller controls this account, as of `at` (Unix seconds UTC)."""

    account: Account
    nonce: str
    at: int


@dataclass(frozen=True, slots=True)
class UndecidedContract(Undecided, Generic[P]):
    """No key pair signed this, so only the contract can say.

    `claimed` is proven if, and only if, the account in it accepts `signature` over `digest` on its
    own chain (ERC-1271, or ERC-6492 where the signature says so). Without a chain to ask: not
    proven.
    """

    claimed: P
    digest: Digest
    signature: bytes


def signed_by(address: Address, digest: bytes, signature: bytes) -> bool:
    """Whether this very key pair signed, in the strict form."""
    verdict = recover(digest, signature)
    return isinstance(verdict, Valid) and verdict.signer == address


def needs(signature: bytes) -> str:
    """What would decide a signature that no key pair made."""
    if signature.endswith(ERC6492_MAGIC):
        return "erc6492"
    return "erc1271"
