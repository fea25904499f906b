"""Money in = money out + money held, whatever happens in whatever order."""

from __future__ import annotations

import contextlib
import random
from typing import Any

from kycgate.chain import Reverted
from kycgate.core.claims import Address, Digest
from kycgate.core.typed import keccak
from kycgate.settlement.escrow import OWN, State
from tests.chain_world import key
from tests.settlement.conftest import ADDITION_DELAY_S, COIN, HOLD_S, KEYS, World

RENTER, PROVIDER = KEYS["renter"], KEYS["provider"]
COMPLIANCE, LICENSOR = KEYS["compliance"], KEYS["licensor"]
LICENCE = Digest(keccak(b"licence 2026-119"))
PAUSES = (1, 7, 100, 333, 5000, HOLD_S // 2)
SEEDS = (1, 2, 3)
SIGNERS = ("permits", "key 2", "key 3", "key 4")


class Books:
    """Random lives of jobs in two moneys, and what the world outside paid in and took out.

    Other permit keys wait beside the first; whenever one is killed the next signs.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.escrow, self.dice = world, world.escrow, random.Random(seed)
        self.jobs: dict[Digest, Address] = {}
        self.paid_in = {COIN: 0, world.at.token: 0}
        self.taken_out = {COIN: 0, world.at.token: 0}
        self.epoch, self.step, self.killed = 0, 0, 0
        self.eas = world.chain.code(world.at.eas)
        # The chain's clock runs on while nothing is mined, for as long as other tests take.
        start = world.anvil.now + ADDITION_DELAY_S + 86_400
        for name in SIGNERS[1:]:
            world.write("root", "addKey", key(name).address, start, 2**47)
        world.anvil.mine_at(start)

    def one_step(self, action: str) -> None:
        self.step += 1
        self.world.anvil.mine_at(self.world.anvil.now + self.dice.choice(PAUSES))
        getattr(self, action)(self.dice.choice(list(self.paid_in)))

    def _signed(self, token: Address, **changed: Any) -> Any:
        permit = self.world.permit(token=token, epoch=self.epoch, max_value=10**9, **changed)
        return self.world.sign(permit, by=SIGNERS[self.killed])

    def _one_of(self, token: Address, *states: State) -> Digest:
        """A job in one of these states, mostly; now and then any, to be refused."""
        fit = [j for j, t in self.jobs.items() if t == token and self._state(j) in states]
        if not fit or self.dice.random() < 0.1:
            return self.dice.choice([*self.jobs, Digest(bytes(32))])
        return self.dice.choice(fit)

    def _state(self, job: Digest) -> State:
        return self.escrow.rental(job).state

    def open(self, token: Address) -> None:
        amount, duration_s = self.dice.randint(1, 10**6), self.dice.randint(1, 20_000)
        signed = self._signed(token, n=self.step)
        named = {"amount": amount, "duration_s": duration_s}
        by_milestones = self.dice.random() < 0.3
        self.escrow.open_with(RENTER, signed, OWN, **named, milestones=by_milestones)
        self.jobs[signed.permit.job] = token
        self.paid_in[token] += amount

    def top_up(self, token: Address) -> None:
        amount = self.dice.randint(1, 10**6)
        job = self._one_of(token, State.OPEN)
        self.escrow.top_up(RENTER, self._signed(token, job=job), amount=amount)
        self.paid_in[token] += amount

    def settle(self, token: Address) -> None:
        self.escrow.settle(PROVIDER, self._one_of(token, State.OPEN))

    def pay_milestone(self, token: Address) -> None:
        fit = [j for j in self.jobs if self.escrow.rental(j).milestones]
        job = self.dice.choice([*fit, Digest(bytes(32))])
        self.escrow.pay_milestone(RENTER, job, amount=self.dice.randint(1, 10**6))

    def refund(self, token: Address) -> None:
        party = self.dice.choice([RENTER, PROVIDER])
        self.escrow.refund(party, self._one_of(token, State.OPEN))

    def hold(self, token: Address) -> None:
        self.escrow.hold(RENTER, [self._one_of(token, State.OPEN) for _ in range(3)])

    def release(self, token: Address) -> None:
        self.escrow.release(RENTER, self._one_of(token, State.HELD))

    def mark(self, token: Address) -> None:
        job = self._one_of(token, State.OPEN, State.HELD)
        self.escrow.mark_sanctioned(COMPLIANCE, job)

    def license(self, token: Address) -> None:
        job = self._one_of(token, State.SANCTIONED)
        self.escrow.release_licensed(LICENSOR, job, licence=LICENCE)

    def freeze(self, token: Address) -> None:
        self.escrow.freeze(COMPLIANCE, token, RENTER.address, epoch=max(0, self.epoch - 1))

    def thaw(self, token: Address) -> None:
        self.escrow.thaw(LICENSOR, token, RENTER.address, licence=LICENCE)

    def revoke(self, token: Address) -> None:
        self.world.revoke(RENTER.address, self.epoch)
        self.epoch += 1

    def kill(self, token: Address) -> None:
        if self.killed + 1 < len(SIGNERS):
            self.world.write("root", "killKey", key(SIGNERS[self.killed]).address)
            self.killed += 1

    def silence(self, token: Address) -> None:
        """EAS says nothing for one settlement and then speaks again."""
        self.world.anvil.set_code(self.world.at.eas, bytes.fromhex("5f5ffd"))
        try:
            self.escrow.settle(PROVIDER, self._one_of(token, State.OPEN))
        finally:
            self.world.anvil.set_code(self.world.at.eas, self.eas)

    def withdraw(self, token: Address) -> None:
        balance = self.escrow.balance
        who = max((RENTER, PROVIDER), key=lambda party: balance(party.address, token))
        owed = balance(who.address, token)
        self.escrow.withdraw(who, token, to=key("away").address)
        self.taken_out[token] += owed

    def check(self) -> None:
        for token, paid_in in self.paid_in.items():
            rentals = [self.escrow.rental(job) for job, t in self.jobs.items() if t == token]
            unsettled = sum(rental.total - rental.settled for rental in rentals)
            parties = (RENTER.address, PROVIDER.address)
            credited = sum(self.escrow.balance(who, token) for who in parties)
            frozen = sum(self.escrow.frozen(who, token) for who in parties)
            assert all(0 <= rental.settled <= rental.total for rental in rentals)
            assert paid_in == unsettled + credited + frozen + self.taken_out[token]
            assert self.world.owned(token, self.world.at.escrow) == unsettled + credited + frozen


ACTIONS = (
    *("open",) * 5,
    *("top_up", "settle", "withdraw", "pay_milestone") * 2,
    *("refund", "hold", "release", "mark", "license", "freeze", "thaw"),
    *("revoke", "kill", "silence"),
)


def live(books: Books, steps: int) -> set[str]:
    """Throw the dice; the actions that succeeded. After every step the books balance."""
    done = set()
    for _ in range(steps):
        action = books.dice.choice(ACTIONS)
        with contextlib.suppress(Reverted):
            books.one_step(action)
            done.add(action)
        books.check()
    return done


def test_money_in_is_money_out_and_money_held(shared_world: World) -> None:
    """In every life, allowed or refused; and every action succeeds in some life."""
    ask, done = shared_world.chain.ask, set[str]()
    for seed in SEEDS:
        snapshot = ask("evm_snapshot")
        done |= live(Books(shared_world, seed), 60)
        ask("evm_revert", snapshot)
    assert done == set(ACTIONS)


def test_in_the_end_every_unit_can_leave(world: World) -> None:
    """From wherever the dice left the jobs, the parties and the licensor empty the escrow."""
    books = Books(world, 4)
    live(books, 40)
    world.anvil.mine_at(world.anvil.now + 400 * 86400)
    escrow = world.escrow
    for job in books.jobs:
        if escrow.rental(job).state is State.OPEN:
            escrow.refund(RENTER, job)
    world.anvil.mine_at(world.anvil.now + HOLD_S + 1)
    for job in books.jobs:
        if escrow.rental(job).state is State.HELD:
            escrow.release(PROVIDER, job)
        if escrow.rental(job).state is State.SANCTIONED:
            escrow.release_licensed(LICENSOR, job, licence=LICENCE)
    for token in books.paid_in:
        escrow.thaw(LICENSOR, token, RENTER.address, licence=LICENCE)
        for party in (RENTER, PROVIDER):
            if escrow.balance(party.address, token):
                escrow.withdraw(party, token, to=key("away").address)
        assert world.owned(token, world.at.escrow) == 0
