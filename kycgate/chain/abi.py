"""How a compiled contract is spoken to: arguments in, results, errors and events out.

Sends nothing: it only turns values into bytes and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from kycgate.core.typed import keccak
from kycgate.errors import Malformed

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded log entry."""

    name: str
    fields: Mapping[str, Any]


def _type(parameter: Entry) -> str:
    """The canonical type: tuples written out, array suffixes kept."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_types(parameter['components']))}){kind.removeprefix('tuple')}"


def _types(parameters: Sequence[Entry]) -> list[str]:
    return [_type(parameter) for parameter in parameters]


def _signature_hash(entry: Entry) -> bytes:
    return keccak(f"{entry['name']}({','.join(_types(entry['inputs']))})".encode())


def _decode(types: Sequence[str], data: bytes, *, field: str) -> tuple[Any, ...]:
    try:
        return tuple(decode(types, data))
    except (DecodingError, ValueError, OverflowError) as e:
        raise Malformed(f"the contract's answer can't be read: {e}", field=field) from e


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its name, ABI entries, and creation code."""

    name: str
    abi: tuple[Entry, ...]
    bytecode: bytes

    @classmethod
    def from_json(cls, text: str) -> Artifact:
        """Read a file that `compile.mjs` wrote."""
        document = json.loads(text)
        code = bytes.fromhex(document["bytecode"].removeprefix("0x"))
        return cls(document["name"], tuple(document["abi"]), code)

    def creation(self, *arguments: Any) -> bytes:
        """Creation code with its constructor's arguments."""
        inputs = next((e["inputs"] for e in self.abi if e["type"] == "constructor"), ())
        return self.bytecode + encode(_types(inputs), arguments)

    def encode(self, function: str, *arguments: Any) -> bytes:
        """Call data. Addresses may be bytes or `0x` text."""
        entry = self._entry("function", function)
        return _signature_hash(entry)[:4] + encode(_types(entry["inputs"]), arguments)

    def decode(self, function: str, data: bytes) -> tuple[Any, ...]:
        """What a function returned, in its order. Raises Malformed."""
        outputs = self._entry("function", function)["outputs"]
        return _decode(_types(outputs), data, field=function)

    def error(self, data: bytes) -> str | None:
        """The name of the custom error that a revert carries, if it is one of ours."""
        errors = (e for e in self.abi if e["type"] == "error")
        return next((e["name"] for e in errors if _signature_hash(e)[:4] == data[:4]), None)

    def topic(self, event: str) -> bytes:
        """The first topic of an event's log entries."""
        return _signature_hash(self._entry("event", event))

    def event(self, topics: Sequence[bytes], data: bytes) -> Event | None:
        """Decode one log entry; None when it is no event of this contract. Raises Malformed."""
        known = (e for e in self.abi if e["type"] == "event")
        entry = next((e for e in known if topics and _signature_hash(e) == topics[0]), None)
        if entry is None:
            return None
        indexed = [p for p in entry["inputs"] if p["indexed"]]
        plain = [p for p in entry["inputs"] if not p["indexed"]]
        found = _decode(_types(indexed), b"".join(topics[1:]), field=entry["name"])
        found += _decode(_types(plain), data, field=entry["name"])
        names = [p["name"] for p in indexed + plain]
        return Event(entry["name"], dict(zip(names, found, strict=True)))

    def _entry(self, kind: str, name: str) -> Entry:
        return next(e for e in self.abi if e["type"] == kind and e["name"] == name)
