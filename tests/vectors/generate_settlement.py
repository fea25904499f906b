"""The vectors that a contract runs too: permits, their replay, and revocation marks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kycgate.core.claims import UINT64_MAX, UINT256_MAX, ZERO_ADDRESS, Digest, checksum
from kycgate.core.permit import DEADLINE_MOST_S, PermitDomain, SignedPermit, Terms, job_id
from kycgate.core.typed import keccak, word_address, word_uint
from tests.core import world
from tests.vectors.form import Vector, text, vector, verdict

_STRANGER = checksum(world.STRANGER.address)


def _window(**changes: Any) -> dict[str, Any]:
    return {
        "address": checksum(world.PERMIT_KEY.address),
        "not_before": world.NOW - 86400,
        "not_after": None,
    } | changes


def permit_context(**changes: Any) -> dict[str, Any]:
    return {
        "chain_id": 1,
        "contract": checksum(world.PERMIT_DOMAIN.contract),
        "escrow": checksum(world.ESCROW),
        "renter": checksum(world.RENTER.address),
        "job": text(world.JOB),
        "provider": checksum(world.PROVIDER),
        "token": checksum(world.TOKEN),
        "request": text(world.REQUEST),
        "value": str(10**21),
        "signers": [_window()],
        "killed": [],
    } | changes


def _on_chain(reason: str | None, signature: bytes | None = None) -> dict[str, Any]:
    """What the contract says where it is handed other bytes than the wire form can hold."""
    given = {} if signature is None else {"signature": text(signature)}
    return {"onchain": verdict(reason) | given}


def permits() -> Iterator[Vector]:
    good = world.permit()
    for entry in _all_permits(good, good.to_wire().decode()):
        # What can't be read as a document has no counterpart on chain, unless it says so.
        same = None if entry["reason"] in ("malformed", "too_large") else verdict(entry["reason"])
        yield {"onchain": same} | entry


def _all_permits(good: SignedPermit, wire: str) -> Iterator[Vector]:
    yield vector("valid", wire, None, permit_context())
    yield vector("valid in its last second", wire, None, permit_context(), world.PERMIT.deadline)
    yield vector("valid for less than its cap", wire, None, permit_context(value="0"))
    yield from _other_openings(wire)
    yield from _times(wire)
    yield from _edges()
    yield from _signers(wire)
    yield from _signatures(good)
    yield from _compact(good, wire)
    yield from _texts(wire)


def _other_openings(wire: str) -> Iterator[Vector]:
    for name, changes, reason in (
        # The chain and the contract stand in the digest alone: another one is another signer.
        ("another chain", {"chain_id": 2}, "permit_signer"),
        ("another escrow", {"contract": _STRANGER, "escrow": _STRANGER}, "permit_escrow"),
        ("another renter", {"renter": _STRANGER}, "permit_renter"),
        ("another job", {"job": text(bytes(32))}, "permit_job"),
        ("another provider", {"provider": _STRANGER}, "permit_terms"),
        ("another token", {"token": checksum(ZERO_ADDRESS)}, "permit_terms"),
        ("another request", {"request": text(bytes(32))}, "permit_terms"),
        ("one base unit too much", {"value": str(10**21 + 1)}, "permit_value"),
        ("the largest value there is", {"value": str(UINT256_MAX)}, "permit_value"),
    ):
        yield vector(name, wire, reason, permit_context(**changes))
    for name, domain in (
        ("signed for another chain", PermitDomain(2, world.ESCROW)),
        ("signed for another contract", PermitDomain(1, world.STRANGER.address)),
    ):
        elsewhere = world.permit(domain).to_wire().decode()
        yield vector(name, elsewhere, "permit_signer", permit_context())
    signed = world.permit(PermitDomain(2, world.ESCROW))
    relabelled = replace(signed, domain=world.PERMIT_DOMAIN).to_wire().decode()
    yield vector(
        "signed for another chain, relabelled", relabelled, "permit_signer", permit_context()
    )


def _times(wire: str) -> Iterator[Vector]:
    late = world.PERMIT.deadline + 1
    yield vector("a second too late", wire, "permit_expired", permit_context(), late)
    most = world.NOW + DEADLINE_MOST_S
    for name, deadline, reason in (
        ("deadline as far ahead as may be", most, None),
        ("deadline too far ahead", most + 1, "permit_deadline"),
        ("the latest deadline there is", UINT64_MAX, "permit_deadline"),
        ("deadline at the beginning of time", 0, "permit_expired"),
    ):
        other = world.permit(deadline=deadline).to_wire().decode()
        yield vector(name, other, reason, permit_context())


def _edges() -> Iterator[Vector]:
    """Numbers at their ends, and the zero address where somebody should stand."""
    largest = world.permit(max_value=UINT256_MAX, epoch=UINT64_MAX).to_wire().decode()
    yield vector("largest numbers", largest, None, permit_context(value=str(UINT256_MAX)))
    nothing = world.permit(max_value=0).to_wire().decode()
    yield vector("a cap of nothing, nothing paid", nothing, None, permit_context(value="0"))
    yield vector("a cap of nothing", nothing, "permit_value", permit_context(value="1"))
    zero = checksum(ZERO_ADDRESS)
    nobody = world.permit(renter=ZERO_ADDRESS).to_wire().decode()
    yield vector("made for the zero address", nobody, "permit_renter", permit_context())
    nowhere = world.permit(escrow=ZERO_ADDRESS).to_wire().decode()
    yield vector("escrow zero", nowhere, "permit_escrow", permit_context())
    coin = Terms(world.PROVIDER, ZERO_ADDRESS, world.REQUEST)
    coins = world.permit(terms=coin).to_wire().decode()
    yield vector("token zero: the chain's coin", coins, None, permit_context(token=zero))


def _signers(wire: str) -> Iterator[Vector]:
    key = checksum(world.PERMIT_KEY.address)
    now = world.NOW
    for name, changes, reason in (
        ("nobody may sign permits", {"signers": []}, "permit_signer"),
        ("signer in its first second", {"signers": [_window(not_before=now)]}, None),
        ("signer not valid yet", {"signers": [_window(not_before=now + 1)]}, "permit_signer"),
        ("signer in its last second", {"signers": [_window(not_after=now)]}, None),
        ("signer no longer valid", {"signers": [_window(not_after=now - 1)]}, "permit_signer"),
        ("signer killed", {"killed": [key]}, "permit_signer"),
        ("another signer killed", {"killed": [_STRANGER]}, None),
        (
            "one of two signers",
            {"signers": [_window(address=_STRANGER), _window()]},
            None,
        ),
    ):
        yield vector(name, wire, reason, permit_context(**changes))


def _signatures(good: SignedPermit) -> Iterator[Vector]:
    signature = good.signature
    for name, other in (
        ("signed by a stranger", world.permit(key=world.STRANGER)),
        ("signed by the issuer's key", world.permit(key=world.ISSUER)),
        ("signed by the renter", world.permit(key=world.RENTER)),
        ("high s", replace(good, signature=world.high_s(signature))),
        ("v 0", replace(good, signature=signature[:64] + b"\0")),
        ("v 1", replace(good, signature=signature[:64] + b"\1")),
        ("v 29", replace(good, signature=signature[:64] + b"\x1d")),
        ("the other v", replace(good, signature=signature[:64] + bytes([55 - signature[64]]))),
        ("r 0", replace(good, signature=bytes(32) + signature[32:])),
        ("s 0", replace(good, signature=signature[:32] + bytes(32) + signature[64:])),
        ("zeros", replace(good, signature=bytes(64) + b"\x1b")),
        (
            "value raised after signing",
            replace(good, permit=replace(good.permit, max_value=2**255)),
        ),
        ("epoch raised after signing", replace(good, permit=replace(good.permit, epoch=4))),
        (
            "attestation changed after signing",
            replace(good, permit=replace(good.permit, attestation=Digest(bytes(32)))),
        ),
        (
            "policy changed after signing",
            replace(good, permit=replace(good.permit, policy=Digest(bytes(32)))),
        ),
    ):
        yield vector(name, other.to_wire().decode(), "permit_signer", permit_context())
    nobody = [_window(address=checksum(ZERO_ADDRESS))]
    zeros = replace(good, signature=bytes(64) + b"\x1b").to_wire().decode()
    yield vector(
        "zeros, the zero address a signer", zeros, "permit_signer", permit_context(signers=nobody)
    )


def _compact(good: SignedPermit, wire: str) -> Iterator[Vector]:
    """The document holds 65 bytes and nothing else; a contract takes EIP-2098's 64 too."""

    def respelt(signature: bytes) -> str:
        return wire.replace(good.signature.hex(), signature.hex())

    def compact(signature: bytes) -> bytes:
        s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
        return signature[:32] + s.to_bytes(32, "big")

    short = compact(good.signature)
    flipped = short[:32] + bytes([short[32] ^ 0x80]) + short[33:]
    for name, other, reason in (
        ("compact signature (EIP-2098)", short, None),
        ("compact signature, the other parity", flipped, "permit_signer"),
        ("trailing byte in the signature", good.signature + b"\0", "permit_signer"),
        ("trailing byte in a compact signature", short + b"\0" * 2, "permit_signer"),
        ("signature cut short", good.signature[:63], "permit_signer"),
        ("no signature", b"", "permit_signer"),
    ):
        entry = vector(name, respelt(other), "malformed", permit_context())
        yield entry | _on_chain(reason, other)


