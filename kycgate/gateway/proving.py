"""Who is calling: a gate API key, a request signed by the wallet, or nobody we know.

Says nothing about what a caller may do. A proof shown but not holding is refused, never ignored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kycgate.core import proof
from kycgate.core.claims import Account
from kycgate.core.signature import Invalid, Undecided
from kycgate.errors import Code, Unauthenticated, Unavailable
from kycgate.gateway.adapters.base import Kind
from kycgate.gateway.canonical import CleanRequest
from kycgate.gateway.memory import Lease, Memory, WouldWait
from kycgate.gateway.parts import GateParts
from kycgate.store.records.signin import Key

KEY_PREFIX = "kg_"
_FAR = 2**53
_USES_HELD = 500
"""Uses of keys not yet written down; more are written by the request itself."""
_KEY = re.compile(r"kg_[A-Za-z0-9_\-]{20,128}")

SCOPES = {
    Kind.RENT: "rent",
    Kind.EXTEND: "rent",
    Kind.MODIFY: "rent",
    Kind.ADMIT: "rent",
    Kind.STOP: "stop",
    Kind.PAUSE: "stop",
    Kind.OWN_READ: "read",
    Kind.LIST: "read",
    Kind.ACCOUNT_READ: "read",
    Kind.PUBLIC_READ: None,
}
"""The scope a gate key must have for each kind of route."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A proven account. `scope` None: it signed this very request, which is every scope."""

    account: Account
    scope: frozenset[str] | None
    expires_at: int
    """When this proof ends."""

    def may(self, kind: Kind) -> bool:
        needed = SCOPES[kind]
        return self.scope is None or needed is None or needed in self.scope


class Proves(Protocol):
    """What the gate asks about a request's caller."""

    def shows_proof(self, request: CleanRequest) -> bool:
        """Whether the request claims to be proven to this gate, rightly or not."""

    def prove(
        self, request: CleanRequest, *, wait: bool, lease: Lease, first: Callable[[], None]
    ) -> Caller:
        """The proven caller. Raises Unauthenticated, Unavailable, WouldWait.

        `first` is called before anything costly is done for a caller not yet known, and may raise.
        """

    def stands(self, request: CleanRequest, caller: Caller, *, now: int) -> int:
        """Until when the proof this request came with counts. Raises Unauthenticated if it no
        longer does."""

    def note_uses(self) -> None:
        """Write down what was used: beside the requests, which need not wait for it."""


