"""How much of a company listed parties own, looking through every layer.

Applies no rule's threshold to the answer; only owners that are themselves half owned by listed
parties count with their whole stake, the others with the part of it that is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kycgate.screening.ownership.cycles import components
from kycgate.screening.ownership.percentage import counted
from kycgate.screening.ownership.rules import OFAC
from kycgate.screening.ownership.shares import ALL, ANY, NOTHING, WHOLE, Share
from kycgate.screening.ownership.snapshot import Holding, Snapshot, combined

_ROUNDS_MOST, _WORK_MOST = 2_000, 2_000_000
"""Bounds of the search in a circle of owners; past them the upper end is taken as 100 %."""


def listed_share(snapshot: Snapshot, entity: str, listed: frozenset[str]) -> Share:
    """The listed share of the entity, in [0, 100]; more listed owners never lower its maximum."""
    closure = snapshot.closure(entity)
    surely, possibly = counted(snapshot, closure, listed, OFAC)
    known = dict[str, Share]()

    def weight(holding: Holding) -> Share:
        held, holder = holding.ownership, holding.holder
        if held is None:
            return NOTHING
        if holder in surely:
            return held
        inside = known.get(holder, NOTHING)
        return held.times(Share(inside.low, WHOLE) if holder in possibly else inside)

    def share(each: str) -> Share:
        return sum((combined(group, weight) for group in snapshot.clusters(each)), start=NOTHING)

    for circle in components([entity], lambda each: _holders(snapshot, each)):
        if len(circle) == 1:
            known[circle[0]] = share(circle[0])
        else:
            snapshot.note(
                "owners in a circle: " + ", ".join(map(snapshot.label, sorted(circle)[:9]))
            )
            _settle(circle, known, share, sum(len(snapshot.holdings(each)) for each in circle))
    if entity in listed:
        return ALL
    unknown = snapshot.party(entity).unknown is not None
    return known[entity].hull(ANY) if unknown else known[entity]


def _settle(
    circle: Sequence[str], known: dict[str, Share], share: Callable[[str], Share], width: int
) -> None:
    """The least shares that agree with each other, approached from below in whole units.

    The lower ends are rounded down, so they never pass the true ones; the upper ends are rounded
    up, so where they settle they have passed them.
    """
    known.update(dict.fromkeys(circle, NOTHING))
    for _ in range(max(32, min(_ROUNDS_MOST, _WORK_MOST // max(width, 1)))):
        following = {each: share(each) for each in circle}
        if all(following[each] == known[each] for each in circle):
            return
        known.update(following)
    for each in circle:
        known[each] = Share(known[each].low, WHOLE)


def _holders(snapshot: Snapshot, subject: str) -> list[str]:
    return [holding.holder for holding in snapshot.holdings(subject)]
