"""What the sidecar puts on a request so that the gate knows whose it is, and what it takes off.

Sends nothing. The local caller's own credentials never travel on unless it was told to keep them:
they are the sidecar's token, or some other account's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from kycgate.core.proof import HttpRequest, Profile, sign_request
from kycgate.errors import Malformed
from kycgate.keys import Signer

Fields = tuple[tuple[str, str], ...]

LIFE_S: Final = 60
"""Seconds a request signature holds."""
TOKEN_FIELD: Final = "Kycgate-Sidecar-Token"  # noqa: S105  (the name of a field)
CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "cookie"})
_OURS: Final = ("kycgate-", "x-kycgate-")
_PROOFS: Final = frozenset({"signature", "signature-input", "content-digest"})
_HOP: Final = frozenset(
    {
        "host", "connection", "keep-alive", "proxy-connection", "proxy-authenticate",
        "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings",
        "content-length", "expect",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it will leave, framing aside. `target` byte for byte as the caller sent it."""

    method: str
    target: str
    fields: Fields
    body: bytes


class Proof(Protocol):
    """Proves one account. Blocks as long as its signer does."""

    @property
    def name(self) -> str: ...

    def fields(self, request: Outgoing) -> Fields:
        """What to add. Raises Unavailable where a signer does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class WalletProof:
    """Signs each request with the wallet (ERC-8128): method, host, path, query, body; once."""

    signer: Signer
    scheme: str
    authority: str
    chain_id: int
    profile: Profile
    clock: Callable[[], float]

    @property
    def name(self) -> str:
        return "signature"

    def fields(self, request: Outgoing) -> Fields:
        path, mark, query = request.target.partition("?")
        now = int(self.clock())
        return sign_request(
            HttpRequest(
                method=request.method,
                scheme=self.scheme,
                authority=self.authority,
                path=path,
                query=query if mark else None,
                headers=request.fields,
                body=request.body,
            ),
            signer_address=self.signer.address,
            chain_id=self.chain_id,
            sign=self.signer.sign_digest,
            nonce=secrets.token_urlsafe(16),
            created=now,
            expires=now + LIFE_S,
            profile=self.profile,
        )


@dataclass(frozen=True, slots=True)
class KeyProof:
    """Adds a gate API key, in the field in which this marketplace's clients send theirs."""

    key: str
    field: str

    @property
    def name(self) -> str:
        return "key"

    def fields(self, request: Outgoing) -> Fields:
        if self.field == "bearer":
            return (("Authorization", f"Bearer {self.key}"),)
        return ((self.field, self.key),)

    def __repr__(self) -> str:
        return f"KeyProof(field={self.field!r})"


def key_field(named: str) -> str:
    """`x-api-key`, `bearer`, or another field's name. Raises Malformed."""
    lower = named.lower()
    plain = lower.isascii() and lower.replace("-", "").isalnum()
    if not plain or lower in _HOP | _PROOFS or lower.startswith(_OURS) or len(lower) > 64:
        raise Malformed("not a field a key travels in", field="--as", remedy="x-api-key or bearer")
    return lower


def travelling(fields: Fields, *, keep_credentials: bool, token: str | None) -> Fields:
    """The caller's fields that go on: no hop, no proof but ours, no credential unless kept.

    What carries the sidecar's own token stays here in any case.
    """
    gone = _HOP | _PROOFS | _nominated(fields)
    if not keep_credentials:
        gone = gone | CREDENTIALS
    return tuple(
        (name, value)
        for name, value in fields
        if (lower := name.lower()) not in gone
        and not lower.startswith(_OURS)
        and not (token is not None and token in value)
    )


def _nominated(fields: Fields) -> frozenset[str]:
    return frozenset(
        part.strip().lower()
        for name, value in fields
        if name.lower() == "connection"
        for part in value.split(",")
    )
