"""The gate from a configuration.

Takes no decision: the gate does, with the parts put together here.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kycgate import __version__
from kycgate.assembly.chains import Settling
from kycgate.assembly.ground import Ground
from kycgate.assembly.limits import rates
from kycgate.assembly.marketplace import Marketplace
from kycgate.assembly.rules import network, open_signer
from kycgate.assembly.trust import Trust
from kycgate.config import Config
from kycgate.core.assertion import AssertionKeys
from kycgate.core.attestation import SignedAttestation
from kycgate.core.claims import SCHEMA_UID, Account, checksum
from kycgate.core.policy import Policy
from kycgate.gateway.parts import NOT_FOLLOWED, GateParts, Limits, Ownership
from kycgate.issuer.identity import Identity
from kycgate.screening.controls import load_gpus


@dataclass(frozen=True, slots=True)
class _Attestations:
    """The gate's view of the issuer."""

    identity: Identity

    def current(self, account: Account, now: int) -> SignedAttestation | None:
        return self.identity.attestation(account, now=now)


def gate_parts(
    ground: Ground, identity: Identity, market: Marketplace, settling: Settling
) -> GateParts:
    config, policy, asserter = ground.config, ground.policy, market.asserter
    return GateParts(
        adapter=market.adapter,
        store=ground.store,
        log=ground.log,
        attestations=_Attestations(identity),
        trust=Trust(config, ground.store),
        policy=lambda: policy,
        lists=lambda: ground.screener.versions,
        classify=load_gpus().classify,
        ownership=lambda account, now: _ownership(identity, account, now),
        network=network(config),
        permit_for=settling.permit,
        upstream_key=market.credential,
        own_keys=ground.store.any_upstream_key,
        shared_upstream_key=market.key if config.marketplace.shared_key else None,
        asserter=asserter,
        jwks=AssertionKeys(() if asserter is None else (asserter.key,)).to_jwks(),
        contract_wallet=settling.contract_wallet,
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
