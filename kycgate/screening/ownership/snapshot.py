"""Who holds what in whom on one day: statements of the same holding merged, nominees seen through.

Weighs no rule. What it had to decide between statements it says in `notes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from kycgate.screening.ownership.cycles import components
from kycgate.screening.ownership.parties import (
    Control,
    Gap,
    Party,
    PartyKind,
    Register,
    Stake,
    Unknown,
)
from kycgate.screening.ownership.shares import ALL, ANY, NOTHING, Share


@dataclass(frozen=True, slots=True)
class Holding:
    """All that one party has in another on the day, directly or through others.

    `stakes` are the statements behind it. `nominee`: the title only, so that the share is from
    nothing to all of it, and it makes nobody a parent.
    """

    subject: str
    holder: str
    ownership: Share | None
    votes: Share | None
    control: Control
    indirect: bool
    nominee: bool
    stakes: tuple[Stake, ...]

    @property
    def basis(self) -> str:
        return ", ".join(dict.fromkeys(stake.basis for stake in self.stakes))


@dataclass(slots=True)
class _Group:
    """Places of direct holdings, and the indirect ones that repeat them."""

    direct: list[int]
    repeats: list[Holding]


Cluster = tuple[tuple[Holding, ...], tuple[Holding, ...]]
"""Direct holdings, and the indirect ones that tell some of the same shares again."""


class Snapshot:
    """A register on one day. Remembers what it has worked out, so make one per question."""

    def __init__(self, register: Register, at: date) -> None:
        self.register, self.at = register, at
        self._parties = dict[str, Party]()
        self._holdings = dict[str, tuple[Holding, ...]]()
        self._clusters = dict[str, tuple[Cluster, ...]]()
        self._notes = dict[str, None]()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was merged, replaced or left out on the way, in stable order."""
        return tuple(sorted(self._notes))

    def party(self, id_: str) -> Party:
        if id_ not in self._parties:
            self._parties[id_] = self.register.party(id_, self.at)
        return self._parties[id_]

    def gaps(self, subject: str) -> Sequence[Gap]:
        return self.register.gaps(subject)

    def holdings(self, subject: str) -> tuple[Holding, ...]:
        """Everything held in it on the day, one holding per holder and way."""
        if subject not in self._holdings:
            self._holdings[subject] = tuple(self._held(subject))
        return self._holdings[subject]

    def _held(self, subject: str) -> Iterator[Holding]:
        stakes = [stake for stake in self.register.stakes(subject) if stake.holds(self.at)]
        if any(stake.nominee or stake.nominator for stake in stakes):
            stakes = self._seen_through(subject, stakes)
        groups = dict[tuple[str, bool, bool], list[Stake]]()
        for stake in stakes:
            if stake.holder == subject:
                self._note(f"{self.label(subject)} holds shares of itself: left out", stake)
            else:
                key = stake.holder, stake.indirect, stake.nominee
                groups.setdefault(key, []).append(stake)
        for _, group in sorted(groups.items()):
            yield self._merged(group)

    def _merged(self, group: list[Stake]) -> Holding:
        """One holding. Where statements differ the interval takes all of them in."""
        first = group[0]
        ownership = _agreed([each.ownership for each in group if each.ownership is not None])
        votes = _agreed([each.votes for each in group if each.votes is not None])
        stated = {each.ownership for each in group if each.ownership and each.ownership.stated}
        if len(stated) > 1:
            told = " and ".join(sorted(map(str, stated)))
            self._note(
                f"statements differ on what {self.label(first.holder)} holds in "
                f"{self.label(first.subject)} ({told}): taken as {ownership}",
                *group,
            )
        return Holding(
            subject=first.subject,
            holder=first.holder,
            ownership=ownership,
            votes=votes,
            control=max(each.control for each in group),
            indirect=first.indirect,
            nominee=first.nominee,
            stakes=tuple(group),
        )

    def _seen_through(self, subject: str, stakes: list[Stake]) -> list[Stake]:
        """What nominees hold goes to the nominators; to the nominee, the title only."""
        nominators = sorted({stake.holder for stake in stakes if stake.nominator})
        titles = [stake for stake in stakes if stake.nominee]
        held = self._held_as_nominee(subject, titles)
        due = held if len(nominators) == 1 else Share(0, held.high)
        kept = list[Stake]()
        for stake in stakes:
            if stake.nominee:
                self._note(
                    f"{self.label(stake.holder)} is a nominee in {self.label(subject)}", stake
                )
                most = stake.ownership.high if stake.ownership else held.high
                title = Share(0, most) if most else None
                kept.append(replace(stake, ownership=title, votes=None, control=Control.NONE))
            elif stake.nominator and not (stake.ownership and stake.ownership.stated):
                kept.append(replace(stake, ownership=due if due.high else None))
            else:
                kept.append(stake)
        if titles and not nominators:
            kept.append(self._unknown_nominator(titles[0], held))
        return kept

    def _held_as_nominee(self, subject: str, titles: list[Stake]) -> Share:
        """What all nominees hold together; of a nomination, the whole where nobody says."""
        by_holder = dict[str, list[Share]]()
        for title in titles:
            if title.ownership is not None:
                by_holder.setdefault(title.holder, []).append(title.ownership)
        if not by_holder:
            return ALL if self.party(subject).kind is PartyKind.NOMINATION else NOTHING
        agreed = (_agreed(shares) or NOTHING for shares in by_holder.values())
        return sum(agreed, start=NOTHING)

    def _unknown_nominator(self, title: Stake, held: Share) -> Stake:
        id_ = f"nominator:{title.record}"
        reason = Unknown(
            "nominator_not_stated",
            f"{self.label(title.holder)} holds as nominee, and nobody says for whom",
            title.subject,
        )
        self._parties[id_] = Party(id_, "(not named)", PartyKind.UNSTATED, unknown=reason)
        return replace(
            title, holder=id_, nominee=False, nominator=True, ownership=held if held.high else ANY
        )

    def _note(self, text: str, *stakes: Stake) -> None:
        ids = ", ".join(dict.fromkeys(stake.statement for stake in stakes))
        self._notes[f"{text} [{ids}]" if ids else text] = None

    def note(self, text: str) -> None:
        """Add something the answer rests on."""
        self._notes[text] = None

    def label(self, id_: str) -> str:
        """The name, cut short, for notes."""
        name = self.party(id_).name
        return name if len(name) <= 80 else f"{name[:79]}…"

    # -- above ------------------------------------------------------------------------------------

    def closure(self, subject: str) -> tuple[str, ...]:
        """Everybody who holds anything in it, through however many others: itself, the nearest,
        and so on, in stable order."""
        found = {subject: None}
        queue = [subject]
        for each in queue:
            for holding in self.holdings(each):
                if holding.holder not in found:
                    found[holding.holder] = None
                    queue.append(holding.holder)
        return tuple(found)

    def clusters(self, subject: str) -> tuple[Cluster, ...]:
        """Its holdings, parted so that no share is in two clusters.

        An indirect holding repeats what direct holders pass on to its holder: it stands with every
        direct holder it is above of, or whose record it names as its component.
        """
        if subject not in self._clusters:
            self._clusters[subject] = tuple(self._parted(self.holdings(subject)))
        return self._clusters[subject]

    def _parted(self, holdings: Sequence[Holding]) -> Iterator[Cluster]:
        direct = [each for each in holdings if not each.indirect]
        indirect = [each for each in holdings if each.indirect]
        groups = [_Group([at], []) for at in range(len(direct))]
        passed = self._passed_on(direct, indirect)
        for holding in indirect:
            joined = {id(groups[at]): groups[at] for at in passed.get(holding.holder, ())}
            group = _Group(
                [at for each in joined.values() for at in each.direct],
                [*(told for each in joined.values() for told in each.repeats), holding],
            )
            for at in group.direct:
                groups[at] = group
            if not group.direct:
                yield (), (holding,)
        for group in {id(each): each for each in groups}.values():
            yield tuple(direct[at] for at in sorted(group.direct)), tuple(group.repeats)

    def _passed_on(
        self, direct: Sequence[Holding], indirect: Sequence[Holding]
    ) -> dict[str, list[int]]:
        """Indirect holder → places of the direct holdings that lead to it."""
        if not indirect:
            return {}
        found, parts = dict[str, list[int]](), dict[str, int]()
        bits = {holder: at for at, holder in enumerate({each.holder: None for each in indirect})}
        ends = list(bits)
        reached = self._reached(direct, bits)
        for each in indirect:
            for name in (name for stake in each.stakes for name in stake.components):
                parts.setdefault(name, 0)
                parts[name] |= 1 << bits[each.holder]
        for at, holding in enumerate(direct):
            mask = reached[holding.holder]
            for stake in holding.stakes:
                mask |= parts.get(stake.record, 0)
            mask &= ~(1 << bits[holding.holder]) if holding.holder in bits else -1
            while mask:
                lowest = mask & -mask
                found.setdefault(ends[lowest.bit_length() - 1], []).append(at)
                mask ^= lowest
        return found

    def _reached(self, direct: Sequence[Holding], bits: dict[str, int]) -> dict[str, int]:
        """Party → which of the holders (as bits) are above it or itself."""
        reached = dict[str, int]()
        for circle in components([each.holder for each in direct], self._holders):
            mask = 0
            for each in circle:
                mask |= 1 << bits[each] if each in bits else 0
                for holder in self._holders(each):
                    mask |= reached.get(holder, 0)
            reached.update(dict.fromkeys(circle, mask))
        return reached

    def _holders(self, subject: str) -> list[str]:
        return [holding.holder for holding in self.holdings(subject)]

    def stated(self, subject: str) -> int:
        """Units of ownership surely held by somebody named: what is missing to 100 % is open."""
        return sum((combined(each, owned) for each in self.clusters(subject)), start=NOTHING).low


def combined(cluster: Cluster, weigh: Callable[[Holding], Share]) -> Share:
    """What counts of a cluster, each holding weighed: the larger of its two ways of telling it."""
    direct, repeats = cluster
    first = sum(map(weigh, direct), start=NOTHING)
    return first.larger(sum(map(weigh, repeats), start=NOTHING)) if repeats else first


def owned(holding: Holding) -> Share:
    """The share that is held, nothing where there is none."""
    return holding.ownership or NOTHING


def _agreed(shares: list[Share]) -> Share | None:
    """What statements leave between them; one that says nothing takes nothing away."""
    stated = [share for share in shares if share.stated] or shares[:1]
    if not stated:
        return None
    result = stated[0]
    for share in stated[1:]:
        result = result.hull(share)
    return result
