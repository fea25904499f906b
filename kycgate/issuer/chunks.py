"""Seals what is large in pieces, so that it opens in pieces and none can be cut, moved or left out.

Knows no subject and keeps no key: the cipher and what binds the whole are arguments. The form is
that of STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015):

    "KB1" ‖ prefix (7) ‖ pieces, each AES-256-GCM(up to 64 KiB; aad), its nonce
                         prefix ‖ number (4) ‖ 1 for the last piece, else 0 (1)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX: Final = 7
"""Random bytes, never twice under one key."""
_HEADER: Final = b"KB1"
_PIECE: Final = 64 * 1024
_TAG: Final = 16


def seal(cipher: AESGCM, prefix: bytes, plain: bytes, aad: bytes) -> bytes:
    """The whole, sealed. `prefix` has PREFIX bytes."""
    pieces = [plain[at : at + _PIECE] for at in range(0, max(1, len(plain)), _PIECE)]
    sealed = (
        cipher.encrypt(_nonce(prefix, number, last=number == len(pieces) - 1), piece, aad)
        for number, piece in enumerate(pieces)
    )
    return _HEADER + prefix + b"".join(sealed)


def opened(cipher: AESGCM, sealed: bytes, aad: bytes) -> Iterator[bytes]:
    """Piece by piece, each only once it is proven. Raises InvalidTag for anything else than what
    was sealed; what came before the piece that raises was genuine, but is not the whole.
    """
    start = len(_HEADER) + PREFIX
    prefix, body = sealed[len(_HEADER) : start], sealed[start:]
    if not sealed.startswith(_HEADER) or len(prefix) != PREFIX:
        raise InvalidTag
    step = _PIECE + _TAG
    count = max(1, -(-len(body) // step))
    for number in range(count):
        piece = body[number * step : (number + 1) * step]
        if len(piece) < _TAG:
            raise InvalidTag
        yield cipher.decrypt(_nonce(prefix, number, last=number == count - 1), piece, aad)


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])