class Prover:
    """Turns what a request shows into a proven account."""

    def __init__(self, parts: GateParts, memory: Memory) -> None:
        self._parts = parts
        self._memory = memory
        self._used: dict[str, int] = {}

    def note_uses(self) -> None:
        """Write down which keys were used: beside the requests, which need not wait for it."""
        used, self._used = self._used, {}
        if used:
            self._parts.store.touch_keys(dict(used))

    def shows_proof(self, request: CleanRequest) -> bool:
        """Whether the request claims to be proven to this gate, rightly or not."""
        credential = self._parts.adapter.credential(request.fields)
        shows_key = credential is not None and credential.startswith(KEY_PREFIX)
        return shows_key or "signature-input" in request.fields or "signature" in request.fields

    def prove(
        self, request: CleanRequest, *, wait: bool, lease: Lease, first: Callable[[], None]
    ) -> Caller:
        """The proven caller. Raises Unauthenticated, Unavailable, WouldWait.

        `first` is called before anything costly is done for a caller not yet known, and may raise.
        """
        credential = self._parts.adapter.credential(request.fields)
        signed = "signature-input" in request.fields or "signature" in request.fields
        if signed and credential is not None:
            raise Unauthenticated("Show one proof: a key or a signature.", code=Code.PROOF_INVALID)
        if signed:
            lease.ends(0)  # a signature counts once
            if not wait:
                raise WouldWait
            first()
            return self._by_signature(request)
        return self._by_key(credential or "", request.view.now, wait, lease, first)

    def _by_key(
        self, secret: str, now: int, wait: bool, lease: Lease, first: Callable[[], None]
    ) -> Caller:
        if _KEY.fullmatch(secret) is None:
            raise Unauthenticated("This is no gate key.", code=Code.KEY_UNKNOWN)
        digest = hashlib.sha256(secret.encode("ascii")).digest()

        def load() -> tuple[tuple[Key, Caller], int] | None:
            first()
            return self._load_key(digest, now, wait=wait)

        found = self._memory.recall(
            ("key", digest), load, now=now, wait=wait, brief=True, lease=lease
        )
        if found is None:
            raise Unauthenticated("This gate knows no such key.", code=Code.KEY_UNKNOWN)
        key, caller = found
        if key.revoked_at is not None:
            raise Unauthenticated("The key was revoked.", code=Code.KEY_REVOKED)
        if now >= key.expires_at:
            raise Unauthenticated("The key has expired.", code=Code.KEY_EXPIRED)
        lease.ends(key.expires_at)
        return caller

    def _load_key(
        self, digest: bytes, now: int, *, wait: bool
    ) -> tuple[tuple[Key, Caller], int] | None:
        key = self._parts.store.key_by_hash(digest)
        if key is None:
            return None
        if key.use_is_news(now):
            self._used[key.id] = now
            if wait and len(self._used) > _USES_HELD:
                self.note_uses()
        caller = Caller(Account.from_key(key.account), frozenset(key.scope), key.expires_at)
        return (key, caller), now + self._parts.limits.memory_s

    def stands(self, request: CleanRequest, caller: Caller, *, now: int) -> int:
        """Until when the proof this request came with counts; raises Unauthenticated if it no
        longer does. A signature was spent on this very request, and does not run out under it."""
        if caller.scope is None:
            return _FAR
        secret = self._parts.adapter.credential(request.fields) or ""
        return self._by_key(secret, now, True, Lease(), lambda: None).expires_at

    def _by_signature(self, request: CleanRequest) -> Caller:
        parts, now = self._parts, request.view.now
        if request.authority not in parts.authorities:
            # A signature made for another host, brought here with that host's name.
            raise Unauthenticated(
                "The request was signed for another host.", code=Code.PROOF_AUDIENCE
            )
        said = proof.verify_request(
            _signed_part(request), now=now, max_age_s=parts.limits.proof_age_s
        )
        if isinstance(said, Invalid):
            raise Unauthenticated(said.reason.text, code=said.reason.code)
        if isinstance(said, proof.UndecidedContract):
            said = self._ask_contract(said)
        account = said.account.key
        spent = parts.store.claim_nonce(
            f"erc8128:{account}", said.nonce, expires_at=said.expires, now=now
        )
        if not spent:
            raise Unauthenticated("This signed request was sent before.", code=Code.PROOF_REPLAYED)
        parts.store.note_wallet_proof(account, at=said.created)
        return Caller(said.account, None, said.expires)

    def _ask_contract(
        self, said: proof.UndecidedContract[proof.ProvenRequest]
    ) -> proof.ProvenRequest:
        ask = self._parts.contract_wallet
        if ask is None:
            raise Unavailable("Contract wallets can't be checked here.")
        verdict = ask(said.claimed.account, said.digest, said.signature)
        if isinstance(verdict, Undecided):
            raise Unavailable(f"The chain gave no answer: {verdict.needs}.")
        if isinstance(verdict, Invalid):
            raise Unauthenticated(verdict.reason.text, code=verdict.reason.code)
        return said.claimed


def _signed_part(request: CleanRequest) -> proof.HttpRequest:
    view = request.view
    return proof.HttpRequest(
        method=request.method,
        scheme=view.scheme,
        authority=request.authority,
        path=request.path,
        query=request.query,
        headers=view.headers,
        body=view.body or b"",
    )
