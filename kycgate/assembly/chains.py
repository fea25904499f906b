"""What a configuration says about chains and money, opened.

Sends nothing by itself: the background does, round by round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kycgate.assembly.rules import open_signer
from kycgate.chain import Chain
from kycgate.config import Config
from kycgate.core.claims import Digest
from kycgate.core.permit import PermitDomain
from kycgate.keys import Signer
from kycgate.settlement.follower import Follower
from kycgate.settlement.permits import Permits
from kycgate.settlement.revocations import Publishers, Revocations
from kycgate.settlement.sender import SendingRules
from kycgate.store import Store


def home_chain(config: Config) -> Chain | None:
    settlement = config.settlement
    return Chain(settlement.rpc, settlement.chain_id) if settlement.rpc else None


def permit_office(config: Config, store: Store, signer: Signer) -> Permits | None:
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


def permit_port(permits: Permits | None) -> Callable[[Any, bytes, int], bytes | None]:
    if permits is None:
        return lambda allow, job, now: None
    return lambda allow, job, now: permits.issue(allow, job_id=Digest(job), now=now).to_wire()


def publishers(config: Config, store: Store, chain: Chain | None) -> Publishers | None:
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


def escrow_follower(config: Config, store: Store, chain: Chain | None) -> Follower | None:
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
