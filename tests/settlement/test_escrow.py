"""Money in, money out, and nothing in between: the reference escrow on a real chain."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from kycgate.chain import Reverted
from kycgate.core.claims import Address, Digest
from kycgate.core.permit import Terms, job_id
from kycgate.core.typed import keccak
from kycgate.settlement.compiled import artifact
from kycgate.settlement.deploy import mint
from kycgate.settlement.escrow import Escrow, State, permit_words, relay_digest, terms_words
from kycgate.settlement.revocations import revocation_key
from tests.chain_world import extra, key
from tests.settlement.conftest import COIN, HOLD_S, KEYS, World

RENTER, PROVIDER = KEYS["renter"], KEYS["provider"]
LICENCE = Digest(keccak(b"licence 2026-117"))


@pytest.fixture(params=["coin", "token"])
def money(request: pytest.FixtureRequest, world: World) -> Address:
    return COIN if request.param == "coin" else world.at.token


def refused(escrow: Escrow, action: str, *arguments: object, **named: object) -> str | None:
    """The name of the error with which the contract refuses. Fails when it does not."""
    with pytest.raises(Reverted) as caught:
        getattr(escrow, action)(*arguments, **named)
    return caught.value.name


# -- the ordinary life of a job --------------------------------------------------------------------


def test_a_job_opens_vests_settles_and_closes(world: World, money: Address) -> None:
    escrow, before = world.escrow, world.owned(money, PROVIDER.address)
    job, start = world.opened(token=money)
    assert escrow.rental(job).state is State.OPEN
    assert world.owned(money, world.at.escrow) == 1000

    world.anvil.at(start + 250)
    escrow.settle(PROVIDER, job)
    assert escrow.balance(PROVIDER.address, money) == 250

    world.anvil.at(start + 1000)
    escrow.settle(PROVIDER, job)
    assert escrow.rental(job).state is State.CLOSED
    assert escrow.balance(PROVIDER.address, money) == 1000

    receiver = key("provider's treasury").address
    escrow.withdraw(PROVIDER, money, to=receiver)
    assert world.owned(money, receiver) == 1000
    assert world.owned(money, world.at.escrow) == 0
    assert world.owned(money, PROVIDER.address) <= before
    assert refused(escrow, "withdraw", PROVIDER, money, to=receiver) == "NothingToWithdraw"


@pytest.mark.parametrize("party", ["renter", "provider"])
def test_a_refund_pays_the_work_done_and_returns_the_rest(
    world: World, money: Address, party: str
) -> None:
    job, start = world.opened(token=money)
    world.anvil.at(start + 400)
    world.escrow.refund(KEYS[party], job)
    assert world.escrow.rental(job).state is State.CLOSED
    assert world.escrow.balance(PROVIDER.address, money) == 400
    assert world.escrow.balance(RENTER.address, money) == 600


def test_a_stranger_may_settle_but_not_refund(world: World) -> None:
    job, start = world.opened()
    world.anvil.at(start + 100)
    world.escrow.settle(KEYS["stranger"], job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 100
    assert world.escrow.balance(KEYS["stranger"].address, COIN) == 0
    assert refused(world.escrow, "refund", KEYS["stranger"], job) == "NotParty"


def test_a_job_opens_once_even_after_its_refund(world: World) -> None:
    signed = world.signed()
    world.escrow.open(RENTER, signed, amount=500, duration_s=100)
    again = {"amount": 500, "duration_s": 100}
    assert refused(world.escrow, "open", RENTER, signed, **again) == "JobUsed"
    world.escrow.refund(RENTER, signed.permit.job)
    assert refused(world.escrow, "open", RENTER, signed, **again) == "JobUsed"
    fresh = world.signed(deadline=world.anvil.now + 500)
    assert refused(world.escrow, "open", RENTER, fresh, **again) == "JobUsed"


def test_somebody_else_can_not_use_the_permit_first(world: World) -> None:
    signed = world.signed()
    arguments = {"amount": 1, "duration_s": 1}
    assert refused(world.escrow, "open", KEYS["stranger"], signed, **arguments) == "PermitRenter"
    world.escrow.open(RENTER, signed, amount=1000, duration_s=100)


def test_a_closed_or_unknown_job_moves_no_money(world: World) -> None:
    job, _ = world.opened()
    world.escrow.refund(RENTER, job)
    unknown = Digest(b"\x05" * 32)
    for caller, target in ((PROVIDER, job), (PROVIDER, unknown)):
        for action in ("settle", "refund", "release"):
            assert refused(world.escrow, action, caller, target) == "JobState"


@pytest.mark.parametrize(
    "amount,duration,name",
    [(0, 100, "AmountInvalid"), (100, 0, "DurationInvalid"), (100, 367 * 86400, "DurationInvalid")],
)
def test_nothing_for_nothing_and_no_endless_rentals(
    world: World, amount: int, duration: int, name: str
) -> None:
    signed = world.signed()
    named = {"amount": amount, "duration_s": duration}
    assert refused(world.escrow, "open", RENTER, signed, **named) == name


def test_the_largest_amount_vests_without_overflow(world: World) -> None:
    most = 2**128 - 1
    mint(world.chain, KEYS["deployer"], world.at.token, RENTER.address, most)
    job, start = world.opened(
        token=world.at.token, amount=most, max_value=2**256 - 1, duration_s=366 * 86400
    )
    assert world.escrow.vested(job, moment=start + 183 * 86400) == most // 2
    world.anvil.at(start + 183 * 86400)
    world.escrow.refund(RENTER, job)
    assert world.escrow.balance(PROVIDER.address, world.at.token) == most // 2
    assert world.escrow.balance(RENTER.address, world.at.token) == most - most // 2


def test_coin_sent_along_with_a_token_or_short_of_the_amount_is_refused(world: World) -> None:
    for token, value in ((world.at.token, 1), (COIN, 999), (COIN, 1001)):
        signed = world.signed(token=token)
        permit = signed.permit
        data = artifact("GPURentalEscrow").encode(
            "open",
            permit.job,
            terms_words(permit.terms),
            1000,
            100,
            permit_words(permit),
            signed.signature,
        )
        assert refused(world.escrow, "send", RENTER, data, value=value) == "AmountInvalid"


# -- relayers --------------------------------------------------------------------------------------


def test_a_relayer_opens_with_the_renters_signature_and_the_rest_goes_to_the_renter(
    world: World, money: Address
) -> None:
    relayer = KEYS["relayer"]
    signed = world.signed(token=money)
    job = signed.permit.job
    agreed = RENTER.sign_digest(relay_digest(world.domain.separator, job, relayer.address))
    world.escrow.open_for(relayer, signed, renter_signature=agreed, amount=1000, duration_s=1000)
    rental = world.escrow.rental(job)
    assert rental.renter == RENTER.address
    world.anvil.at(rental.start + 100)
    world.escrow.refund(RENTER, job)
    assert world.escrow.balance(RENTER.address, money) == 900
    assert world.escrow.balance(relayer.address, money) == 0


def test_a_relayer_without_the_renters_signature_over_job_and_relayer_is_refused(
    world: World,
) -> None:
    relayer, stranger = KEYS["relayer"], KEYS["stranger"]
    signed = world.signed()
    job, separator = signed.permit.job, world.domain.separator
    another = job_id(RENTER.address, b"\x09" * 32)
    good = RENTER.sign_digest(relay_digest(separator, job, relayer.address))
    forged = stranger.sign_digest(relay_digest(separator, job, relayer.address))
    other_job = RENTER.sign_digest(relay_digest(separator, another, relayer.address))
    for sender, bytes_ in ((stranger, good), (relayer, forged), (relayer, other_job)):
        named = {"renter_signature": bytes_, "amount": 1000, "duration_s": 100}
        assert refused(world.escrow, "open_for", sender, signed, **named) == "RelaySignature"


def test_a_relayer_opens_for_a_contract_account(world: World) -> None:
    owner, relayer = key("wallet owner"), KEYS["relayer"]
    wallet = world.chain.deploy(KEYS["deployer"], extra("Wallet").creation(owner.address))
    signed = world.signed(renter=wallet)
    digest = relay_digest(world.domain.separator, signed.permit.job, relayer.address)
    named = {"amount": 1000, "duration_s": 100}
    forged = KEYS["stranger"].sign_digest(digest)
    assert (
        refused(world.escrow, "open_for", relayer, signed, renter_signature=forged, **named)
        == "RelaySignature"
    )
    agreed = owner.sign_digest(digest)
    world.escrow.open_for(relayer, signed, renter_signature=agreed, amount=1000, duration_s=100)
    assert world.escrow.rental(signed.permit.job).renter == wallet


def test_a_delegated_account_without_erc1271_agrees_by_its_key(world: World) -> None:
    silent = world.chain.deploy(KEYS["deployer"], extra("Silent").creation())
    world.anvil.set_code(RENTER.address, b"\xef\x01\x00" + silent)
    signed, relayer = world.signed(), KEYS["relayer"]
    digest = relay_digest(world.domain.separator, signed.permit.job, relayer.address)
    world.escrow.open_for(
        relayer,
        signed,
        renter_signature=RENTER.sign_digest(digest),
        amount=1000,
        duration_s=100,
    )
    assert world.escrow.rental(signed.permit.job).state is State.OPEN


# -- topping up ------------------------------------------------------------------------------------


def test_a_top_up_buys_time_at_the_jobs_own_price(world: World, money: Address) -> None:
    job, start = world.opened(token=money, amount=500, duration_s=500)
    extend = Terms(PROVIDER.address, money, Digest(keccak(b"extend")))
    world.anvil.mine_at(start + 100)
    world.escrow.top_up(RENTER, world.signed(token=money, terms=extend), amount=250)
    rental = world.escrow.rental(job)
    assert (rental.total, rental.end) == (750, start + 750)
    assert world.escrow.vested(job, moment=start + 100) == 100


def test_a_top_up_never_raises_the_price_per_second(world: World) -> None:
    """Three units for ten seconds and one more: 13⅓ seconds become 14."""
    job, start = world.opened(amount=3, duration_s=10)
    vested = [world.escrow.vested(job, moment=start + s) for s in range(10)]
    world.escrow.top_up(RENTER, world.signed(), amount=1)
    assert world.escrow.rental(job).end == start + 14
    after = [world.escrow.vested(job, moment=start + s) for s in range(10)]
    assert all(new <= old for new, old in zip(after, vested, strict=True))


def test_settling_again_after_a_top_up_in_the_same_second_pays_nothing_twice(
    world: World,
) -> None:
    """Rounding put less as vested than was settled: 7 of 10, then 6 of 11."""
    job, start = world.opened(amount=10, duration_s=7)
    world.anvil.at(start + 5)
    world.escrow.settle(PROVIDER, job)
    world.chain.ask("anvil_setBlockTimestampInterval", 0)
    world.escrow.top_up(RENTER, world.signed(), amount=1)
    world.escrow.settle(PROVIDER, job)
    world.chain.ask("anvil_removeBlockTimestampInterval")
    assert world.anvil.now == start + 5
    assert world.escrow.vested(job, moment=start + 5) == 6
    assert world.escrow.balance(PROVIDER.address, COIN) == 7


def test_lifetime_deposits_stay_below_the_permits_cap(world: World) -> None:
    world.opened(amount=600)
    second = world.signed(max_value=1000)
    assert refused(world.escrow, "top_up", RENTER, second, amount=401) == "PermitValue"
    world.escrow.top_up(RENTER, second, amount=400)
    assert refused(world.escrow, "top_up", RENTER, second, amount=1) == "PermitValue"


def test_a_top_up_wants_a_permit_of_the_same_job_renter_and_terms(world: World) -> None:
    world.opened(amount=100)
    expired = world.signed(deadline=world.anvil.now - 1)
    assert refused(world.escrow, "top_up", RENTER, expired, amount=1) == "PermitExpired"
    forged = world.sign(world.permit(), by="stranger")
    assert refused(world.escrow, "top_up", RENTER, forged, amount=1) == "PermitSigner"
    good = world.signed()
    assert refused(world.escrow, "top_up", KEYS["stranger"], good, amount=1) == "NotRenter"
    never_opened = world.signed(n=77)
    assert refused(world.escrow, "top_up", RENTER, never_opened, amount=1) == "JobState"
    terms = Terms(KEYS["stranger"].address, COIN, Digest(keccak(b"request")))
    elsewhere = world.signed(terms=terms)
    assert refused(world.escrow, "top_up", RENTER, elsewhere, amount=1) == "PermitTerms"


def test_an_ended_job_is_not_topped_up(world: World) -> None:
    _, start = world.opened(amount=100, duration_s=100)
    world.anvil.mine_at(start + 100)
    assert refused(world.escrow, "top_up", RENTER, world.signed(), amount=1) == "RentalEnded"


def test_a_top_up_with_a_later_epoch_carries_the_job_over(world: World) -> None:
    job, _ = world.opened(amount=100)
    world.revoke(RENTER.address, 0)
    world.escrow.top_up(RENTER, world.signed(epoch=1), amount=1)
    assert world.escrow.rental(job).epoch == 1
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.rental(job).state is State.OPEN
    earlier = world.signed(epoch=0)
    assert refused(world.escrow, "top_up", RENTER, earlier, amount=1) == "RevokedEpoch"


# -- revocation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("action,caller", [("settle", PROVIDER), ("refund", RENTER)])
def test_a_published_revocation_stops_the_money_in_the_next_block(
    world: World, action: str, caller: object
) -> None:
    job, start = world.opened()
    world.anvil.at(start + 300)
    revoked = world.revoke(RENTER.address)
    assert revoked == start + 300
    world.anvil.at(revoked + 1)
    getattr(world.escrow, action)(caller, job)
    rental = world.escrow.rental(job)
    assert (rental.state, rental.held_at, rental.settled) == (State.HELD, revoked + 1, 0)
    assert world.escrow.balance(PROVIDER.address, COIN) == 0
    assert world.escrow.balance(RENTER.address, COIN) == 0
    names = [event.name for _, event in world.escrow.events(from_block=0, job=job)]
    assert names == ["Opened", "Held"]


def test_a_held_job_pays_work_up_to_the_revocation_and_returns_the_rest(
    world: World, money: Address
) -> None:
    job, start = world.opened(token=money)
    world.anvil.at(start + 100)
    world.escrow.settle(PROVIDER, job)
    world.anvil.at(start + 300)
    world.revoke(RENTER.address)
    world.anvil.at(start + 500)
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, money) == 100
    world.anvil.mine_at(start + 500 + HOLD_S)
    assert refused(world.escrow, "release", PROVIDER, job) == "HoldRunning"
    world.anvil.mine_at(start + 500 + HOLD_S + 1)
    world.escrow.release(KEYS["stranger"], job)
    assert world.escrow.balance(PROVIDER.address, money) == 300
    assert world.escrow.balance(RENTER.address, money) == 700
    assert world.escrow.rental(job).state is State.CLOSED


def test_a_job_revoked_before_it_opened_pays_the_provider_nothing(world: World) -> None:
    world.revoke(RENTER.address)
    job, start = world.opened()
    world.anvil.at(start + 900)
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.rental(job).state is State.HELD
    world.anvil.mine_at(start + 901 + HOLD_S)
    world.escrow.release(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 0
    assert world.escrow.balance(RENTER.address, COIN) == 1000


def test_a_held_job_is_neither_settled_refunded_nor_topped_up(world: World) -> None:
    job, _ = world.opened(amount=100)
    world.revoke(RENTER.address)
    world.escrow.settle(PROVIDER, job)
    for action, caller in (("settle", PROVIDER), ("refund", RENTER)):
        assert refused(world.escrow, action, caller, job) == "JobState"
    assert refused(world.escrow, "top_up", RENTER, world.signed(epoch=1), amount=1) == "JobState"


def test_revoking_another_renter_or_epoch_holds_nobody_else(world: World) -> None:
    job, start = world.opened(epoch=3)
    world.revoke(KEYS["stranger"].address, 3)
    world.revoke(RENTER.address, 2)
    world.revoke(RENTER.address, 4)
    world.anvil.at(start + 500)
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 500


def test_only_the_escrows_own_revoker_can_stop_a_job(world: World) -> None:
    """Anybody may revoke anything on EAS: it counts under their own name only."""
    job, start = world.opened()
    data = artifact("EAS").encode("revokeOffchain", revocation_key(RENTER.address, 0))
    world.chain.send(KEYS["stranger"], world.at.eas, data)
    world.anvil.at(start + 500)
    world.escrow.settle(PROVIDER, job)
    assert world.escrow.balance(PROVIDER.address, COIN) == 500


# -- sanctions -------------------------------------------------------------------------------------


def test_a_sanctioned_job_waits_for_a_licence_however_long(world: World) -> None:
    job, start = world.opened()
    world.anvil.at(start + 250)
    world.revoke(RENTER.address)
    world.escrow.mark_sanctioned(KEYS["compliance"], job)
    world.anvil.mine_at(start + 100 * HOLD_S)
    for action, caller in (("settle", PROVIDER), ("refund", RENTER), ("release", RENTER)):
        assert refused(world.escrow, action, caller, job) == "JobState"
    world.escrow.release_licensed(KEYS["licensor"], job, licence=LICENCE)
    assert world.escrow.balance(PROVIDER.address, COIN) == 250
    assert world.escrow.balance(RENTER.address, COIN) == 750
    told = [e for _, e in world.escrow.events(from_block=0, job=job) if e.name == "Licensed"]
    assert [event.fields["licence"] for event in told] == [LICENCE]


def test_the_mark_comes_in_time_while_a_job_is_held(world: World) -> None:
    job, _ = world.opened()
    world.revoke(RENTER.address)
    world.escrow.settle(PROVIDER, job)
    world.escrow.mark_sanctioned(KEYS["compliance"], job)
    world.anvil.mine_at(world.anvil.now + HOLD_S + 1)
    assert refused(world.escrow, "release", RENTER, job) == "JobState"


def test_nobody_marks_or_releases_out_of_turn(world: World) -> None:
    job, _ = world.opened()
    escrow = world.escrow
    assert refused(escrow, "mark_sanctioned", KEYS["compliance"], job) == "NotRevoked"
    world.revoke(RENTER.address)
    assert refused(escrow, "mark_sanctioned", KEYS["licensor"], job) == "NotCompliance"
    escrow.mark_sanctioned(KEYS["compliance"], job)
    licence = {"licence": LICENCE}
    assert refused(escrow, "release_licensed", KEYS["compliance"], job, **licence) == "NotLicensor"
    nothing = {"licence": Digest(bytes(32))}
    assert refused(escrow, "release_licensed", KEYS["licensor"], job, **nothing) == "JobState"


# -- hostile tokens and receivers ------------------------------------------------------------------


def test_a_token_that_keeps_a_fee_is_refused(world: World) -> None:
    token = world.chain.deploy(KEYS["deployer"], extra("FeeToken").creation())
    mint(world.chain, KEYS["deployer"], token, RENTER.address, 10**6)
    named = {"amount": 1000, "duration_s": 100}
    assert refused(world.escrow, "open", RENTER, world.signed(token=token), **named) == (
        "DepositShort"
    )


def test_a_token_that_calls_back_gets_in_nowhere(world: World) -> None:
    compiled, escrow = extra("ReentrantToken"), artifact("GPURentalEscrow")
    token = world.chain.deploy(KEYS["deployer"], compiled.creation())
    mint(world.chain, KEYS["deployer"], token, RENTER.address, 10**6)
    other, _ = world.opened(n=50)
    guard = escrow_selector = keccak(b"ReentrancyGuardReentrantCall()")[:4]
    job = world.permit(token=token).job
    calls = [
        escrow.encode("settle", other),
        escrow.encode("refund", job),
        escrow.encode("release", other),
        escrow.encode("withdraw", token, RENTER.address),
    ]
    for n, callback in enumerate(calls):
        arm = compiled.encode("arm", world.at.escrow, callback)
        world.chain.send(KEYS["deployer"], token, arm)
        world.opened(token=token, n=n)
        seen = world.chain.call(token, compiled.encode("refused"))
        assert seen[:4] == escrow_selector == guard


def test_a_withdrawal_that_is_re_entered_pays_once(world: World) -> None:
    compiled, escrow = extra("ReentrantToken"), artifact("GPURentalEscrow")
    token = world.chain.deploy(KEYS["deployer"], compiled.creation())
    mint(world.chain, KEYS["deployer"], token, RENTER.address, 10**6)
    job, start = world.opened(token=token)
    world.anvil.at(start + 1000)
    world.escrow.settle(PROVIDER, job)
    callback = escrow.encode("withdraw", token, PROVIDER.address)
    world.chain.send(KEYS["deployer"], token, compiled.encode("arm", world.at.escrow, callback))
    world.escrow.withdraw(PROVIDER, token, to=PROVIDER.address)
    assert world.owned(token, PROVIDER.address) == 1000
    assert world.owned(token, world.at.escrow) == 0


def test_a_provider_who_can_not_be_paid_blocks_nobody(world: World) -> None:
    """Its money waits as a balance; the renter's refund goes through."""
    stone = world.chain.deploy(KEYS["deployer"], extra("Burns").creation())
    terms = Terms(stone, COIN, Digest(keccak(b"request")))
    job, start = world.opened(terms=terms)
    world.anvil.at(start + 100)
    world.escrow.refund(RENTER, job)
    world.escrow.withdraw(RENTER, COIN, to=RENTER.address)
    assert world.escrow.balance(stone, COIN) == 100
    assert world.owned(COIN, world.at.escrow) == 100


