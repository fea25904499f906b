"""Revocations that must reach every chain: from the outbox, through the revoker contract, onto EAS.

Revokes nobody itself: the issuer did, and inside the gate that already holds.

How long it takes: a round (each second), a block, and the confirmations asked for. A transaction
left out of blocks is replaced every `replace_after_s` at an eighth more, up to the ceiling; what
still waits after the operator's `publish_bound_s` stops new permits (`waiting_s`, `Permits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kycgate.chain import Chain, NodeState, TransactionSigner
from kycgate.core.claims import Account, Address, Digest
from kycgate.core.typed import keccak, word_address, word_uint
from kycgate.errors import KycgateError, Malformed, Unavailable
from kycgate.settlement.compiled import artifact
from kycgate.settlement.sender import OPEN_MOST, USUAL, Outgoing, Round, Sender, SendingRules
from kycgate.store.records.settling import OutboxItem, SentTransaction

KIND = "revoke_onchain"
"""Outbox items: {"account": account key, "epoch": the last epoch that is void}. Each is handed on
to every chain it concerns, as an item of kind `revoke_onchain:<chain id>` with the same due time.
"""

BATCH = 100
"""Revocations per transaction: about 2.6 million gas, well inside any block."""

_POLL_S = 4
"""Seconds between looks at the chain while nothing new waits."""

_EAS = artifact("EAS")
_REVOKER = artifact("Revoker")


def revocation_key(renter: Address, epoch: int) -> Digest:
    """keccak256(abi.encode(renter, epoch)): the word that EAS keeps and the escrow asks for."""
    return Digest(keccak(word_address(renter) + word_uint(epoch)))


class Waiting(Protocol):
    """What tells how long revocations have waited: oldest due first."""

    def due(self, kind: str, *, now: int, limit: int = 100) -> list[OutboxItem]: ...


class Outbox(Waiting, Protocol):
    """The part of the store that this room uses."""

    def enqueue(self, kind: str, payload: dict[str, Any], *, due_at: int) -> int: ...
    def done(self, item_id: int) -> None: ...
    def add_sent(self, sent: SentTransaction) -> None: ...
    def sent(self, chain_id: int, sender: str) -> list[SentTransaction]: ...
    def forget_sent(self, chain_id: int, sender: str, nonce: int) -> None: ...


def waiting_s(outbox: Waiting, *, now: int, chain_id: int) -> int:
    """Seconds that the oldest revocation has waited for this chain; 0 when none waits."""
    oldest = [
        item.due_at
        for kind in (KIND, _kind(chain_id))
        for item in outbox.due(kind, now=now, limit=1)
    ]
    return now - min(oldest) if oldest else 0


def _kind(chain_id: int) -> str:
    return f"{KIND}:{chain_id}"


@dataclass(frozen=True, slots=True)
class _Revocation:
    """An outbox item, read."""

    item: OutboxItem
    account: Account
    epoch: int

    @property
    def key(self) -> Digest:
        return revocation_key(self.account.address, self.epoch)

    def concerns(self, chain_id: int) -> bool:
        """A contract account is nobody on another chain."""
        return self.account.chain_id in (None, chain_id)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be sent, had it not been a rehearsal."""

    revocations: tuple[tuple[str, int, Digest], ...]
    """(account key, epoch, key on EAS)"""
    transaction: SentTransaction | None
    """None: nothing new would be sent"""
    under_way: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class PublisherStatus:
    """One chain's publishing at a moment. `waiting` counts to a bound, never beyond."""

    chain_id: int
    publisher: Address
    confirmations: int
    waiting: int
    oldest_s: int
    under_way: tuple[Outgoing, ...]
    last_error: str | None
    last_error_at: int | None

    def document(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {
            "chain_id": self.chain_id,
            "publisher": "0x" + self.publisher.hex(),
            "confirmations": self.confirmations,
            "waiting": self.waiting,
            "oldest_waiting_s": self.oldest_s,
            "pending": [_told(each) for each in self.under_way],
            "last_error": self.last_error,
            "last_error_at": self.last_error_at,
        }


def _told(outgoing: Outgoing) -> dict[str, Any]:
    newest = outgoing.newest
    return {
        "nonce": newest.nonce,
        "hash": "0x" + newest.hash.hex(),
        "attempts": len(outgoing.attempts),
        "max_fee": newest.max_fee,
        "sent_at": newest.sent_at,
        "items": len(newest.items),
    }


class Revocations:
    """Publishes one chain's revocations. May be killed at any point and started again.

    `elsewhere` names the other chains whose publishers share the outbox.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        eas: Address,
        revoker: Address,
        publisher: TransactionSigner,
        outbox: Outbox,
        rules: SendingRules = USUAL,
        elsewhere: Iterable[int] = (),
    ) -> None:
        self.chain_id = chain.chain_id
        self._chain = chain
        self._eas = eas
        self._revoker = revoker
        self._outbox = outbox
        self._sender = Sender(chain, publisher, outbox, rules)
        self._chain_ids = (chain.chain_id, *elsewhere)
        self._looked_at: int | None = None
        self._error: tuple[str, int] | None = None

    # -- the work --------------------------------------------------------------------------------
    def publish(self, *, now: int) -> int:
        """One round: send what waits in one batch, look after what was sent; how many were new.

        Never waits for a block. An item is done only once its key stands on the chain at the depth
        asked for; until then it waits under its first due time, so that `waiting_s` tells the
        truth. Raises Unavailable, Reverted, or Malformed for an item that names no account.
        """
        try:
            unread = self._hand_on(now)
            sent = self._round(now) if self._due(now) else 0
            if unread is not None:
                raise unread
        except KycgateError as e:
            self._error = (e.message, now)
            raise
        return sent

    def _due(self, now: int) -> bool:
        """Whether there is a reason to ask the chain: something new, or something to look after."""
        under_way = self._sender.under_way()
        carried = _carried(under_way)
        waiting = self._outbox.due(_kind(self.chain_id), now=now, limit=len(carried) + 1)
        rested = self._looked_at is None or now >= self._looked_at + _POLL_S
        failing = self._error is not None and self._error[1] == self._looked_at
        new = any(item.id not in carried for item in waiting)
        return bool(under_way or waiting) and (rested or (new and not failing))

    def _hand_on(self, now: int) -> Malformed | None:
        """One item per chain for each revocation. Killed in between, some are handed on twice:
        their key is one and the same. An item that can't be read stays, and others pass it.
        """
        unread = None
        for item in self._outbox.due(KIND, now=now, limit=BATCH):
            try:
                revocation = _read(item)
            except Malformed as e:
                unread = e
                continue
            for chain_id in self._chain_ids:
                if revocation.concerns(chain_id):
                    self._outbox.enqueue(_kind(chain_id), item.payload, due_at=item.due_at)
            self._outbox.done(item.id)
        return unread

    def _round(self, now: int) -> int:
        self._looked_at = now
        self._chain.wake()
        found = self._sender.tend(now=now)
        if found.problems:
            self._error = ("; ".join(found.problems), now)
        waiting = self._free(found, now)
        new = self._unpublished(waiting, found)
        self._finish(waiting, found)
        if not new or len(found.under_way) >= OPEN_MOST:
            return 0
        data, items = _batch(new)
        sent = self._sender.send(self._revoker, data, items, found=found, now=now)
        return len(new) if sent else 0

    def _free(self, found: Round, now: int) -> list[_Revocation]:
        """The oldest revocations that no transaction under way carries."""
        carried = _carried(found.seen)
        items = self._outbox.due(_kind(self.chain_id), now=now, limit=len(carried) + BATCH)
        still = _carried(found.under_way)
        return [_read(item) for item in items if item.id not in still]

    def _unpublished(
        self, waiting: Sequence[_Revocation], found: Round
    ) -> dict[Digest, list[_Revocation]]:
        """By key: EAS would revert the whole batch for one that stands, or stands in it twice."""
        new: dict[Digest, list[_Revocation]] = {}
        for revocation in waiting:
            new.setdefault(revocation.key, []).append(revocation)
        # The same key may wait under a second item while a transaction carries the first.
        carried = {key for each in found.seen for key in _keys(each.newest.data)}
        free = [key for key in new if key not in carried and not self._read(key)]
        return {key: new[key] for key in free[:BATCH]}

    def _finish(self, waiting: Sequence[_Revocation], found: Round) -> None:
        """Done is what stands at the depth asked for, whoever put it there."""
        if found.confirmed < 0:
            return
        for revocation in waiting:
            if self._read(revocation.key, at=found.confirmed):
                self._outbox.done(revocation.item.id)

    # -- what is known ---------------------------------------------------------------------------
    def plan(self, *, now: int) -> Plan:
        """What `publish` would send now. Writes nothing anywhere. Raises as `publish`."""
        found = self._sender.look()
        found.under_way = found.seen
        fresh = [_read(item) for item in self._outbox.due(KIND, now=now, limit=BATCH)]
        waiting = [each for each in fresh if each.concerns(self.chain_id)]
        new = self._unpublished([*self._free(found, now), *waiting], found)
        made = None
        if new:
            data, items = _batch(new)
            made = self._sender.compose(self._revoker, data, items, found=found, now=now)
        told = [(first.account.key, first.epoch, key) for key, (first, *_) in new.items()]
        return Plan(tuple(told), made, tuple(found.seen))

    def nodes(self) -> tuple[NodeState, ...]:
        """How each of the chain's nodes is, now."""
        return self._chain.look()

    def published_at(self, renter: Address, epoch: int) -> int | None:
        """When the chain says that an epoch was revoked, Unix seconds; None when it was not."""
        return self._read(revocation_key(renter, epoch)) or None

    def status(self, now: int) -> PublisherStatus:
        """What waits and what is under way. Asks the store, no chain."""
        under_way = self._sender.under_way()
        most = OPEN_MOST * BATCH
        waiting = [
            item
            for kind in (KIND, _kind(self.chain_id))
            for item in self._outbox.due(kind, now=now, limit=most)
        ]
        error, error_at = self._error or (None, None)
        return PublisherStatus(
            chain_id=self.chain_id,
            publisher=self._sender.address,
            confirmations=self._sender.rules.confirmations,
            waiting=len(waiting),
            oldest_s=waiting_s(self._outbox, now=now, chain_id=self.chain_id),
            under_way=tuple(under_way),
            last_error=error,
            last_error_at=error_at,
        )

    def _read(self, key: Digest, *, at: int | None = None) -> int:
        asked = _EAS.encode("getRevokeOffchain", self._revoker, key)
        answer = self._chain.call(self._eas, asked, at=at)
        return int(_EAS.decode("getRevokeOffchain", answer)[0])


def _batch(new: dict[Digest, list[_Revocation]]) -> tuple[bytes, list[int]]:
    items = [revocation.item.id for found in new.values() for revocation in found]
    return _REVOKER.encode("publish", list(new)), sorted(items)


def _keys(data: bytes) -> list[Digest]:
    """The keys in a call of `publish(bytes32[])`: after the selector, an offset and a length."""
    return [Digest(data[at : at + 32]) for at in range(68, len(data), 32)]


def _carried(under_way: Iterable[Outgoing]) -> frozenset[int]:
    return frozenset[int]().union(*(each.items for each in under_way))


def _read(item: OutboxItem) -> _Revocation:
    """Raises Malformed."""
    account, epoch = item.payload.get("account"), item.payload.get("epoch")
    if not isinstance(account, str) or type(epoch) is not int or epoch < 0:
        raise Malformed(f"outbox item {item.id} names no account and epoch", field="outbox")
    return _Revocation(item, Account.from_key(account), epoch)


class Publishers:
    """Several chains' publishers over one outbox: what fails on one chain stops no other."""

    def __init__(self, chains: Sequence[Revocations]) -> None:
        self.chains = tuple(chains)

    def publish(self, *, now: int) -> int:
        """One round of each; how many keys were new in all. Raises Unavailable, naming each chain
        that failed, once all had their turn.
        """
        return sum(_each_in_turn(self.chains, lambda one: one.publish(now=now)))

    def status(self, now: int) -> tuple[PublisherStatus, ...]:
        return tuple(one.status(now) for one in self.chains)


def _each_in_turn(chains: Sequence[Revocations], work: Callable[[Revocations], int]) -> list[int]:
    done, failures = [], []
    for one in chains:
        try:
            done.append(work(one))
        except KycgateError as e:
            failures.append(f"chain {one.chain_id}: {e.message}")
    if failures:
        raise Unavailable("; ".join(failures))
    return done
