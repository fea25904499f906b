"""An escrow contract as typed values: open, top up, settle, refund, and what became of a job.

Checks no permit and knows no renter: the contract checks, and its refusal comes back by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kycgate.chain import Chain, Event, Receipt, Reverted, TransactionSigner
from kycgate.core.claims import ZERO_ADDRESS, Address, Digest
from kycgate.core.permit import Permit, SignedPermit, Terms
from kycgate.core.typed import keccak, typed_digest, word_address, word_uint
from kycgate.errors import Code
from kycgate.settlement.compiled import artifact

_ESCROW = artifact("GPURentalEscrow")
_TOKEN = artifact("DemoToken")

_OPEN_FOR_TYPEHASH = keccak(b"OpenFor(bytes32 job,address relayer)")


class State(IntEnum):
    """Where a job's money stands."""

    NONE = 0
    OPEN = 1
    CLOSED = 2
    HELD = 3
    SANCTIONED = 4


@dataclass(frozen=True, slots=True)
class Rental:
    """One job as the contract keeps it. Amounts in base units, times in Unix seconds UTC.

    `key` numbers the permit key that cleared it last. Work counts up to `cutoff` once the job is
    held; 0 while EAS can't be read.
    """

    renter: Address
    epoch: int
    state: State
    key: int
    milestones: bool
    provider: Address
    start: int
    end: int
    token: Address
    held_at: int
    cutoff: int
    total: int
    settled: int


class Means(IntEnum):
    """Whose money comes in, and who agreed; as the contract numbers them."""

    OWN = 0
    RELAYED = 1
    ALLOWANCE = 2
    AUTHORIZATION = 3


@dataclass(frozen=True, slots=True)
class Payment:
    """How a deposit is paid, and the renter's signature for it. Times in Unix seconds UTC.

    A relayer brings the renter's signature over `relay_digest`; an allowance is an EIP-2612 permit
    good until `valid_before`; an authorization is EIP-3009's, its nonce from `payment_nonce`.
    """

    means: Means
    signature: bytes = b""
    valid_after: int = 0
    valid_before: int = 0

    def words(self) -> tuple[Any, ...]:
        """The contract's `Payment` argument."""
        return self.means, self.valid_after, self.valid_before, self.signature


OWN = Payment(Means.OWN)
"""The renter calls and pays, out of an allowance or in coin."""


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def terms_words(terms: Terms) -> tuple[bytes, bytes, bytes]:
    """Terms as the contract's `Terms` argument."""
    return terms.provider, terms.token, terms.request


def permit_words(permit: Permit) -> tuple[Any, ...]:
    """A permit as the contract's `Permit` argument."""
    return (
        permit.attestation,
        permit.epoch,
        permit.renter,
        permit.escrow,
        permit.job,
        permit.terms.struct_hash(),
        permit.policy,
        permit.max_value,
        permit.deadline,
    )


