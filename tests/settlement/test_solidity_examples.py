"""The example contracts, each on a chain beside the kind of contract it is made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode

from kycgate.chain import Artifact, Receipt, Reverted
from kycgate.core.claims import Address, Digest
from kycgate.core.permit import PermitDomain, SignedPermit, Terms
from kycgate.keys import LocalSigner
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import permit_words, terms_words
from tests.chain_world import extra
from tests.settlement.conftest import KEYS, World

RENTER, PROVIDER, STRANGER = KEYS["renter"], KEYS["provider"], KEYS["stranger"]
ROOT, PERMITS = KEYS["root"].address, KEYS["permits"].address


@dataclass(frozen=True)
class Placed:
    """A deployed contract, spoken to by name."""

    world: World
    compiled: Artifact
    address: Address

    def send(self, by: LocalSigner, function: str, *arguments: Any) -> Receipt:
        data = self.compiled.encode(function, *arguments)
        return self.world.chain.send(by, self.address, data)

    def refused(self, by: LocalSigner, function: str, *arguments: Any) -> str | None:
        with pytest.raises(Reverted) as caught:
            self.send(by, function, *arguments)
        return self.compiled.error(caught.value.data)

    def ask(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        data = self.compiled.encode(function, *arguments)
        return self.compiled.decode(function, self.world.chain.call(self.address, data))

    def permit(self, n: int = 1, **changed: Any) -> SignedPermit:
        """A permit for this contract instead of the escrow."""
        permit = self.world.permit(token=self.world.at.token, escrow=self.address, n=n, **changed)
        domain = PermitDomain(self.world.at.chain_id, self.address)
        return self.world.sign(permit, domain=domain)


def place(world: World, name: str, *arguments: Any) -> Placed:
    compiled = extra(name)
    return Placed(
        world, compiled, world.chain.deploy(KEYS["deployer"], compiled.creation(*arguments))
    )


def gate(world: World) -> tuple[Any, ...]:
    """What every gated contract is built with."""
    return world.at.eas, world.at.revoker, ROOT, [PERMITS]


def approve(world: World, spender: Address, amount: int = 10**9) -> None:
    data = artifact("DemoToken").encode("approve", spender, amount)
    world.chain.send(RENTER, world.at.token, data)


def held(world: World, who: Address) -> int:
    return world.owned(world.at.token, who)


# -- a stream with an oracle -----------------------------------------------------------------------


@pytest.fixture
def streams(world: World) -> tuple[Placed, Placed]:
    payments = place(world, "StreamPaymentShape")
    oracle = place(world, "OracleStream", payments.address, *gate(world))
    payments.send(KEYS["deployer"], "setOracle", oracle.address)
    approve(world, oracle.address)
    return payments, oracle


def open_stream(oracle: Placed, signed: SignedPermit, by: LocalSigner = RENTER) -> tuple[Any, ...]:
    permit = signed.permit
    words = terms_words(permit.terms), 1000, 1, permit_words(permit), signed.signature
    return (by, "open", permit.job, *words)


def test_a_cleared_renters_stream_vests_until_it_is_revoked_and_halted(
    world: World, streams: tuple[Placed, Placed]
) -> None:
    payments, oracle = streams
    signed = oracle.permit()
    oracle.send(*open_stream(oracle, signed))
    start = world.anvil.now
    assert oracle.refused(STRANGER, "halt", signed.permit.job) == "NotRevoked"
    world.anvil.at(start + 100)
    world.revoke(RENTER.address)
    world.anvil.at(start + 102)
    oracle.send(STRANGER, "halt", signed.permit.job)
    world.anvil.mine_at(start + 900)
    assert payments.ask("vested", 1) == (102,)
    assert oracle.refused(RENTER, "end", signed.permit.job) == "RevokedEpoch"


def test_a_renter_ends_their_stream_and_gets_the_rest(
    world: World, streams: tuple[Placed, Placed]
) -> None:
    _, oracle = streams
    signed, before = oracle.permit(), held(world, RENTER.address)
    oracle.send(*open_stream(oracle, signed))
    start = world.anvil.now
    assert oracle.refused(STRANGER, "end", signed.permit.job) == "NotRenter"
    world.anvil.at(start + 400)
    oracle.send(RENTER, "end", signed.permit.job)
    assert held(world, PROVIDER.address) == 400
    assert before - held(world, RENTER.address) == 400
    assert held(world, oracle.address) == 0


def test_a_stream_opens_once_and_not_for_a_stranger(
    world: World, streams: tuple[Placed, Placed]
) -> None:
    _, oracle = streams
    signed = oracle.permit()
    assert oracle.refused(*open_stream(oracle, signed, by=STRANGER)) == "PermitRenter"
    oracle.send(*open_stream(oracle, signed))
    assert oracle.refused(*open_stream(oracle, signed)) == "JobUsed"


# -- a guard before a flow -------------------------------------------------------------------------


@pytest.fixture
def flows(world: World) -> tuple[Placed, Placed]:
    host = place(world, "FlowHostShape")
    guard = place(world, "FlowGuard", host.address, PROVIDER.address, *gate(world))
    return host, guard


def user_data(signed: SignedPermit) -> bytes:
    words = "(bytes32,uint64,address,address,bytes32,bytes32,bytes32,uint256,uint64)"
    permit = signed.permit
    return encode(
        ["bytes32", words, "bytes"],
        [permit.terms.request, permit_words(permit), signed.signature],
    )


def test_a_flow_starts_with_a_permit_in_its_user_data_and_once(
    world: World, flows: tuple[Placed, Placed]
) -> None:
    host, guard = flows
    signed = guard.permit()
    flow = ("createFlow", world.at.token, guard.address, user_data(signed))
    with pytest.raises(Reverted) as caught:
        host.send(STRANGER, *flow)
    assert guard.compiled.error(caught.value.data) == "PermitRenter"
    host.send(RENTER, *flow)
    assert guard.ask("renterOf", signed.permit.job) == ("0x" + RENTER.address.hex(),)
    with pytest.raises(Reverted) as caught:
        host.send(RENTER, *flow)
    assert guard.compiled.error(caught.value.data) == "JobUsed"


def test_no_flow_starts_for_a_revoked_renter_or_other_terms(
    world: World, flows: tuple[Placed, Placed]
) -> None:
    host, guard = flows
    terms = Terms(STRANGER.address, world.at.token, Digest(b"\x01" * 32))
    for n, (change, reason) in enumerate(
        [({"terms": terms}, "PermitTerms"), ({"epoch": 7}, "RevokedEpoch")]
    ):
        world.revoke(RENTER.address, 7 if n else 6)
        signed = guard.permit(n, **change)
        with pytest.raises(Reverted) as caught:
            host.send(RENTER, "createFlow", world.at.token, guard.address, user_data(signed))
        assert guard.compiled.error(caught.value.data) == reason


def test_only_the_host_asks_the_guard(flows: tuple[Placed, Placed]) -> None:
    _, guard = flows
    nothing = (bytes(20), bytes(20), bytes(32), b"", b"", b"")
    assert guard.refused(STRANGER, "afterAgreementCreated", *nothing) == "NotHost"


# -- lock and transfer -----------------------------------------------------------------------------


@pytest.fixture
def locks(world: World) -> Placed:
    placed = place(world, "LockTransferEscrow", KEYS["deployer"].address, *gate(world))
    approve(world, placed.address)
    placed.send(RENTER, "deposit", world.at.token, 1000)
    return placed


def lock(signed: SignedPermit, amount: int = 600) -> tuple[Any, ...]:
    permit = signed.permit
    words = terms_words(permit.terms), amount, permit_words(permit), signed.signature
    return ("lockTokens", permit.job, *words)


def test_tokens_lock_with_a_permit_and_transfer_what_was_used(world: World, locks: Placed) -> None:
    signed = locks.permit()
    locks.send(RENTER, *lock(signed))
    job, deployer = signed.permit.job, KEYS["deployer"]
    assert locks.refused(STRANGER, "transferLocked", job, 1) == "NotMarketplace"
    assert locks.refused(deployer, "transferLocked", job, 601) == "AmountInvalid"
    locks.send(deployer, "transferLocked", job, 450)
    assert locks.refused(deployer, "transferLocked", job, 1) == "AmountInvalid"
    locks.send(PROVIDER, "withdraw", world.at.token, 450)
    locks.send(RENTER, "withdraw", world.at.token, 550)
    assert held(world, locks.address) == 0


def test_nothing_locks_above_the_cap_twice_or_by_another(locks: Placed) -> None:
    small = locks.permit(max_value=599)
    assert locks.refused(RENTER, *lock(small)) == "PermitValue"
    signed = locks.permit()
    assert locks.refused(STRANGER, *lock(signed)) == "PermitRenter"
    locks.send(RENTER, *lock(signed))
    assert locks.refused(RENTER, *lock(signed)) == "JobUsed"


def test_nothing_is_transferred_for_a_revoked_renter(world: World, locks: Placed) -> None:
    signed = locks.permit()
    locks.send(RENTER, *lock(signed))
    world.revoke(RENTER.address)
    refusal = locks.refused(KEYS["deployer"], "transferLocked", signed.permit.job, 1)
    assert refusal == "RevokedEpoch"
