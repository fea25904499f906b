"""The only file that knows every room: a configuration in, running services out.

Takes no decision. Clock, randomness and network enter the house here.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from kycgate import __version__
from kycgate.audit import DecisionLog
from kycgate.chain import Chain, check_contract_signature
from kycgate.config import Config, load_config
from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import SCHEMA_UID, Account, Digest, checksum
from kycgate.core.eas import Domain
from kycgate.core.permit import PermitDomain
from kycgate.core.policy import Limits as PolicyLimits
from kycgate.core.policy import Policy
from kycgate.core.signature import Invalid, Undecided, Valid
from kycgate.core.trust import TrustedIssuer, TrustList
from kycgate.errors import KycgateError, Misconfigured, Unavailable
from kycgate.gateway.adapters.ionet import IoNet
from kycgate.gateway.gate import Gate
from kycgate.gateway.parts import GateParts, Limits
from kycgate.gateway.stopping import JobStopper
from kycgate.gateway.view import Headers
from kycgate.issuer.identity import Identity
from kycgate.issuer.issuing import Issuer, IssuingRules
from kycgate.issuer.rescreening import Rescreening
from kycgate.issuer.vault import Vault
from kycgate.keys import Signer, load_secret, load_signer, load_token
from kycgate.screening.backend import Screening
from kycgate.screening.controls import (
    CountryTable,
    load_countries,
    load_default_policy,
    load_gpus,
)
from kycgate.screening.library import Library
from kycgate.screening.live import LiveLists
from kycgate.screening.oracle import Oracle
from kycgate.screening.yente import Yente
from kycgate.settlement.permits import Permits
from kycgate.settlement.revocations import Revocations
from kycgate.store import Store, open_store
from kycgate.web.desk import Desk
from kycgate.web.parts import WebParts, Words

_log = logging.getLogger("kycgate")
_FETCH_S = 10
_FETCH_MOST = 8 * 2**20
_TICK_S = 1.0
_SWEEP_S = 60
"""Used nonces and ended sessions are forgotten this often, so that strangers can't pile them up."""
_ORACLE_S = 2.0
"""How long a second opinion may keep a case waiting, per node."""
_TRUST_SEQUENCE = "trust_sequence"

