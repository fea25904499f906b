"""One chain through its JSON-RPC nodes: the first that answers counts, and every wait is bounded.

Believes no node that answers for another chain, and keeps no key: a signer is handed in.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from kycgate.chain.transactions import Transaction
from kycgate.core.claims import Address, checksum
from kycgate.core.typed import keccak
from kycgate.core.wire import require_shallow
from kycgate.errors import Code, Conflict, Malformed, Unavailable

_ANSWER_MOST = 16 * 1024 * 1024
"""Bytes of one node's answer, at most."""

_TIP_WEI = 10**9
"""Priority fee where a node can't name one."""

_ALREADY_THERE = ("already known", "already imported", "known transaction")


class TransactionSigner(Protocol):
    """A key that pays for transactions: low-s r‖s‖v, v 27 or 28, over a digest."""

    @property
    def address(self) -> Address: ...
    def sign_digest(self, digest: bytes) -> bytes: ...


class Reverted(Conflict):
    """The contract said no.

    `data` is what it said, a custom error's selector first; `name` that error's, where its ABI is
    at hand; `code` is the twin of a permit error.
    """

    def __init__(
        self, message: str, *, data: bytes = b"", name: str | None = None, code: Code | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.data = data
        self.name = name


class _NoAnswer(Exception):
    """This node told us nothing."""


class _Declined(Exception):
    """This node understood and declined, for a reason that is not the contract's."""


@dataclass(frozen=True, slots=True)
class Block:
    """The head as a node sees it. `timestamp` Unix seconds UTC, `base_fee` wei per gas."""

    number: int
    timestamp: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class Log:
    """One entry of a contract's log."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that stands in a block."""

    hash: bytes
    succeeded: bool
    block: int
    gas_used: int
    contract: Address | None
    logs: tuple[Log, ...]


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise Unavailable("a node answered something that is not hexadecimal")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as e:
        raise Unavailable("a node answered something that is not hexadecimal") from e


def _number(text: Any) -> int:
    try:
        return int(text, 16)
    except (TypeError, ValueError) as e:
        raise Unavailable("a node answered something that is not a number") from e


def _log(entry: Any) -> Log:
    try:
        return Log(
            address=Address(_bytes(entry["address"])),
            topics=tuple(_bytes(topic) for topic in entry["topics"]),
            data=_bytes(entry["data"]),
            block=_number(entry["blockNumber"]),
        )
    except (KeyError, TypeError) as e:
        raise Unavailable("a node's log entry can't be read") from e


def _receipt(found: Any) -> Receipt:
    try:
        created = found.get("contractAddress")
        return Receipt(
            hash=_bytes(found["transactionHash"]),
            succeeded=_number(found["status"]) == 1,
            block=_number(found["blockNumber"]),
            gas_used=_number(found["gasUsed"]),
            contract=Address(_bytes(created)) if created else None,
            logs=tuple(_log(entry) for entry in found["logs"]),
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise Unavailable("a node's receipt can't be read") from e


def _revert_data(error: dict[str, Any]) -> bytes | None:
    """The data of a revert; None when the error is the node's own. Nodes disagree on the shape."""
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    if error.get("code") != 3 and "revert" not in str(error.get("message")).lower():
        return None
    text = data.rsplit("0x", 1)[-1] if isinstance(data, str) else ""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


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
        if not rpc_urls:
            raise ValueError("a chain needs at least one node")
        self.chain_id = chain_id
        self._urls = tuple(rpc_urls)
        self._timeout_s = timeout_s
        self._receipt_s = receipt_s
        self._http = requests.Session()
        self._ids = itertools.count(1)
        self._on_chain: set[str] = set()
        self._sending = threading.Lock()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    # -- reading ---------------------------------------------------------------------------------
    def ask(self, method: str, *params: Any) -> Any:
        """One JSON-RPC question, to each node until one answers.

        Raises Reverted when the contract says no, Unavailable when no node answers.
        """
        failures = []
        for url in self._urls:
            try:
                return self._ask_node(url, method, params)
            except (_NoAnswer, _Declined) as e:
                failures.append(f"{urlsplit(url).hostname}: {e}")
        raise Unavailable(f"chain {self.chain_id} did not answer {method} ({'; '.join(failures)})")

    def call(self, to: Address | None, data: bytes, *, sender: Address | None = None) -> bytes:
        """`eth_call` on the newest block; `to` None runs `data` as creation code, traceless."""
        return _bytes(self.ask("eth_call", _call_object(to, data, 0, sender), "latest"))

    def block(self) -> Block:
        """The newest block."""
        found = self.ask("eth_getBlockByNumber", "latest", False)
        if not isinstance(found, dict):
            raise Unavailable("a node knows no newest block")
        number, timestamp = _number(found.get("number")), _number(found.get("timestamp"))
        return Block(number, timestamp, _number(found.get("baseFeePerGas", "0x0")))

    def code(self, address: Address) -> bytes:
        """The code at an address; empty for a plain key."""
        return _bytes(self.ask("eth_getCode", checksum(address), "latest"))

    def balance(self, address: Address) -> int:
        """The balance in the chain's coin, in wei."""
        return _number(self.ask("eth_getBalance", checksum(address), "latest"))

    def logs(self, address: Address, *, from_block: int, topics: Sequence[Any]) -> list[Log]:
        """A contract's log from a block on, filtered as `eth_getLogs` does."""
        wanted = {"address": checksum(address), "fromBlock": hex(from_block), "topics": topics}
        return [_log(entry) for entry in self.ask("eth_getLogs", wanted)]

    # -- writing ---------------------------------------------------------------------------------
    def send(
        self, signer: TransactionSigner, to: Address | None, data: bytes, *, value: int = 0
    ) -> Receipt:
        """Send a transaction and wait until it stands in a block.

        Raises Reverted when it fails or would; Unavailable when nobody knows what became of it:
        it may still be taken up, so repeat only what may happen twice.
        """
        gas = _number(self.ask("eth_estimateGas", _call_object(to, data, value, signer.address)))
        with self._sending:
            sent = self._broadcast_next(signer, to, data, value, gas + gas // 4)
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
            transaction = self._compose(signer.address, to, data, value, gas)
            raw = transaction.raw(signer.sign_digest(transaction.digest()))
            if self._broadcast(raw):
                return keccak(raw)
        raise Unavailable("another process keeps using this key's transaction numbers")

    def _compose(
        self, sender: Address, to: Address | None, data: bytes, value: int, gas: int
    ) -> Transaction:
        nonce = _number(self.ask("eth_getTransactionCount", checksum(sender), "pending"))
        try:
            tip = _number(self.ask("eth_maxPriorityFeePerGas"))
        except Unavailable:
            tip = _TIP_WEI
        # Twice the base fee outlasts six full blocks (EIP-1559: at most one eighth more per block).
        fee = 2 * self.block().base_fee + tip
        return Transaction(self.chain_id, nonce, tip, fee, gas, to, value, data)

    def _broadcast(self, raw: bytes) -> bool:
        """Whether a node took it; False when its number was used up by another transaction.

        The same bytes go to every node, so that a second node can't make a second transaction.
        """
        failures: list[str] = []
        unclear = False
        for url in self._urls:
            try:
                self._ask_node(url, "eth_sendRawTransaction", ("0x" + raw.hex(),))
                return True
            except _NoAnswer as e:
                unclear = True
                failures.append(f"{urlsplit(url).hostname}: {e}")
            except _Declined as e:
                text = str(e).lower()
                if any(known in text for known in _ALREADY_THERE):
                    return True
                if "nonce too low" in text:
                    # After a silent node this may be our own transaction, already in a block.
                    return unclear
                failures.append(f"{urlsplit(url).hostname}: {e}")
        raise Unavailable(f"no node took the transaction ({'; '.join(failures)})")

    def _wait(self, sent: bytes) -> Receipt:
        give_up, pause = time.monotonic() + self._receipt_s, 0.01
        while True:
            found = self.ask("eth_getTransactionReceipt", "0x" + sent.hex())
            if found is not None:
                receipt = _receipt(found)
                if not receipt.succeeded:
                    raise Reverted(f"transaction 0x{sent.hex()} failed in its block")
                return receipt
            if time.monotonic() + pause > give_up:
                raise Unavailable(f"transaction 0x{sent.hex()} is in no block yet")
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    # -- one node --------------------------------------------------------------------------------
    def _ask_node(self, url: str, method: str, params: Sequence[Any]) -> Any:
        if url not in self._on_chain:
            answered = self._post(url, "eth_chainId", ())
            if answered != hex(self.chain_id):
                raise _NoAnswer(f"stands on chain {answered}")
            self._on_chain.add(url)
        return self._post(url, method, params)

    def _post(self, url: str, method: str, params: Sequence[Any]) -> Any:
        number = next(self._ids)
        question = {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        try:
            said = self._exchange(url, json.dumps(question))
            require_shallow(said, field="answer")
            answer = json.loads(said)
        except (requests.RequestException, ValueError, Malformed) as e:
            # The text of the exception may hold the URL, and the URL an access key.
            raise _NoAnswer(type(e).__name__) from e
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise _NoAnswer("answered another question")
        error = answer.get("error")
        if error is None:
            return answer.get("result")
        if not isinstance(error, dict):
            raise _NoAnswer("answered nonsense")
        data = _revert_data(error)
        if data is not None:
            raise Reverted(f"the contract refused: {error.get('message')}", data=data)
        raise _Declined(str(error.get("message"))[:200])

    def _exchange(self, url: str, body: str) -> bytes:
        """POST within the time limit as a whole: a node that drips is a node that is silent."""
        give_up = time.monotonic() + self._timeout_s
        headers = {"Content-Type": "application/json"}
        with self._http.post(
            url,
            data=body,
            headers=headers,
            timeout=self._timeout_s,
            allow_redirects=False,
            stream=True,
        ) as answer:
            # Some nodes put JSON-RPC errors under a 4xx or 5xx: the body decides.
            collected = bytearray()
            for chunk in answer.iter_content(65536):
                collected += chunk
                if len(collected) > _ANSWER_MOST or time.monotonic() > give_up:
                    raise requests.Timeout("too long")
            return bytes(collected)


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