def _texts(wire: str) -> Iterator[Vector]:
    for name, other in (
        ("duplicate key", wire.replace('"epoch"', '"epoch":"3","epoch"')),
        ("unknown field", wire.replace('"epoch"', '"nonce":"3","epoch"')),
        ("missing field", wire.replace('"epoch":"3",', "")),
        ("terms that are not those hashed", wire.replace(text(world.REQUEST), text(bytes(32)))),
        ("not a kycgate permit", wire.replace('"kycgate"', '"kycgates"')),
        ("value beyond 256 bits", wire.replace(str(10**21), str(2**256))),
        ("epoch beyond 64 bits", wire.replace('"epoch":"3"', f'"epoch":"{2**64}"')),
    ):
        yield vector(name, other, "malformed", permit_context())


# -- one permit, twice -----------------------------------------------------------------------------
def replays() -> Iterator[Vector]:
    """Two openings one after the other, for the chain's coin; each opening names its own job."""
    coin = Terms(world.PROVIDER, ZERO_ADDRESS, world.REQUEST)
    other_job = job_id(world.RENTER.address, bytes.fromhex("f7" * 32))
    first = world.permit(terms=coin)
    again = world.permit(terms=coin, deadline=world.PERMIT.deadline + 1)
    second = world.permit(terms=coin, job=other_job)
    context = permit_context(token=checksum(ZERO_ADDRESS), value="1000")
    for name, opened, reason in (
        ("the same permit twice", (first, first), "job_used"),
        ("a new permit for the same job", (first, again), "job_used"),
        ("a permit for another job", (first, second), None),
    ):
        documents = [signed.to_wire().decode() for signed in opened]
        entry = vector(name, documents, reason, {k: context[k] for k in context if k != "job"})
        yield {"onchain": verdict(reason)} | entry


