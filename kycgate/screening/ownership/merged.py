"""One graph out of several registers: what a company says of itself beside what registers say.

Weighs no rule and believes nobody: statements of all sides stand in the graph together, and where
they don't agree it says so. Only what stands above one company is taken, so it is soon done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from kycgate.errors import TooLarge
from kycgate.screening.match import legal_key, normalise, unordered_key
from kycgate.screening.ownership.headquarters import Parent, tops
from kycgate.screening.ownership.leis import is_lei
from kycgate.screening.ownership.parties import Gap, Party, PartyKind, Register, Stake, Unknown
from kycgate.screening.ownership.register import MemoryRegister
from kycgate.screening.ownership.snapshot import Snapshot

PARTIES_MOST = 100
"""Parties above one company; beyond, nobody can be called clear without a person looking."""

STATED = "stated"
"""The label of what the company says itself."""

NOT_TOLD = "not_told"
"""The reason of a gap that the company itself left."""

About = Literal["identity", "name", "country", "headquarters", "parent", "inactive"]

_SURE_BASES = ("headquarters", "business address")
Node = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a statement and a register don't agree, for a person to look at. Holds names."""

    about: About
    party: str
    stated: str
    registered: str
    source: str


class MergedRegister(MemoryRegister):
    """A register of which some members, not all, have to report their parents."""

    def __init__(
        self,
        parties: Iterable[Party],
        stakes: Iterable[Stake],
        gaps: Mapping[str, Sequence[Gap]],
        reporting: frozenset[str],
    ) -> None:
        super().__init__(parties, stakes, gaps)
        self._reporting = reporting

    def must_report(self, subject: str) -> bool:
        return subject in self._reporting


@dataclass(frozen=True, slots=True)
class Merged:
    """Everything above `subject`. Ids of stated parties are those they were stated under."""

    subject: str
    at: date
    ids: Mapping[str, str]
    """stated id → id in the merged graph: other where two statements are about one party"""
    register: MergedRegister
    registered: Mapping[str, tuple[Party, ...]]
    """id → what registers say of that party, for those of which one knows something"""
    owned: bool
    """whether a register says who owns the subject, and how much"""
    differences: tuple[Difference, ...]
    cut: bool
    """whether there was more than can be looked at"""

    def snapshot(self) -> Snapshot:
        return Snapshot(self.register, self.at)

    def ultimate(self) -> Parent | Unknown:
        """Who stands on top. Unknown where several do in different countries."""
        if self.cut:
            text = f"more than {PARTIES_MOST} parties stand above it"
            return Unknown("too_many_parties", text, self.subject)
        found = tops(self.snapshot(), self.subject)
        sure = [each for each in found.parents if each.sure]
        if not found.unknown and len({each.country for each in sure}) > 1:
            text = "statements and registers name several ultimate parents in different countries"
            return Unknown("parents_differ", text, self.subject)
        return found.single()


def merge(
    stated: MemoryRegister | None,
    subject: str,
    registers: Sequence[tuple[str, Register]],
    *,
    at: date,
) -> Merged:
    """Put together what stands above `subject` on the day.

    `stated` describes it under that id; without one, `subject` is an id of the registers. A party
    of two registers is one where an LEI or a registration number is the same; a stated party is
    also one of the register's above the subject where the name is.
    """
    return _Merging(stated, subject, registers, at).done()


