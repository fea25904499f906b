"""Every way in which a deposit arrives, and what each renter's signature is good for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kycgate.chain import Reverted
from kycgate.core.claims import Address, Digest
from kycgate.core.permit import SignedPermit, Terms
from kycgate.core.typed import domain_separator, keccak, typed_digest, word_address, word_uint
from kycgate.keys import LocalSigner
from kycgate.settlement.deploy import mint
from kycgate.settlement.escrow import Means, Payment, State, payment_nonce, relay_digest
from tests.chain_world import extra
from tests.settlement.conftest import COIN, KEYS, World
from tests.settlement.test_escrow import refused

RENTER, PROVIDER = KEYS["renter"], KEYS["provider"]
RELAYER, STRANGER = KEYS["relayer"], KEYS["stranger"]
REQUEST = Digest(keccak(b"request"))


@pytest.fixture
def token(world: World) -> Address:
    """A token with signed permits and authorizations, of which the renter has some."""
    place = world.chain.deploy(KEYS["deployer"], extra("SignedToken").creation())
    mint(world.chain, KEYS["deployer"], place, RENTER.address, 10**6)
    return place


def separator(world: World, token: Address) -> bytes:
    chain_id = world.at.chain_id
    return domain_separator(name="signed", version="1", chain_id=chain_id, contract=token)


def allowance(world: World, token: Address, amount: int, *, by: LocalSigner = RENTER) -> Payment:
    """EIP-2612: the escrow may take `amount` of the renter's."""
    typehash = keccak(
        b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    )
    deadline = world.anvil.now + 1000
    words = word_address(RENTER.address) + word_address(world.at.escrow)
    words += word_uint(amount) + word_uint(0) + word_uint(deadline)
    digest = typed_digest(separator(world, token), keccak(typehash + words))
    return Payment(Means.ALLOWANCE, by.sign_digest(digest), valid_before=deadline)


def authorization(
    world: World, token: Address, amount: int, nonce: Digest, *, by: LocalSigner = RENTER
) -> Payment:
    """EIP-3009: the escrow itself may receive `amount` of the renter's, for one purpose."""
    typehash = keccak(
        b"ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        b"uint256 validBefore,bytes32 nonce)"
    )
    end = world.anvil.now + 1000
    words = word_address(RENTER.address) + word_address(world.at.escrow)
    words += word_uint(amount) + word_uint(0) + word_uint(end) + nonce
    digest = typed_digest(separator(world, token), keccak(typehash + words))
    return Payment(Means.AUTHORIZATION, by.sign_digest(digest), valid_before=end)


def for_opening(world: World, signed: SignedPermit, **changed: Any) -> Payment:
    """The authorization for opening the permit's job with 1000 for 1000 seconds."""
    permit = signed.permit
    asked = {"job": permit.job, "amount": 1000, "total": 1000, "duration_s": 1000} | changed
    nonce = payment_nonce(permit.terms, **asked)
    return authorization(world, permit.terms.token, asked["amount"], nonce)


# -- EIP-3009 --------------------------------------------------------------------------------------


def test_anyone_opens_with_the_renters_authorization_and_the_renter_pays(
    world: World, token: Address
) -> None:
    signed = world.signed(token=token)
    payment = for_opening(world, signed)
    world.escrow.open_with(STRANGER, signed, payment, amount=1000, duration_s=1000)
    rental = world.escrow.rental(signed.permit.job)
    assert (rental.state, rental.renter, rental.total) == (State.OPEN, RENTER.address, 1000)
    assert world.owned(token, RENTER.address) == 10**6 - 1000
    assert world.owned(token, world.at.escrow) == 1000


