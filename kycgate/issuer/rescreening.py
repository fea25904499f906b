"""Carries a change of the lists to every approved subject it may concern, within seconds.

Judges nobody: it finds who may be meant, and the identity office screens them as always. Runs a
bounded step at a time and may be killed at any point: what subjects have been looked at with which
list versions is written down only once it is done, and looking twice changes nothing.

What it keeps of people is the subject index, in memory alone. Every process has its own and does
all of the work; the one that comes first acts, the others find it done.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kycgate.errors import KycgateError, Unavailable
from kycgate.issuer.casebook import CaseBook
from kycgate.issuer.checks import identifiers
from kycgate.issuer.details import NamedParty, parties
from kycgate.issuer.identity import RESCREENING, Identity, attested
from kycgate.screening.backend import Screening
from kycgate.screening.live import Delta
from kycgate.screening.subjects import Indexed, PartyOf, Segment, SubjectIndex
from kycgate.store.base import Store
from kycgate.store.records.cases import Case

DONE: Final = "rescreened"
"""The setting that says with which list versions every subject has been looked at."""
STEP_S: Final = 0.5
"""How long one step may read cases, and again how long it may screen them."""
BATCH: Final = 500
"""Cases read at once."""
MOST_ENTRIES: Final = 5_000
"""Entries above which it takes less time to screen every subject than to look for each entry."""
SETTLE_S: Final = 20
"""How long a change stays open after it was noticed: another process may have approved a case with
the lists of before while this one was looking."""
_OVERLAP_S: Final = 5
"""Cases changed so long before the last look are read again: clocks of two machines differ, and a
change may reach the store after a later one."""


class Lists(Protocol):
    """The lists in force, as far as this room follows them."""

    def refresh(self, now: int) -> None:
        """Look which versions are in force. Raises Unavailable; what was known then stays."""

    def in_force(self) -> Mapping[str, str]: ...
    def changes(self, since: Mapping[str, str]) -> Delta: ...
    def swap(self) -> None: ...


@dataclass(slots=True)
class _Change:
    """One change being carried through: from which versions to which, and whom it may concern."""

    versions: dict[str, str]
    delta: Delta
    noticed_at: int
    waiting: deque[str]
    swapped: bool = False


class Rescreening:
    """The job. One thread at a time does a step of it."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        lists: Lists,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._identity = identity
        self._book: CaseBook = identity.book
        self._lists = lists
        self._monotonic = monotonic
        self._index = SubjectIndex()
        self._read_to: tuple[int, str] = (-1, "")
        self._store_version = -1
        self._recent: dict[str, tuple[int, str]] = {}
        self._registers: dict[str, str] = {}
        self._change: _Change | None = None
        self._turn = threading.Lock()

    def run(self, *, now: int) -> int:
        """One step. Returns how many cases it stopped. Raises Unavailable; the next one goes on."""
        if not self._turn.acquire(blocking=False):
            return 0  # another thread is at it
        try:
            return self._step(now)
        finally:
            self._turn.release()

    def _step(self, now: int) -> int:
        self._lists.refresh(now)
        self._notice(now)
        caught_up = self._catch_up(now)
        stopped = self._screen(now)
        if self._change is not None and not self._change.waiting:
            self._finish(self._change, caught_up, now)
        return stopped

    # -- what has changed ------------------------------------------------------------------------

    def _notice(self, now: int) -> None:
        """Begin a change when another version is in force than the one that is done or begun."""
        wanted = dict(self._lists.in_force())
        if self._change is not None and self._change.versions == wanted:
            return
        done = self._done()
        if done == wanted:
            self._change = None
            return
        delta = self._lists.changes(done)
        # The subjects known already are looked up at once, the others as they are read.
        self._change = _Change(wanted, delta, now, deque(self._concerned(delta)))

    def _concerned(self, delta: Delta, within: Segment | None = None) -> Sequence[str]:
        if delta.entries is None or len(delta.entries) > MOST_ENTRIES:
            found = self._index.keys if within is None else within.keys
            return sorted(found)
        return self._index.affected(delta.entries, within) if delta.entries else ()

    def _done(self) -> dict[str, str]:
        """What every subject has been looked at with; nothing where nobody ever was."""
        raw = self._store.setting(DONE)
        return {} if raw is None else dict(json.loads(raw))

    # -- whom it may concern ---------------------------------------------------------------------

    def _catch_up(self, now: int) -> bool:
        """Read cases changed since the last look into the index; True once there are no more."""
        self._follow_registers()
        version = self._store.version()
        if version == self._store_version:
            return True
        until = self._monotonic() + STEP_S
        while cases := self._unread():
            self._take(cases, now)
            if self._monotonic() > until:
                return False
        # A change may be stored after a later one was read: the last seconds are read again.
        at = self._read_to[0]
        self._read_to = (at - _OVERLAP_S, "")
        self._recent = {
            key: seen for key, seen in self._recent.items() if seen[0] >= at - _OVERLAP_S
        }
        self._store_version = version
        return True

    def _follow_registers(self) -> None:
        """Other registers name other owners: everybody is read again."""
        owners = self._book.owners
        registers = {} if owners is None else dict(owners.versions)
        if registers != self._registers:
            self._registers, self._recent = registers, {}
            self._read_to, self._store_version = (-1, ""), -1

    def _unread(self) -> list[Case]:
        found = self._book.changed(since=0, after=self._read_to, limit=BATCH)
        if found:
            self._read_to = (found[-1].updated_at, found[-1].id)
        fresh = [each for each in found if self._recent.get(each.id) != _seen(each)]
        self._recent.update((each.id, _seen(each)) for each in fresh)
        return fresh if fresh or len(found) < BATCH else self._unread()

    def _take(self, cases: Sequence[Case], now: int) -> None:
        """Index the approved, forget the others; whoever is new is looked up in what is open."""
        for case in cases:
            if not attested(case):
                self._index.remove(case.id)
        approved = [case for case in cases if attested(case)]
        told = self._book.told(approved, reader=RESCREENING, now=now)
        known = [(case, details) for case, details in told if details is not None]
        proven = self._identity.proofs.parties_of(known, reader=RESCREENING, now=now)
        subjects = [
            self._subject(case, (*parties(details), *also, *self._book.also(details, now=now)))
            for (case, details), also in zip(known, proven, strict=True)
        ]
        if not subjects:
            return
        added = self._index.add(subjects)
        if self._change is not None:
            self._change.waiting.extend(self._concerned(self._change.delta, added))

    def _subject(self, case: Case, named: Sequence[NamedParty]) -> Indexed:
        countries = [self._book.countries.alpha2(p.country) if p.country else "" for p in named]
        return Indexed(
            case.id,
            tuple(
                PartyOf(party.name, party.kind, identifiers(party, country))
                for party, country in zip(named, countries, strict=True)
            ),
            tuple("0x" + each.address.hex() for each in self._book.accounts(case)),
        )

    # -- what comes of it ------------------------------------------------------------------------

    def _screen(self, now: int) -> int:
        """Hand those whom the change may concern to the identity office, the surest first."""
        change = self._change
        if change is None or change.delta.backend is None:
            return 0
        screener, stopped = Screening(change.delta.backend), 0
        until = self._monotonic() + STEP_S
        while change.waiting and self._monotonic() <= until:
            case_id = change.waiting[0]
            try:
                stopped += self._identity.rescreen(case_id, screener, now=now) is not None
            except Unavailable:
                raise
            except KycgateError as error:
                # One case that can't be read must not keep the others from being screened. It is
                # stopped by its own renewal, which fails on the same.
                case, code = self._book.case(case_id), str(error.code)
                self._book.note("rescreening_failed", case, now, reason_codes=[code])
            change.waiting.popleft()
        return stopped

    def _finish(self, change: _Change, caught_up: bool, now: int) -> None:
        """Everybody known was looked at: screen with the new lists, settle, and write it down."""
        if not change.swapped:
            self._lists.swap()
            change.swapped = True
        elif caught_up and now - change.noticed_at >= SETTLE_S:
            self._store.set_setting(DONE, json.dumps(change.versions, sort_keys=True))
            self._change = None


def _seen(case: Case) -> tuple[int, str]:
    # The state too: a case may be submitted and approved within one second.
    return case.updated_at, case.state