class _Merging:
    def __init__(
        self,
        stated: MemoryRegister | None,
        subject: str,
        registers: Sequence[tuple[str, Register]],
        at: date,
    ) -> None:
        first: list[tuple[str, Register]] = [] if stated is None else [(STATED, stated)]
        self._told = stated is not None
        self._sources = [*first, *registers]
        self._at, self._cut = at, False
        self._parties = dict[Node, Party]()
        self._group = dict[Node, Node]()
        having = (n for n, (_, each) in enumerate(self._sources) if self._told or subject in each)
        self._start = next(having, 0), subject
        self._gather(self._start)
        if self._told:
            self._unite_statements()
            self._unite_by_name()
        self._ids = self._named()

    # -- gathering ---------------------------------------------------------------------------------

    def _gather(self, start: Node) -> None:
        self._meet(start)
        queue = [start]
        for node in queue:
            for other in self._beside(node):
                if self._meet(other):
                    queue.append(other)
                if other in self._parties:
                    self._unite(node, other)
            for stake in self._stakes(node):
                holder = node[0], stake.holder
                if self._meet(holder):
                    queue.append(holder)

    def _meet(self, node: Node) -> bool:
        """Take a party in; whether that is news."""
        if node in self._parties:
            return False
        if len(self._parties) >= PARTIES_MOST:
            self._cut = True
            return False
        source, id_ = node
        self._parties[node] = self._sources[source][1].party(id_, self._at)
        self._group[node] = node
        return True

    def _beside(self, node: Node) -> list[Node]:
        """The same party in the other registers."""
        party, found = self._parties[node], list[Node]()
        if party.kind is PartyKind.PERSON:
            return found
        for number, (_, register) in enumerate(self._sources):
            if number == node[0] or (number == 0 and self._told):
                continue
            ids = [
                *(id_ for each in party.identifiers if is_lei(each) for id_ in
                  register.identified(each)),
                *(id_ for country, each in party.numbers for id_ in
                  register.numbered(country, each)),
            ]  # fmt: skip
            found += [(number, id_) for id_ in dict.fromkeys(ids)]
        return found

    def _stakes(self, node: Node) -> list[Stake]:
        register = self._sources[node[0]][1]
        return [each for each in register.stakes(node[1]) if each.holds(self._at)]

    # -- who is who --------------------------------------------------------------------------------

    def _group_of(self, node: Node) -> Node:
        while self._group[node] != node:
            node = self._group[node]
        return node

    def _unite(self, one: Node, other: Node) -> None:
        first, second = sorted((self._group_of(one), self._group_of(other)))
        self._group[second] = first

    def _unite_statements(self) -> None:
        """One company may be told of twice, as a parent and as an owner."""
        seen = dict[object, Node]()
        for node in sorted(node for node in self._parties if not node[0]):
            party = self._parties[node]
            leis = filter(is_lei, party.identifiers)
            for key in (*leis, *party.numbers, (*_name_key(party), party.country)):
                self._unite(seen.setdefault(key, node), node)

    def _unite_by_name(self) -> None:
        named = dict[tuple[bool, str], list[Node]]()
        for node, party in self._parties.items():
            if node[0]:
                named.setdefault(_name_key(party), []).append(node)
        alone = [node for node in self._parties if not node[0] and not self._with_register(node)]
        for node in alone:
            for other in named.get(_name_key(self._parties[node]), ()):
                if not self._with_statement(other):
                    self._unite(node, other)

    def _members(self, node: Node) -> list[Node]:
        root = self._group_of(node)
        return [each for each in self._parties if self._group_of(each) == root]

    def _with_register(self, node: Node) -> bool:
        return any(each[0] for each in self._members(node))

    def _with_statement(self, node: Node) -> bool:
        return any(not each[0] for each in self._members(node))

    def _named(self) -> dict[Node, str]:
        """Node → the id it has in the merged graph: the stated one where there is one."""
        roots = dict[Node, str]()
        for node in sorted(self._parties):
            root = self._group_of(node)
            if root not in roots:
                plain = node[0] == 0 or not self._told
                label = self._sources[node[0]][0]
                roots[root] = node[1] if plain else f"{label}:{node[1]}"
        return {node: roots[self._group_of(node)] for node in self._parties}

    # -- putting together --------------------------------------------------------------------------

    def done(self) -> Merged:
        groups = dict[str, list[Node]]()
        for node in sorted(self._parties):
            groups.setdefault(self._ids[node], []).append(node)
        subject = self._ids[self._start]
        everything = self._register(groups, range(len(self._sources)))
        registers = range(1 if self._told else 0, len(self._sources))
        known = {
            id_: found
            for id_, nodes in groups.items()
            if (found := tuple(self._parties[node] for node in nodes if node[0] in registers))
        }
        owned = any(
            stake.ownership is not None and stake.ownership.stated
            for node in groups.get(subject, ())
            if node[0] in registers
            for stake in self._stakes(node)
        )
        differences = [*self._described_differently(groups, subject)] if self._told else []
        if self._told and subject in known:
            differences += self._parents_differ(groups, subject, registers)
        ids = {node[1]: id_ for node, id_ in self._ids.items() if self._told and not node[0]}
        told = tuple(differences)
        return Merged(subject, self._at, ids, everything, known, owned, told, self._cut)

    def _register(self, groups: dict[str, list[Node]], sources: range) -> MergedRegister:
        parties, stakes, gaps = list[Party](), dict[Stake, None](), dict[str, list[Gap]]()
        reporting = set[str]()
        for id_, nodes in groups.items():
            present = [node for node in nodes if node[0] in sources]
            if not present:
                continue
            parties.append(self._party(id_, present))
            known = [node for node in present if node[0] or not self._told]
            for node in present:
                register = self._sources[node[0]][1]
                for stake in self._stakes(node):
                    holder = self._ids.get((node[0], stake.holder))
                    if holder is not None:
                        stakes[replace(stake, subject=id_, holder=holder)] = None
                # What a company left out a register may say.
                if node in known or not any(self._tells(each) for each in known):
                    gaps.setdefault(id_, []).extend(register.gaps(node[1]))
                if node in known and register.must_report(node[1]) and node[1] in register:
                    reporting.add(id_)
            if any(gap.means == "nobody" for gap in gaps.get(id_, ())):
                gaps[id_] = [gap for gap in gaps[id_] if gap.unknown.reason != NOT_TOLD]
        return MergedRegister(parties, stakes, gaps, frozenset(reporting))

    def _tells(self, node: Node) -> bool:
        return bool(self._stakes(node))

    def _party(self, id_: str, nodes: list[Node]) -> Party:
        """What all of them say of it. A headquarters they don't agree on is not known."""
        members = [self._parties[node] for node in nodes]
        main = next((each for each in members if each.unknown is None), members[0])
        sure = {each.country for each in members if each.country_basis in _SURE_BASES}
        country, basis = main.country, main.country_basis
        if len(sure) > 1:
            country, basis = 0, "statement and register differ"
        elif sure and basis not in _SURE_BASES:
            country, basis = sure.pop(), "headquarters"
        return replace(
            main,
            id=id_,
            country=country,
            country_basis=basis,
            identifiers=tuple(dict.fromkeys(x for each in members for x in each.identifiers)),
            numbers=tuple(dict.fromkeys(x for each in members for x in each.numbers)),
            dispersed=any(each.dispersed for each in members),
            since=None,
        )

    # -- what does not agree -----------------------------------------------------------------------

    def _described_differently(
        self, groups: dict[str, list[Node]], subject: str
    ) -> Iterable[Difference]:
        for id_, nodes in groups.items():
            stated = [self._parties[node] for node in nodes if node[0] == 0]
            known = [node for node in nodes if node[0]]
            if not stated or not known:
                continue
            said = stated[0]
            if len({node for node in known if node[0] == known[0][0]}) > 1:
                names = "; ".join(self._parties[node].name for node in known)
                yield Difference("identity", id_, said.name, names, self._label(known[0]))
            for node in known:
                yield from self._compared(id_, said, node, ended=id_ == subject)

    def _compared(self, id_: str, said: Party, node: Node, *, ended: bool) -> Iterable[Difference]:
        known, source = self._parties[node], self._label(node)
        described = known.unknown is None and known.name != known.id
        if described and _name_key(known) != _name_key(said):
            yield Difference("name", id_, said.name, known.name, source)
        if said.legal and known.legal and said.legal != known.legal:
            yield Difference("country", id_, str(said.legal), str(known.legal), source)
        if said.country and known.country_basis in _SURE_BASES and said.country != known.country:
            yield Difference("headquarters", id_, str(said.country), str(known.country), source)
        if ended and known.until is not None and known.until <= self._at:
            yield Difference("inactive", id_, "", known.until.isoformat(), source)

    def _parents_differ(
        self, groups: dict[str, list[Node]], subject: str, registers: range
    ) -> Iterable[Difference]:
        one = tops(Snapshot(self._register(groups, range(1)), self._at), subject).single()
        other = tops(Snapshot(self._register(groups, registers), self._at), subject).single()
        if isinstance(one, Parent) and isinstance(other, Parent) and one.id != other.id:
            sources = {self._label(node) for nodes in groups.values() for node in nodes if node[0]}
            told = ", ".join(sorted(sources))
            yield Difference("parent", subject, one.name, other.name, told)

    def _label(self, node: Node) -> str:
        return self._sources[node[0]][0]


def _name_key(party: Party) -> tuple[bool, str]:
    """By which two ways of writing one name are known as one; nothing is guessed."""
    person = party.kind is PartyKind.PERSON
    try:
        text = normalise(party.name)
    except TooLarge:
        text = party.name
    return person, unordered_key(text) if person else legal_key(text)
