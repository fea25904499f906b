"""The lists in force, watched: a new version is noticed on the disk and swapped in, in one step.

Judges nobody and fetches no list. Who never screens never pays for an index: it is built when the
first name is asked for. Whoever has begun to screen keeps the lists it began with.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kycgate.core.claims import Address
from kycgate.core.policy import ListVersion
from kycgate.errors import NotFound, Unavailable
from kycgate.screening.backend import Answer, ScreeningBackend
from kycgate.screening.embedded import Embedded
from kycgate.screening.entries import Entry, ListData
from kycgate.screening.library import Library, Release, changes_between, each_party_once
from kycgate.screening.matching.matcher import Query


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new on the lists since some versions: who must be looked for, and by whom.

    `entries` None: the engine does not tell, so everybody must be asked for again.
    """

    entries: tuple[Entry, ...] | None
    backend: ScreeningBackend | None
    """screens against what is new alone; None where nothing is"""


Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _InUse:
    """An engine and the releases it was built from."""

    key: Key
    engine: Embedded


class LiveLists:
    """The embedded engine over a library that changes. Threads may share one."""

    def __init__(self, library: Library, *, now: int) -> None:
        self._library = library
        self._held: dict[tuple[str, str], ListData] = {}
        self._building = threading.Lock()
        self._in_use: _InUse | None = None
        self._releases: tuple[Release, ...] = ()
        self._versions: tuple[ListVersion, ...] = ()
        self.refresh(now)

    # -- the lists -------------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[ListVersion, ...]:
        """What is screened against, with the ages as of the last look at the disk."""
        return self._versions

    def refresh(self, now: int) -> None:
        """Look which versions are in force. Raises Unavailable; what was known then stays."""
        releases = self._library.at(now)
        if not releases:
            raise Unavailable("there is no screening list: nobody can be called clear")
        self._releases = releases
        if self._in_use is None or self._in_use.key == _key(releases):
            self._versions = tuple(each.listed(now) for each in releases)

    @property
    def built(self) -> bool:
        """Whether anybody has screened yet."""
        return self._in_use is not None

    def in_force(self) -> dict[str, str]:
        """List → version, as of the last look at the disk."""
        return {each.list: each.version for each in self._releases}

    def swap(self) -> None:
        """Screen against the versions in force from now on. Raises Unavailable."""
        with self._building:
            releases = self._releases
            if self._in_use is not None and self._in_use.key == _key(releases):
                return
            data = [
                replace(self._data(each.list, each.version), as_of=each.as_of) for each in releases
            ]
            engine = Embedded(each_party_once(data))
            # One assignment: who asks meanwhile gets the old engine or the new one, whole.
            self._in_use = _InUse(_key(releases), engine)
            known = {(each.name, each.version): each for each in self._versions}
            self._versions = tuple(
                known.get((each.list, each.version))
                or ListVersion(each.list, each.version, each.as_of)
                for each in releases
            )
            kept = set(_key(releases))
            self._held = {key: each for key, each in self._held.items() if key in kept}

    def changes(self, since: Mapping[str, str]) -> Delta:
        """What is new in the versions in force, compared with those. Raises Unavailable.

        A list of which nothing is known from before is new as a whole. Who was taken off a list is
        no news here: nobody is stopped by an entry that is gone.
        """
        with self._building:
            fresh = [
                self._fresh(each, since.get(each.list))
                for each in self._releases
                if since.get(each.list) != each.version
            ]
        found = [each for each in fresh if each.entries]
        if not found:
            return Delta((), None)
        return Delta(tuple(entry for each in found for entry in each.entries), Embedded(found))

    def _fresh(self, release: Release, before: str | None) -> ListData:
        new = self._data(release.list, release.version)
        try:
            old = None if before is None else self._data(release.list, before)
        except NotFound:
            old = None  # a library that was replaced: nothing of it has been looked at
        if old is None:
            return new
        found = changes_between(old, new)
        return replace(new, entries=(*found.added, *(after for _, after in found.changed)))

    def _data(self, name: str, version: str) -> ListData:
        data = self._held.get((name, version))
        if data is None:
            data = self._held[name, version] = self._library.version(name, version)
        return data

    # -- the engine ------------------------------------------------------------------------------

    def party(self, query: Query) -> Answer:
        """Everybody listed who may be the one asked for, best first."""
        return self._engine().party(query)

    def wallet(self, address: Address) -> Answer:
        """Whether the address is listed now."""
        return self._engine().wallet(address)

    def _engine(self) -> Embedded:
        if self._in_use is None:
            self.swap()
        assert self._in_use is not None
        return self._in_use.engine


def _key(releases: tuple[Release, ...]) -> Key:
    return tuple((each.list, each.version) for each in releases)
