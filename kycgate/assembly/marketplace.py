"""The marketplace behind the gate, from a configuration: its adapter, its keys, a way to ask it.

Takes no decision, and forwards no renter's request: the gate's fronts do.
"""

from __future__ import annotations

import secrets

from kycgate.assembly.asking import Asking
from kycgate.config import Config
from kycgate.errors import Misconfigured, Unavailable
from kycgate.gateway.adapters.presets import Upstream, open_adapter
from kycgate.gateway.forward_auth import MANAGED
from kycgate.gateway.onward import SignedAsserter
from kycgate.gateway.stopping import JobStopper
from kycgate.gateway.view import Headers
from kycgate.issuer.vault import Vault
from kycgate.keys import load_assertion_signer, load_token
from kycgate.store import Store


class Marketplace:
    """The marketplace behind the gate: asked with the operator's key, or with an account's own."""

    def __init__(self, config: Config, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        spec = config.marketplace.upstream_key
        self.key = None if spec is None else load_token(config.key(spec))
        self._ask = Asking(config.marketplace.upstream, "the marketplace")
        self.adapter = open_adapter(
            config.marketplace.adapter,
            Upstream(self.fetch, self.search, config.settlement.token_decimals),
            folder=config.directory,
        )
        self.asserter = _asserter(config)
        self._check_front(config)

    def _check_front(self, config: Config) -> None:
        """A front copies the fields it was told of: another one would keep the caller's key."""
        front = config.gate.forward_auth
        strange = {name for name, _ in self.adapter.with_key((), "key")} - {
            name for name, _ in self.adapter.with_key((), None)
        }
        if front is not None and any(name.lower() not in MANAGED for name in strange):
            raise Misconfigured(
                (
                    f"gate.forward_auth: {front} copies {', '.join(MANAGED)} only, and"
                    f" {self.adapter.name} takes its key in {', '.join(sorted(strange))}: take the"
                    " setting out, and send everything to gate.listen",
                )
            )

    def fetch(self, path: str) -> bytes:
        """A catalogue page. Raises Unavailable unless the whole answer came with status 200."""
        status, body = self._ask("GET", path, self.adapter.with_key((), self.key))
        if status != 200:
            raise Unavailable(f"the marketplace answered {status} to {path}")
        return body

    def search(self, path: str, question: bytes) -> bytes:
        """A question that changes nothing there. Raises Unavailable as `fetch` does."""
        headers = self.adapter.with_key((("Content-Type", "application/json"),), self.key)
        status, body = self._ask("POST", path, headers, question)
        if status != 200:
            raise Unavailable(f"the marketplace answered {status} to {path}")
        return body

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> tuple[int, bytes]:
        return self._ask(method, target, headers, body or None)

    def credential(self, account: str) -> str | None:
        """The account's own key there; None where it has handed in none."""
        sealed = self._store.upstream_key(account)
        subject = None if sealed is None else self._store.subject_of(account)
        if sealed is None or subject is None:
            return None
        return self._vault.open_credential(subject.id, account, sealed)

    def stopper(self) -> JobStopper:
        """Ends the jobs of those who may not rent any more."""
        return JobStopper(
            self._store,
            self.adapter,
            send=self.send,
            upstream_key=self.credential,
            shared_upstream_key=self.key,
            asserter=self.asserter,
        )


def _asserter(config: Config) -> SignedAsserter | None:
    if config.keys.assertion is None:
        return None
    signer = load_assertion_signer(config.key(config.keys.assertion))
    return SignedAsserter(
        config.gate.gateway_url,
        config.marketplace.upstream,
        signer.public,
        signer.sign,
        secrets.token_bytes,
    )
