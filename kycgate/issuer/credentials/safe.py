"""Seals what a running presentation must remember: its key, its randomness, the wallet's answer.

A copy of the database opens nothing of it, and a row moved to another account does not open.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kycgate.core import wire
from kycgate.errors import Malformed

_VERSION: Final = b"KP1"
_NONCE: Final = 12
_MOST: Final = 128 * 1024
"""Bytes: a wallet's answer and what goes with it."""
_INFO: Final = b"kycgate/presentations/1"


class Safe:
    """AES-256-GCM under a key derived from `secret` (32 bytes), used for nothing else.

    Secrets in `also` only open what was sealed under them before.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        also: tuple[bytes, ...] = (),
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._ciphers = [AESGCM(_derived(each)) for each in (secret, *also)]
        self._entropy = entropy

    def seal(self, document: dict[str, Any], *, presentation: str, account: str) -> bytes:
        nonce = self._entropy(_NONCE)
        body = wire.write_object(document)
        return (
            _VERSION
            + nonce
            + self._ciphers[0].encrypt(nonce, body, _binding(presentation, account))
        )

    def open(self, sealed: bytes, *, presentation: str, account: str) -> dict[str, Any]:
        """What was sealed for this presentation of this account. Raises Malformed for all else."""
        aad = _binding(presentation, account)
        plain = next(filter(None, (self._tried(each, sealed, aad) for each in self._ciphers)), None)
        if plain is None:
            text = "was altered, or sealed for another presentation or under another key"
            raise Malformed(text, field="presentation.sealed", remedy="begin again")
        return wire.read_object(plain, limit=_MOST, field="presentation.sealed")

    @staticmethod
    def _tried(cipher: AESGCM, sealed: bytes, aad: bytes) -> bytes | None:
        head = len(_VERSION) + _NONCE
        if not sealed.startswith(_VERSION):
            return None
        try:
            return cipher.decrypt(sealed[len(_VERSION) : head], sealed[head:], aad)
        except (InvalidTag, ValueError):
            return None


def _derived(secret: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(secret)


def _binding(*parts: str) -> bytes:
    return rfc8785.dumps(["kycgate/presentations/1", *parts])
