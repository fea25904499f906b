"""What an attacker has at hand, and what a row of the corpus says.

Sends nothing: the test does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.attack.houses import House, secret_of
from tests.gateway.world import CAAS, HOST, deploy

HARDWARE, DEPLOY, LIST = f"{CAAS}/hardware", f"{CAAS}/deploy", f"{CAAS}/deployments"
JSON = ("Content-Type", "application/json")
Field = tuple[str, str]


@dataclass(frozen=True)
class Kit:
    """What an attacker has at hand: two keys, a wallet, and a mark that is this attack's alone."""

    house: House
    mark: str

    def key(self, who: str) -> Field:
        return ("x-api-key", secret_of(who))

    def body(self, **changes: Any) -> bytes:
        return json.dumps(deploy() | {"resource_private_name": self.mark} | changes).encode()

    def raw(
        self,
        method: str,
        target: str | bytes,
        *fields: Field,
        body: bytes | None = None,
        host: str = HOST,
        close: bool = True,
    ) -> bytes:
        """A well-formed request, save for what the caller puts into it."""
        path = target if isinstance(target, bytes) else target.encode("latin-1")
        rows = [method.encode() + b" " + path + b" HTTP/1.1"]
        rows += [f"Host: {host}".encode()] if host else []
        rows += [b"Connection: close"] if close else []
        rows += [f"{name}: {value}".encode("latin-1") for name, value in fields]
        if body is not None:
            names = {name.lower() for name, _ in fields}
            rows.append(b"Content-Length: %d" % len(body))
            rows += [] if "content-type" in names else [b"Content-Type: application/json"]
        return b"\r\n".join(rows) + b"\r\n\r\n" + (body or b"")

    def rent(self, who: str | None, *fields: Field, body: bytes | None = None) -> bytes:
        own = () if who is None else (self.key(who),)
        said = self.body() if body is None else body
        return self.raw("POST", DEPLOY, *own, *fields, body=said)

    def read(self, *fields: Field, target: str = HARDWARE) -> bytes:
        return self.raw("GET", target, *fields)

    def signed(self, *, sent: bytes | None = None, path: str | None = None, host: str = HOST,
               **changes: Any) -> bytes:  # fmt: skip
        """A rent signed by alice's wallet; then `sent`, `path` or `host` in place of what she
        signed."""
        view = self.house.world.view("POST", DEPLOY, self.body())
        nonce = changes.pop("nonce", self.mark.ljust(12, "n"))
        alice = self.house.alice
        view = alice.signs(view, nonce=nonce, **changes)
        fields = [f for f in view.headers if f[0].lower() not in ("host", "content-length")]
        body = view.body if sent is None else sent
        return self.raw("POST", path or DEPLOY, *fields, body=body, host=host)


Bytes = Callable[[Kit], bytes]


@dataclass(frozen=True)
class Attack:
    """A trick. `reaches`: the most requests that may arrive, each of them let through by the gate;
    `at_least` where refusing it would be wrong too."""

    row: str
    name: str
    bytes: Bytes
    reaches: int = 0
    at_least: int = 0


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def head(kit: Kit, method: str, target: str, *fields: bytes) -> bytes:
    rows = [f"{method} {target} HTTP/1.1".encode(), f"Host: {HOST}".encode(), *fields]
    return b"\r\n".join(rows) + b"\r\n\r\n"


def inner(kit: Kit) -> bytes:
    """What is smuggled: a rent that nobody is asked about."""
    return kit.rent("bob")
