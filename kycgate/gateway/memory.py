"""What the gate remembers between requests, and how soon it forgets.

Decides nothing. Remembers answers of the store only, never refusals, and nothing past its expiry.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from kycgate.errors import Unavailable

T = TypeVar("T")

_FAR = 2**63


@dataclass(slots=True)
class Lease:
    """How long one answer may be relied on: the earliest end among all it was made from."""

    until: int = _FAR
    """Last second + 1."""

    def ends(self, at: int) -> None:
        self.until = min(self.until, at)


class WouldWait(Exception):
    """The answer is not in memory, and the caller must not wait for it."""


class Memory:
    """A bounded map that empties itself when the store's version moves.

    Promise: what changed in the store is forgotten at most `poll_s` after the change, in every
    process. While the store can't be asked, what is remembered stays until its own end, and
    nothing is added: reads go on, and whoever asks for `fresh` gets Unavailable.
    """

    def __init__(
        self,
        version: Callable[[], int],
        *,
        poll_s: float,
        entries: int,
        monotonic: Callable[[], float],
        brief_reads: bool = False,
    ) -> None:
        """`brief_reads`: the store's single reads take no longer than a hand-over to a thread."""
        self._version = version
        self._poll_s = poll_s
        self._most = entries
        self._monotonic = monotonic
        self._brief_reads = brief_reads
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._seen: int | None = None
        self._mark = object()
        self._polled_at = float("-inf")

    def mark(self) -> object | None:
        """The same object while no change of the store has been noticed; None if a look is due.

        What was made from memory under one mark holds, within its lease, under the same mark.
        """
        if self._monotonic() - self._polled_at >= self._poll_s:
            return None
        return self._mark

    def renew(self, *, fresh: bool, wait: bool) -> None:
        """Look at the store's version if the last look is too old, or in any case if `fresh`.

        Raises WouldWait when that needs the store and `wait` is false, Unavailable when the store
        does not answer a `fresh` look.
        """
        if not fresh and self._monotonic() - self._polled_at < self._poll_s:
            return
        if not wait:
            raise WouldWait
        looked_at = self._monotonic()
        try:
            version = self._version()
        except Unavailable:
            if fresh or self._seen is None:
                raise
            self._polled_at = looked_at
            return
        with self._lock:
            if version != self._seen:
                self._held = OrderedDict()
                self._mark = object()
                self._seen = version
            self._polled_at = max(self._polled_at, looked_at)

    def recall(
        self,
        key: Hashable,
        load: Callable[[], tuple[T, int] | None],
        *,
        now: int,
        wait: bool,
        brief: bool = False,
        lease: Lease | None = None,
    ) -> T | None:
        """What is held under `key`, else what `load` gives: (value, last second + 1), or None.

        None is not remembered. `load` may raise; then nothing is remembered. `lease` is cut down
        to the end of what is returned. `brief`: `load` is a single read of the store, and done in
        a hurry too where such reads are brief.
        """
        held = self._held.get(key)
        if held is not None and now < held[1]:
            if lease is not None:
                lease.ends(held[1])
            return cast(T, held[0])
        if not (wait or (brief and self._brief_reads)):
            raise WouldWait
        # A change between loading and keeping moves the mark: then the value isn't kept.
        mark = self._mark
        loaded = load()
        if lease is not None:
            lease.ends(0 if loaded is None else loaded[1])
        if loaded is None:
            return None
        with self._lock:
            if mark is self._mark and now < loaded[1]:
                if len(self._held) >= self._most:
                    # Oldest first: a flood of new callers may cost a look-up, never memory.
                    self._held.popitem(last=False)
                self._held[key] = loaded
        return loaded[0]
