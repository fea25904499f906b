"""What became of rentals: an escrow's log is followed so that people see their rentals' state.

Decides nothing, and believes no event for more than it is: an event says which job changed; what it
became, the contract itself is asked, at one block of the stated depth.

The cursor is kept with the hashes of blocks that were read at. When one of them is no longer on the
chain, everything read above the newest that still is gets read again, and the log is followed anew
from there. May be killed at any point: what was read twice is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kycgate.chain import Block, Chain, Event, Log
from kycgate.core.claims import Address, Digest
from kycgate.errors import KycgateError, Unavailable
from kycgate.settlement.compiled import artifact
from kycgate.settlement.escrow import Escrow, State
from kycgate.settlement.sender import CONFIRMATIONS_MOST
from kycgate.store.records.settling import RentalState

SPAN_MOST = 2000
"""Blocks asked for at once: what public nodes commonly allow. Halved where a node declines."""

_RANGES_MOST = 5
"""Ranges in one round, so that a long way to catch up on holds nothing else up."""

_CHECKS_MOST = 64
"""Hashes remembered. An older reorganisation is followed from the start again."""

_POLL_S = 4
"""Seconds between looks at the chain."""

_ESCROW = artifact("GPURentalEscrow")


class Rentals(Protocol):
    """The part of the store that this room uses."""

    def put_rentals(self, rentals: Sequence[RentalState]) -> None: ...
    def rental_state(self, job: bytes) -> RentalState | None: ...
    def rentals_after(self, chain_id: int, escrow: str, block: int) -> list[RentalState]: ...
    def setting(self, name: str) -> str | None: ...
    def set_setting(self, name: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far the log was followed. `checks`: (number, hash) of blocks read at, oldest first."""

    following: int
    checks: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def from_text(cls, text: str) -> _Cursor:
        found = json.loads(text)
        checks = tuple((number, bytes.fromhex(text)) for number, text in found["checks"])
        return cls(found["following"], checks)

    def to_text(self) -> str:
        checks = [[number, found.hex()] for number, found in self.checks]
        return json.dumps({"following": self.following, "checks": checks})

    def checked(self, *blocks: Block) -> _Cursor:
        checks = dict(self.checks) | {block.number: block.hash for block in blocks}
        return replace(self, checks=tuple(sorted(checks.items())[-_CHECKS_MOST:]))


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """How far one escrow was followed. `behind` counts blocks at depth; None: never looked."""

    chain_id: int
    escrow: Address
    followed_to: int
    behind: int | None
    last_error: str | None
    last_error_at: int | None

    def document(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {
            "chain_id": self.chain_id,
            "escrow": "0x" + self.escrow.hex(),
            "followed_to": self.followed_to,
            "behind": self.behind,
            "last_error": self.last_error,
            "last_error_at": self.last_error_at,
        }


class Follower:
    """Follows one escrow on one chain, from `start_block` (where it was deployed, or 0)."""

    def __init__(
        self,
        chain: Chain,
        escrow: Address,
        *,
        rentals: Rentals,
        start_block: int = 0,
        confirmations: int = 3,
    ) -> None:
        if not 0 <= confirmations <= CONFIRMATIONS_MOST:
            raise ValueError(f"confirmations: 0 to {CONFIRMATIONS_MOST}")
        self._chain = chain
        self._escrow = escrow
        self._rentals = rentals
        self._start = start_block
        self._confirmations = confirmations
        self._name = "0x" + escrow.hex()
        self._setting = f"followed:{chain.chain_id}:{self._name}"
        self._span = SPAN_MOST
        self._looked_at: int | None = None
        self._reached: int | None = None
        self._error: tuple[str, int] | None = None

    # -- the work --------------------------------------------------------------------------------
    def follow(self, *, now: int) -> int:
        """One round; how many rentals were read. Raises Unavailable, with nothing lost."""
        if self._looked_at is not None and now < self._looked_at + _POLL_S:
            return 0
        self._looked_at = now
        try:
            return self._round(now)
        except KycgateError as e:
            self._error = (e.message, now)
            raise

    def _round(self, now: int) -> int:
        self._chain.wake()
        number = self._chain.block().number - self._confirmations
        self._reached = number
        if number < self._start:
            return 0
        target = self._chain.block(number)
        cursor, changed = self._stood(self._cursor(), target, now)
        for _ in range(_RANGES_MOST):
            if cursor.following > target.number:
                break
            cursor, read = self._range(cursor, target, now)
            changed += read
        return changed

    def _stood(self, cursor: _Cursor, target: Block, now: int) -> tuple[_Cursor, int]:
        """The cursor, taken back to the newest block that is still on the chain."""
        checks = list(cursor.checks)
        while checks and not self._stands(*checks[-1]):
            checks.pop()
        if len(checks) == len(cursor.checks):
            return cursor, 0
        common = checks[-1][0] if checks else self._start - 1
        undone = self._rentals.rentals_after(self._chain.chain_id, self._name, common)
        self._read((Digest(each.job) for each in undone), {}, target, now)
        back = _Cursor(min(cursor.following, common + 1), tuple(checks)).checked(target)
        self._rentals.set_setting(self._setting, back.to_text())
        return back, len(undone)

    def _stands(self, number: int, found: bytes) -> bool:
        # A node that has not come that far raises: silence is no reorganisation.
        return self._chain.block(number).hash == found

    def _range(self, cursor: _Cursor, target: Block, now: int) -> tuple[_Cursor, int]:
        last = min(cursor.following + self._span - 1, target.number)
        logs, block = self._logs(cursor.following, last)
        events = _by_job(logs)
        self._read(events, events, target, now)
        # The rentals first: a cursor ahead of them would pass them by after a crash.
        cursor = replace(cursor, following=last + 1).checked(block, target)
        self._rentals.set_setting(self._setting, cursor.to_text())
        return cursor, len(events)

    def _logs(self, first: int, last: int) -> tuple[list[Log], Block]:
        try:
            found = self._chain.logs_until(self._escrow, from_block=first, to_block=last)
        except Unavailable:
            # Nodes bound the range or the size of an answer, each in its own words.
            self._span = max(1, self._span // 2)
            raise
        self._span = min(SPAN_MOST, self._span * 2)
        return found

    def _read(
        self, jobs: Iterable[Digest], events: dict[Digest, list[Event]], target: Block, now: int
    ) -> None:
        """Ask the contract what each job is at the target block, and keep it."""
        escrow = Escrow(self._chain.as_of(target.number), self._escrow)
        self._rentals.put_rentals(
            [self._state(escrow, job, events.get(job, []), target, now) for job in jobs]
        )

    def _state(
        self, escrow: Escrow, job: Digest, events: list[Event], target: Block, now: int
    ) -> RentalState:
        found, before = escrow.rental(job), self._known(job)
        closed = [each.fields["toRenter"] for each in events if each.name == "Closed"]
        known = before.returned if before is not None else 0
        return RentalState(
            chain_id=self._chain.chain_id,
            escrow=self._name,
            job=job,
            state=found.state.name.lower(),
            renter="0x" + found.renter.hex(),
            provider="0x" + found.provider.hex(),
            token="0x" + found.token.hex(),
            epoch=found.epoch,
            start=found.start,
            end=found.end,
            held_at=found.held_at,
            total=found.total,
            settled=found.settled,
            returned=(closed or [known])[-1] if found.state is State.CLOSED else 0,
            event=events[-1].name if events else before.event if before is not None else "",
            block=target.number,
            seen_at=now,
        )

    def _known(self, job: Digest) -> RentalState | None:
        """What was read of the job before, in this escrow and no other."""
        found = self._rentals.rental_state(job)
        if found is None or (found.chain_id, found.escrow) != (self._chain.chain_id, self._name):
            return None
        return found

    # -- what is known ---------------------------------------------------------------------------
    def status(self) -> FollowerStatus:
        """How far this escrow was followed. Asks the store, no chain."""
        followed_to = self._cursor().following - 1
        error, error_at = self._error or (None, None)
        return FollowerStatus(
            chain_id=self._chain.chain_id,
            escrow=self._escrow,
            followed_to=followed_to,
            behind=None if self._reached is None else max(0, self._reached - followed_to),
            last_error=error,
            last_error_at=error_at,
        )

    def _cursor(self) -> _Cursor:
        text = self._rentals.setting(self._setting)
        return _Cursor(self._start) if text is None else _Cursor.from_text(text)


def _by_job(logs: Iterable[Log]) -> dict[Digest, list[Event]]:
    """The events that concern a job, oldest first; of keys and balances the rest speaks."""
    found: dict[Digest, list[Event]] = {}
    for log in logs:
        event = _ESCROW.event(log.topics, log.data)
        if event is not None and "job" in event.fields:
            found.setdefault(Digest(event.fields["job"]), []).append(event)
    return found
