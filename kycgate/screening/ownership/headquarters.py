"""The headquarters engine: who stands at the top by control or consolidation, and in which country.

Knows no percentage threshold beyond what a majority says about control, and no restricted country.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kycgate.screening.ownership.cycles import components
from kycgate.screening.ownership.parties import Control, Gap, PartyKind, Unknown
from kycgate.screening.ownership.shares import NOTHING, PERCENT, WHOLE
from kycgate.screening.ownership.snapshot import Holding, Snapshot

_HALF = 50 * PERCENT


@dataclass(frozen=True, slots=True)
class Parent:
    """A party at the top. `country` is numeric, 0 unknown; `sure`: controlled step by step.

    `path`: the holdings that lead to it, nearest first; empty where the entity is its own top.
    """

    id: str
    name: str
    country: int
    country_basis: str
    sure: bool
    path: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class Tops:
    """Every party that may stand at the top, the surest first, and every way that is not known.

    Where something is unknown, the highest party that is known on that way is still among them.
    """

    parents: tuple[Parent, ...]
    unknown: tuple[Unknown, ...]

    def single(self) -> Parent | Unknown:
        """The ultimate parent, if it can be said who it is."""
        if self.unknown:
            return self.unknown[0]
        if self.parents and self.parents[0].sure:
            return self.parents[0]
        names = ", ".join(each.name for each in self.parents[:4])
        return Unknown("no_single_parent", f"several may control it together: {names}")


def tops(snapshot: Snapshot, entity: str) -> Tops:
    """Follow control and consolidation upwards on the snapshot's day, persons left aside."""
    walk = _Walk(snapshot, entity)
    links, surely = walk.ways()
    closed = {each: min(group) for group in walk.circles() if walk.closed(group) for each in group}
    unknown, parents = list[Unknown](), list[Parent]()
    for each in links:
        edges = walk.edges(each)
        unknown.extend(walk.unknown(each))
        if each in closed:
            text = "companies control each other in a circle"
            unknown.append(Unknown("circular_control", text, closed[each]))
        elif not any(walk.sure(edge) for edge in edges):
            sure = each in surely and not edges
            parents.append(_parent(snapshot, each, _path(links, each), sure=sure))
    parents = list({parent.id: parent for parent in parents}.values())
    parents.sort(key=lambda parent: (not parent.sure, not _consolidated(parent), parent.id))
    return Tops(tuple(parents), tuple(dict.fromkeys(unknown)))


def _parent(snapshot: Snapshot, id_: str, path: tuple[Holding, ...], *, sure: bool) -> Parent:
    """The party, or what stands below it where it is only persons holding together."""
    while path and snapshot.party(id_).kind in (PartyKind.JOINT, PartyKind.NOMINATION):
        id_, path = path[-1].subject, path[:-1]
    party = snapshot.party(id_)
    return Parent(id_, party.name, party.country, party.country_basis, sure, path)


def _consolidated(parent: Parent) -> bool:
    return all(any(stake.ultimate for stake in each.stakes) for each in parent.path)


