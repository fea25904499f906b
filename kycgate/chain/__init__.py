"""Asking a chain and writing to it: calls, transactions, and whether a contract account signed.

Decides nothing about renters. "The chain says no" and "the chain did not answer" are different
answers here: `Reverted` and `Unavailable`.
"""

from __future__ import annotations

from kycgate.chain.abi import Artifact, Event
from kycgate.chain.accounts import ContractWallets, check_contract_signature
from kycgate.chain.answers import Block, Log, Receipt, Reverted
from kycgate.chain.nodes import NodeState
from kycgate.chain.rpc import Chain, Fees, Taken, TransactionSigner

__all__ = [
    "Artifact",
    "Block",
    "Chain",
    "ContractWallets",
    "Event",
    "Fees",
    "Log",
    "NodeState",
    "Receipt",
    "Reverted",
    "Taken",
    "TransactionSigner",
    "check_contract_signature",
]
