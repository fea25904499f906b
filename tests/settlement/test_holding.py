"""When money is held and how it gets out again: killed keys, a silent EAS, frozen balances."""

from __future__ import annotations

import pytest

from kycgate.chain import Reverted
from kycgate.core.claims import Address, Digest
from kycgate.core.typed import keccak
from kycgate.settlement.escrow import State
from tests.chain_world import extra
from tests.settlement.conftest import ADDITION_DELAY_S, COIN, HOLD_S, KEYS, World
from tests.settlement.test_escrow import refused

RENTER, PROVIDER, STRANGER = KEYS["renter"], KEYS["provider"], KEYS["stranger"]
LICENCE = Digest(keccak(b"licence 2026-118"))


def names(world: World, job: Digest) -> list[str]:
    return [event.name for _, event in world.escrow.events(from_block=0, job=job)]


def second_key(world: World) -> None:
    """The stranger's key signs permits too, from now on."""
    start = world.anvil.now + ADDITION_DELAY_S + 10
    world.write("root", "addKey", STRANGER.address, start, start + 10**8)
    world.anvil.mine_at(start)


# -- a killed key ----------------------------------------------------------------------------------


def test_what_a_killed_key_opened_is_held_and_pays_work_up_to_the_kill(world: World) -> None:
    job, start = world.opened()
    world.anvil.at(start + 200)
    world.write("root", "killKey", KEYS["permits"].address)
    world.anvil.at(start + 500)
    world.escrow.hold(STRANGER, [job])
    rental = world.escrow.rental(job)
    assert (rental.state, rental.cutoff, rental.held_at) == (State.HELD, start + 200, start + 500)
    world.anvil.mine_at(start + 501 + HOLD_S)
    world.escrow.release(STRANGER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 200
    assert world.escrow.balance(RENTER.address, COIN) == 800


def test_holding_passes_over_jobs_of_living_keys_and_strange_ones(world: World) -> None:
    second_key(world)
    clean = world.permit(n=1)
    world.escrow.open(RENTER, world.sign(clean, by="stranger"), amount=10, duration_s=1000)
    tainted, _ = world.opened(n=2)
    unknown = Digest(b"\x05" * 32)
    world.write("root", "killKey", KEYS["permits"].address)
    world.escrow.hold(RENTER, [clean.job, unknown, tainted, tainted])
    assert world.escrow.rental(clean.job).state is State.OPEN
    assert world.escrow.rental(unknown).state is State.NONE
    assert world.escrow.rental(tainted).state is State.HELD
    assert names(world, tainted) == ["Opened", "Held"]


def test_holding_without_a_ground_moves_nothing(world: World) -> None:
    job, _ = world.opened()
    world.escrow.hold(STRANGER, [job])
    assert world.escrow.rental(job).state is State.OPEN


def test_a_killed_key_tops_up_nothing_and_a_living_ones_permit_clears_the_job_anew(
    world: World,
) -> None:
    second_key(world)
    job, _ = world.opened(amount=100)
    world.write("root", "killKey", KEYS["permits"].address)
    assert refused(world.escrow, "top_up", RENTER, world.signed(), amount=1) == "PermitSigner"
    world.escrow.top_up(RENTER, world.sign(world.permit(), by="stranger"), amount=1)
    assert world.escrow.rental(job).key == 2
    world.escrow.hold(STRANGER, [job])
    assert world.escrow.rental(job).state is State.OPEN


def test_killing_twice_does_not_move_the_moment(world: World) -> None:
    job, start = world.opened()
    for moment in (100, 300):
        world.anvil.at(start + moment)
        world.write("root", "killKey", KEYS["permits"].address)
    world.escrow.hold(STRANGER, [job])
    assert world.escrow.rental(job).cutoff == start + 100


# -- pausing ---------------------------------------------------------------------------------------


def test_a_suspended_key_lets_no_money_in_and_keeps_none_from_going_out(world: World) -> None:
    job, start = world.opened(amount=100)
    permits = KEYS["permits"].address
    world.write("root", "suspendKey", permits, True)
    fresh = world.signed(n=2)
    named = {"amount": 1, "duration_s": 1}
    assert refused(world.escrow, "open", RENTER, fresh, **named) == "PermitSigner"
    assert refused(world.escrow, "top_up", RENTER, world.signed(), amount=1) == "PermitSigner"
    assert not world.escrow.cleared(fresh)
    world.anvil.at(start + 1000)
    world.escrow.settle(PROVIDER, job)
    world.escrow.withdraw(PROVIDER, COIN, to=PROVIDER.address)
    world.escrow.hold(STRANGER, [job])
    world.write("root", "suspendKey", permits, False)
    world.escrow.open(RENTER, world.signed(n=2), amount=1, duration_s=1)


def test_nobody_but_the_root_suspends_and_a_killed_key_does_not_come_back(world: World) -> None:
    permits = KEYS["permits"].address
    with pytest.raises(Reverted) as caught:
        world.write("permits", "suspendKey", permits, True)
    assert caught.value.name == "NotRoot"
    world.write("root", "killKey", permits)
    world.write("root", "suspendKey", permits, False)
    assert not world.escrow.cleared(world.signed())


# -- EAS that says nothing -------------------------------------------------------------------------


def break_eas(world: World, how: str) -> bytes:
    """Put something else where EAS stands; EAS' own code, to put back."""
    good = world.chain.code(world.at.eas)
    if how == "gone":
        world.anvil.set_code(world.at.eas, b"")
    elif how == "reverts":
        world.anvil.set_code(world.at.eas, bytes.fromhex("5f5ffd"))
    elif how == "burns all gas":
        world.anvil.set_code(world.at.eas, bytes.fromhex("fe"))
    elif how == "a short answer":
        world.anvil.set_code(world.at.eas, bytes.fromhex("601f5ff3"))
    elif how == "a megabyte":
        world.anvil.set_code(world.at.eas, bytes.fromhex("620fffff5ffd"))
    else:
        word = {"all ones": b"\xff" * 32, "a time to come": (2**40).to_bytes(32, "big")}[how]
        place = world.chain.deploy(KEYS["deployer"], extra("Answers").creation(word))
        world.anvil.set_code(world.at.eas, world.chain.code(place))
    return good


SILENCES = (
    "gone",
    "reverts",
    "burns all gas",
    "a short answer",
    "a megabyte",
    "all ones",
    "a time to come",
)


@pytest.mark.parametrize("how", SILENCES)
def test_while_eas_gives_no_answer_nothing_is_paid_but_not_for_ever(world: World, how: str) -> None:
    job, start = world.opened()
    break_eas(world, how)
    assert not world.escrow.cleared(world.signed())
    world.anvil.at(start + 300)
    world.escrow.settle(PROVIDER, job)
    rental = world.escrow.rental(job)
    assert (rental.state, rental.cutoff, rental.settled) == (State.HELD, 0, 0)
    assert refused(world.escrow, "release", PROVIDER, job) == "HoldRunning"
    world.anvil.mine_at(start + 301 + HOLD_S)
    world.escrow.release(STRANGER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 300
    assert world.escrow.balance(RENTER.address, COIN) == 700


def test_a_job_held_by_a_silent_eas_runs_on_once_eas_answers(world: World) -> None:
    job, start = world.opened()
    good = break_eas(world, "reverts")
    world.anvil.at(start + 100)
    world.escrow.refund(RENTER, job)
    assert world.escrow.rental(job).state is State.HELD
    world.anvil.set_code(world.at.eas, good)
    world.escrow.release(STRANGER, job)
    assert world.escrow.rental(job).state is State.OPEN
    world.anvil.at(start + 400)
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 400
    assert names(world, job) == ["Opened", "Held", "Resumed", "Settled"]


def test_a_revocation_found_once_eas_answers_again_sets_the_cutoff(world: World) -> None:
    job, start = world.opened()
    world.anvil.at(start + 100)
    world.revoke(RENTER.address)
    good = break_eas(world, "gone")
    world.anvil.at(start + 200)
    world.escrow.settle(PROVIDER, job)
    world.anvil.set_code(world.at.eas, good)
    assert refused(world.escrow, "release", PROVIDER, job) == "HoldRunning"
    world.anvil.mine_at(start + 201 + HOLD_S)
    world.escrow.release(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 100


def test_a_hold_once_grounded_needs_eas_no_more(world: World) -> None:
    job, start = world.opened()
    world.anvil.at(start + 100)
    world.revoke(RENTER.address)
    world.escrow.settle(PROVIDER, job)
    break_eas(world, "burns all gas")
    world.anvil.mine_at(world.anvil.now + HOLD_S + 1)
    world.escrow.release(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 100


def test_what_a_silent_eas_holds_may_be_marked_and_then_waits_for_a_licence(world: World) -> None:
    job, start = world.opened()
    break_eas(world, "reverts")
    world.anvil.at(start + 250)
    world.escrow.settle(PROVIDER, job)
    world.escrow.mark_sanctioned(KEYS["compliance"], job)
    world.anvil.mine_at(start + 300 + 10 * HOLD_S)
    assert refused(world.escrow, "release", RENTER, job) == "JobState"
    world.escrow.release_licensed(KEYS["licensor"], job, licence=LICENCE)
    assert world.escrow.balance(PROVIDER.address, COIN) == 250


def test_an_open_job_is_not_marked_while_eas_is_silent(world: World) -> None:
    job, _ = world.opened()
    break_eas(world, "reverts")
    refusal = refused(world.escrow, "mark_sanctioned", KEYS["compliance"], job)
    assert refusal == "NotRevoked"


def test_too_little_gas_does_not_pass_for_a_silent_eas(world: World) -> None:
    """The call that could starve the question leaves nothing to write its lie down with."""
    job, start = world.opened()
    caller = "0x" + STRANGER.address.hex()
    world.chain.ask("anvil_impersonateAccount", caller)
    question = "0x" + (keccak(b"settle(bytes32)")[:4] + job).hex()
    seen = set()
    for gas in range(30_000, 120_000, 1_000):
        snapshot = world.chain.ask("evm_snapshot")
        world.anvil.at(start + 100)
        call = {"to": "0x" + world.at.escrow.hex(), "from": caller, "data": question}
        world.chain.ask("eth_sendTransaction", {**call, "gas": hex(gas)})
        rental = world.escrow.rental(job)
        seen.add((rental.state, rental.settled))
        world.chain.ask("evm_revert", snapshot)
    assert seen == {(State.OPEN, 0), (State.OPEN, 100)}


# -- balances credited before ----------------------------------------------------------------------


def credited(world: World, money: Address = COIN) -> int:
    """The renter has 1000 to their credit, from before anything happened."""
    job, _ = world.opened(token=money, duration_s=10_000)
    world.escrow.refund(RENTER, job)
    return world.escrow.balance(RENTER.address, money)


def test_a_revoked_renters_balance_can_be_frozen_and_only_a_licence_thaws_it(world: World) -> None:
    amount = credited(world)
    escrow, compliance, licensor = world.escrow, KEYS["compliance"], KEYS["licensor"]
    who = (COIN, RENTER.address)
    assert refused(escrow, "freeze", compliance, *who, epoch=0) == "NotRevoked"
    world.revoke(RENTER.address)
    assert refused(escrow, "freeze", licensor, *who, epoch=0) == "NotCompliance"
    escrow.freeze(compliance, *who, epoch=0)
    assert (escrow.balance(RENTER.address, COIN), escrow.frozen(RENTER.address, COIN)) == (
        0,
        amount,
    )
    assert refused(escrow, "withdraw", RENTER, COIN, to=RENTER.address) == "NothingToWithdraw"
    assert refused(escrow, "thaw", compliance, *who, licence=LICENCE) == "NotLicensor"
    nothing = Digest(bytes(32))
    assert refused(escrow, "thaw", licensor, *who, licence=nothing) == "LicenceMissing"
    escrow.thaw(licensor, *who, licence=LICENCE)
    assert escrow.balance(RENTER.address, COIN) == amount
    escrow.withdraw(RENTER, COIN, to=RENTER.address)


def test_nothing_is_frozen_on_no_answer(world: World) -> None:
    credited(world)
    break_eas(world, "reverts")
    refusal = refused(world.escrow, "freeze", KEYS["compliance"], COIN, RENTER.address, epoch=0)
    assert refusal == "RevocationUnreadable"


def test_a_frozen_renter_freezes_no_providers_money(world: World) -> None:
    job, start = world.opened()
    world.anvil.at(start + 1000)
    world.escrow.settle(PROVIDER, job)
    world.revoke(RENTER.address)
    world.escrow.freeze(KEYS["compliance"], COIN, RENTER.address, epoch=0)
    world.escrow.withdraw(PROVIDER, COIN, to=PROVIDER.address)
    assert world.escrow.balance(PROVIDER.address, COIN) == 0
