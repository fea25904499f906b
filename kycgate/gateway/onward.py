"""What a decided request must look like to be read, and what is said with it upstream.

Decides nothing and sends nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from kycgate.core.assertion import EMPTY, LIFE_S, Assertion, AssertionKey
from kycgate.errors import Malformed
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.view import Headers, Identity


@dataclass(frozen=True, slots=True)
class SignedAsserter:
    """Implements `parts.Asserter` for one gate and one upstream, each named by its origin."""

    issuer: str
    audience: str
    key: AssertionKey
    sign: Callable[[bytes], bytes]
    draw: Callable[[int], bytes]
    """n bytes of cryptographic randomness: names what no decision names."""

    def say(
        self, method: str, target: bytes, body: bytes | None, identity: Identity, *, now: int
    ) -> str:
        """The request in the words in which the upstream will read it."""
        return Assertion(
            issuer=self.issuer,
            audience=self.audience,
            issued_at=now,
            expires_at=now + LIFE_S,
            id=identity.decision_id or self.draw(16).hex(),
            job=identity.job_id,
            method=method,
            target=target.decode("ascii"),
            body=body,
            account=identity.account,
        ).to_jws(self.key, self.sign)


def body_digest(request: CleanRequest) -> bytes | None:
    """SHA-256 of the body, as far as the gate holds it or knows that there is none."""
    if request.view.body is not None:
        return hashlib.sha256(request.view.body).digest()
    stated = request.fields.get("content-length", "0").strip("0")
    return None if stated or "transfer-encoding" in request.fields else EMPTY


def identity_fields(identity: Identity) -> Headers:
    """Who it is and what was decided, for upstream: pseudonymous ids only."""
    said: Headers = (("Kycgate-Account", identity.account),)
    if identity.decision_id is not None:
        said = (*said, ("Kycgate-Decision", identity.decision_id))
    if identity.job_id is not None:
        said = (*said, ("Kycgate-Job", "0x" + identity.job_id.hex()))
    return said


def json_body(request: CleanRequest) -> bytes:
    """The body of a decided request: plain JSON, read whole, decoded by nobody in between.

    A request that neither has nor announces a body says as much as an empty object.
    """
    if request.view.body is None:
        raise Malformed("The request has no body.", field="body")
    if "content-encoding" in request.fields:
        raise Malformed("Content-Encoding is not read here.", field="Content-Encoding")
    kind = request.fields.get("content-type", "")
    if not request.view.body and not kind:
        return b"{}"
    if kind.replace(" ", "").lower() not in ("application/json", "application/json;charset=utf-8"):
        raise Malformed("Content-Type must be application/json.", field="Content-Type")
    return request.view.body


def readable(headers: Headers) -> Headers:
    """For answers the gate reads itself: whole, uncompressed, not from the caller's cache."""
    unwanted = ("accept-encoding", "range", "if-range", "if-none-match", "if-modified-since")
    kept = tuple(field for field in headers if field[0].lower() not in unwanted)
    return (*kept, ("Accept-Encoding", "identity"))


def with_origin(headers: Headers, request: CleanRequest) -> Headers:
    """Where the request came from, in our words: the caller's own were dropped."""
    view = request.view
    return (
        *headers,
        ("X-Forwarded-For", view.client_ip),
        ("X-Forwarded-Proto", view.scheme),
        ("X-Forwarded-Host", view.authority),
    )
