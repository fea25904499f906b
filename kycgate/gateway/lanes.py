"""How many forwards a door has under way at once: per account, per address and in all.

Decides nothing about renting. A lane of its own each for what rents and reads, for what ends
something, and for long answers: a full lane never closes another.
"""

from __future__ import annotations

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

    def one_more(self, forward: Forward, client_ip: str) -> Room:
        """To be entered: says whether there is room; while inside, it is taken."""
        who = neighbourhood(client_ip) if forward.identity is None else forward.identity.account
        return Room(self._counts[forward.lane], who)


class Room:
    """One place in a lane."""

    __slots__ = ("_counts", "_entered", "_who")

    def __init__(self, counts: Counts, who: str) -> None:
        self._counts = counts
        self._who = who

    def __enter__(self) -> bool:
        self._entered = self._counts.enter(self._who)
        return self._entered

    def __exit__(self, *_: object) -> None:
        if self._entered:
            self._counts.leave(self._who)
