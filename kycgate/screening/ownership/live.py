"""The operator's registers as they are used: recalled in the background, followed as files change.

Reads no publisher's format in this process: that is the builder's work. What can't be read anew
leaves the last good register in use, and says so.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kycgate.errors import KycgateError, Malformed, Unavailable
from kycgate.screening.ownership.sources import (
    Opened,
    Print,
    Source,
    failure,
    last_good,
    note_failure,
    opened,
    why,
)

BUILD_S: Final = 3_600
"""How long reading a whole register may take before it counts as hung."""

_POLL_S: Final = 0.2
AGAIN_S: Final = 3_600
"""Files that could not be read are tried again after this long, or once they change."""


class Builder(Protocol):
    """Makes the kept file of a source anew."""

    def __call__(self, source: Source) -> None:
        """Raises KycgateError saying why it can't."""

    def close(self) -> None:
        """Stop. May be called from another thread."""


_log = logging.getLogger("kycgate")


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers of one moment. `versions`: kind → version, as decisions record it."""

    opened: tuple[Opened, ...] = ()

    @property
    def versions(self) -> Mapping[str, str]:
        return {each.source.kind: each.version for each in self.opened}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A register that is not of its files. `version`: of the older one in use; None: there is none
    yet, and decisions that need it wait."""

    kind: str
    version: str | None


class LiveRegisters:
    """Registers over sources that change. Threads may share one; one refreshes it."""

    def __init__(self, sources: Sequence[Source], *, builder: Builder) -> None:
        self._sources = tuple(sources)
        self._builder = builder
        self._current: dict[str, Opened] = {}
        self._seen: dict[str, Print] = {}
        self._failed: dict[str, tuple[Print, int]] = {}
        self._unread: frozenset[str] = frozenset()
        """kinds at whose files the last look failed"""
        self._turn, self._swap = threading.Lock(), threading.Lock()

    def current(self) -> Registers:
        """What is in use, recalled at the first question. Raises Unavailable while one that is
        configured was never read."""
        for source in self._sources:
            if source.kind not in self._current:
                self._take_last_good(source)
        held = self._current
        missing = [each.kind for each in self._sources if each.kind not in held]
        if missing:
            raise Unavailable(f"the {missing[0]} register is still being read")
        return Registers(tuple(held[each.kind] for each in self._sources))

    def troubles(self) -> tuple[Trouble, ...]:
        """Which registers could not be read from their files, or never were. Reads nothing."""
        held = self._current
        return tuple(
            Trouble(kind, held[kind].version if kind in held else None)
            for kind in (each.kind for each in self._sources)
            if kind not in held or kind in self._failed or kind in self._unread
        )

    def close(self) -> None:
        """Stop reading a register anew, if that is going on."""
        self._builder.close()

    def refresh(self, now: int) -> None:
        """Look at the files; recall, or have built, what has changed. Takes as long as that."""
        if not self._turn.acquire(blocking=False):
            return  # another thread is at it
        try:
            for source in self._sources:
                try:
                    self._follow(source, now)
                    self._unread -= {source.kind}
                except KycgateError as error:
                    self._unread |= {source.kind}
                    self._complain(source, error, now)
        finally:
            self._turn.release()

    def _follow(self, source: Source, now: int) -> None:
        print_ = source.print()
        held = self._current.get(source.kind)
        if held is not None and held.print == print_:
            self._failed.pop(source.kind, None)  # the files that failed are gone again
            return
        found = opened(source)
        if found is None:
            if held is None:
                self._take_last_good(source)
            settled = self._seen.get(source.kind) == print_
            self._seen[source.kind] = print_
            # A file that is still being copied changes from one look to the next.
            if not settled or self._gave_up(source, print_, now):
                return
            self._failed[source.kind] = print_, now
            self._builder(source)
            found = last_good(source)
        self._use(found)

    def _gave_up(self, source: Source, print_: Print, now: int) -> bool:
        """Whether these very files could not be read a short while ago."""
        failed, at = self._failed.get(source.kind, (None, 0))
        return failed == print_ and now - at < AGAIN_S

    def _take_last_good(self, source: Source) -> None:
        try:
            self._use(last_good(source))
        except Unavailable:
            return  # nothing was ever kept: it is built below

    def _use(self, found: Opened) -> None:
        with self._swap:
            # One assignment: who asks meanwhile has the old ones or the new ones.
            self._current = {**self._current, found.source.kind: found}
        self._failed.pop(found.source.kind, None)

    def _complain(self, source: Source, error: KycgateError, now: int) -> None:
        kept = self._current.get(source.kind)
        state = "there is none" if kept is None else f"version {kept.version} stays in use"
        _log.error("ownership: %s register: %s; %s", source.kind, why(error), state)
        note_failure(source, error, now=now)


def status(source: Source) -> dict[str, Any]:
    """What is kept of a source and whether it is of today's files, for people and machines."""
    document: dict[str, Any] = {"kind": source.kind, "kept": str(source.kept), "state": "missing"}
    try:
        found = last_good(source)
    except Unavailable:
        found = None
    if found is not None:
        try:
            fresh = found.print == source.print()
        except Malformed:
            fresh = False
        document |= {
            "state": "current" if fresh else "older than the files",
            "version": found.version,
            "made_at": found.made_at,
            "bytes": found.size,
            "counts": found.counts,
            "notes": list(found.notes),
        }
    return document | {"failure": failure(source)}


class BuilderApart:
    """Builds in a process of its own: a gate must not stop answering while a register is read."""

    def __init__(self) -> None:
        self._left = threading.Event()

    def close(self) -> None:
        """Stop what is being built; nothing is built any more."""
        self._left.set()

    def __call__(self, source: Source) -> None:
        """Raises Unavailable with the last thing the process said."""
        words = [sys.executable, "-m", "kycgate", "ownership", "load", "--kept", str(source.kept)]
        words += [f"--{source.kind}", *map(str, source.files)]
        with tempfile.TemporaryFile() as said:
            try:
                child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said)
            except OSError as e:
                raise Unavailable(f"it could not be read: {type(e).__name__}") from e
            if self._wait(child):
                said.seek(0)
                lines = said.read(65_536).decode(errors="replace").strip().splitlines()
                raise Unavailable((lines or ["it could not be read"])[-1][:400])

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """Its exit code. Ends it where it takes too long, or where nobody waits any more."""
        until = time.monotonic() + BUILD_S
        while child.poll() is None:
            if self._left.wait(_POLL_S) or time.monotonic() > until:
                child.kill()
                child.wait()
                raise Unavailable("reading it was stopped")
        return child.returncode
