"""What a configuration says about chains and money, opened.

Sends nothing before its round of work comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from kycgate.assembly.rules import open_signer
from kycgate.assembly.ticks import attempt
from kycgate.chain import Chain, ContractWallets
from kycgate.config import Config
from kycgate.core.claims import Digest
from kycgate.core.decision import Allow
from kycgate.core.permit import PermitDomain
from kycgate.keys import Signer
from kycgate.settlement.follower import Follower
from kycgate.settlement.permits import Permits
from kycgate.settlement.revocations import Publishers, Revocations
from kycgate.settlement.sender import SendingRules
from kycgate.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Everything about chains and money. Each part is None where the configuration has none."""

    chain: Chain | None
    """the home chain, where contract wallets are asked and escrows stand"""
    permits: Permits | None
    revocations: Publishers | None
    follower: Follower | None

    @property
    def contract_wallet(self) -> ContractWallets | None:
        """Whether a contract account signed; None where no chain can be asked."""
        return None if self.chain is None else ContractWallets({self.chain.chain_id: self.chain})

    def permit(self, allow: Allow, job: bytes, now: int) -> bytes | None:
        """The permit of an allowed job on the wire; None where nothing settles."""
        if self.permits is None:
            return None
        return self.permits.issue(allow, job_id=Digest(job), now=now).to_wire()

    def tick(self, now: int) -> None:
        """One round of the work on chains, which may take seconds: publish, follow."""
        publishers, follower = self.revocations, self.follower
        if publishers is not None:
            attempt(lambda: publishers.publish(now=now))
        if follower is not None:
            attempt(lambda: follower.follow(now=now))


def open_settling(config: Config, store: Store, permit_key: Signer) -> Settling:
    """Raises Misconfigured."""
    chain = _home_chain(config)
    return Settling(
        chain=chain,
        permits=_permit_office(config, store, permit_key),
        revocations=_publishers(config, store, chain),
        follower=_follower(config, store, chain),
    )


def _home_chain(config: Config) -> Chain | None:
    settlement = config.settlement
    return Chain(settlement.rpc, settlement.chain_id) if settlement.rpc else None


def _permit_office(config: Config, store: Store, signer: Signer) -> Permits | None:
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


def _publishers(config: Config, store: Store, chain: Chain | None) -> Publishers | None:
    settlement = config.settlement
    if chain is None or settlement.mode == "none" or settlement.revoker_key is None:
        return None
    assert settlement.revoker is not None
    home = (chain, config.issuer.eas, settlement.revoker, settlement.revoker_key)
    others = [(Chain(o.rpc, o.id), o.eas, o.revoker, o.revoker_key) for o in config.chains]
    places = [home, *others]
    rules = SendingRules(
        confirmations=settlement.confirmations,
        replace_after_s=settlement.replace_after_s,
        fee_most=settlement.fee_most_gwei * 10**9,
    )
    return Publishers(
        [
            Revocations(
                place,
                eas=eas,
                revoker=revoker,
                publisher=open_signer(config, key),
                outbox=store,
                rules=rules,
                elsewhere=[each.chain_id for each, *_ in places if each is not place],
            )
            for place, eas, revoker, key in places
        ]
    )


def _follower(config: Config, store: Store, chain: Chain | None) -> Follower | None:
    settlement = config.settlement
    if chain is None or settlement.escrow is None:
        return None
    return Follower(
        chain,
        settlement.escrow,
        rentals=store,
        start_block=settlement.start_block,
        confirmations=settlement.confirmations,
    )
