"""The control plane from a configuration.

Takes no decision and serves nothing itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from kycgate.assembly.chains import Settling
from kycgate.assembly.ground import Ground
from kycgate.assembly.verifying import Verifying
from kycgate.config import Config
from kycgate.gateway.gate import Gate
from kycgate.issuer.identity import Identity
from kycgate.screening.backend import Screening
from kycgate.settlement.revocations import Publishers
from kycgate.web.desk import Desk
from kycgate.web.parts import Scheduler, WebParts, Words


@dataclass(frozen=True, slots=True)
class _ListAges:
    screener: Screening
    alarm_s: int

    def stale(self, *, now: int) -> tuple[Any, ...]:
        return self.screener.stale(now, self.alarm_s)


@dataclass(frozen=True, slots=True)
class _Publishing:
    publishers: Publishers
    bound_s: int

    def late_s(self, *, now: int) -> int:
        oldest = max((each.oldest_s for each in self.publishers.status(now)), default=0)
        return max(0, oldest - self.bound_s // 2)

    def document(self, *, now: int) -> list[dict[str, Any]]:
        return [each.document() for each in self.publishers.status(now)]


def web_parts(
    ground: Ground, identity: Identity, gate: Gate, settling: Settling, verifying: Verifying
) -> WebParts:
    config, store = ground.config, ground.store
    permits, revocations = settling.permits, settling.revocations
    chains = {config.issuer.chain_id, config.settlement.chain_id, 1}
    return WebParts(
        store=store,
        identity=identity,
        gate=gate,
        permits=None if permits is None else Desk(gate, permits, store, ground.log),
        contract_wallet=settling.contract_wallet,
        lists=_ListAges(ground.screener, config.screening.alarm_age_s),
        publishing=(
            None
            if revocations is None
            else _Publishing(revocations, config.settlement.publish_bound_s)
        ),
        public_url=config.gate.public_url,
        marketplace_url=config.gate.gateway_url,
        chain_ids=tuple(sorted(chains)),
        operator_tokens=frozenset(bytes.fromhex(digest) for _, digest in config.gate.operators),
        words=Words(
            operator=config.marketplace.name,
            contact=config.gate.contact or config.gate.public_url,
            marketplace=config.marketplace.name,
            retention_years=config.vault.retention_years,
            adapter=config.marketplace.adapter,
        ),
        now=lambda: int(time.time()),
        ways=verifying.ways,
        presentations=verifying.presentations,
        verifications=verifying.verifications,
        imports=verifying.imports,
        register=verifying.register,
        registers=verifying.registers,
        me=verifying.me,
        renewals=identity.renewals,
        schedulers=_schedulers(config),
    )


def _schedulers(config: Config) -> tuple[Scheduler, ...]:
    return (
        *(Scheduler(name, "dstack") for name, _ in config.hooks.dstack),
        *(Scheduler(name, "skypilot") for name, _ in config.hooks.skypilot),
    )
