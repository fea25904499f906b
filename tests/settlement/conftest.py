"""One deployment on one anvil for the whole room; each test's doings are undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from kycgate.chain import Chain
from kycgate.core.claims import ZERO_ADDRESS, Address, Digest
from kycgate.core.permit import Permit, PermitDomain, SignedPermit, Terms, job_id
from kycgate.core.typed import keccak
from kycgate.keys import LocalSigner
from kycgate.settlement.compiled import artifact
from kycgate.settlement.deploy import Deployment, Roles, deploy_all, mint
from kycgate.settlement.escrow import Escrow
from kycgate.settlement.revocations import revocation_key
from tests.chain_world import Anvil, key, shared_anvil

__all__ = ["shared_anvil"]

HOLD_S = 7 * 86400
ADDITION_DELAY_S = 2 * 86400
COIN = ZERO_ADDRESS

NAMES = "deployer root permits publisher compliance licensor renter provider stranger relayer"
KEYS = {name: key(name) for name in NAMES.split()}


@dataclass
class World:
    """A chain with everything on it, and the short ways of saying things that tests need."""

    anvil: Anvil
    at: Deployment
    escrow: Escrow = field(init=False)

    def __post_init__(self) -> None:
        self.escrow = Escrow(self.anvil.chain, self.at.escrow)

    @property
    def chain(self) -> Chain:
        return self.anvil.chain

    @property
    def domain(self) -> PermitDomain:
        return PermitDomain(self.at.chain_id, self.at.escrow)

    def permit(self, *, token: Address = COIN, n: int = 1, **changed: Any) -> Permit:
        """A permit for the renter, good for now; `changed` fields differ from that."""
        renter = changed.get("renter", KEYS["renter"].address)
        good = Permit(
            attestation=Digest(keccak(b"attestation")),
            epoch=0,
            renter=renter,
            escrow=self.at.escrow,
            job=job_id(renter, n.to_bytes(32, "big")),
            terms=Terms(KEYS["provider"].address, token, Digest(keccak(b"request"))),
            policy=Digest(keccak(b"policy")),
            max_value=1000,
            deadline=self.anvil.now + 300,
        )
        return replace(good, **changed)

    def sign(
        self, permit: Permit, *, by: str = "permits", domain: PermitDomain | None = None
    ) -> SignedPermit:
        signer = KEYS.get(by) or key(by)
        return SignedPermit.seal(permit, domain or self.domain, sign=signer.sign_digest)

    def signed(self, **changed: Any) -> SignedPermit:
        return self.sign(self.permit(**changed))

    def opened(
        self,
        *,
        amount: int = 1000,
        duration_s: int = 1000,
        token: Address = COIN,
        **changed: Any,
    ) -> tuple[Digest, int]:
        """(job, start) of a rental opened by the renter."""
        signed = self.signed(token=token, **changed)
        self.escrow.open(KEYS["renter"], signed, amount=amount, duration_s=duration_s)
        job = signed.permit.job
        return job, self.escrow.rental(job).start

    def revoke(self, renter: Address, epoch: int = 0) -> int:
        """Publish a revocation; when the chain says it holds."""
        self.publish(revocation_key(renter, epoch))
        return self.anvil.now

    def publish(self, *keys: Digest, by: LocalSigner = KEYS["publisher"]) -> None:
        data = artifact("Revoker").encode("publish", list(keys))
        self.chain.send(by, self.at.revoker, data)

    def write(self, by: str, function: str, *arguments: Any) -> None:
        """A call to the escrow that has no method of its own."""
        data = artifact("GPURentalEscrow").encode(function, *arguments)
        self.escrow.send(KEYS[by], data)

    def owned(self, token: Address, holder: Address) -> int:
        """What an account holds outside the escrow's books."""
        if token == COIN:
            return self.chain.balance(holder)
        compiled = artifact("DemoToken")
        answer = self.chain.call(token, compiled.encode("balanceOf", holder))
        return int(compiled.decode("balanceOf", answer)[0])


def standing(anvil: Anvil) -> World:
    for signer in KEYS.values():
        anvil.fund(signer.address)
    roles = Roles(
        root=KEYS["root"].address,
        permit_signer=KEYS["permits"].address,
        publisher=KEYS["publisher"].address,
        compliance=KEYS["compliance"].address,
        licensor=KEYS["licensor"].address,
    )
    at = deploy_all(
        anvil.chain,
        KEYS["deployer"],
        roles,
        hold_s=HOLD_S,
        addition_delay_s=ADDITION_DELAY_S,
    )
    for name in ("renter", "relayer"):
        mint(anvil.chain, KEYS["deployer"], at.token, KEYS[name].address, 10**12)
    return World(anvil, at)


@pytest.fixture(scope="session")
def shared_world(shared_anvil: Anvil) -> World:
    return standing(shared_anvil)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    snapshot = shared_world.chain.ask("evm_snapshot")
    yield shared_world
    shared_world.chain.ask("evm_revert", snapshot)
