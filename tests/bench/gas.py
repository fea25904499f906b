"""What kycgate's checks cost in gas, on anvil, beside what its peers' cost.

Gas is counted, not timed: the same on every machine. Peers' figures were measured on the same
anvil version with their own contracts (optimizer, 200 runs); they are constants here because those
contracts don't ship with ours.

    python -m tests.bench.gas
"""

from __future__ import annotations

from typing import Any

from kycgate.chain import Artifact
from kycgate.core.claims import Address
from kycgate.core.permit import SignedPermit
from kycgate.core.typed import keccak
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import Escrow, terms_words
from kycgate.settlement.revocations import revocation_key
from tests.chain_world import Anvil, extra
from tests.settlement.conftest import ADDITION_DELAY_S, HOLD_S, KEYS, World, standing

# Gas added to a plain call by the cheapest peer that checks every call (Violet EAT), gas of reading
# one whole EAS attestation, and of one `revokeOffchain` in its own transaction.
PEER_CHECK, PEER_READ, PEER_REVOKE = 38_520, 22_000, 46_361

Row = dict[str, Any]


def row(name: str, ours: int, *, peer: int | None, target: int | None) -> Row:
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "ratio": round(ours / peer, 2) if peer else None,
        "unit": "gas",
        "target": target,
        "met": ours <= target if target else None,
    }


def _unchecked(world: World) -> tuple[Artifact, Address]:
    compiled = extra("UncheckedEscrow")
    names = ("root", "compliance", "licensor")
    roles = (*(KEYS[name].address for name in names), world.at.revoker)
    arguments = (world.at.eas, roles, HOLD_S, ADDITION_DELAY_S, [KEYS["permits"].address])
    return compiled, world.chain.deploy(KEYS["deployer"], compiled.creation(*arguments))


def _open_unchecked(world: World, at: Address, compiled: Artifact, signed: SignedPermit) -> int:
    terms = terms_words(signed.permit.terms)
    data = compiled.encode("openUnchecked", signed.permit.job, terms, 1000, 1000)
    return world.chain.send(KEYS["renter"], at, data, value=1000).gas_used


def _open(world: World) -> tuple[int, int]:
    """(gas added by the permit check, gas of the whole open)."""
    compiled, at = _unchecked(world)
    escrow = Escrow(world.chain, at)
    plain = _open_unchecked(world, at, compiled, world.signed(n=1))
    permit = world.permit(n=2, escrow=at)
    signed = world.sign(permit, domain=type(world.domain)(world.at.chain_id, at))
    checked = escrow.open(KEYS["renter"], signed, amount=1000, duration_s=1000).gas_used
    return checked - plain, checked


def _settle(world: World) -> int:
    """Gas added by the revocation read to a settle that credits a provider."""
    compiled, at = _unchecked(world)
    jobs = []
    for n in range(1, 4):
        signed = world.signed(n=n)
        _open_unchecked(world, at, compiled, signed)
        jobs.append((signed.permit.job, Escrow(world.chain, at).rental(signed.permit.job).start))
    used = []
    for (job, start), function in zip(jobs, ("settle", "settleUnchecked", "settle"), strict=True):
        world.anvil.at(start + 100)
        data = compiled.encode(function, job)
        used.append(world.chain.send(KEYS["provider"], at, data).gas_used)
    # The first settle also makes the provider's balance; the later two compare like with like.
    return used[2] - used[1]


def _publish(world: World, count: int) -> int:
    keys = [revocation_key(Address(keccak(bytes([n]))[:20]), 0) for n in range(count)]
    data = artifact("Revoker").encode("publish", keys)
    return world.chain.send(KEYS["publisher"], world.at.revoker, data).gas_used // count


def _deployment(world: World) -> int:
    roles = (*(KEYS[name].address for name in ("root", "compliance", "licensor")), world.at.revoker)
    arguments = (world.at.eas, roles, HOLD_S, ADDITION_DELAY_S, [KEYS["permits"].address])
    creation = artifact("GPURentalEscrow").creation(*arguments)
    return world.chain.send(KEYS["deployer"], None, creation).gas_used


def rows() -> list[Row]:
    """Every figure, on a chain of its own."""
    anvil = Anvil()
    try:
        world = standing(anvil)
        added, whole = _open(world)
        return [
            row("gas added to open by the permit check", added, peer=PEER_CHECK, target=14_000),
            row("gas of open, whole", whole, peer=None, target=None),
            row(
                "gas added to settle by the revocation read",
                _settle(world),
                peer=PEER_READ,
                target=7_000,
            ),
            row(
                "gas per revocation, 100 in one transaction",
                _publish(world, 100),
                peer=PEER_REVOKE,
                target=None,
            ),
            row("gas to deploy the reference escrow", _deployment(world), peer=None, target=None),
        ]
    finally:
        anvil.close()


def main() -> None:
    """Print the rows as a table."""
    for one in rows():
        peer = "" if one["peer"] is None else f" vs {one['peer']:>9,}  ratio {one['ratio']}"
        target = "" if one["target"] is None else f"  (target {one['target']:,}, met: {one['met']})"
        print(f"{one['name']:<58} {one['ours']:>9,} {one['unit']}{peer}{target}")


if __name__ == "__main__":
    main()