def permit_code(name: str) -> Code | None:
    """`PermitExpired` → `permit_expired`: the reason code of a custom error that has one."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return Code(snake) if snake in Code._value2member_map_ else None


def _named(refusal: Reverted) -> Reverted:
    name = _ESCROW.error(refusal.data)
    if name is None:
        return refusal
    told = f"the escrow refused: {name}"
    return Reverted(told, data=refusal.data, name=name, code=permit_code(name))


def payment_nonce(
    terms: Terms,
    *,
    job: Digest,
    amount: int,
    total: int,
    duration_s: int,
    milestones: bool = False,
) -> Digest:
    """The nonce of an EIP-3009 authorization that pays `amount` into exactly this job.

    `total` is what the job then holds in all, base units; a top-up has `duration_s` 0.
    """
    words = (total, job, amount, duration_s, milestones)
    numbers = b"".join(w if isinstance(w, bytes) else word_uint(int(w)) for w in words)
    return Digest(keccak(terms.struct_hash() + numbers))


def relay_digest(separator: bytes, job: Digest, relayer: Address) -> Digest:
    """What a renter signs so that `relayer` may open their job and pay into it (`OpenFor`)."""
    return Digest(typed_digest(separator, keccak(_OPEN_FOR_TYPEHASH + job + word_address(relayer))))


class Escrow:
    """One deployed GPURentalEscrow.

    Every writing method waits for its block and raises Reverted (with the contract's own reason as
    `name`) or Unavailable (nobody knows).
    """

    def __init__(self, chain: Chain, address: Address) -> None:
        self._chain = chain
        self.address = address

    # -- money in --------------------------------------------------------------------------------
    def open(
        self, renter: TransactionSigner, signed: SignedPermit, *, amount: int, duration_s: int
    ) -> Receipt:
        """Open the permit's job as its renter, for the terms that the permit names."""
        permit = signed.permit
        data = _ESCROW.encode(
            "open",
            permit.job,
            terms_words(permit.terms),
            amount,
            duration_s,
            permit_words(permit),
            signed.signature,
        )
        return self._pay(renter, permit.terms.token, amount, data, Means.OWN)

    def open_with(
        self,
        caller: TransactionSigner,
        signed: SignedPermit,
        payment: Payment,
        *,
        amount: int,
        duration_s: int,
        milestones: bool = False,
    ) -> Receipt:
        """Open the permit's job for its renter in any other way than `open`."""
        permit = signed.permit
        data = _ESCROW.encode(
            "openWith",
            (permit.job, amount, duration_s, milestones),
            terms_words(permit.terms),
            payment.words(),
            permit_words(permit),
            signed.signature,
        )
        return self._pay(caller, permit.terms.token, amount, data, payment.means)

    def open_for(
        self,
        relayer: TransactionSigner,
        signed: SignedPermit,
        *,
        renter_signature: bytes,
        amount: int,
        duration_s: int,
    ) -> Receipt:
        """Open the permit's job for its renter, who signed `relay_digest`; the relayer pays."""
        payment = Payment(Means.RELAYED, renter_signature)
        return self.open_with(relayer, signed, payment, amount=amount, duration_s=duration_s)

    def top_up(
        self,
        caller: TransactionSigner,
        signed: SignedPermit,
        *,
        amount: int,
        payment: Payment = OWN,
    ) -> Receipt:
        """Pay more into the permit's running job."""
        permit = signed.permit
        data = _ESCROW.encode(
            "topUp",
            permit.job,
            permit.terms.request,
            amount,
            payment.words(),
            permit_words(permit),
            signed.signature,
        )
        return self._pay(caller, permit.terms.token, amount, data, payment.means)

    # -- money out -------------------------------------------------------------------------------
    def settle(self, caller: TransactionSigner, job: Digest) -> Receipt:
        """Credit the provider with what has vested; for a revoked renter, hold the job instead."""
        return self.send(caller, _ESCROW.encode("settle", job))

    def refund(self, party: TransactionSigner, job: Digest) -> Receipt:
        """End the job now; for a revoked renter, hold it instead."""
        return self.send(party, _ESCROW.encode("refund", job))

    def pay_milestone(self, renter: TransactionSigner, job: Digest, *, amount: int) -> Receipt:
        """Let the provider have part of a job with milestones; for a revoked renter, hold it."""
        return self.send(renter, _ESCROW.encode("payMilestone", job, amount))

    def hold(self, caller: TransactionSigner, jobs: Sequence[Digest]) -> Receipt:
        """Hold those jobs whose renter is revoked or whose permit key is killed."""
        return self.send(caller, _ESCROW.encode("hold", list(jobs)))

    def release(self, caller: TransactionSigner, job: Digest) -> Receipt:
        """After the hold: work up to the revocation is paid, the rest goes back."""
        return self.send(caller, _ESCROW.encode("release", job))

    def mark_sanctioned(self, compliance: TransactionSigner, job: Digest) -> Receipt:
        """Let nothing leave this revoked renter's job without a licence."""
        return self.send(compliance, _ESCROW.encode("markSanctioned", job))

    def release_licensed(
        self, licensor: TransactionSigner, job: Digest, *, licence: Digest
    ) -> Receipt:
        """Release a sanctioned job. `licence` is a digest of the licence's reference."""
        return self.send(licensor, _ESCROW.encode("releaseLicensed", job, licence))

    def freeze(
        self, compliance: TransactionSigner, token: Address, renter: Address, *, epoch: int
    ) -> Receipt:
        """Freeze what stood to a renter's credit before this epoch of theirs was revoked."""
        return self.send(compliance, _ESCROW.encode("freeze", token, renter, epoch))

    def thaw(
        self, licensor: TransactionSigner, token: Address, account: Address, *, licence: Digest
    ) -> Receipt:
        """Give a frozen balance back. `licence` is a digest of the licence's reference."""
        return self.send(licensor, _ESCROW.encode("thaw", token, account, licence))

    def withdraw(self, owner: TransactionSigner, token: Address, *, to: Address) -> Receipt:
        """Take all of the owner's balance in a token (zero: the chain's coin)."""
        return self.send(owner, _ESCROW.encode("withdraw", token, to))

    def send(self, signer: TransactionSigner, data: bytes, *, value: int = 0) -> Receipt:
        """A call that has no method here, such as the root's care of keys; `value` in wei."""
        try:
            return self._chain.send(signer, self.address, data, value=value)
        except Reverted as e:
            raise _named(e) from e

    # -- reading ---------------------------------------------------------------------------------
    def rental(self, job: Digest) -> Rental:
        """The job's record; `State.NONE` when it never opened."""
        [found] = self._ask("rentalOf", job)
        renter, epoch, state, key, milestones, provider, start, end, token, *rest = found
        held_at, cutoff, total, settled = rest
        return Rental(
            renter=_address(renter),
            epoch=epoch,
            state=State(state),
            key=key,
            milestones=milestones,
            provider=_address(provider),
            start=start,
            end=end,
            token=_address(token),
            held_at=held_at,
            cutoff=cutoff,
            total=total,
            settled=settled,
        )

    def vested(self, job: Digest, *, moment: int) -> int:
        """What the provider has earned by a moment, settled or not, in base units."""
        return int(self._ask("vestedAt", job, moment)[0])

    def balance(self, account: Address, token: Address) -> int:
        """What an account may withdraw, in base units."""
        return int(self._ask("balanceOf", token, account)[0])

    def frozen(self, account: Address, token: Address) -> int:
        """What of an account's money waits for a licence, in base units."""
        return int(self._ask("frozenOf", token, account)[0])

    def cleared(self, signed: SignedPermit) -> bool:
        """Whether the contract would accept this permit's signature, time and epoch now."""
        return bool(self._ask("isCleared", permit_words(signed.permit), signed.signature)[0])

    def events(self, *, from_block: int, job: Digest | None = None) -> Iterator[tuple[int, Event]]:
        """(block, event) from a block on, oldest first, of one job or of all."""
        topics = [None] if job is None else [None, "0x" + job.hex()]
        for log in self._chain.logs(self.address, from_block=from_block, topics=topics):
            event = _ESCROW.event(log.topics, log.data)
            if event is not None:
                yield log.block, event

    # -- inside ----------------------------------------------------------------------------------
    def _pay(
        self, payer: TransactionSigner, token: Address, amount: int, data: bytes, means: Means
    ) -> Receipt:
        if token == ZERO_ADDRESS:
            return self.send(payer, data, value=amount)
        if means in (Means.OWN, Means.RELAYED):
            self._allow(payer, token, amount)
        return self.send(payer, data)

    def _allow(self, payer: TransactionSigner, token: Address, amount: int) -> None:
        """Approve exactly this deposit: an allowance left standing is somebody's risk."""
        asked = _TOKEN.encode("allowance", payer.address, self.address)
        [allowed] = _TOKEN.decode("allowance", self._chain.call(token, asked))
        if allowed != amount:
            self._chain.send(payer, token, _TOKEN.encode("approve", self.address, amount))

    def _ask(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        question = _ESCROW.encode(function, *arguments)
        return _ESCROW.decode(function, self._chain.call(self.address, question))
