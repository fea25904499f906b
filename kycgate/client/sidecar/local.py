"""Who on this machine may use the sidecar: whoever knows its token, and no web page.

Forwards nothing. Loopback is no border: every user of the machine reaches it, and so does every
page in a browser, by its own name for 127.0.0.1 (DNS rebinding) or without reading the answer.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from kycgate.client.sidecar.proof import TOKEN_FIELD, Fields
from kycgate.errors import Malformed, Misconfigured

TOKEN_PREFIX: Final = "kgl_"  # noqa: S105  (what every token begins with)
_TOKEN_BYTES: Final = 32
_TOKEN_MOST: Final = 200
_BROWSERS: Final = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "origin")


class NotHeard(Exception):
    """This caller is not answered. `status` and a sentence for whoever set up the tool."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Judges a local request by its fields. `token` None: every local process is heard."""

    port: int
    token: str | None

    def admit(self, fields: Fields) -> None:
        """Raises NotHeard."""
        said: dict[str, list[str]] = {}
        for name, value in fields:
            said.setdefault(name.lower(), []).append(value)
        hosts = said.get("host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._names():
            raise NotHeard(421, f"Ask the sidecar as http://127.0.0.1:{self.port}, nothing else.")
        if any(name in said for name in _BROWSERS):
            raise NotHeard(403, "The sidecar answers tools, not web pages.")
        if self.token is not None and not self._knows(said):
            raise NotHeard(
                401,
                "Give the sidecar's token (the file it named at start) as your tool's API key, or"
                f" as {TOKEN_FIELD}.",
            )

    def _names(self) -> tuple[str, ...]:
        hosts = ("127.0.0.1", "localhost", "[::1]")
        bare = hosts if self.port == 80 else ()
        return (*(f"{host}:{self.port}" for host in hosts), *bare)

    def _knows(self, said: dict[str, list[str]]) -> bool:
        bearer = [
            each[7:] for each in said.get("authorization", []) if each[:7].lower() == "bearer "
        ]
        shown = [*said.get(TOKEN_FIELD.lower(), []), *said.get("x-api-key", []), *bearer]
        assert self.token is not None
        wanted = self.token.encode()
        return any(hmac.compare_digest(each.strip().encode("latin-1"), wanted) for each in shown)


def require_loopback(host: str) -> None:
    """Raises Malformed unless `host` is this machine's own address in numbers."""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise Malformed(
            "not a loopback address: everybody on the network could rent in your name",
            field="--listen",
            remedy="127.0.0.1:PORT or [::1]:PORT",
        )


def read_token(path: Path) -> str:
    """The token in this file, made (mode 0600) if the file is not there. Raises Misconfigured."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return _make(path)
    except OSError as error:
        raise Misconfigured((f"{path}: can't be opened ({error.strerror})",)) from error
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise Misconfigured((f"{path}: others may read it: delete it, a new one is made",))
        if status.st_uid != os.getuid():
            raise Misconfigured((f"{path}: is somebody else's file",))
        token = file.read(_TOKEN_MOST).decode("ascii", "replace").strip()
    if not token.startswith(TOKEN_PREFIX) or len(token) < len(TOKEN_PREFIX) + _TOKEN_BYTES:
        raise Misconfigured((f"{path}: holds no token: delete it, a new one is made",))
    return token


def _make(path: Path) -> str:
    token = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise Misconfigured((f"{path}: can't be made ({error.strerror})",)) from error
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token
