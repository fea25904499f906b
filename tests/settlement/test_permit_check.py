"""What the contract asks of a permit, refusal by refusal, with the reason code Python gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kycgate.chain import Reverted
from kycgate.core.claims import Address, Digest
from kycgate.core.permit import (
    InvalidPermit,
    Permit,
    PermitDomain,
    SignedPermit,
    Terms,
    ValidPermit,
    job_id,
    verify,
)
from kycgate.core.trust import PermitSigner
from kycgate.core.typed import keccak
from kycgate.errors import Code
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import Escrow, permit_words, terms_words
from tests.chain_world import Anvil, extra
from tests.settlement.conftest import ADDITION_DELAY_S, KEYS, World

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
RENTER = KEYS["renter"].address
_ESCROW = artifact("GPURentalEscrow")


def open_as_asked(world: World, signed: SignedPermit, asked: Permit) -> Reverted | None:
    """Open `asked`'s job and terms as the renter under the permit given; the refusal, if any."""
    data = _ESCROW.encode(
        "open",
        asked.job,
        terms_words(asked.terms),
        1000,
        1000,
        permit_words(signed.permit),
        signed.signature,
    )
    try:
        world.escrow.send(KEYS["renter"], data, value=1000)
    except Reverted as refusal:
        return refusal
    return None


def judge_in_python(world: World, signed: SignedPermit, asked: Permit) -> set[Code]:
    verdict = verify(
        signed,
        signers=[PermitSigner(KEYS["permits"].address, 0, None)],
        domain=world.domain,
        renter=RENTER,
        escrow=world.at.escrow,
        job=asked.job,
        terms=asked.terms,
        value=1000,
        now=world.anvil.now,
    )
    if isinstance(verdict, InvalidPermit):
        return {reason.code for reason in verdict.reasons}
    assert isinstance(verdict, ValidPermit)
    return set()


def test_a_good_permit_opens_in_both_languages(world: World) -> None:
    asked = world.permit()
    signed = world.sign(asked)
    assert judge_in_python(world, signed, asked) == set()
    assert open_as_asked(world, signed, asked) is None


