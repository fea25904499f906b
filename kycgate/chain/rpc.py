"""One chain: contracts called, transactions priced, sent and waited for, blocks and logs read.

Keeps no key: a signer is handed in. Remembers nothing of what it sent: who must survive a crash
keeps a record, and uses the steps (`estimate`, `fees`, `broadcast`, `receipt`) one by one.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from kycgate.chain.answers import (
    Block,
    Log,
    Receipt,
    Reverted,
    read_block,
    read_bytes,
    read_logs,
    read_number,
    read_receipt,
)
from kycgate.chain.nodes import Declined, NoAnswer, Nodes, NodeState
from kycgate.chain.transactions import Transaction
from kycgate.core.claims import Address, checksum
from kycgate.core.typed import keccak
from kycgate.errors import Unavailable

_TIP_WEI = 10**9
"""Priority fee where a node can't name one."""

# How geth, erigon, nethermind, besu, reth and anvil say it, in lower case.
_ALREADY_THERE = ("already known", "already imported", "known transaction", "alreadyknown")
_SPENT = ("nonce too low", "oldnonce", "nonce is too low")
_UNDERPRICED = ("underpriced", "replacementnotallowed", "gas price too low", "feetoolow")


class TransactionSigner(Protocol):
    """A key that pays for transactions: low-s r‖s‖v, v 27 or 28, over a digest."""

    @property
    def address(self) -> Address: ...
    def sign_digest(self, digest: bytes) -> bytes: ...


