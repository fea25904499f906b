"""Asking a chain and writing to it: calls, transactions, and whether a contract account signed.

Decides nothing about renters. "The chain says no" and "the chain did not answer" are different
answers here: `Reverted` and `Unavailable`.
"""

from __future__ import annotations

from kycgate.chain.abi import Artifact, Event
from kycgate.chain.accounts import check_contract_signature
from kycgate.chain.rpc import Block, Chain, Log, Receipt, Reverted, TransactionSigner

__all__ = [
    "Artifact",
    "Block",
    "Chain",
    "Event",
    "Log",
    "Receipt",
    "Reverted",
    "TransactionSigner",
    "check_contract_signature",
]