class _Walk:
    """Control edges above one entity, found as they are asked for."""

    def __init__(self, snapshot: Snapshot, entity: str) -> None:
        self._snapshot, self._entity = snapshot, entity
        self._edges = dict[str, tuple[Holding, ...]]()
        self._strength = dict[int, Control]()
        self._declared_tops = set[str]()
        self._stating = dict[str, bool]()

    def edges(self, subject: str) -> tuple[Holding, ...]:
        """Holdings of parties (no persons, nobody unnamed) that do or may control it."""
        if subject not in self._edges:
            self._edges[subject] = tuple(self._controlling(subject))
        return self._edges[subject]

    def sure(self, edge: Holding) -> bool:
        return self._strength[id(edge)] is Control.SURE

    def _controlling(self, subject: str) -> Iterator[Holding]:
        for holding, strength in _strengths(self._snapshot, subject):
            party = self._snapshot.party(holding.holder)
            nameable = party.kind is not PartyKind.PERSON and party.unknown is None
            if strength and nameable and not self._implied(subject, holding):
                self._strength[id(holding)] = strength
                if any(stake.ultimate for stake in holding.stakes):
                    self._declared_tops.add(holding.holder)
                yield holding

    def _implied(self, subject: str, holding: Holding) -> bool:
        """A next parent of which nothing more is known, where the last one is stated."""
        if any(stake.ultimate for stake in holding.stakes) or not self._states_top(subject):
            return False
        holder = holding.holder
        return not self._snapshot.holdings(holder) and not self._snapshot.gaps(holder)

    def _states_top(self, subject: str) -> bool:
        if subject not in self._stating:
            self._stating[subject] = any(
                stake.ultimate for each in self._snapshot.holdings(subject) for stake in each.stakes
            )
        return self._stating[subject]

    def ways(self) -> tuple[dict[str, Holding | None], set[str]]:
        """Every party above with the last holding that leads there, and those surely above."""
        links = dict[str, Holding | None]({self._entity: None})
        sure = {self._entity}
        for only_sure in (True, False):
            queue = list(links)
            for each in queue:
                for edge in self.edges(each):
                    if edge.holder not in links and (self.sure(edge) or not only_sure):
                        links[edge.holder] = edge
                        queue.append(edge.holder)
            if only_sure:
                sure = set(links)
        return links, sure

    def circles(self) -> Iterator[tuple[str, ...]]:
        return components([self._entity], lambda each: [edge.holder for edge in self.edges(each)])

    def closed(self, group: tuple[str, ...]) -> bool:
        """Whether several control each other and nobody outside controls any of them."""
        inside = set(group)
        return len(group) > 1 and all(
            edge.holder in inside for each in group for edge in self.edges(each)
        )

    def unknown(self, subject: str) -> list[Unknown]:
        """What keeps one from saying who stands above this party."""
        snapshot = self._snapshot
        found = [
            snapshot.party(holding.holder).unknown or _nobody(subject)
            for holding, strength in _strengths(snapshot, subject)
            if strength and snapshot.party(holding.holder).unknown
        ]
        edges = self.edges(subject)
        ultimate = any(stake.ultimate for edge in edges for stake in edge.stakes)
        settled = any(self.sure(edge) for edge in edges)
        found += [
            gap.unknown
            for gap in snapshot.gaps(subject)
            if not ultimate and (gap.ultimate or not settled) and not self._fits_top(subject, gap)
        ]
        alone = any(gap.means == "nobody" for gap in snapshot.gaps(subject))
        if not found and not edges and not alone:
            found += self._silence(subject)
        return found

    def _fits_top(self, subject: str, gap: Gap) -> bool:
        """A parent that says nobody consolidates it is a top; a company that names nobody and
        that nobody names as parent is not: above it nothing is known."""
        if gap.means == "withheld":
            return False
        if any(each.means == "nobody" for each in self._snapshot.gaps(subject)):
            return True
        if subject == self._entity:
            return False
        return gap.means == "none" or subject in self._declared_tops

    def _silence(self, subject: str) -> list[Unknown]:
        """No parent is stated: is that because there is none?"""
        snapshot = self._snapshot
        if not snapshot.holdings(subject):
            return self._untold(subject)
        by_person = any(strength is Control.SURE for _, strength in _strengths(snapshot, subject))
        if by_person or snapshot.party(subject).dispersed or snapshot.stated(subject) >= _HALF:
            return []
        return [_nobody(subject)]

    def _untold(self, subject: str) -> list[Unknown]:
        snapshot = self._snapshot
        if subject == self._entity:
            return [Unknown("no_statement", "no statement says who owns or controls it", subject)]
        if subject in self._declared_tops or snapshot.gaps(subject):
            return []
        if snapshot.register.must_report(subject):
            text = (
                f"{snapshot.label(subject)} is the highest parent known, and neither an ultimate"
                " parent nor a reason for naming none is reported"
            )
            return [Unknown("parent_not_reported", text, subject)]
        snapshot.note(f"no statement says who owns {snapshot.label(subject)}: taken as the top")
        return []


def _nobody(subject: str) -> Unknown:
    text = "more than half of it may be held by parties that nobody names"
    return Unknown("majority_not_stated", text, subject)


def _path(links: dict[str, Holding | None], top: str) -> tuple[Holding, ...]:
    path, edge = list[Holding](), links[top]
    while edge is not None:
        path.append(edge)
        edge = links[edge.subject]
    return tuple(reversed(path))


def _strengths(snapshot: Snapshot, subject: str) -> Iterator[tuple[Holding, Control]]:
    """How far each holder controls it. Nominees don't: they do as they are told."""
    stated = snapshot.stated(subject)
    for holding in snapshot.holdings(subject):
        if not holding.nominee:
            yield holding, _strength(holding, stated)


def _strength(holding: Holding, stated: int) -> Control:
    ownership, votes = holding.ownership or NOTHING, holding.votes or NOTHING
    if holding.control is Control.SURE or any(
        share.surely(_HALF, inclusive=False) for share in (ownership, votes)
    ):
        return Control.SURE
    # Nobody can own what is surely owned by others.
    ownership = ownership.at_most(WHOLE - max(stated - ownership.low, 0))
    if holding.control or any(
        share.possibly(_HALF, inclusive=True) for share in (ownership, votes)
    ):
        return Control.POSSIBLE
    return Control.NONE