def test_coin_to_a_receiver_that_refuses_it_stays_a_balance(world: World) -> None:
    stone = world.chain.deploy(KEYS["deployer"], extra("Burns").creation())
    job, _ = world.opened()
    world.escrow.refund(RENTER, job)
    owed = world.escrow.balance(RENTER.address, COIN)
    assert refused(world.escrow, "withdraw", RENTER, COIN, to=stone) == "TransferFailed"
    assert world.escrow.balance(RENTER.address, COIN) == owed


# -- the books -------------------------------------------------------------------------------------


class Books:
    """Random lives of jobs in two moneys, and what the world outside paid in and took out."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.jobs: dict[Digest, Address] = {}
        self.paid_in = {COIN: 0, world.at.token: 0}
        self.taken_out = {COIN: 0, world.at.token: 0}
        self.epoch, self.step = 0, 0

    def one_step(self, action: str) -> None:
        self.step += 1
        self.world.anvil.mine_at(
            self.world.anvil.now + self.dice.choice([1, 7, 100, 333, 5000, HOLD_S // 2])
        )
        getattr(self, action)(self.dice.choice(list(self.paid_in)))

    def _permit(self, token: Address) -> dict[str, Any]:
        return {"token": token, "epoch": self.epoch, "max_value": 10**9}

    def _one_of(self, token: Address, *states: State) -> Digest:
        """A job in one of these states, mostly; now and then any, to be refused."""
        rental = self.world.escrow.rental
        fit = [j for j, t in self.jobs.items() if t == token and rental(j).state in states]
        if not fit or self.dice.random() < 0.1:
            return self.dice.choice([*self.jobs, Digest(bytes(32))])
        return self.dice.choice(fit)

    def open(self, token: Address) -> None:
        amount, duration_s = self.dice.randint(1, 10**6), self.dice.randint(1, 20_000)
        job, _ = self.world.opened(
            n=self.step, amount=amount, duration_s=duration_s, **self._permit(token)
        )
        self.jobs[job] = token
        self.paid_in[token] += amount

    def top_up(self, token: Address) -> None:
        amount = self.dice.randint(1, 10**6)
        job = self._one_of(token, State.OPEN)
        signed = self.world.signed(job=job, **self._permit(token))
        self.world.escrow.top_up(RENTER, signed, amount=amount)
        self.paid_in[token] += amount

    def settle(self, token: Address) -> None:
        self.world.escrow.settle(PROVIDER, self._one_of(token, State.OPEN))

    def refund(self, token: Address) -> None:
        self.world.escrow.refund(RENTER, self._one_of(token, State.OPEN))

    def release(self, token: Address) -> None:
        self.world.escrow.release(RENTER, self._one_of(token, State.HELD))

    def revoke(self, token: Address) -> None:
        self.world.revoke(RENTER.address, self.epoch)
        self.epoch += 1

    def withdraw(self, token: Address) -> None:
        escrow = self.world.escrow
        owed, who = max(
            ((escrow.balance(who.address, token), who) for who in (RENTER, PROVIDER)),
            key=lambda pair: pair[0],
        )
        escrow.withdraw(who, token, to=key("away").address)
        self.taken_out[token] += owed

    def check(self) -> None:
        escrow = self.world.escrow
        for token, paid_in in self.paid_in.items():
            rentals = [escrow.rental(job) for job, t in self.jobs.items() if t == token]
            unsettled = sum(rental.total - rental.settled for rental in rentals)
            balances = sum(escrow.balance(who.address, token) for who in (RENTER, PROVIDER))
            assert all(0 <= rental.settled <= rental.total for rental in rentals)
            assert paid_in == unsettled + balances + self.taken_out[token]
            assert self.world.owned(token, self.world.at.escrow) == unsettled + balances


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_money_in_is_money_out_and_money_held(world: World, seed: int) -> None:
    """After every step, allowed or refused, the books balance."""
    books = Books(world, seed)
    actions = ("open", "open", "top_up", "settle", "refund", "release", "revoke", "withdraw")
    done = set()
    for _ in range(80):
        action = books.dice.choice(actions)
        with contextlib.suppress(Reverted):
            books.one_step(action)
            done.add(action)
        books.check()
    assert done == set(actions)
