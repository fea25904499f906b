"""Signs outgoing requests with the renter's wallet (ERC-8128), and only those to the places it
was told.

Keeps no secrets of its own: the signer does.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from requests import PreparedRequest

from kycgate.client.origin import origin_of
from kycgate.core.proof import HttpRequest, Profile, sign_request
from kycgate.errors import Malformed
from kycgate.keys import Signer

LIFE_S: Final = 60
"""Seconds a request signature holds."""
_OURS: Final = ("Signature", "Signature-Input", "Content-Digest")


class RequestSigner:
    """Puts a fresh signature on a prepared request. Each call draws a new nonce."""

    def __init__(
        self, signer: Signer, *, chain_id: int, profile: Profile, clock: Callable[[], float]
    ) -> None:
        self._signer = signer
        self._chain_id = chain_id
        self._profile = profile
        self._clock = clock

    def sign(self, request: PreparedRequest) -> None:
        """Replace whatever signature the request carries. Raises Malformed for a body that
        streams.
        """
        unsign(request)
        now = int(self._clock())
        headers = sign_request(
            as_seen(request),
            signer_address=self._signer.address,
            chain_id=self._chain_id,
            sign=self._signer.sign_digest,
            nonce=secrets.token_urlsafe(16),
            created=now,
            expires=now + LIFE_S,
            profile=self._profile,
        )
        request.headers.update(dict(headers))


def unsign(request: PreparedRequest) -> None:
    """Take our signature headers off: they must not follow a redirect elsewhere."""
    for name in _OURS:
        request.headers.pop(name, None)


def as_seen(request: PreparedRequest) -> HttpRequest:
    """The request as the other side will see it."""
    parts = urlsplit(request.url or "")
    return HttpRequest(
        method=request.method or "GET",
        scheme=parts.scheme,
        authority=origin_of(request.url or "").split("://", 1)[1],
        path=parts.path or "/",
        query=parts.query or None,
        headers=tuple((name, _text(value)) for name, value in request.headers.items()),
        body=_octets(request.body),
    )


def _octets(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode("utf-8")
    if isinstance(body, bytes):
        return body
    raise Malformed("a streaming body can't be signed", field="data", remedy="read it into bytes")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
