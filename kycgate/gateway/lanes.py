"""How many forwards a door has under way at once: per account, per address and in all.

Decides nothing about renting. A lane of its own each for what rents and reads, for what ends
something, and for long answers: a full lane never closes another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from kycgate.gateway.limits import Counts, neighbourhood
from kycgate.gateway.view import Forward


@dataclass(frozen=True, slots=True)
class Lane:
    """So many at once for one account (for one address, where nobody is proven), and in all."""

    each: int
    total: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """The bounds of one door."""

    usual: Lane = Lane(64, 1024)
    stop: Lane = Lane(32, 512)
    long: Lane = Lane(8, 256)


class UnderWay:
    """What a door is carrying out. Belongs to one event loop."""

    def __init__(self, lanes: Lanes) -> None:
        self._counts = {
            name: Counts(lane.each, lane.total)
            for name, lane in (("usual", lanes.usual), ("stop", lanes.stop), ("long", lanes.long))
        }

    @contextlib.contextmanager
    def one_more(self, forward: Forward, client_ip: str) -> Iterator[bool]:
        """Whether there was room for it; while inside, it takes that room."""
        who = neighbourhood(client_ip) if forward.identity is None else forward.identity.account
        counts = self._counts[forward.lane]
        entered = counts.enter(who)
        try:
            yield entered
        finally:
            if entered:
                counts.leave(who)