class Taken(Enum):
    """What nodes said to a transaction."""

    YES = "taken, or known already"
    SPENT = "its number was used up"
    UNDERPRICED = "another with its number is there, or the fee is too low"


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas (EIP-1559)."""

    max_fee: int
    tip: int


class Chain:
    """A chain by its id and the URLs of its nodes, tried in order. Threads may share one."""

    def __init__(
        self,
        rpc_urls: Sequence[str],
        chain_id: int,
        *,
        timeout_s: float = 5.0,
        receipt_s: float = 60.0,
    ) -> None:
        self.chain_id = chain_id
        self._nodes = Nodes(rpc_urls, chain_id, timeout_s=timeout_s)
        self._receipt_s = receipt_s
        self._as_of: int | None = None
        self._sending = threading.Lock()

    def close(self) -> None:
        """Give the connections back."""
        self._nodes.close()

    # -- reading ---------------------------------------------------------------------------------
    def ask(self, method: str, *params: Any) -> Any:
        """One JSON-RPC question, to each node until one answers.

        Raises Reverted when the contract says no, Unavailable when no node answers.
        """
        return self._nodes.ask(method, params)

    def as_of(self, number: int) -> Chain:
        """The same chain, every `call` answered for that block."""
        view = copy.copy(self)
        view._as_of = number
        return view

    def look(self) -> tuple[NodeState, ...]:
        """How each node is; those that lag or fail are asked last from now on."""
        return self._nodes.look()

    def wake(self) -> None:
        """`look`; Unavailable at once where no node is good, before anything waits for each."""
        states = self.look()
        if all(state.problem for state in states):
            told = "; ".join(f"{state.host}: {state.problem}" for state in states)
            raise Unavailable(f"chain {self.chain_id} did not answer ({told})")

    def call(
        self,
        to: Address | None,
        data: bytes,
        *,
        sender: Address | None = None,
        at: int | None = None,
    ) -> bytes:
        """`eth_call` on block `at` (None: the newest); `to` None runs `data` as creation code."""
        tag = _tag(self._as_of if at is None else at)
        return read_bytes(self.ask("eth_call", _call_object(to, data, 0, sender), tag))

    def block(self, number: int | None = None) -> Block:
        """A block by its number; None: the newest. Raises Unavailable where no node has it."""
        question = ("eth_getBlockByNumber", (_tag(number), False))
        return read_block(self._nodes.ask_together([question])[0])

    def code(self, address: Address) -> bytes:
        """The code at an address; empty for a plain key."""
        return read_bytes(self.ask("eth_getCode", checksum(address), "latest"))

    def balance(self, address: Address) -> int:
        """The balance in the chain's coin, in wei."""
        return read_number(self.ask("eth_getBalance", checksum(address), "latest"))

    def logs(self, address: Address, *, from_block: int, topics: Sequence[Any]) -> list[Log]:
        """A contract's log from a block on, filtered as `eth_getLogs` does."""
        wanted = {"address": checksum(address), "fromBlock": hex(from_block), "topics": topics}
        return read_logs(self.ask("eth_getLogs", wanted))

    def logs_until(
        self, address: Address, *, from_block: int, to_block: int
    ) -> tuple[list[Log], Block]:
        """A contract's log of a range, ends included, by one node that has the range's last block.

        That block comes too: its hash tells later whether the range still stands.
        """
        wanted = {
            "address": checksum(address),
            "fromBlock": hex(from_block),
            "toBlock": hex(to_block),
        }
        block, logs = self._nodes.ask_together(
            [("eth_getBlockByNumber", (hex(to_block), False)), ("eth_getLogs", (wanted,))]
        )
        return read_logs(logs), read_block(block)

    def nonce(self, sender: Address, *, at: int | None = None) -> int:
        """How many of the sender's transactions stand in blocks: the number of its next one."""
        return read_number(self.ask("eth_getTransactionCount", checksum(sender), _tag(at)))

    # -- writing, step by step -------------------------------------------------------------------
    def estimate(self, sender: Address, to: Address | None, data: bytes, *, value: int = 0) -> int:
        """Gas for a call, a quarter more than nodes expect. Raises Reverted when it would fail."""
        gas = read_number(self.ask("eth_estimateGas", _call_object(to, data, value, sender)))
        return gas + gas // 4

    def fees(self) -> Fees:
        """What a transaction pays to be taken up soon."""
        try:
            tip = read_number(self.ask("eth_maxPriorityFeePerGas"))
        except Unavailable:
            tip = _TIP_WEI
        # Twice the base fee outlasts six full blocks (EIP-1559: at most one eighth more per block).
        return Fees(2 * self.block().base_fee + tip, tip)

    def broadcast(self, raw: bytes) -> Taken:
        """Offer the same bytes to each node until one takes them: there is no second transaction.

        Raises Unavailable when no node took them, or nobody knows whether one did.
        """
        unclear = False

        def offer(url: str) -> Taken:
            nonlocal unclear
            try:
                self._nodes.ask_node(url, "eth_sendRawTransaction", ("0x" + raw.hex(),))
            except NoAnswer:
                unclear = True
                raise
            except Declined as e:
                said = _meaning(str(e))
                if said is None:
                    raise
                # After a silent node the one that stands there may be our own.
                return Taken.YES if said is Taken.SPENT and unclear else said
            return Taken.YES

        return self._nodes.first("eth_sendRawTransaction", offer)

    def receipt(self, sent: bytes) -> Receipt | None:
        """The receipt of a transaction by its hash; None while it stands in no block."""
        found = self.ask("eth_getTransactionReceipt", "0x" + sent.hex())
        return None if found is None else read_receipt(found)

    # -- writing in one go -----------------------------------------------------------------------
    def send(
        self, signer: TransactionSigner, to: Address | None, data: bytes, *, value: int = 0
    ) -> Receipt:
        """Send a transaction and wait until it stands in a block.

        Raises Reverted when it fails or would; Unavailable when nobody knows what became of it:
        it may still be taken up, so repeat only what may happen twice.
        """
        gas = self.estimate(signer.address, to, data, value=value)
        with self._sending:
            sent = self._broadcast_next(signer, to, data, value, gas)
        return self._wait(sent)

    def deploy(self, signer: TransactionSigner, creation: bytes) -> Address:
        """Create a contract; its address."""
        made = self.send(signer, None, creation).contract
        if made is None:
            raise Unavailable("a node forgot to say where the contract stands")
        return made

    def _broadcast_next(
        self, signer: TransactionSigner, to: Address | None, data: bytes, value: int, gas: int
    ) -> bytes:
        for _ in range(3):
            pending = self.ask("eth_getTransactionCount", checksum(signer.address), "pending")
            nonce, fees = read_number(pending), self.fees()
            made = Transaction(self.chain_id, nonce, fees.tip, fees.max_fee, gas, to, value, data)
            raw = made.raw(signer.sign_digest(made.digest()))
            if self.broadcast(raw) is Taken.YES:
                return keccak(raw)
        raise Unavailable("another process keeps using this key's transaction numbers")

    def _wait(self, sent: bytes) -> Receipt:
        give_up, pause = time.monotonic() + self._receipt_s, 0.01
        while True:
            receipt = self.receipt(sent)
            if receipt is not None:
                if not receipt.succeeded:
                    raise Reverted(f"transaction 0x{sent.hex()} failed in its block")
                return receipt
            if time.monotonic() + pause > give_up:
                raise Unavailable(f"transaction 0x{sent.hex()} is in no block yet")
            time.sleep(pause)
            pause = min(pause * 2, 1.0)


def _tag(number: int | None) -> str:
    return "latest" if number is None else hex(number)


def _meaning(refusal: str) -> Taken | None:
    """What a node's refusal of a transaction means; None: nothing that we know."""
    text = refusal.lower()
    for words, meaning in (
        (_ALREADY_THERE, Taken.YES),
        (_SPENT, Taken.SPENT),
        (_UNDERPRICED, Taken.UNDERPRICED),
    ):
        if any(word in text for word in words):
            return meaning
    return None


def _call_object(
    to: Address | None, data: bytes, value: int, sender: Address | None
) -> dict[str, str]:
    made = {"data": "0x" + data.hex()}
    if to is not None:
        made["to"] = checksum(to)
    if sender is not None:
        made["from"] = checksum(sender)
    if value:
        made["value"] = hex(value)
    return made
