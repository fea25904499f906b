"""What nodes answer, as typed values: blocks, log entries, receipts, a contract's refusal.

Asks nothing. An answer that can't be read is no answer: `Unavailable`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kycgate.core.claims import Address
from kycgate.errors import Code, Conflict, Unavailable

_QUANTITY = re.compile("0x[0-9a-fA-F]{1,64}")


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


@dataclass(frozen=True, slots=True)
class Block:
    """A block as a node sees it. `timestamp` Unix seconds UTC, `base_fee` wei per gas."""

    number: int
    timestamp: int
    base_fee: int
    hash: bytes


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


def read_bytes(text: Any) -> bytes:
    """Hexadecimal with its 0x. Raises Unavailable."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise Unavailable("a node answered something that is not hexadecimal")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as e:
        raise Unavailable("a node answered something that is not hexadecimal") from e


def read_number(text: Any) -> int:
    """A quantity. Raises Unavailable."""
    if not isinstance(text, str) or not _QUANTITY.fullmatch(text):
        raise Unavailable("a node answered something that is not a number")
    return int(text, 16)


def read_block(found: Any) -> Block:
    """`eth_getBlockByNumber`. Raises Unavailable, also where the node knows no such block."""
    if not isinstance(found, dict):
        raise Unavailable("a node knows no such block")
    number, timestamp = read_number(found.get("number")), read_number(found.get("timestamp"))
    base_fee = read_number(found.get("baseFeePerGas", "0x0"))
    return Block(number, timestamp, base_fee, read_bytes(found.get("hash")))


def read_log(entry: Any) -> Log:
    """One entry of `eth_getLogs` or of a receipt. Raises Unavailable."""
    try:
        return Log(
            address=Address(read_bytes(entry["address"])),
            topics=tuple(read_bytes(topic) for topic in entry["topics"]),
            data=read_bytes(entry["data"]),
            block=read_number(entry["blockNumber"]),
        )
    except (KeyError, TypeError) as e:
        raise Unavailable("a node's log entry can't be read") from e


def read_logs(found: Any) -> list[Log]:
    """`eth_getLogs`. Raises Unavailable."""
    if not isinstance(found, list):
        raise Unavailable("a node's log can't be read")
    return [read_log(entry) for entry in found]


def read_receipt(found: Any) -> Receipt:
    """`eth_getTransactionReceipt`. Raises Unavailable."""
    try:
        created = found.get("contractAddress")
        return Receipt(
            hash=read_bytes(found["transactionHash"]),
            succeeded=read_number(found["status"]) == 1,
            block=read_number(found["blockNumber"]),
            gas_used=read_number(found["gasUsed"]),
            contract=Address(read_bytes(created)) if created else None,
            logs=tuple(read_log(entry) for entry in found["logs"]),
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise Unavailable("a node's receipt can't be read") from e


def revert_data(error: dict[str, Any]) -> bytes | None:
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
