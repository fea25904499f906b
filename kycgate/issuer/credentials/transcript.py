"""What binds a device signature to one request: OpenID4VP 1.0's SessionTranscript (B.2.6).

Signs nothing. The nonce in it commits to the renter's account.
"""

from __future__ import annotations

import hashlib

import cbor2


def of_dc_api(origin: str, nonce: str, thumbprint: bytes) -> bytes:
    """For the Digital Credentials API (B.2.6.2).

    `origin` as the browser states it; `thumbprint` is RFC 7638's of the key that answers are
    encrypted to, SHA-256, 32 bytes.
    """
    return _transcript("OpenID4VPDCAPIHandover", [origin, nonce, thumbprint])


def of_redirect(client_id: str, nonce: str, thumbprint: bytes, response_uri: str) -> bytes:
    """For the redirect with `direct_post.jwt` (B.2.6.1). `client_id` with its prefix."""
    return _transcript("OpenID4VPHandover", [client_id, nonce, thumbprint, response_uri])


def _transcript(name: str, info: list[str | bytes]) -> bytes:
    handover = [name, hashlib.sha256(cbor2.dumps(info)).digest()]
    return cbor2.dumps([None, None, handover])
