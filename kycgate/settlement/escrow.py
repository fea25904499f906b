"""An escrow contract as typed values: open, top up, settle, refund, and what became of a job.

Checks no permit and knows no renter: the contract checks, and its refusal comes back by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kycgate.chain import Chain, Event, Receipt, Reverted, TransactionSigner
from kycgate.core.claims import ZERO_ADDRESS, Address, Digest
from kycgate.core.permit import Permit, SignedPermit, Terms
from kycgate.core.typed import keccak, typed_digest, word_address
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
    """One job as the contract keeps it. Amounts in base units, times in Unix seconds UTC."""

    renter: Address
    epoch: int
    state: State
    provider: Address
    start: int
    end: int
    token: Address
    held_at: int
    total: int
    settled: int


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


def relay_digest(separator: bytes, job: Digest, relayer: Address) -> Digest:
    """What a renter signs so that `relayer` may open the job for them (EIP-712 `OpenFor`)."""
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
        return self._pay(renter, permit.terms.token, amount, data)

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
        permit = signed.permit
        data = _ESCROW.encode(
            "openFor",
            permit.renter,
            renter_signature,
            permit.job,
            terms_words(permit.terms),
            amount,
            duration_s,
            permit_words(permit),
            signed.signature,
        )
        return self._pay(relayer, permit.terms.token, amount, data)

    def top_up(self, renter: TransactionSigner, signed: SignedPermit, *, amount: int) -> Receipt:
        """Pay more into the permit's running job."""
        permit = signed.permit
        request = permit.terms.request
        data = _ESCROW.encode(
            "topUp", permit.job, request, amount, permit_words(permit), signed.signature
        )
        return self._pay(renter, permit.terms.token, amount, data)

    # -- money out -------------------------------------------------------------------------------
    def settle(self, caller: TransactionSigner, job: Digest) -> Receipt:
        """Credit the provider with what has vested; for a revoked renter, hold the job instead."""
        return self.send(caller, _ESCROW.encode("settle", job))

    def refund(self, party: TransactionSigner, job: Digest) -> Receipt:
        """End the job now; for a revoked renter, hold it instead."""
        return self.send(party, _ESCROW.encode("refund", job))

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
        renter, epoch, state, provider, start, end, token, held_at, total, settled = found
        return Rental(
            renter=_address(renter),
            epoch=epoch,
            state=State(state),
            provider=_address(provider),
            start=start,
            end=end,
            token=_address(token),
            held_at=held_at,
            total=total,
            settled=settled,
        )

    def vested(self, job: Digest, *, moment: int) -> int:
        """What the provider has earned by a moment, settled or not, in base units."""
        return int(self._ask("vestedAt", job, moment)[0])

    def balance(self, account: Address, token: Address) -> int:
        """What an account may withdraw, in base units."""
        return int(self._ask("balanceOf", token, account)[0])

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
    def _pay(self, payer: TransactionSigner, token: Address, amount: int, data: bytes) -> Receipt:
        if token == ZERO_ADDRESS:
            return self.send(payer, data, value=amount)
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