OTHER = Address(b"\x0e" * 20)
CASES: dict[str, tuple[Callable[[Permit], Permit], str]] = {
    "another escrow": (lambda p: replace(p, escrow=OTHER), "PermitEscrow"),
    "another renter": (
        lambda p: replace(p, renter=KEYS["stranger"].address),
        "PermitRenter",
    ),
    "another job": (lambda p: replace(p, job=job_id(RENTER, b"\x09" * 32)), "PermitJob"),
    "a job of another renter": (
        lambda p: replace(p, job=job_id(OTHER, (1).to_bytes(32, "big"))),
        "PermitJob",
    ),
    "another provider": (
        lambda p: replace(p, terms=replace(p.terms, provider=OTHER)),
        "PermitTerms",
    ),
    "another token": (lambda p: replace(p, terms=replace(p.terms, token=OTHER)), "PermitTerms"),
    "another job request": (
        lambda p: replace(p, terms=replace(p.terms, request=Digest(keccak(b"bigger")))),
        "PermitTerms",
    ),
    "a cap below the deposit": (lambda p: replace(p, max_value=999), "PermitValue"),
    "a deadline gone by": (lambda p: replace(p, deadline=p.deadline - 302), "PermitExpired"),
    "a deadline too far ahead": (
        lambda p: replace(p, deadline=p.deadline + 3600),
        "PermitDeadline",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_permit_made_for_something_else_is_refused_for_the_same_reason(
    world: World, case: str
) -> None:
    change, name = CASES[case]
    asked = world.permit()
    signed = world.sign(change(asked))
    refusal = open_as_asked(world, signed, asked)
    assert refusal is not None
    assert refusal.name == name
    assert refusal.code in judge_in_python(world, signed, asked)


FIELDS: dict[str, Any] = {
    "attestation": Digest(b"\x01" * 32),
    "epoch": 1,
    "policy": Digest(b"\x02" * 32),
    "max_value": 2000,
    "deadline": None,
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_changed_after_signing_is_refused(world: World, name: str) -> None:
    asked = world.permit()
    value = FIELDS[name] if FIELDS[name] is not None else asked.deadline + 60
    forged = replace(world.sign(asked), permit=replace(asked, **{name: value}))
    refusal = open_as_asked(world, forged, asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"
    assert judge_in_python(world, forged, asked) == {Code.PERMIT_SIGNER}


def high_s(signature: bytes) -> bytes:
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([27 + 28 - signature[64]])


SIGNATURES: dict[str, Callable[[bytes], bytes]] = {
    "high s": high_s,
    "v 0 or 1": lambda s: s[:64] + bytes([s[64] - 27]),
    "trailing byte": lambda s: s + b"\x00",
    "cut short": lambda s: s[:63],
    "empty": lambda s: b"",
    "zeros": lambda s: bytes(65),
    "v flipped": lambda s: s[:64] + bytes([27 + 28 - s[64]]),
}


@pytest.mark.parametrize("case", SIGNATURES)
def test_another_spelling_of_a_signature_is_refused(world: World, case: str) -> None:
    asked = world.permit()
    good = world.sign(asked)
    bad = replace(good, signature=SIGNATURES[case](good.signature))
    refusal = open_as_asked(world, bad, asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"
    assert judge_in_python(world, bad, asked) == {Code.PERMIT_SIGNER}


def test_a_compact_signature_opens(world: World) -> None:
    asked = world.permit()
    good = world.sign(asked)
    s = int.from_bytes(good.signature[32:64], "big") | (good.signature[64] - 27) << 255
    compact = replace(good, signature=good.signature[:32] + s.to_bytes(32, "big"))
    assert open_as_asked(world, compact, asked) is None


def test_a_compact_signature_with_high_s_is_refused(world: World) -> None:
    asked = world.permit()
    good = world.sign(asked)
    bent = high_s(good.signature)
    s = int.from_bytes(bent[32:64], "big") | (bent[64] - 27) << 255
    compact = replace(good, signature=bent[:32] + (s % 2**256).to_bytes(32, "big"))
    refusal = open_as_asked(world, compact, asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"


@pytest.mark.parametrize(
    "domain",
    [
        lambda d: replace(d, chain_id=1),
        lambda d: replace(d, contract=OTHER),
    ],
    ids=["another chain", "another contract's domain"],
)
def test_a_permit_of_another_domain_is_refused(
    world: World, domain: Callable[[PermitDomain], PermitDomain]
) -> None:
    asked = world.permit()
    signed = world.sign(asked, domain=domain(world.domain))
    refusal = open_as_asked(world, signed, asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"
    assert judge_in_python(world, signed, asked) == {Code.PERMIT_ESCROW}


def test_a_permit_counts_to_its_last_second_and_not_beyond(world: World) -> None:
    moment = world.anvil.now + 100
    asked = world.permit(deadline=moment)
    world.anvil.at(moment)
    assert open_as_asked(world, world.sign(asked), asked) is None
    later = world.permit(deadline=moment, n=2)
    world.anvil.mine_at(moment + 1)
    refusal = open_as_asked(world, world.sign(later), later)
    assert refusal is not None
    assert refusal.name == "PermitExpired"


# -- keys ------------------------------------------------------------------------------------------


def test_an_unknown_key_signs_no_permit(world: World) -> None:
    asked = world.permit()
    refusal = open_as_asked(world, world.sign(asked, by="stranger"), asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"


def test_a_killed_key_signs_nothing_from_the_next_block_on_and_never_again(world: World) -> None:
    asked = world.permit()
    signed = world.sign(asked)
    killed = KEYS["permits"].address
    world.write("root", "killKey", killed)
    refusal = open_as_asked(world, signed, asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"
    soon = world.anvil.now + ADDITION_DELAY_S + 60
    with pytest.raises(Reverted) as again:
        world.write("root", "addKey", killed, soon, soon + 1000)
    assert again.value.name == "KeyUsed"


def test_a_new_key_waits_out_its_delay_and_ends_on_time(world: World) -> None:
    new = KEYS["stranger"].address
    now = world.anvil.now
    with pytest.raises(Reverted) as hasty:
        world.write("root", "addKey", new, now + ADDITION_DELAY_S - 60, now + 2 * ADDITION_DELAY_S)
    assert hasty.value.name == "KeyTooSoon"
    begin = now + ADDITION_DELAY_S + 60
    world.write("root", "addKey", new, begin, begin + 5000)
    for moment, accepted in ((begin - 1, False), (begin, True), (begin + 5000, True)):
        asked = world.permit(deadline=moment + 60, n=moment)
        world.anvil.at(moment)
        refusal = open_as_asked(world, world.sign(asked, by="stranger"), asked)
        assert (refusal is None) is accepted
    asked = world.permit(deadline=begin + 5060, n=9)
    world.anvil.mine_at(begin + 5001)
    refusal = open_as_asked(world, world.sign(asked, by="stranger"), asked)
    assert refusal is not None
    assert refusal.name == "PermitSigner"


@pytest.mark.parametrize("function", ["addKey", "killKey"])
def test_only_the_root_touches_keys(world: World, function: str) -> None:
    soon = world.anvil.now + 2 * ADDITION_DELAY_S
    rest = (soon, soon + 1) if function == "addKey" else ()
    with pytest.raises(Reverted) as refused:
        world.write("permits", function, KEYS["permits"].address, *rest)
    assert refused.value.name == "NotRoot"


def test_the_zero_address_is_never_a_key(world: World) -> None:
    """A failed recovery yields it: were it a key, every bad signature would be good."""
    soon = world.anvil.now + 2 * ADDITION_DELAY_S
    with pytest.raises(Reverted) as refused:
        world.write("root", "addKey", bytes(20), soon, soon + 1)
    assert refused.value.name == "KeyInvalid"


# -- the view and the modifier ---------------------------------------------------------------------


def test_the_view_says_what_open_would(world: World) -> None:
    good = world.permit()
    assert world.escrow.cleared(world.sign(good))
    assert not world.escrow.cleared(world.sign(good, by="stranger"))
    assert not world.escrow.cleared(world.signed(escrow=OTHER))
    assert not world.escrow.cleared(world.signed(deadline=world.anvil.now - 1))
    assert not world.escrow.cleared(world.signed(deadline=world.anvil.now + 3600))
    world.revoke(RENTER)
    assert not world.escrow.cleared(world.sign(good))
    assert world.escrow.cleared(world.signed(epoch=1))


def test_an_operators_own_contract_is_gated_by_one_modifier(world: World) -> None:
    compiled = extra("Marketplace")
    signers = [KEYS["permits"].address]
    address = world.chain.deploy(
        KEYS["deployer"],
        compiled.creation(world.at.eas, world.at.revoker, KEYS["root"].address, signers),
    )
    asked = world.permit(escrow=address)
    signed = world.sign(asked, domain=PermitDomain(world.at.chain_id, address))

    def start(job: Digest, signature: bytes) -> int:
        words = permit_words(asked)
        data = compiled.encode("start", job, asked.terms.struct_hash(), words, signature)
        return len(world.chain.send(KEYS["renter"], address, data, value=1000).logs)

    assert start(asked.job, signed.signature) == 1
    with pytest.raises(Reverted) as refused:
        start(Digest(b"\x07" * 32), signed.signature)
    assert compiled.error(refused.value.data) == "PermitJob"


def test_terms_and_job_hash_alike_in_both_languages(world: World) -> None:
    terms = Terms(KEYS["provider"].address, world.at.token, Digest(keccak(b"request")))
    asked = _ESCROW.encode("hashTerms", terms_words(terms))
    assert world.chain.call(world.at.escrow, asked) == terms.struct_hash()


def test_the_contract_publishes_the_domain_that_python_signs_under(world: World) -> None:
    answer = world.chain.call(world.at.escrow, _ESCROW.encode("eip712Domain"))
    published = _ESCROW.decode("eip712Domain", answer)
    assert published[1:5] == ("kycgate", "1", 31337, "0x" + world.at.escrow.hex())


def test_a_permit_does_not_cross_to_a_fork_of_the_chain(world: World) -> None:
    """Same contract, same address, another chain id: the separator is built anew there."""
    signed = world.signed()
    state = world.chain.ask("anvil_dumpState")
    fork = Anvil(chain_id=31338)
    try:
        fork.chain.ask("anvil_loadState", state)
        there = Escrow(fork.chain, world.at.escrow)
        assert world.escrow.cleared(signed)
        assert not there.cleared(signed)
        with pytest.raises(Reverted) as refused:
            there.open(KEYS["renter"], signed, amount=1, duration_s=1)
        assert refused.value.name == "PermitSigner"
        fork_domain = PermitDomain(31338, world.at.escrow)
        there.open(
            KEYS["renter"], world.sign(signed.permit, domain=fork_domain), amount=1, duration_s=1
        )
    finally:
        fork.close()
