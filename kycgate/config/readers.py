"""What each kind of setting looks like: a raw TOML value or an environment string in, typed out.

Knows no setting by name and opens nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import MISSING, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kycgate.core import wire
from kycgate.core.claims import Address, Digest, parse_address
from kycgate.errors import Malformed

HOUR = 3600
Network = IPv4Network | IPv6Network
ADAPTERS = ("ionet", "vast", "runpod", "lium", "prime", "clore")
"""The marketplaces that can be named without a description of one's own."""


_SOCKET = "unix:"
_SOCKET_PATH_BYTES = 100
"""What every system takes (the shortest bound is 104, its end included)."""


class Wrong(Exception):
    """A value that does not fit. The text says what would."""


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong("needs a non-empty string")
    return value


def origin(value: Any) -> str:
    parts = urlsplit(text(value))
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise Wrong('needs an origin such as "https://gate.example" (no path, no user)')
    return f"{parts.scheme}://{parts.netloc}".lower()


def listen(value: Any) -> tuple[str, int]:
    host, separator, port = text(value).rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise Wrong('needs "host:port", for instance "127.0.0.1:8080"')
    return host.strip("[]"), int(port)


def listen_or_socket(value: Any) -> tuple[str, int] | Path:
    if not text(value).startswith(_SOCKET):
        return listen(value)
    path = Path(value.removeprefix(_SOCKET))
    if not path.is_absolute() or len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise Wrong(f'needs "unix:" and an absolute path of at most {_SOCKET_PATH_BYTES} bytes')
    return path


def number(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong(f"needs a whole number from {least} to {most}")
        return value

    return read


def one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise Wrong("needs one of " + ", ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return read


def switch(value: Any) -> bool:
    if value in (True, "true", "1"):
        return True
    if value in (False, "false", "0"):
        return False
    raise Wrong("needs true or false")


def address(value: Any) -> Address:
    try:
        return parse_address(text(value))
    except Malformed as error:
        raise Wrong(f"needs an address, 0x and 40 hex digits: {error.message}") from error


def key(value: Any) -> str:
    given = text(value)
    if not re.fullmatch(r"(file:.+|env:[A-Za-z_][A-Za-z0-9_]*)", given):
        raise Wrong('needs "file:PATH" or "env:NAME"; secrets never stand in this file')
    return given


def country(value: Any) -> str:
    given = text(value)
    if not re.fullmatch(r"[A-Z]{2}", given, re.ASCII):
        raise Wrong('needs a country of two capital letters, as in "DE"')
    return given


def adapter(value: Any) -> str:
    given = text(value)
    if given not in ADAPTERS and not re.fullmatch(r"file:.+\.toml", given):
        named = ", ".join(f'"{name}"' for name in ADAPTERS)
        raise Wrong(f'needs one of {named}, or "file:PATH.toml"')
    return given


def peer(value: Any) -> Network:
    try:
        network = ip_network(text(value))
    except ValueError as error:
        raise Wrong('needs an address or a network such as "10.0.0.0/24"') from error
    if network.prefixlen == 0:
        raise Wrong("would believe everybody")
    return network


def host(value: Any) -> str:
    given = text(value).lower()
    if not re.fullmatch(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?", given):
        raise Wrong('needs a host name such as "status.example", or "host:port"')
    return given


def scheme(value: Any) -> str:
    given = text(value)
    if not re.fullmatch(r"[a-z][a-z0-9+.-]{1,40}", given):
        raise Wrong('needs the scheme of a link, such as "openid4vp"')
    return given


def many(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(value: Any) -> tuple[Any, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list):
            raise Wrong("needs a list")
        return tuple(read(item) for item in items)

    return read_all


def operator(value: Any) -> tuple[str, str]:
    match = re.fullmatch(r"([a-z0-9_.-]{1,40}):([0-9a-f]{64})", text(value))
    if not match:
        raise Wrong('needs "name:SHA-256 of the token in hex"; kycgate keys token makes one')
    return match[1], match[2]


def stand_in(value: Any) -> str:
    parts = urlsplit(text(value))
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Wrong('needs a stand-in on this machine such as "http://127.0.0.1:9000"')
    return f"http://{parts.netloc}"


def words(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(
        isinstance(each, str) and each for each in value.values()
    ):
        raise Wrong('needs a table of texts, as in { account = "x" }')
    return tuple(value.items())


def keys(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, key(spec)) for name, spec in words(value))


def digest(value: Any) -> Digest:
    try:
        return wire.digest(text(value), field="schema")
    except Malformed as error:
        raise Wrong("needs a schema's uid, 0x and 64 hex digits") from error


def scheduler(value: Any) -> tuple[str, str]:
    match = re.fullmatch(r"([a-z0-9][a-z0-9.-]{0,39}):([0-9a-f]{64})", text(value))
    if not match:
        raise Wrong('needs "name:SHA-256 of the secret in hex"; kycgate keys hook makes one')
    return match[1], match[2]


def scheduler_api(value: Any) -> tuple[str, str, str]:
    name, *rest = text(value).split()
    if len(rest) != 2:
        raise Wrong('needs "NAME ORIGIN KEY", as in "main https://dstack.example file:admin-token"')
    return name, origin(rest[0]), key(rest[1])


def setting(read: Callable[[Any], Any], default: Any = MISSING) -> Any:
    """A field and its reader; without a default it must be given."""
    if default is MISSING:
        return field(metadata={"read": read})
    return field(default=default, metadata={"read": read})
