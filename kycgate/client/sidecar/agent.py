"""A wallet's key in a process of its own: the sidecar asks it for signatures over a Unix socket.

The key is read once, there, and never crosses the socket. Whoever may ask gets any digest signed:
the socket is its owner's alone, and both sides check whose process is at the other end.

One question and one answer a connection, each a line of JSON:
    {}                    → {"address": "0x…"}
    {"sign": "0x…"}       → {"address": "0x…", "signature": "0x…"}, of a 32-byte digest
    anything else         → {"error": "…"}
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import struct
import threading
from pathlib import Path
from typing import Any, Final

from kycgate.core.claims import Address, checksum, parse_address
from kycgate.core.signature import signer_of
from kycgate.core.wire import read_object
from kycgate.errors import Malformed, Misconfigured, Unavailable
from kycgate.keys import Signer

_LINE_MOST: Final = 1024
_WAIT_S: Final = 30.0
"""A person may have to confirm."""
_DIGEST: Final = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_SIGNATURE: Final = re.compile(r"0x[0-9a-f]{130}", re.ASCII)
_CREDENTIALS: Final = struct.Struct("3i")


class AgentSigner:
    """Implements `keys.Signer`. Believes no signature: each is held against the address."""

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured for a socket that is not ours, Unavailable without an answer."""
        self._path = path
        try:
            status = os.lstat(path)
        except OSError as error:
            raise Misconfigured((f"{path}: no signer there ({error.strerror})",)) from error
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.getuid():
            raise Misconfigured((f"{path}: not a socket of this user",))
        self._address = self._told(self._ask({}))

    @property
    def address(self) -> Address:
        return self._address

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r‖s‖v. Raises Unavailable rather than hand on another key's signature."""
        answer = self._ask({"sign": "0x" + digest.hex()})
        text = answer.get("signature")
        if not isinstance(text, str) or _SIGNATURE.fullmatch(text) is None:
            raise Unavailable("the signer did not sign")
        signature = bytes.fromhex(text[2:])
        if signer_of(digest, signature) != self._address:
            raise Unavailable("the signer signed with another key")
        return signature

    def _told(self, answer: dict[str, Any]) -> Address:
        try:
            return parse_address(answer.get("address", ""))
        except Malformed as error:
            raise Unavailable("the signer names no address") from error

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_WAIT_S)
                connection.connect(str(self._path))
                if not _is_ours(connection):
                    raise Unavailable("another user's process is at the signer's socket")
                connection.sendall(json.dumps(question).encode() + b"\n")
                answer = read_object(_line(connection), limit=_LINE_MOST, field="signer")
        except (OSError, Malformed) as error:
            raise Unavailable("the signer does not answer") from error
        if "error" in answer:
            raise Unavailable(f"the signer refuses: {str(answer['error'])[:200]}")
        return answer


class Agent:
    """Answers on a socket, one question at a time, until `stop`. For its own user only."""

    def __init__(self, signer: Signer, path: Path) -> None:
        """Raises Misconfigured when the socket can't be made, or a living one is there."""
        self._signer = signer
        self._path = path
        self._listener = _listen(path)
        self._thread = threading.Thread(target=self._serve, name="kycgate-signer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5.0)
                if _is_ours(connection):
                    connection.sendall(json.dumps(self._answer(_line(connection))).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, str]:
        try:
            question = read_object(line, limit=_LINE_MOST, field="question")
        except Malformed:
            return {"error": "not a question"}
        mine = {"address": checksum(self._signer.address)}
        if not question:
            return mine
        asked = question.get("sign")
        if set(question) != {"sign"} or not isinstance(asked, str) or not _DIGEST.fullmatch(asked):
            return {"error": "not a digest of 32 bytes"}
        try:
            signature = self._signer.sign_digest(bytes.fromhex(asked[2:]))
        except Unavailable as error:
            return {"error": error.message}
        return mine | {"signature": "0x" + signature.hex()}


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.stat(path.parent).st_mode & 0o077:
            raise Misconfigured((f"{path.parent}: others may enter: chmod 700",))
        _clear(path)
        listener.bind(str(path))
        os.chmod(path, 0o600)
        listener.listen()
    except OSError as error:
        listener.close()
        raise Misconfigured((f"{path}: can't listen there ({error.strerror})",)) from error
    except BaseException:
        listener.close()
        raise
    return listener


def _clear(path: Path) -> None:
    """Take away a socket nobody answers at, left by a signer that was killed; nothing else."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise Misconfigured((f"{path}: something else is there",))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise Misconfigured((f"{path}: a signer answers there already",))


def _is_ours(connection: socket.socket) -> bool:
    """Whether a process of this user is at the other end, as the kernel says.

    Where it does not say (outside Linux) the socket's mode and folder are what holds others off.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1]) == os.getuid()


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        chunk = connection.recv(_LINE_MOST)
        if not chunk or len(data) + len(chunk) > _LINE_MOST:
            raise OSError("no line")
        data += chunk
    return data
