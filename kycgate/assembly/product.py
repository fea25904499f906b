"""The only file that knows every room: a configuration in, running services out.

Takes no decision. Clock, randomness and network enter the house here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kycgate.assembly.chains import escrow_follower, home_chain, permit_office, publishers
from kycgate.assembly.control import web_parts
from kycgate.assembly.hooks import hook_door
from kycgate.assembly.limits import lanes, rates, server_limits
from kycgate.assembly.market import Credentials, Market, gate_parts, open_asserter
from kycgate.assembly.rules import domain, live_lists, open_signer, oracle, rental_policy
from kycgate.assembly.ticks import SWEEP_S, Tick, attempt, running
from kycgate.assembly.vaulting import open_vault
from kycgate.assembly.verifying import (
    Verifying,
    keep_apart,
    open_verifying,
    verification_rules,
)
from kycgate.audit import DecisionLog
from kycgate.chain import Chain
from kycgate.config import Config, load_config
from kycgate.core.claims import checksum
from kycgate.core.policy import Policy
from kycgate.gateway.fronts import Fronts
from kycgate.gateway.gate import Gate
from kycgate.gateway.hooks import HookDoor
from kycgate.gateway.stopping import JobStopper
from kycgate.issuer.identity import Identity
from kycgate.issuer.issuing import Issuer, IssuingRules
from kycgate.issuer.rescreening import Rescreening
from kycgate.issuer.vault import Vault
from kycgate.screening.backend import Screening
from kycgate.screening.controls import (
    CountryTable,
    load_countries,
)
from kycgate.settlement.follower import Follower
from kycgate.settlement.permits import Permits
from kycgate.settlement.revocations import Publishers
from kycgate.store import Store, open_store
from kycgate.web.parts import WebParts

_log = logging.getLogger("kycgate")

__all__ = [
    "Config",
    "Services",
    "background",
    "check_config",
    "control_app",
    "forward_auth_app",
    "gateway_app",
    "load_config",
    "open_services",
    "serve",
]


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
    revocations: Publishers | None
    follower: Follower | None
    stopper: JobStopper
    rescreening: Rescreening
    verifying: Verifying
    web: WebParts
    hooks: HookDoor | None
    """What schedulers ask; None where none is named."""

    @property
    def ticks(self) -> tuple[tuple[str, Tick], ...]:
        """Every round of work behind the doors, by the name of its thread."""
        return (
            ("decisions", self.tick),
            ("lists", self.tick_lists),
            ("chains", self.tick_chain),
            *self.verifying.ticks,
        )

    def tick(self, now: int) -> None:
        """One round of what follows decisions: stop jobs, sweep."""
        attempt(lambda: self.stopper.run(now=now))
        if now % SWEEP_S == 0:
            attempt(lambda: self.store.sweep(now=now))

    def tick_lists(self, now: int) -> None:
        """Notice a change of the lists, and screen again whom it may concern."""
        attempt(lambda: self.rescreening.run(now=now))

    def tick_chain(self, now: int) -> None:
        """One round of the work on chains, which may take seconds: publish, follow."""
        publishers, follower = self.revocations, self.follower
        if publishers is not None:
            attempt(lambda: publishers.publish(now=now))
        if follower is not None:
            attempt(lambda: follower.follow(now=now))


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
            "issuer": checksum(open_signer(config, config.keys.issuer).address),
            "policy": f"{services.policy.id} ({services.policy.mode})",
            "lists": ", ".join(
                f"{each.name} of {_day(each.as_of)}" for each in services.screener.versions
            ),
            "identity": _offered(services),
            "settlement": config.settlement.mode,
            "schedulers": ", ".join(
                f"{name} ({kind})"
                for kind in ("dstack", "skypilot")
                for name, _ in getattr(config.hooks, kind)
            )
            or "none",
        }
        services.store.ping()
        return facts


def _offered(services: Services) -> str:
    ways = [way.id for ask in services.web.ways for way in ask()]
    return f"{services.config.identity.environment}: " + (", ".join(ways) or "reviewed cases only")


# -- serving ---------------------------------------------------------------------------------------


def serve(config: Config, *, started: Callable[[int, int], None] | None = None) -> None:
    """Run the listeners until the process is told to stop."""
    from kycgate.gateway.server import run

    with open_services(config) as services, background(services):
        _warn(services)
        run(
            gateway_app(services),
            control_app(services),
            gateway_at=config.gate.listen,
            control_at=config.gate.control_listen,
            beside=_beside(services),
            further=_further(services),
            limits=server_limits(config),
            started=started,
        )


def gateway_app(services: Services) -> Any:
    """The marketplace listener's ASGI application."""
    from kycgate.gateway.proxy import Proxy

    config = services.config
    return Proxy(
        services.gate,
        config.marketplace.upstream,
        fronts=Fronts(config.gate.trusted_fronts),
        lanes=lanes(config),
    )