# -- revocation marks ------------------------------------------------------------------------------
def revocations() -> Iterator[Vector]:
    renter, other = world.RENTER.address, world.STRANGER.address

    def mark(account: bytes, epoch: int) -> bytes:
        return keccak(word_address(account) + word_uint(epoch))

    packed = keccak(renter + (3).to_bytes(8, "big"))
    for name, epoch, published, reason in (
        ("nothing published", 3, [], None),
        ("this epoch revoked", 3, [("revoker", mark(renter, 3))], "revoked_epoch"),
        ("the epoch before revoked", 3, [("revoker", mark(renter, 2))], None),
        ("a later epoch revoked", 3, [("revoker", mark(renter, 4))], None),
        ("another account revoked", 3, [("revoker", mark(other, 3))], None),
        ("published by a stranger", 3, [("stranger", mark(renter, 3))], None),
        ("the words packed without padding", 3, [("revoker", packed)], None),
        ("epoch 0 revoked", 0, [("revoker", mark(renter, 0))], "revoked_epoch"),
        (
            "the last epoch revoked",
            UINT64_MAX,
            [("revoker", mark(renter, UINT64_MAX))],
            "revoked_epoch",
        ),
        (
            "one of several",
            3,
            [("revoker", mark(other, 3)), ("stranger", packed), ("revoker", mark(renter, 3))],
            "revoked_epoch",
        ),
    ):
        given = {"renter": checksum(renter), "epoch": str(epoch)}
        marks = [{"by": by, "mark": text(key)} for by, key in published]
        entry = vector(name, given, reason, {"published": marks})
        yield {"onchain": verdict(reason)} | entry
