"""What a decided request must look like to be read, and what is said with it upstream.

Decides nothing and sends nothing.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from kycgate.core.assertion import EMPTY, LIFE_S, Assertion, AssertionKey
from kycgate.errors import Malformed
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.view import Headers, Identity

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SAID_MOST = 4096
"""Assertions kept to be said again."""


@dataclass(slots=True)
class _Said:
    """Assertions about reads, to be said again while they are young."""

    held: OrderedDict[tuple[str, str, bytes], tuple[str, int]] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def keep(self, key: tuple[str, str, bytes], token: str, now: int) -> None:
        with self.lock:
            self.held.pop(key, None)
            if len(self.held) >= _SAID_MOST:
                self.held.popitem(last=False)
            self.held[key] = (token, now)


@dataclass(frozen=True, slots=True)
class SignedAsserter:
    """Implements `parts.Asserter` for one gate and one upstream, each named by its origin."""

    issuer: str
    audience: str
    key: AssertionKey
    sign: Callable[[bytes], bytes]
    draw: Callable[[int], bytes]
    """n bytes of cryptographic randomness: names what no decision names."""
    reuse_s: int = 20
    """How old an assertion about a read may be when it is said again; a third of its life."""
    _said: _Said = field(default_factory=_Said, compare=False)

    def say(
        self, method: str, target: bytes, body: bytes | None, identity: Identity, *, now: int
    ) -> str:
        """The request in the words in which the upstream will read it.

        The same read of the same account is told in the same words for a while: signing costs more
        than everything else. What was decided, has a body or may change something is told once.
        """
        if method not in _READS or body != EMPTY or identity.decision_id is not None:
            return self._sign(method, target, body, identity, now=now)
        key = (identity.account, method, target)
        said = self._said.held.get(key)
        if said is not None and 0 <= now - said[1] < self.reuse_s:
            return said[0]
        token = self._sign(method, target, body, identity, now=now)
        self._said.keep(key, token, now)
        return token

    def _sign(
        self, method: str, target: bytes, body: bytes | None, identity: Identity, *, now: int
    ) -> str:
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
    if request.view.body:
        return hashlib.sha256(request.view.body).digest()
    return None if request.view.body is None and has_body(request) else EMPTY


def has_body(request: CleanRequest) -> bool:
    """Whether a body was read, or is announced."""
    if request.view.body is not None:
        return bool(request.view.body)
    stated = request.fields.get("content-length", "0").strip("0")
    return bool(stated) or "transfer-encoding" in request.fields


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