def forward_auth_app(services: Services) -> Any:
    """What a front asks before it forwards; None where no contract is configured."""
    from kycgate.gateway.forward_auth import CONTRACTS, ForwardAuth

    gate = services.config.gate
    if gate.forward_auth is None:
        return None
    return ForwardAuth(
        services.gate,
        CONTRACTS[gate.forward_auth],
        peers=gate.forward_auth_peers,
        only=frozenset(gate.forward_auth_routes),
        clock=time.time,
    )


def _beside(services: Services) -> tuple[Any, tuple[str, int] | Path] | None:
    app = forward_auth_app(services)
    return None if app is None else (app, services.config.gate.forward_auth_listen)


def _further(services: Services) -> list[tuple[Any, tuple[str, int]]]:
    return [] if services.hooks is None else [(services.hooks, services.config.hooks.listen)]


def control_app(services: Services) -> Any:
    """The control plane's WSGI application."""
    from kycgate.web.app import create_app
    from kycgate.web.limits import PerAddress

    limits = rates(services.config)
    return PerAddress(
        create_app(services.web),
        every=limits.address,
        changes=limits.unproven,
        fronts=(
            *services.config.gate.forward_auth_peers,
            *services.config.gate.trusted_fronts,
        ),
    )


def background(services: Services) -> AbstractContextManager[None]:
    """Do what follows decisions, once a second, while inside; slow chains delay nothing else."""
    return running(services.ticks, close=services.verifying.close)


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
        open_signer(config, spec)
        for spec in (config.keys.issuer, config.keys.permit, config.keys.log)
    )
    keep_apart(config, store, issuer_key.address)
    log = DecisionLog(store, log_key)
    policy, countries = rental_policy(config), load_countries()
    lists = live_lists(config)
    screener = Screening(lists)
    vault = open_vault(config, store, log)
    issuer = Issuer(
        store,
        issuer_key,
        domain(config),
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
        oracle=oracle(config),
        rules=verification_rules(config),
    )
    verifying = open_verifying(
        config,
        store,
        log,
        vault=vault,
        identity=identity,
        screener=screener,
        countries=countries,
    )
    chain = home_chain(config)
    permits = permit_office(config, store, permit_key)
    market = Market(config)
    credentials = Credentials(store, vault)
    asserter = open_asserter(config)
    parts = gate_parts(
        config,
        store,
        log,
        identity,
        policy,
        screener,
        market,
        credentials,
        permits,
        chain,
        asserter,
    )
    gate = Gate(parts)
    revocations = publishers(config, store, chain)
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
        revocations=revocations,
        follower=escrow_follower(config, store, chain),
        stopper=JobStopper(
            store,
            market.adapter,
            send=market.send,
            upstream_key=credentials.of,
            shared_upstream_key=market.key,
            asserter=asserter,
        ),
        rescreening=Rescreening(store, identity, lists),
        verifying=verifying,
        web=web_parts(
            config,
            store,
            log,
            identity,
            gate,
            screener,
            permits,
            chain,
            revocations,
            verifying,
        ),
        hooks=hook_door(config, parts, store, log),
    )
