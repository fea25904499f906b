"""Transactions that survive a crash: each is written down, then offered until it stands for good.

Decides nothing about what to send. One key, used by nothing else, sends for one chain; any number
of processes may share that key through one store.

    written down ──offered──▶ pending ──in a block──▶ mined ──N blocks on──▶ final: forgotten
                     ▲            │ waits too long: the same number, a higher fee
                     └────────────┴── vanished, or the process was killed: the same bytes again

Nothing leaves that is not written down, and what is written down keeps its number and its bytes: so
a process killed at any point leaves at most one transaction behind, and the next one knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from kycgate.chain import Chain, Fees, Receipt, Taken, TransactionSigner
from kycgate.chain.transactions import Transaction
from kycgate.core.claims import Address
from kycgate.core.typed import keccak
from kycgate.errors import Conflict, Misconfigured
from kycgate.store.records.settling import SentTransaction

OPEN_MOST = 16
"""Numbers under way at once: beyond that, what waits waits on."""


CONFIRMATIONS_MOST = 100
"""Nodes that keep no archive answer for the state of the last 128 blocks only."""


class Ledger(Protocol):
    """The part of the store that remembers what was sent."""

    def add_sent(self, sent: SentTransaction) -> None: ...
    def sent(self, chain_id: int, sender: str) -> list[SentTransaction]: ...
    def forget_sent(self, chain_id: int, sender: str, nonce: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRules:
    """`confirmations`: blocks that must follow before a transaction counts as standing (0: none).

    `replace_after_s`: seconds that one may stay out of a block before its fee is raised by an
    eighth; `fee_most`: wei per gas that is never exceeded.
    """

    confirmations: int = 3
    replace_after_s: int = 60
    fee_most: int = 500 * 10**9

    def __post_init__(self) -> None:
        if not 0 <= self.confirmations <= CONFIRMATIONS_MOST:
            problem = f"confirmations: needs a whole number from 0 to {CONFIRMATIONS_MOST}"
            raise Misconfigured((problem,))

    def raised(self, old: Fees, usual: Fees) -> Fees | None:
        """The fees of a replacement; None where the ceiling leaves no room for one.

        Nodes take a replacement only when both fees rise by a tenth; an eighth is the usual step.
        """
        least = Fees(_eighth_more(old.max_fee), _eighth_more(old.tip))
        if least.max_fee > self.fee_most:
            return None
        max_fee = min(max(least.max_fee, usual.max_fee), self.fee_most)
        return Fees(max_fee, min(max(least.tip, usual.tip), max_fee))

    def first(self, usual: Fees) -> Fees:
        """The fees of a first attempt."""
        max_fee = min(usual.max_fee, self.fee_most)
        return Fees(max_fee, min(usual.tip, max_fee))


USUAL = SendingRules()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One number of the key and every attempt to use it, oldest first."""

    attempts: tuple[SentTransaction, ...]
    receipt: Receipt | None = None

    @property
    def nonce(self) -> int:
        return self.attempts[0].nonce

    @property
    def items(self) -> frozenset[int]:
        return frozenset(self.attempts[0].items)

    @property
    def newest(self) -> SentTransaction:
        return self.attempts[-1]


@dataclass(slots=True)
class Round:
    """What one look at the chain found.

    `confirmed` is the newest block that counts as standing, negative on a chain that is too young;
    `standing` how many transactions of the key stand in blocks; `problems` are for people.
    """

    confirmed: int
    standing: int
    seen: list[Outgoing]
    """everything written down when the look began"""
    under_way: list[Outgoing] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def next_nonce(self) -> int:
        return max([self.standing, *(each.nonce + 1 for each in self.seen)])


@dataclass(frozen=True, slots=True)
class _Call:
    """What a transaction does, whatever its number and fees."""

    to: Address
    data: bytes
    gas: int
    items: tuple[int, ...]


