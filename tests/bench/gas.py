"""What kycgate's checks cost in gas, on anvil, beside what its peers' cost.

Gas is counted, not timed: the same on every machine. Violet's npm release and EAS are deployed and
measured in the same run (EAS' read is of one whole attestation of our schema). The peers named in
`RESEARCHED` ship under licences that we keep out, so their figures are constants, measured once on
the same anvil version (optimizer, 200 runs).

    python -m tests.bench.gas
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from eth_abi.abi import encode

from kycgate.chain import Artifact
from kycgate.core.claims import SCHEMA_UID, Address
from kycgate.core.permit import SignedPermit
from kycgate.core.typed import domain_separator, keccak, typed_digest, word_address, word_uint
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import Escrow, terms_words
from kycgate.settlement.revocations import revocation_key
from tests import tools
from tests.chain_world import Anvil, extra
from tests.settlement.conftest import ADDITION_DELAY_S, HOLD_S, KEYS, World, standing

RESEARCHED = {
    # Gas added to a plain call.
    "Violet EAT 0.3.2, replay marker included": 38_520,
    "Predicate v2": 56_705,
    "T-REX isVerified, one topic and issuer": 79_809,
    "Chainlink ACE, a proxy hop included": 112_347,
}

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


def _placed(world: World, creation: bytes) -> tuple[Address, int]:
    """(address, gas of putting it there)."""
    receipt = world.chain.send(KEYS["deployer"], None, creation)
    assert receipt.contract is not None
    return receipt.contract, receipt.gas_used


def _deployments(world: World) -> list[Row]:
    roles = (*(KEYS[name].address for name in ("root", "compliance", "licensor")), world.at.revoker)
    signers = [KEYS["permits"].address]
    escrow = artifact("GPURentalEscrow").creation(
        world.at.eas, roles, HOLD_S, ADDITION_DELAY_S, signers
    )
    gated = extra("Marketplace").creation(world.at.eas, world.at.revoker, roles[0], signers)
    steps = artifact("RentalSteps").bytecode
    return [
        row("gas to deploy the escrow", _placed(world, escrow)[1], peer=None, target=1_500_000),
        row(
            "gas to deploy KYCGated and one function",
            _placed(world, gated)[1],
            peer=None,
            target=1_500_000,
        ),
        row(
            "gas to deploy RentalSteps, once per chain",
            _placed(world, steps)[1],
            peer=None,
            target=None,
        ),
    ]


# -- peers in the same run -------------------------------------------------------------------------


def _violet(world: World) -> int | None:
    """Gas that Violet's verifier adds to a call that records one job; None without its package."""
    modules, node = tools.node_modules(), tools.node()
    script = tools.REPO / "tests" / "bench" / "violet.mjs"
    if not modules or not node or not (modules / "@violetprotocol").is_dir():
        return None
    command = [str(node), str(script), str(modules)]
    made = subprocess.run(command, capture_output=True, check=True, timeout=100).stdout
    shop, verifier = (Artifact.from_json(json.dumps(one)) for one in json.loads(made))
    root, renter = KEYS["root"], KEYS["renter"]
    at, _ = _placed(world, verifier.creation(root.address))
    for function in ("rotateIntermediate", "rotateIssuer"):
        world.chain.send(root, at, verifier.encode(function, root.address))
    place, _ = _placed(world, shop.creation(at))
    job, expiry = keccak(b"job"), world.anvil.now + 600
    selector = shop.encode("checked", 27, bytes(32), bytes(32), 0, bytes(32))[:4]
    signature = root.sign_digest(_violet_digest(at, selector, place, renter.address, expiry, job))
    r, s, v = signature[:32], signature[32:64], signature[64]
    checked = shop.encode("checked", v, r, s, expiry, job)
    used = world.chain.send(renter, place, checked).gas_used
    plain = shop.encode("plain", keccak(b"another job"))
    return used - world.chain.send(renter, place, plain).gas_used


def _violet_digest(
    verifier: Address, selector: bytes, target: Address, caller: Address, expiry: int, job: bytes
) -> bytes:
    call_type = (
        b"FunctionCall(bytes4 functionSignature,address target,address caller,bytes parameters)"
    )
    call = keccak(call_type) + selector.ljust(32, b"\x00") + word_address(target)
    call += word_address(caller) + keccak(job)
    token_type = b"AccessToken(uint256 expiry,FunctionCall functionCall)" + call_type
    token = keccak(keccak(token_type) + word_uint(expiry) + keccak(call))
    separator = domain_separator(
        name="Ethereum Access Token", version="1", chain_id=31337, contract=verifier
    )
    return typed_digest(separator, token)


def _eas_read(world: World) -> int:
    """Gas of reading one whole EAS attestation, over an empty transaction."""
    eas, signer = artifact("EAS"), KEYS["deployer"]
    data = encode(["bytes32"] * 10, [keccak(bytes([n])) for n in range(10)])
    request = (SCHEMA_UID, (KEYS["renter"].address, 0, True, bytes(32), data, 0))
    logs = world.chain.send(signer, world.at.eas, eas.encode("attest", request)).logs
    uid = logs[0].data[:32]
    used = world.chain.send(signer, world.at.eas, eas.encode("getAttestation", uid)).gas_used
    return used - 21_000


def _eas_revoke(world: World) -> int:
    """Gas of one `revokeOffchain` in a transaction of its own."""
    data = artifact("EAS").encode("revokeOffchain", keccak(b"alone"))
    return world.chain.send(KEYS["deployer"], world.at.eas, data).gas_used


def rows() -> list[Row]:
    """Every figure, on a chain of its own."""
    anvil = Anvil()
    try:
        world = standing(anvil)
        added, whole = _open(world)
        violet, deployments = _violet(world), _deployments(world)
        check = "gas added to open by the permit check"
        against = [
            row(f"{check}; peer: {peer}", added, peer=gas, target=None)
            for peer, gas in RESEARCHED.items()
        ]
        if violet is not None:
            name = f"{check}; peer: Violet EAT 0.2.0, no replay marker, same run"
            against.insert(0, row(name, added, peer=violet, target=None))
        return [
            row(check, added, peer=min(RESEARCHED.values()), target=14_000),
            *against,
            row("gas of open, whole", whole, peer=None, target=None),
            row(
                "gas added to settle by the revocation read",
                _settle(world),
                peer=_eas_read(world),
                target=7_000,
            ),
            row(
                "gas per revocation, 100 in one transaction",
                _publish(world, 100),
                peer=_eas_revoke(world),
                target=None,
            ),
            *deployments,
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