__all__ = ["Config", "Services", "check_config", "load_config", "open_services", "serve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The assembled product. `chain`, `permits`, `revocations` are None where nothing settles."""

    config: Config
    store: Store
    log: DecisionLog
    policy: Policy
    screener: Screening
    countries: CountryTable
    vault: Vault
    identity: Identity
    gate: Gate
    chain: Chain | None
    permits: Permits | None
    revocations: Revocations | None
    stopper: JobStopper
    rescreening: Rescreening
    web: WebParts

    def tick(self, now: int) -> None:
        """One round of the work that follows lists and decisions."""
        self.follow_lists(now)
        self.follow_decisions(now)

    def follow_lists(self, now: int) -> None:
        """Notice a change of the lists, and screen again whom it may concern."""
        _do(lambda: self.rescreening.run(now=now))

    def follow_decisions(self, now: int) -> None:
        """Stop jobs, publish revocations, sweep."""
        works: list[Callable[[], object]] = [lambda: self.stopper.run(now=now)]
        if now % _SWEEP_S == 0:
            works.append(lambda: self.store.sweep(now=now))
        if self.revocations is not None:
            publish = self.revocations
            works.append(lambda: publish.publish(now=now))
        for work in works:
            _do(work)


def _do(work: Callable[[], object]) -> None:
    try:
        work()
    except KycgateError as error:
        _log.error("background work waits: %s", error.message)


@contextmanager
def open_services(config: Config | str | Path) -> Iterator[Services]:
    """Everything a configuration names, opened; closed on leaving.

    Raises Misconfigured or Unavailable, saying what to mend.
    """
    if not isinstance(config, Config):
        config = load_config(config)
    store = open_store(config.store_url)
    try:
        yield _assemble(config, store)
    finally:
        store.close()


def check_config(path: str | Path) -> dict[str, Any]:
    """Open what a configuration names and say what came out of it; nothing is served."""
    with open_services(path) as services:
        config = services.config
        facts = {
            "public_url": config.gate.public_url,
            "upstream": config.marketplace.upstream,
            "issuer": checksum(_signer(config, config.keys.issuer).address),
            "policy": f"{services.policy.id} ({services.policy.mode})",
            "lists": ", ".join(
                f"{each.name} of {_day(each.as_of)}" for each in services.screener.versions
            ),
            "settlement": config.settlement.mode,
        }
        services.store.ping()
        return facts


# -- serving ---------------------------------------------------------------------------------------


def serve(config: Config, *, started: Callable[[int, int], None] | None = None) -> None:
    """Run both listeners until the process is told to stop."""
    from kycgate.gateway.server import run

    with open_services(config) as services, background(services):
        _warn(services)
        run(
            gateway_app(services),
            control_app(services),
            gateway_at=config.gate.listen,
            control_at=config.gate.control_listen,
            started=started,
        )


def gateway_app(services: Services) -> Any:
    """The marketplace listener's ASGI application."""
    from kycgate.gateway.proxy import Proxy

    return Proxy(services.gate, services.config.marketplace.upstream)


def control_app(services: Services) -> Any:
    """The control plane's WSGI application."""
    from kycgate.web.app import create_app

    return create_app(services.web)


@contextmanager
def background(services: Services) -> Iterator[None]:
    """Follow the lists and what was decided, once a second, while inside.

    Each in a thread of its own: indexing a list must not keep a revocation from being published.
    """
    leave = threading.Event()

    def every_second(work: Callable[[int], None]) -> None:
        while not leave.wait(_TICK_S):
            work(int(time.time()))

    works = (services.follow_lists, services.follow_decisions)
    threads = [threading.Thread(target=every_second, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        leave.set()
        for thread in threads:
            thread.join()


def _warn(services: Services) -> None:
    now = int(time.time())
    if services.policy.mode == "observe":
        _log.warning("OBSERVE MODE: nothing is refused, verdicts are only recorded")
    for each in services.screener.stale(now, services.config.screening.alarm_age_s):
        _log.warning("list %s is of %s: older than the alarm allows", each.name, _day(each.as_of))


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


# -- rooms -----------------------------------------------------------------------------------------


def _assemble(config: Config, store: Store) -> Services:
    issuer_key, permit_key, log_key = (
        _signer(config, spec) for spec in (config.keys.issuer, config.keys.permit, config.keys.log)
    )
    log = DecisionLog(store, log_key)
    policy, countries = _policy(config), load_countries()
    lists = _lists(config)
    screener = Screening(lists)
    vault = Vault(store, load_secret(config.key(config.keys.vault)), log=log)
    issuer = Issuer(
        store,
        issuer_key,
        _domain(config),
        vault=vault,
        log=log,
        rules=IssuingRules(
            policy=policy.digest,
            life_s=config.issuer.life_s,
            list_max_age_s=policy.limits.max_list_age_s,
        ),
    )
    identity = Identity(
        store,
        vault=vault,
        issuer=issuer,
        screener=screener,
        countries=countries,
        log=log,
        oracle=_oracle(config),
    )
    chain = _chain(config)
    permits = _permits(config, store, permit_key)
    market = _Market(config)
    credentials = _Credentials(store, vault)
    gate = Gate(
        _gate_parts(
            config, store, log, identity, policy, screener, market, credentials, permits, chain
        )
    )
    return Services(
        config=config,
        store=store,
        log=log,
        policy=policy,
        screener=screener,
        countries=countries,
        vault=vault,
        identity=identity,
        gate=gate,
        chain=chain,
        permits=permits,
        revocations=_revocations(config, store, chain),
        stopper=JobStopper(
            store,
            market.adapter,
            send=market.send,
            upstream_key=credentials.of,
            shared_upstream_key=market.key,
        ),
        rescreening=Rescreening(store, identity, lists),
        web=_web_parts(config, store, log, identity, gate, screener, permits, chain),
    )


def _signer(config: Config, spec: str) -> Signer:
    password = config.keys.password
    return load_signer(config.key(spec), password=config.key(password) if password else None)


def _domain(config: Config) -> Domain:
    return Domain(config.issuer.eas_version, config.issuer.chain_id, config.issuer.eas)


def _policy(config: Config) -> Policy:
    """The rules, under the bounds of the configuration: a policy can only be stricter."""
    return _rules(config).with_limits(
        PolicyLimits(
            max_wallet_proof_age_s=config.policy.wallet_proof_s,
            max_list_age_s=config.screening.max_age_s,
        )
    )


def _rules(config: Config) -> Policy:
    if config.policy.file is None:
        return load_default_policy()
    path = config.path(config.policy.file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured((f"policy.file: {path} can't be read: {error}",)) from error
    return Policy.from_toml(text, countries=load_countries(), source=str(path))


def _lists(config: Config) -> LiveLists | Yente:
    now = int(time.time())
    settings = config.screening
    if settings.backend == "yente":
        key = None if settings.yente_key is None else load_token(config.key(settings.yente_key))
        assert settings.yente_url is not None
        yente = Yente(settings.yente_url, settings.yente_dataset, key=key)
        try:
            yente.refresh(now)
        except Unavailable as error:
            # Without its versions the lists count as stale: nobody is cleared until it answers.
            _log.warning("%s: nobody is cleared meanwhile", error.message)
        return yente
    return LiveLists(Library(config.lists_dir, now=now), now=now)


def _oracle(config: Config) -> Oracle | None:
    """The second opinion on wallets: a chain of its own, for the lists must not wait for it."""
    settings = config.screening
    if not settings.oracle_rpc:
        return None
    chain = Chain(settings.oracle_rpc, settings.oracle_chain_id, timeout_s=_ORACLE_S)
    return Oracle(chain.call, settings.oracle)


class _Market:
    """The marketplace behind the gate as the gate itself asks it, with the operator's key."""

    def __init__(self, config: Config) -> None:
        spec = config.marketplace.upstream_key
        self.key = None if spec is None else load_token(config.key(spec))
        self._origin = config.marketplace.upstream
        self._session = requests.Session()
        self._session.trust_env = False
        self.adapter = IoNet(fetch=self.fetch, token_decimals=config.settlement.token_decimals)

    def fetch(self, path: str) -> bytes:
        """A catalogue page. Raises Unavailable unless the whole answer came with status 200."""
        status, body = self._ask("GET", path, self.adapter.with_key((), self.key))
        if status != 200:
            raise Unavailable(f"the marketplace answered {status} to {path}")
        return body

    def send(self, method: str, target: str, headers: Headers) -> int:
        return self._ask(method, target, headers)[0]

    def _ask(self, method: str, target: str, headers: Headers) -> tuple[int, bytes]:
        try:
            with self._session.request(
                method,
                self._origin + target,
                headers=dict(headers),
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
class _Credentials:
    """Each account's own credential at the marketplace."""

    store: Store
    vault: Vault

    def of(self, account: str) -> str | None:
        sealed, subject = self.store.upstream_key(account), self.store.subject_of(account)
        if sealed is None or subject is None:
            return None
        return self.vault.open_credential(subject.id, account, sealed)


@dataclass(frozen=True, slots=True)
class _Attestations:
    """The gate's view of the issuer."""

    identity: Identity

    def current(self, account: Account, now: int) -> SignedAttestation | None:
        return self.identity.attestation(account, now=now)


def _gate_parts(
    config: Config,
    store: Store,
    log: DecisionLog,
    identity: Identity,
    policy: Policy,
    screener: Screening,
    market: _Market,
    credentials: _Credentials,
    permits: Permits | None,
    chain: Chain | None,
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
        permit_for=_permit_port(permits),
        upstream_key=credentials.of,
        shared_upstream_key=market.key if config.marketplace.shared_key else None,
        contract_wallet=None if chain is None else _Wallets(chain).check,
        authorities=frozenset({urlsplit(config.gate.gateway_url).netloc}),
        public_url=config.gate.public_url,
        configuration=_facts(config, policy),
        clock=lambda: int(time.time()),
        monotonic=time.monotonic,
        pause=time.sleep,
        draw=secrets.token_bytes,
        limits=Limits(body_bytes=config.gate.body_limit),
    )


def _facts(config: Config, policy: Policy) -> dict[str, Any]:
    """What anybody may know about this gate."""
    settlement = config.settlement
    issuer = _signer(config, config.keys.issuer)
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
        signer = _signer(self._config, self._config.keys.issuer)
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


# -- settlement ------------------------------------------------------------------------------------


def _chain(config: Config) -> Chain | None:
    settlement = config.settlement
    return Chain(settlement.rpc, settlement.chain_id) if settlement.rpc else None


def _permits(config: Config, store: Store, signer: Signer) -> Permits | None:
    settlement = config.settlement
    if settlement.mode == "none":
        return None
    assert settlement.escrow is not None
    assert settlement.provider is not None
    assert settlement.token is not None
    return Permits(
        signer,
        PermitDomain(settlement.chain_id, settlement.escrow),
        provider=settlement.provider,
        token=settlement.token,
        cap=settlement.max_value,
        margin_percent=settlement.margin_percent,
        publish_bound_s=settlement.publish_bound_s,
        outbox=store,
    )


def _permit_port(permits: Permits | None) -> Callable[[Any, bytes, int], bytes | None]:
    if permits is None:
        return lambda allow, job, now: None
    return lambda allow, job, now: permits.issue(allow, job_id=Digest(job), now=now).to_wire()


def _revocations(config: Config, store: Store, chain: Chain | None) -> Revocations | None:
    settlement = config.settlement
    if chain is None or settlement.mode == "none" or settlement.revoker_key is None:
        return None
    assert settlement.revoker is not None
    return Revocations(
        chain,
        eas=config.issuer.eas,
        revoker=settlement.revoker,
        publisher=_signer(config, settlement.revoker_key),
        outbox=store,
    )


@dataclass(frozen=True, slots=True)
class _Wallets:
    """Contract accounts' signatures, asked on the chain we have a connection to."""

    chain: Chain

    def check(
        self, account: Account, digest: bytes, signature: bytes
    ) -> Valid | Invalid | Undecided:
        if account.chain_id != self.chain.chain_id:
            return Undecided(f"a connection to chain {account.chain_id}")
        return check_contract_signature(self.chain, account.address, digest, signature)


# -- control plane ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ListAges:
    screener: Screening
    alarm_s: int

    def stale(self, *, now: int) -> tuple[Any, ...]:
        return self.screener.stale(now, self.alarm_s)


def _web_parts(
    config: Config,
    store: Store,
    log: DecisionLog,
    identity: Identity,
    gate: Gate,
    screener: Screening,
    permits: Permits | None,
    chain: Chain | None,
) -> WebParts:
    chains = {config.issuer.chain_id, config.settlement.chain_id, 1}
    return WebParts(
        store=store,
        identity=identity,
        gate=gate,
        permits=None if permits is None else Desk(gate, permits, store, log),
        contract_wallet=None if chain is None else _Wallets(chain).check,
        lists=_ListAges(screener, config.screening.alarm_age_s),
        public_url=config.gate.public_url,
        marketplace_url=config.gate.gateway_url,
        chain_ids=tuple(sorted(chains)),
        operator_tokens=frozenset(bytes.fromhex(digest) for _, digest in config.gate.operators),
        words=Words(
            operator=config.marketplace.name,
            contact=config.gate.public_url,
            marketplace=config.marketplace.name,
            commands=(
                "export IOCLOUD_BASE_URL={marketplace}",
                "export IOCLOUD_API_KEY={key}",
                "iocloud deploy --name my-job --image IMAGE --gpu H100:8 --hours 24 --detach",
            ),
        ),
        now=lambda: int(time.time()),
    )