class Sender:
    """Sends with one key on one chain."""

    def __init__(
        self, chain: Chain, signer: TransactionSigner, ledger: Ledger, rules: SendingRules
    ) -> None:
        self.chain = chain
        self.rules = rules
        self._signer = signer
        self._ledger = ledger
        self._name = "0x" + signer.address.hex()

    @property
    def address(self) -> Address:
        return self._signer.address

    def under_way(self) -> list[Outgoing]:
        """Everything written down and not final, by number. Asks no chain."""
        known = self._ledger.sent(self.chain.chain_id, self._name)
        groups = groupby(known, key=lambda one: one.nonce)
        return [Outgoing(tuple(attempts)) for _, attempts in groups]

    # -- looking after what was sent -------------------------------------------------------------
    def tend(self, *, now: int) -> Round:
        """One look at every transaction under way: offered again, replaced, or forgotten as final.

        Raises Unavailable; whatever was not looked at is looked at next time.
        """
        found = self.look()
        for outgoing in found.seen:
            self._tend(outgoing, found, now)
        return found

    def look(self) -> Round:
        """Where the chain and the ledger are, with nothing done about it. Raises Unavailable."""
        confirmed = self.chain.block().number - self.rules.confirmations
        # The chain first, then the ledger: whatever another process writes meanwhile takes the
        # number that we shall draw, and `add_sent` then refuses it to us.
        standing = self.chain.nonce(self.address)
        return Round(confirmed, standing, self.under_way())

    def _tend(self, outgoing: Outgoing, found: Round, now: int) -> None:
        receipt = self._receipt(outgoing)
        if receipt is not None:
            self._mined(Outgoing(outgoing.attempts, receipt), receipt, found)
        elif self._used_by_another(outgoing, found):
            found.problems.append(f"number {outgoing.nonce} was used by another transaction")
            self._forget(outgoing)
        else:
            found.under_way.append(outgoing)
            problem = self._offer(outgoing, now)
            if problem is not None:
                found.problems.append(problem)

    def _receipt(self, outgoing: Outgoing) -> Receipt | None:
        """That of whichever attempt stands in a block: the first may win over its replacement."""
        for attempt in reversed(outgoing.attempts):
            found = self.chain.receipt(attempt.hash)
            if found is not None:
                return found
        return None

    def _mined(self, outgoing: Outgoing, receipt: Receipt, found: Round) -> None:
        if not receipt.succeeded:
            found.problems.append(f"transaction 0x{receipt.hash.hex()} failed in its block")
        if receipt.block <= found.confirmed:
            self._forget(outgoing)
        else:
            found.under_way.append(outgoing)

    def _used_by_another(self, outgoing: Outgoing, found: Round) -> bool:
        if found.standing <= outgoing.nonce or found.confirmed < 0:
            return False
        # Only at depth: a receipt may be a moment late, or its block just been undone.
        return self.chain.nonce(self.address, at=found.confirmed) > outgoing.nonce

    def _forget(self, outgoing: Outgoing) -> None:
        self._ledger.forget_sent(self.chain.chain_id, self._name, outgoing.nonce)

    def _offer(self, outgoing: Outgoing, now: int) -> str | None:
        """The same bytes again; a replacement when they have waited too long. What is amiss."""
        newest = outgoing.newest
        taken = self.chain.broadcast(newest.raw)
        if taken is Taken.SPENT or now < newest.sent_at + self.rules.replace_after_s:
            return None
        fees = self.rules.raised(Fees(newest.max_fee, newest.tip), self.chain.fees())
        if fees is None:
            return f"number {newest.nonce} waits: its fee has come to the ceiling"
        again = _Call(Address(newest.to), newest.data, newest.gas, newest.items)
        self._record(self._signed(again, newest.nonce, len(outgoing.attempts), fees, now))
        return None

    # -- sending ---------------------------------------------------------------------------------
    def compose(
        self, to: Address, data: bytes, items: Sequence[int], *, found: Round, now: int
    ) -> SentTransaction:
        """The transaction that would carry this next, signed; nothing is written or sent.

        Raises Reverted when it would fail, Unavailable.
        """
        gas = self.chain.estimate(self.address, to, data)
        fees = self.rules.first(self.chain.fees())
        return self._signed(_Call(to, data, gas, tuple(items)), found.next_nonce, 0, fees, now)

    def send(
        self, to: Address, data: bytes, items: Sequence[int], *, found: Round, now: int
    ) -> bool:
        """Write it down, then offer it. False when another process used the number since `found`.

        Raises Reverted when it would fail; Unavailable, and then `tend` offers it again.
        """
        return self._record(self.compose(to, data, items, found=found, now=now))

    def _record(self, made: SentTransaction) -> bool:
        try:
            self._ledger.add_sent(made)
        except Conflict:
            return False
        self.chain.broadcast(made.raw)
        return True

    def _signed(
        self, call: _Call, nonce: int, attempt: int, fees: Fees, now: int
    ) -> SentTransaction:
        chain_id = self.chain.chain_id
        made = Transaction(chain_id, nonce, fees.tip, fees.max_fee, call.gas, call.to, 0, call.data)
        raw = made.raw(self._signer.sign_digest(made.digest()))
        return SentTransaction(
            chain_id=chain_id,
            sender=self._name,
            nonce=nonce,
            attempt=attempt,
            hash=keccak(raw),
            raw=raw,
            to=call.to,
            data=call.data,
            gas=call.gas,
            max_fee=fees.max_fee,
            tip=fees.tip,
            items=call.items,
            sent_at=now,
        )


def _eighth_more(fee: int) -> int:
    return fee + max(1, -(-fee // 8))
