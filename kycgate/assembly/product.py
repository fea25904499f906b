"""The only file that knows every room: a configuration in, the assembled product out.

Takes no decision, and opens no door: `serving` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kycgate.assembly.chains import Settling, open_settling
from kycgate.assembly.control import web_parts
from kycgate.assembly.gate import gate_parts
from kycgate.assembly.ground import Ground, open_ground
from kycgate.assembly.hooks import hook_door, run_stopper
from kycgate.assembly.marketplace import Marketplace
from kycgate.assembly.rules import domain, open_signer, oracle
from kycgate.assembly.ticks import SWEEP_S, Tick, attempt
from kycgate.assembly.vaulting import open_vault
from kycgate.assembly.verifying import Verifying, keep_apart, open_verifying, verification_rules
from kycgate.audit import DecisionLog
from kycgate.config import Config, load_config
from kycgate.core.policy import Policy
from kycgate.gateway.gate import Gate
from kycgate.gateway.hooks import HookDoor
from kycgate.gateway.hooks.ending import RunStopper
from kycgate.gateway.stopping import JobStopper
from kycgate.issuer.identity import Identity
from kycgate.issuer.issuing import Issuer, IssuingRules
from kycgate.issuer.rescreening import Rescreening
from kycgate.issuer.vault import Vault
from kycgate.keys import Signer
from kycgate.screening.backend import Screening
from kycgate.screening.controls import CountryTable
from kycgate.store import Store, open_store
from kycgate.web.parts import WebParts


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The assembled product."""

    config: Config
    store: Store
    log: DecisionLog
    policy: Policy
    screener: Screening
    countries: CountryTable
    vault: Vault
    identity: Identity
    gate: Gate
    settling: Settling
    stopper: JobStopper
    run_stopper: RunStopper
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
            ("schedulers", self.tick_schedulers),
            ("chains", self.settling.tick),
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

    def tick_schedulers(self, now: int) -> None:
        """Stop what the users of revoked accounts run there."""
        attempt(lambda: self.run_stopper.run(now=now))


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


def _assemble(config: Config, store: Store) -> Services:
    issuer_key, permit_key, log_key = (
        open_signer(config, spec)
        for spec in (config.keys.issuer, config.keys.permit, config.keys.log)
    )
    keep_apart(config, store, issuer_key.address)
    ground = open_ground(config, store, log_key)
    vault = open_vault(config, store, ground.log)
    identity = _identity(ground, vault, issuer_key)
    verifying = open_verifying(ground, vault=vault, identity=identity)
    settling = open_settling(config, store, permit_key)
    market = Marketplace(config, store, vault)
    parts = gate_parts(ground, identity, market, settling)
    gate = Gate(parts)
    return Services(
        config=config,
        store=store,
        log=ground.log,
        policy=ground.policy,
        screener=ground.screener,
        countries=ground.countries,
        vault=vault,
        identity=identity,
        gate=gate,
        settling=settling,
        stopper=market.stopper(),
        run_stopper=run_stopper(ground),
        rescreening=Rescreening(store, identity, ground.lists),
        verifying=verifying,
        web=web_parts(ground, identity, gate, settling, verifying),
        hooks=hook_door(ground, parts),
    )


def _identity(ground: Ground, vault: Vault, issuer_key: Signer) -> Identity:
    config, policy = ground.config, ground.policy
    issuer = Issuer(
        ground.store,
        issuer_key,
        domain(config),
        vault=vault,
        log=ground.log,
        rules=IssuingRules(
            policy=policy.digest,
            life_s=config.issuer.life_s,
            list_max_age_s=policy.limits.max_list_age_s,
        ),
    )
    return Identity(
        ground.store,
        vault=vault,
        issuer=issuer,
        screener=ground.screener,
        countries=ground.countries,
        log=ground.log,
        oracle=oracle(config),
        rules=verification_rules(config),
    )
