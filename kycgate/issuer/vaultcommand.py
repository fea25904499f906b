"""A vault key behind a program of the operator's: for a KMS, an HSM or a smart card with a command.

Holds no key. The program is started anew for each question, without a shell, and told by its one
argument what to do; question and answer are one JSON object each, bytes in base64:

    PROGRAM id       {}                                         → {"key_id": "alias/kycgate"}
    PROGRAM wrap     {"key": …, "binding": …}                   → {"wrapped": …}
    PROGRAM unwrap   {"wrapped": …, "key_id": …, "binding": …}  → {"key": …}

Anything but exit code 0 within the time is no answer.
"""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from pathlib import Path
from typing import Any, Final

from kycgate.core.wire import read_object
from kycgate.errors import Malformed, Misconfigured, Unavailable

_WAIT_S: Final = 10
_ANSWER_MOST: Final = 64 * 1024


class CommandKeys:
    """Implements `vaultkeys.WrappingService` over a program."""

    def __init__(self, program: str) -> None:
        if not Path(program).is_absolute():
            raise Misconfigured(("vault.address: needs the absolute path of the program",))
        self._program = program
        try:
            name = self._ask("id", {}).get("key_id")
        except Unavailable as error:
            raise Misconfigured((f"vault.address: {error.message}",)) from error
        if not isinstance(name, str):
            raise Misconfigured(("vault.address: the program names no key_id",))
        self.key_id: str = name

    def wrap(self, key: bytes, *, binding: bytes) -> bytes:
        return self._bytes("wrapped", self._ask("wrap", {"key": key, "binding": binding}))

    def unwrap(self, wrapped: bytes, *, key_id: str, binding: bytes) -> bytes:
        asked: dict[str, str | bytes] = {"wrapped": wrapped, "key_id": key_id, "binding": binding}
        return self._bytes("key", self._ask("unwrap", asked))

    def _ask(self, what: str, asked: dict[str, str | bytes]) -> dict[str, Any]:
        words = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in asked.items()
        }
        try:
            done = subprocess.run(
                [self._program, what],
                input=json.dumps(words).encode(),
                capture_output=True,
                timeout=_WAIT_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            # What the program printed may hold a key: it is repeated nowhere.
            raise Unavailable(f"the vault's key program did not answer ({what})") from error
        try:
            return read_object(done.stdout, limit=_ANSWER_MOST, field="answer")
        except Malformed as error:
            raise Unavailable(f"the vault's key program gave no JSON ({what})") from error

    @staticmethod
    def _bytes(name: str, answer: dict[str, Any]) -> bytes:
        try:
            return base64.b64decode(answer[name], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise Unavailable(f"the vault's key program gave no {name}") from error
