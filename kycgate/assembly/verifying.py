"""How identity is proven and what is kept of it, from a configuration: one value for every door.

Takes no decision about anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kycgate.assembly.credentials import credential_ways, open_presentations
from kycgate.assembly.ground import Ground
from kycgate.assembly.ownership import live_registers, restricted
from kycgate.assembly.providers import open_imports, open_verifications, provider_ways
from kycgate.assembly.ticks import SWEEP_S, Tick, attempt
from kycgate.assembly.vaulting import open_retention
from kycgate.config import Config
from kycgate.core.claims import Account, Address
from kycgate.errors import Misconfigured
from kycgate.issuer.credentials.presentations import Presentations
from kycgate.issuer.credentials.verdict import Environment
from kycgate.issuer.identity import Identity
from kycgate.issuer.imports import Imports
from kycgate.issuer.ownership import OwnershipDesk
from kycgate.issuer.portability import Portability
from kycgate.issuer.prefill import Prefill
from kycgate.issuer.providers.service import Verifications
from kycgate.issuer.retention import Erasure, Retention
from kycgate.issuer.rules import VerificationRules
from kycgate.issuer.vault import Vault
from kycgate.screening.ownership.live import LiveRegisters
from kycgate.store import Store
from kycgate.web.api.documents import documents_way
from kycgate.web.parts import Way

_ENVIRONMENT: Final = "environment/"
_CREDENTIALS_S: Final = 30


@dataclass(frozen=True, slots=True)
class Me:
    """A renter's rights over their own data."""

    retention: Retention
    portability: Portability

    def export(self, account: Account, *, now: int) -> dict[str, Any]:
        return self.portability.export(account, now=now)

    def erase(self, account: Account, *, now: int) -> Erasure:
        return self.retention.erase(account, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying:
    """The ways to prove who rents, the registers behind them, the calendar of what is kept."""

    environment: Environment
    presentations: Presentations | None
    """None where no credential can be shown"""
    verifications: Verifications | None
    """None where no provider is named"""
    imports: Imports | None
    registers: LiveRegisters | None
    retention: Retention
    portability: Portability

    @property
    def me(self) -> Me:
        return Me(self.retention, self.portability)

    @property
    def register(self) -> Prefill | None:
        return None if self.registers is None else Prefill(self.registers)

    @property
    def ways(self) -> tuple[Callable[[], tuple[Way, ...]], ...]:
        """What renters may choose, asked anew for each page."""
        return (
            lambda: provider_ways(self.verifications),
            lambda: (documents_way(live=self.environment is Environment.LIVE),),
            lambda: credential_ways(self.presentations, self.environment),
        )

    @property
    def ticks(self) -> tuple[tuple[str, Tick], ...]:
        """Every round of work there is here; each may wait for somebody else."""
        return (
            ("calendar", self.tick_calendar),
            ("credentials", self.tick_credentials),
            ("providers", self.tick_providers),
            ("registers", self.tick_registers),
        )

    def tick_calendar(self, now: int) -> None:
        """Forget whoever's time is over; looking at everybody takes its time."""
        attempt(lambda: self.retention.tick(now))

    def tick_credentials(self, now: int) -> None:
        """Ask again after wallet credentials, which may take seconds; complete what was held up."""
        presentations = self.presentations
        if presentations is not None and now % _CREDENTIALS_S == 0:
            attempt(lambda: presentations.run(now=now))

    def tick_providers(self, now: int) -> None:
        """One round of asking identity providers, any of whom may be silent for seconds."""
        verifications = self.verifications
        if verifications is None:
            return
        attempt(lambda: verifications.run(now=now))
        if now % SWEEP_S == 0:
            attempt(lambda: verifications.sweep(now=now))

    def tick_registers(self, now: int) -> None:
        """Notice other register files; reading them anew takes as long as it takes."""
        if self.registers is not None:
            self.registers.refresh(now)

    def close(self) -> None:
        """End what a round may be waiting for."""
        if self.registers is not None:
            self.registers.close()


def open_verifying(ground: Ground, *, vault: Vault, identity: Identity) -> Verifying:
    """Everything that proves and keeps; the casebook is given its desk of owners. Raises
    Misconfigured."""
    config, store, countries = ground.config, ground.store, ground.countries
    environment = Environment(config.identity.environment)
    presentations = open_presentations(ground, identity, environment)
    verifications = open_verifications(ground, identity)
    retention = open_retention(ground, vault, identity.book)
    registers = live_registers(config)
    identity.book.owners = OwnershipDesk(
        store,
        screener=ground.screener,
        countries=countries,
        blind=vault.blind,
        registers=registers,
        restricted=restricted(),
    )
    return Verifying(
        environment=environment,
        presentations=presentations,
        verifications=verifications,
        imports=open_imports(config, identity.book),
        registers=registers,
        retention=retention,
        portability=Portability(store, vault=vault, book=identity.book),
    )


def verification_rules(config: Config) -> VerificationRules:
    """What `[identity]` says."""
    said = config.identity
    return VerificationRules(
        live=said.environment == "live",
        require_proof=said.require_proof,
        auto_organisations=said.auto_organisations,
        days=(said.level_1_days, said.level_2_days, said.level_3_days),
    )


def keep_apart(config: Config, store: Store, issuer: Address) -> None:
    """One issuer key, one environment, for ever: what a sandbox proved must never look live.

    Raises Misconfigured when this key has signed in the other one.
    """
    wanted = config.identity.environment
    found = store.keep_setting(_ENVIRONMENT + "0x" + issuer.hex(), wanted)
    if found != wanted:
        problem = (
            f"identity.environment: this issuer key signs in the {found} environment;"
            f" make another key for {wanted}: kycgate keys new"
        )
        raise Misconfigured((problem,))
