"""The gate and the marketplace behind it, from a configuration.

Takes no decision: the gate does, with the parts put together here.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from kycgate import __version__
from kycgate.assembly.chains import permit_port
from kycgate.assembly.limits import rates
from kycgate.assembly.rules import network, open_signer
from kycgate.audit import DecisionLog
from kycgate.chain import Chain, ContractWallets
from kycgate.config import Config
from kycgate.core.assertion import AssertionKeys
from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import SCHEMA_UID, Account, checksum
from kycgate.core.policy import Policy
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import Misconfigured, Unavailable
from kycgate.gateway.adapters.presets import Upstream, open_adapter
from kycgate.gateway.forward_auth import MANAGED
from kycgate.gateway.onward import SignedAsserter
from kycgate.gateway.parts import NOT_FOLLOWED, GateParts, Limits, Ownership
from kycgate.gateway.view import Headers
from kycgate.issuer.identity import Identity
from kycgate.issuer.vault import Vault
from kycgate.keys import load_assertion_signer, load_token
from kycgate.screening.backend import Screening
from kycgate.screening.controls import (
    load_gpus,
)
from kycgate.settlement.permits import Permits
from kycgate.store import Store

_FETCH_S = 10
_FETCH_MOST = 8 * 2**20
_TRUST_SEQUENCE = "trust_sequence"


class Market:
    """The marketplace behind the gate as the gate itself asks it, with the operator's key."""

    def __init__(self, config: Config) -> None:
        spec = config.marketplace.upstream_key
        self.key = None if spec is None else load_token(config.key(spec))
        self._origin = config.marketplace.upstream
        self._session = requests.Session()
        self._session.trust_env = False
        self.adapter = open_adapter(
            config.marketplace.adapter,
            Upstream(self.fetch, self.search, config.settlement.token_decimals),
            folder=config.directory,
        )
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

    def _ask(
        self, method: str, target: str, headers: Headers, question: bytes | None = None
    ) -> tuple[int, bytes]:
        try:
            with self._session.request(
                method,
                self._origin + target,
                headers=dict(headers),
                data=question,
                timeout=_FETCH_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = answer.raw.read(_FETCH_MOST + 1, decode_content=True)
        except (requests.RequestException, OSError) as error:
            raise Unavailable("the marketplace did not answer the gate's own question") from error
        if len(body) > _FETCH_MOST:
            raise Unavailable(f"the marketplace's answer exceeds {_FETCH_MOST} bytes")
        return answer.status_code, body


@dataclass(frozen=True, slots=True)
class Credentials:
    """Each account's own credential at the marketplace."""

    store: Store
    vault: Vault

    def of(self, account: str) -> str | None:
        sealed = self.store.upstream_key(account)
        subject = None if sealed is None else self.store.subject_of(account)
        if sealed is None or subject is None:
            return None
        return self.vault.open_credential(subject.id, account, sealed)


@dataclass(frozen=True, slots=True)
class _Attestations:
    """The gate's view of the issuer."""

    identity: Identity

    def current(self, account: Account, now: int) -> SignedAttestation | None:
        return self.identity.attestation(account, now=now)


def gate_parts(
    config: Config,
    store: Store,
    log: DecisionLog,
    identity: Identity,
    policy: Policy,
    screener: Screening,
    market: Market,
    credentials: Credentials,
    permits: Permits | None,
    chain: Chain | None,
    asserter: SignedAsserter | None,
) -> GateParts:
    gpus = load_gpus()
    return GateParts(
        adapter=market.adapter,
        store=store,
        log=log,
        attestations=_Attestations(identity),
        trust=_Trust(config, store),
        policy=lambda: policy,
        lists=lambda: screener.versions,
        classify=gpus.classify,
        ownership=lambda account, now: _ownership(identity, account, now),
        network=network(config),
        permit_for=permit_port(permits),
        upstream_key=credentials.of,
        own_keys=store.any_upstream_key,
        shared_upstream_key=market.key if config.marketplace.shared_key else None,
        asserter=asserter,
        jwks=AssertionKeys(() if asserter is None else (asserter.key,)).to_jwks(),
        contract_wallet=None if chain is None else ContractWallets({chain.chain_id: chain}),
        authorities=frozenset({urlsplit(config.gate.gateway_url).netloc}),
        public_url=config.gate.public_url,
        configuration=_facts(config, policy),
        clock=lambda: int(time.time()),
        monotonic=time.monotonic,
        pause=time.sleep,
        draw=secrets.token_bytes,
        limits=Limits(body_bytes=config.gate.body_limit),
        rates=rates(config),
    )


def _ownership(identity: Identity, account: Account, now: int) -> Ownership:
    owners = identity.book.owners
    if owners is None:
        return NOT_FOLLOWED
    known = owners.known(account, now=now)
    return Ownership(known.share, known.gap, known.regions, known.digest)


def open_asserter(config: Config) -> SignedAsserter | None:
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


def _facts(config: Config, policy: Policy) -> dict[str, Any]:
    """What anybody may know about this gate."""
    settlement = config.settlement
    issuer = open_signer(config, config.keys.issuer)
    escrow = None
    if settlement.mode == "escrow":
        assert settlement.escrow is not None
        assert settlement.provider is not None
        assert settlement.token is not None
        escrow = {
            "chain_id": settlement.chain_id,
            "escrow": checksum(settlement.escrow),
            "token": checksum(settlement.token),
            "provider": checksum(settlement.provider),
        }
    return {
        "version": __version__,
        "public_url": config.gate.public_url,
        "gateway_url": config.gate.gateway_url,
        "marketplace": config.marketplace.name,
        "issuer": checksum(issuer.address),
        "schema": "0x" + SCHEMA_UID.hex(),
        "eas": {
            "chain_id": config.issuer.chain_id,
            "address": checksum(config.issuer.eas),
            "version": config.issuer.eas_version,
        },
        "policy": {"id": policy.id, "digest": "0x" + policy.digest.hex()},
        "settlement": escrow,
    }


class _Trust:
    """Today's trust list: the root's signed file, or this gate's own keys where there is none."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._pinned = None if config.issuer.trust_list else self._own()
        self._read_at: tuple[float, TrustList] | None = None
        self()

    def __call__(self) -> TrustList:
        if self._pinned is not None:
            return self._pinned
        now = int(time.time())
        path = self._config.path(str(self._config.issuer.trust_list))
        try:
            changed = path.stat().st_mtime
            if self._read_at is None or self._read_at[0] != changed:
                self._read_at = (changed, self._load(path.read_bytes(), now))
        except OSError as error:
            raise Unavailable(f"the trust list {path} can't be read") from error
        trust = self._read_at[1]
        if not trust.issued_at <= now < trust.expires_at:
            raise Unavailable("the trust list has expired: renting is refused until it is renewed")
        return trust

    def _load(self, data: bytes, now: int) -> TrustList:
        root = self._config.issuer.root
        assert root is not None
        lowest = int(self._store.setting(_TRUST_SEQUENCE) or 0)
        trust = TrustList.from_wire(data, root=root, now=now, lowest_sequence=lowest)
        if trust.sequence > lowest:
            self._store.set_setting(_TRUST_SEQUENCE, str(trust.sequence))
        return trust

    def _own(self) -> TrustList:
        issuer = self._config.issuer
        signer = open_signer(self._config, self._config.keys.issuer)
        return TrustList.pinned(
            TrustedIssuer(
                address=signer.address,
                domain_version=issuer.eas_version,
                chain_id=issuer.chain_id,
                eas=issuer.eas,
                not_before=0,
                not_after=None,
            )
        )
