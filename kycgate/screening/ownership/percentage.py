"""The percentage engine: how much of a company listed parties own, and whether that reaches a rule.

Looks at ownership (and control, where a rule does), never at headquarters. An owner that a rule
reaches counts with its whole stake; one that it does not reach counts with nothing under the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kycgate.screening.ownership.parties import Control, PartyKind, Unknown
from kycgate.screening.ownership.rules import SEVERITY, Outcome, Rule, Window
from kycgate.screening.ownership.shares import ALL, NOTHING, PERCENT, Share
from kycgate.screening.ownership.snapshot import Holding, Snapshot, combined


@dataclass(frozen=True, slots=True)
class Percentages:
    """What a rule makes of an entity. `share` is what counts under the rule.

    `path`: the holdings the answer rests on, nearest first. `reasons`: what is not known, whether
    or not it changes the answer; empty where everything that matters is stated.
    """

    rule: Rule
    window: Window | None
    result: Outcome
    share: Share
    by_control: bool
    path: tuple[Holding, ...]
    reasons: tuple[Unknown, ...]


@dataclass(slots=True)
class _Reach:
    """Which parties surely, and which possibly, count with their whole stake."""

    surely: set[str]
    possibly: set[str]

    def of(self, holding: Holding) -> Share:
        if holding.ownership is None:
            return NOTHING
        return holding.ownership.part(
            surely=holding.holder in self.surely, possibly=holding.holder in self.possibly
        )


def percentages(snapshot: Snapshot, entity: str, listed: frozenset[str], rule: Rule) -> Percentages:
    """Apply one rule on the snapshot's day. Where it does not stand, the answer is clear."""
    window = rule.window(snapshot.at)
    closure = snapshot.closure(entity)
    present = listed.intersection(closure)
    test = _Test(snapshot, rule, window or rule.windows[0])
    groups = [present] if rule.aggregate or not present else [{each} for each in sorted(present)]
    answers = [_one(test, closure, entity, frozenset(group)) for group in groups]
    best = max(
        answers, key=lambda each: (SEVERITY.index(each.result), each.share.low, each.share.high)
    )
    share = best.share
    for each in answers:
        share = share.larger(each.share)
    stopped = window is None or window.status == "stayed"
    result: Outcome = "clear" if stopped else best.result
    return Percentages(rule, window, result, share, best.by_control, best.path, best.reasons)


def counted(
    snapshot: Snapshot, closure: Sequence[str], listed: frozenset[str], rule: Rule
) -> tuple[set[str], set[str]]:
    """The parties that surely and that possibly count with their whole stake, listed included."""
    window = rule.window(snapshot.at) or rule.windows[0]
    reach = _Test(snapshot, rule, window).reach(closure, listed.intersection(closure))
    return reach.surely, reach.possibly


def _one(test: _Test, closure: Sequence[str], entity: str, listed: frozenset[str]) -> Percentages:
    reach = test.reach(closure, listed)
    share = ALL if entity in listed else test.share(entity, reach)
    reasons = _reasons(test.snapshot, entity, closure, reach)
    result: Outcome = "clear"
    if entity in reach.surely:
        result = test.rule.outcome
    elif entity in reach.possibly or not _described(test.snapshot, entity):
        result = "unknown"
    surely = result == test.rule.outcome
    by_control = surely and not (entity in listed or test.owned(share, surely=True))
    counting = reach.surely if surely else reach.possibly
    path = _path(test.snapshot, entity, counting, listed)
    return Percentages(test.rule, test.window, result, share, by_control, path, reasons)