CHANGES: dict[str, dict[str, Any]] = {
    "a shorter time": {"duration_s": 10},
    "another amount": {"amount": 999},
    "milestones": {"milestones": True},
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_authorization_opens_only_what_it_was_signed_for(
    world: World, token: Address, change: str
) -> None:
    signed = world.signed(token=token)
    payment = for_opening(world, signed)
    named = {"amount": 1000, "duration_s": 1000} | CHANGES[change]
    with pytest.raises(Reverted):
        world.escrow.open_with(STRANGER, signed, payment, **named)
    assert world.owned(token, RENTER.address) == 10**6


def test_an_authorization_for_another_job_or_other_terms_is_refused(
    world: World, token: Address
) -> None:
    one, other = world.signed(token=token, n=1), world.signed(token=token, n=2)
    terms = Terms(PROVIDER.address, token, Digest(keccak(b"bigger")))
    for signed in (other, world.signed(token=token, n=1, terms=terms)):
        with pytest.raises(Reverted):
            world.escrow.open_with(
                STRANGER, signed, for_opening(world, one), amount=1000, duration_s=1000
            )


def test_nobody_takes_an_authorization_out_of_the_queue(world: World, token: Address) -> None:
    """Only its payee may use it: a front-runner opens this very job for the renter, or nothing."""
    signed = world.signed(token=token)
    payment = for_opening(world, signed)
    compiled = extra("SignedToken")
    nonce = payment_nonce(
        signed.permit.terms, job=signed.permit.job, amount=1000, total=1000, duration_s=1000
    )
    s = payment.signature
    data = compiled.encode(
        "receiveWithAuthorization",
        RENTER.address,
        world.at.escrow,
        1000,
        0,
        payment.valid_before,
        nonce,
        s[64],
        s[:32],
        s[32:64],
    )
    with pytest.raises(Reverted):
        world.chain.send(STRANGER, token, data)
    world.escrow.open_with(RELAYER, signed, payment, amount=1000, duration_s=1000)


def test_somebody_elses_authorization_is_refused(world: World, token: Address) -> None:
    signed = world.signed(token=token)
    nonce = payment_nonce(
        signed.permit.terms, job=signed.permit.job, amount=1000, total=1000, duration_s=1000
    )
    forged = authorization(world, token, 1000, nonce, by=STRANGER)
    with pytest.raises(Reverted):
        world.escrow.open_with(STRANGER, signed, forged, amount=1000, duration_s=1000)


def test_an_authorization_wants_a_permit_like_every_deposit(world: World, token: Address) -> None:
    permit = world.permit(token=token)
    payment = for_opening(world, world.sign(permit))
    named = {"amount": 1000, "duration_s": 1000}
    forged = world.sign(permit, by="stranger")
    assert refused(world.escrow, "open_with", RELAYER, forged, payment, **named) == "PermitSigner"
    late = world.signed(token=token, deadline=world.anvil.now - 1)
    assert refused(world.escrow, "open_with", RELAYER, late, payment, **named) == "PermitExpired"
    small = world.signed(token=token, max_value=999)
    assert refused(world.escrow, "open_with", RELAYER, small, payment, **named) == "PermitValue"


def test_a_top_up_by_authorization(world: World, token: Address) -> None:
    signed = world.signed(token=token)
    payment = for_opening(world, signed, amount=400, total=400)
    world.escrow.open_with(STRANGER, signed, payment, amount=400, duration_s=1000)
    terms, job = signed.permit.terms, signed.permit.job
    nonce = payment_nonce(terms, job=job, amount=100, total=500, duration_s=0)
    more = authorization(world, token, 100, nonce)
    world.escrow.top_up(STRANGER, signed, amount=100, payment=more)
    assert world.escrow.rental(job).total == 500
    with pytest.raises(Reverted):
        world.escrow.top_up(STRANGER, signed, amount=100, payment=more)


# -- EIP-2612 --------------------------------------------------------------------------------------


def test_a_renter_opens_with_a_tokens_permit_in_one_transaction(
    world: World, token: Address
) -> None:
    signed = world.signed(token=token)
    payment = allowance(world, token, 1000)
    world.escrow.open_with(RENTER, signed, payment, amount=1000, duration_s=1000)
    assert world.owned(token, world.at.escrow) == 1000


def test_a_tokens_permit_sent_first_by_a_stranger_stops_nobody(
    world: World, token: Address
) -> None:
    signed = world.signed(token=token)
    payment = allowance(world, token, 1000)
    s = payment.signature
    data = extra("SignedToken").encode(
        "permit",
        RENTER.address,
        world.at.escrow,
        1000,
        payment.valid_before,
        s[64],
        s[:32],
        s[32:64],
    )
    world.chain.send(STRANGER, token, data)
    world.escrow.open_with(RENTER, signed, payment, amount=1000, duration_s=1000)
    assert world.owned(token, world.at.escrow) == 1000


def test_nobody_else_spends_a_renters_allowance(world: World, token: Address) -> None:
    signed = world.signed(token=token)
    payment = allowance(world, token, 1000)
    named = {"amount": 1000, "duration_s": 1}
    assert refused(world.escrow, "open_with", STRANGER, signed, payment, **named) == "NotRenter"
    plain = Payment(Means.OWN)
    assert refused(world.escrow, "open_with", STRANGER, signed, plain, **named) == "NotRenter"


def test_a_tokens_permit_by_another_key_gives_nothing(world: World, token: Address) -> None:
    signed = world.signed(token=token)
    forged = allowance(world, token, 1000, by=STRANGER)
    with pytest.raises(Reverted):
        world.escrow.open_with(RENTER, signed, forged, amount=1000, duration_s=1000)


@pytest.mark.parametrize("means", [Means.ALLOWANCE, Means.AUTHORIZATION])
def test_coin_knows_no_signatures(world: World, means: Means) -> None:
    signed, payment = world.signed(), Payment(means, bytes(65))
    named = {"amount": 10, "duration_s": 10}
    assert refused(world.escrow, "open_with", RENTER, signed, payment, **named) == "AmountInvalid"


def test_a_means_that_does_not_exist_is_refused(world: World, token: Address) -> None:
    payment = Payment(4, b"")  # type: ignore[arg-type]
    with pytest.raises(Reverted):
        world.escrow.open_with(RENTER, world.signed(), payment, amount=10, duration_s=10)


# -- relayers --------------------------------------------------------------------------------------


def test_a_relayer_tops_up_with_the_renters_signature_and_pays_itself(world: World) -> None:
    money = world.at.token
    job, start = world.opened(token=money, amount=500, duration_s=500)
    agreed = RENTER.sign_digest(relay_digest(world.domain.separator, job, RELAYER.address))
    payment = Payment(Means.RELAYED, agreed)
    signed = world.signed(token=money)
    held = world.owned(money, RENTER.address)
    named = {"amount": 100, "payment": payment}
    assert refused(world.escrow, "top_up", STRANGER, signed, **named) == "RelaySignature"
    world.escrow.top_up(RELAYER, signed, **named)
    assert world.escrow.rental(job).end == start + 600
    assert world.owned(money, RENTER.address) == held


# -- the job's number ------------------------------------------------------------------------------


def test_a_job_number_signed_for_two_renters_opens_once(world: World) -> None:
    """The gate derives numbers from the renter; were it to err, nobody's record is written over."""
    job, _ = world.opened(n=1)
    clash = world.signed(renter=STRANGER.address, job=job)
    named = {"amount": 5, "duration_s": 5}
    assert refused(world.escrow, "open", STRANGER, clash, **named) == "JobUsed"
    assert world.escrow.rental(job).renter == RENTER.address


def test_coin_without_a_job_is_refused(world: World) -> None:
    assert refused(world.escrow, "send", RENTER, b"", value=1) == "AmountInvalid"
    with pytest.raises(Reverted):
        world.escrow.send(RENTER, bytes.fromhex("deadbeef"), value=1)


# -- milestones ------------------------------------------------------------------------------------


@pytest.fixture
def by_milestones(world: World) -> tuple[Digest, int]:
    """(job, end) of 1000 coins, to be let go by the renter's word within 1000 seconds."""
    signed, own = world.signed(max_value=2000), Payment(Means.OWN)
    world.escrow.open_with(RENTER, signed, own, amount=1000, duration_s=1000, milestones=True)
    job = signed.permit.job
    return job, world.escrow.rental(job).end


def test_milestones_are_paid_by_the_renters_word_and_not_by_time(
    world: World, by_milestones: tuple[Digest, int]
) -> None:
    job, end = by_milestones
    world.anvil.mine_at(end - 1)
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 0
    world.escrow.pay_milestone(RENTER, job, amount=300)
    assert world.escrow.balance(PROVIDER.address, COIN) == 300
    world.escrow.pay_milestone(RENTER, job, amount=700)
    assert world.escrow.rental(job).state is State.CLOSED
    assert world.escrow.balance(PROVIDER.address, COIN) == 1000


def test_milestones_are_paid_by_nobody_else_nor_beyond_the_sum(
    world: World, by_milestones: tuple[Digest, int]
) -> None:
    job, _ = by_milestones
    pay: Callable[..., str | None] = lambda who, amount: refused(  # noqa: E731
        world.escrow, "pay_milestone", who, job, amount=amount
    )
    assert pay(PROVIDER, 1) == "NotRenter"
    assert pay(RENTER, 0) == "AmountInvalid"
    assert pay(RENTER, 1001) == "AmountInvalid"
    by_second, _ = world.opened(n=2)
    refusal = refused(world.escrow, "pay_milestone", RENTER, by_second, amount=1)
    assert refusal == "JobState"


def test_the_renter_takes_the_rest_of_milestones_only_after_the_end(
    world: World, by_milestones: tuple[Digest, int]
) -> None:
    job, end = by_milestones
    world.escrow.pay_milestone(RENTER, job, amount=200)
    world.anvil.mine_at(end - 1)
    assert refused(world.escrow, "refund", STRANGER, job) == "NotParty"
    world.anvil.mine_at(end + 10)
    world.escrow.refund(RENTER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 200
    assert world.escrow.balance(RENTER.address, COIN) == 800


def test_early_only_the_provider_gives_milestones_back(
    world: World, by_milestones: tuple[Digest, int]
) -> None:
    job, _ = by_milestones
    assert refused(world.escrow, "refund", RENTER, job) == "JobState"
    world.escrow.refund(PROVIDER, job)
    assert world.escrow.balance(RENTER.address, COIN) == 1000


def test_a_revoked_renter_lets_no_milestone_go(
    world: World, by_milestones: tuple[Digest, int]
) -> None:
    job, _ = by_milestones
    world.revoke(RENTER.address)
    world.escrow.pay_milestone(RENTER, job, amount=500)
    assert world.escrow.rental(job).state is State.HELD
    assert world.escrow.balance(PROVIDER.address, COIN) == 0


def test_a_top_up_of_milestones_buys_no_time(
    world: World, by_milestones: tuple[Digest, int]
) -> None:
    job, end = by_milestones
    world.escrow.top_up(RENTER, world.signed(max_value=2000), amount=500)
    rental = world.escrow.rental(job)
    assert (rental.total, rental.end) == (1500, end)
