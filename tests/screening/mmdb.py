"""Writes MaxMind DB files for tests: the published format, version 2.0, 24-bit records, IPv4.

https://maxmind.github.io/MaxMind-DB/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

BUILT_AT = 1_795_000_000


class Uint(NamedTuple):
    """A whole number of so many bits: readers insist on the width."""

    bits: int
    number: int


def mmdb(networks: Mapping[str, Any], *, kind: str = "GeoLite2-City") -> bytes:
    """A database holding each network's record."""
    data, offsets = b"", dict[str, int]()
    for network, record in networks.items():
        offsets[network] = len(data)
        data += _value(record)
    tree = _tree(networks, offsets)
    metadata = {
        "binary_format_major_version": Uint(16, 2),
        "binary_format_minor_version": Uint(16, 0),
        "build_epoch": Uint(64, BUILT_AT),
        "database_type": kind,
        "description": {"en": "made for a test"},
        "ip_version": Uint(16, 4),
        "languages": ["en"],
        "node_count": Uint(32, len(tree)),
        "record_size": Uint(16, 24),
    }
    nodes = b"".join(left.to_bytes(3, "big") + right.to_bytes(3, "big") for left, right in tree)
    return nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _value(metadata)


def _tree(networks: Mapping[str, Any], offsets: Mapping[str, int]) -> list[tuple[int, int]]:
    """Records: below the node count a node, equal nothing, above it data."""
    nodes: list[list[int | str | None]] = [[None, None]]
    for text in networks:
        network = ipaddress.ip_network(text)
        bits = format(int(network.network_address), "032b")[: network.prefixlen]
        here = 0
        for bit in bits[:-1]:
            below = nodes[here][int(bit)]
            if not isinstance(below, int):
                nodes.append([None, None])
                below = nodes[here][int(bit)] = len(nodes) - 1
            here = below
        nodes[here][int(bits[-1])] = text
    count = len(nodes)

    def record(each: int | str | None) -> int:
        if each is None:
            return count
        return each if isinstance(each, int) else count + 16 + offsets[each]

    return [(record(left), record(right)) for left, right in nodes]


def _value(value: Any) -> bytes:
    match value:
        case str():
            text = value.encode()
            return _head(2, len(text)) + text
        case Uint(bits, number):
            size = (number.bit_length() + 7) // 8
            return _head({16: 5, 32: 6, 64: 9}[bits], size) + number.to_bytes(size, "big")
        case dict():
            pairs = b"".join(_value(key) + _value(each) for key, each in value.items())
            return _head(7, len(value)) + pairs
        case list():
            return _head(11, len(value)) + b"".join(map(_value, value))
    raise TypeError(type(value))


def _head(kind: int, size: int) -> bytes:
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