@dataclass(frozen=True, slots=True)
class _Test:
    """One rule as it stands, against one snapshot."""

    snapshot: Snapshot
    rule: Rule
    window: Window

    def share(self, entity: str, reach: _Reach) -> Share:
        """What counts under the rule of everything held in it."""
        clusters = self.snapshot.clusters(entity)
        return sum((combined(each, reach.of) for each in clusters), start=NOTHING)

    def owned(self, share: Share, *, surely: bool) -> bool:
        threshold = self.window.threshold * PERCENT
        decide = share.surely if surely else share.possibly
        return decide(threshold, inclusive=self.window.inclusive)

    def reach(self, closure: Sequence[str], listed: frozenset[str]) -> _Reach:
        """The least set closed under the rule: it only grows, by one party at a time, so it ends,
        cycles or not, and the order of the statements can't matter."""
        snapshot = self.snapshot
        reach = _Reach(set(listed), set(listed))
        reach.possibly |= {each for each in closure if snapshot.party(each).unknown}
        held_by = dict[str, list[str]]()
        for each in closure:
            for holding in snapshot.holdings(each):
                held_by.setdefault(holding.holder, []).append(each)
        rank = {each: -at for at, each in enumerate(closure)}  # the farthest first
        waiting = set(closure)
        while waiting:
            for entity in sorted(waiting, key=rank.__getitem__):
                waiting.discard(entity)
                if self._moved(entity, reach):
                    waiting.update(held_by.get(entity, ()))
        return reach

    def _moved(self, entity: str, reach: _Reach) -> bool:
        """Take the entity in where the rule reaches it by now; whether that is news."""
        if entity in reach.surely:
            return False
        surely, possibly = self._reached(entity, reach)
        news = surely or (possibly and entity not in reach.possibly)
        if possibly:
            reach.possibly.add(entity)
        if surely:
            reach.surely.add(entity)
        return news

    def _reached(self, entity: str, reach: _Reach) -> tuple[bool, bool]:
        share = self.share(entity, reach)
        surely, possibly = self.owned(share, surely=True), self.owned(share, surely=False)
        if not self.rule.aggregate and self.snapshot.party(entity).kind is PartyKind.JOINT:
            holders = [each for each in self.snapshot.holdings(entity) if each.ownership]
            surely = surely or any(each.holder in reach.surely for each in holders)
            possibly = possibly or any(each.holder in reach.possibly for each in holders)
        if self.rule.control:
            for each in self.snapshot.holdings(entity):
                sure, maybe = _controls(each)
                surely = surely or (sure and each.holder in reach.surely)
                possibly = possibly or (maybe and each.holder in reach.possibly)
        return surely, surely or possibly


def _controls(holding: Holding) -> tuple[bool, bool]:
    """Whether its holder controls the subject, surely and possibly: by its say or its votes."""
    half = 50 * PERCENT
    votes = holding.votes or NOTHING
    if holding.nominee:
        return False, False
    sure = holding.control is Control.SURE or votes.surely(half, inclusive=False)
    maybe = holding.control is not Control.NONE or votes.possibly(half, inclusive=False)
    return sure, sure or maybe


def _described(snapshot: Snapshot, entity: str) -> bool:
    """Whether anything at all is stated about who owns it."""
    return bool(snapshot.holdings(entity))


def _reasons(
    snapshot: Snapshot, entity: str, closure: Iterable[str], reach: _Reach
) -> tuple[Unknown, ...]:
    found = list[Unknown]()
    if not _described(snapshot, entity):
        found.extend(gap.unknown for gap in snapshot.gaps(entity))
        text = "no statement says who owns it"
        found.append(Unknown("no_statement", text, entity))
    for each in closure:
        if each in reach.possibly and (unknown := snapshot.party(each).unknown):
            found.append(unknown)
    if entity in reach.possibly and entity not in reach.surely:
        text = "the listed share may or may not reach the threshold"
        found.append(Unknown("share_interval", text, entity))
    return tuple(dict.fromkeys(found))


def _path(
    snapshot: Snapshot, entity: str, counting: set[str], listed: frozenset[str]
) -> tuple[Holding, ...]:
    """The holdings through which counted parties reach the entity, nearest first."""
    path, seen, queue = list[Holding](), {entity}, [entity]
    for each in queue:
        if each in listed:
            continue
        for holding in snapshot.holdings(each):
            if holding.holder in counting and (
                holding.ownership or holding.votes or holding.control
            ):
                path.append(holding)
                if holding.holder not in seen:
                    seen.add(holding.holder)
                    queue.append(holding.holder)
    return tuple(path)
