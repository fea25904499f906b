"""Seals what a running presentation must remember: its key, its randomness, the wallet's answer.

A copy of the database opens nothing of it, and a row moved to another account does not open.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kycgate.errors import Malformed

_VERSION: Final = b"KP1"
_NONCE: Final = 12
_INFO: Final = b"kycgate/presentations/1"


class Safe:
    """AES-256-GCM under a key derived from `secret` (32 bytes), used for nothing else."""

    def __init__(
        self, secret: bytes, *, entropy: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(secret)
        self._cipher = AESGCM(key)
        self._entropy = entropy

    def seal(self, document: dict[str, Any], *, presentation: str, account: str) -> bytes:
        nonce = self._entropy(_NONCE)
        body = json.dumps(document).encode()
        return _VERSION + nonce + self._cipher.encrypt(nonce, body, _binding(presentation, account))

    def open(self, sealed: bytes, *, presentation: str, account: str) -> dict[str, Any]:
        """What was sealed for this presentation of this account. Raises Malformed for all else."""
        head = len(_VERSION) + _NONCE
        nonce, body = sealed[len(_VERSION) : head], sealed[head:]
        try:
            if not sealed.startswith(_VERSION):
                raise InvalidTag
            plain = self._cipher.decrypt(nonce, body, _binding(presentation, account))
        except (InvalidTag, ValueError) as e:
            text = "was altered, or sealed for another presentation or under another key"
            raise Malformed(text, field="presentation.sealed", remedy="begin again") from e
        document: dict[str, Any] = json.loads(plain)
        return document


def _binding(*parts: str) -> bytes:
    return rfc8785.dumps(["kycgate/presentations/1", *parts])
