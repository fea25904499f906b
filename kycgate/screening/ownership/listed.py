"""How much of a company listed owners hold, list family by list family: what dated rules ask for.

Screens nobody: it is told who is listed, and how surely. Holds no names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from kycgate.core.policy import ListedShare, Regime
from kycgate.screening.ownership.merged import Merged
from kycgate.screening.ownership.percentage import percentages
from kycgate.screening.ownership.rules import AFFILIATES, EU, OFAC, UK, Rule
from kycgate.screening.ownership.shares import PERCENT, Share
from kycgate.screening.ownership.snapshot import Snapshot

_EXACTLY: Final = 40
"""Parties up to which each is tried alone."""
_ALL: Final = frozenset(Regime)
_FAMILIES: Final[Mapping[str, frozenset[Regime]]] = {
    "SDN": frozenset({Regime.OFAC}),
    "EL": frozenset({Regime.BIS}),
    "MEU": frozenset({Regime.BIS}),
    "EU": frozenset({Regime.EU}),
    "UK": frozenset({Regime.UK}),
    "UN": frozenset({Regime.UN}),
    # The same lists as OpenSanctions calls them.
    "us_ofac_sdn": frozenset({Regime.OFAC}),
    "eu_fsf": frozenset({Regime.EU}),
    "gb_fcdo_sanctions": frozenset({Regime.UK}),
    "gb_hmt_sanctions": frozenset({Regime.UK}),
    "un_sc_sanctions": frozenset({Regime.UN}),
    # No ownership rule reaches beyond the listed party itself: see docs/RULES.md.
    **dict.fromkeys(
        ("CAP", "CMIC", "DPL", "DTC", "FSE", "ISN", "NS-MBS", "PLC", "SSI", "UVL", "WALLET"),
        frozenset(),
    ),
}
"""Publisher's list → under whose ownership rules its parties count."""

_RULES: Final[Mapping[frozenset[Regime], Rule]] = {
    frozenset({Regime.OFAC}): OFAC,
    frozenset({Regime.EU}): EU,
    frozenset({Regime.UK}): UK,
    frozenset({Regime.BIS}): AFFILIATES,
    frozenset({Regime.BIS, Regime.OFAC}): AFFILIATES,
}


@dataclass(frozen=True, slots=True)
class Listing:
    """That a party is on lists of these families. `sure`: else a person has yet to look.

    `maybe`: families on whose lists it may be besides.
    """

    regimes: frozenset[Regime]
    sure: bool
    maybe: frozenset[Regime] = frozenset()

    @property
    def anywhere(self) -> frozenset[Regime]:
        """Every family on whose lists it is or may be."""
        return self.regimes | self.maybe

    def on(self, some: Collection[Regime], *, sure: bool) -> bool:
        """Whether it is on one of these families' lists: surely, or at all."""
        found = self.anywhere if not sure else self.regimes if self.sure else frozenset[Regime]()
        return not found.isdisjoint(some)

    def and_on(self, regimes: frozenset[Regime], *, sure: bool) -> Listing:
        """The same party on more lists."""
        surely = (self.regimes if self.sure else frozenset()) | (regimes if sure else frozenset())
        return Listing(surely, True, (self.anywhere | regimes) - surely)


def regimes_of(list_: str) -> frozenset[Regime]:
    """The families of a publisher's list. One that nobody here knows counts under all of them."""
    return _FAMILIES.get(list_, _ALL)


def listed_share(merged: Merged, listings: Mapping[str, Listing]) -> ListedShare:
    """What listed parties hold of the subject: all together, and for every combination of families.

    `listings`: id in the merged graph → where it is listed. The lower end counts what is sure, the
    upper end what may be; parties whose identity is withheld may be listed anywhere.
    """
    snapshot = merged.snapshot()
    closure = set(snapshot.closure(merged.subject))
    counted = {id_: each for id_, each in listings.items() if id_ in closure and each.anywhere}
    present = frozenset[Regime]().union(*(each.anywhere for each in counted.values()))
    parts = [
        (some, *_percent(_held(snapshot, merged.subject, counted, some)))
        for some in _combinations(present)
    ]
    low, high = parts[-1][1:]
    return ListedShare(low, high, present, tuple(parts))


def decisive(merged: Merged) -> frozenset[str]:
    """The parties each of whom, listed alone and for sure, would block the subject by ownership.

    Among many, those with half or more on all of one way: others are a reviewer's to weigh.
    """
    snapshot, found = merged.snapshot(), set[str]()
    closure = snapshot.closure(merged.subject)
    if len(closure) > _EXACTLY:
        return _halves(snapshot, merged.subject)
    for id_ in closure:
        alone = percentages(snapshot, merged.subject, frozenset({id_}), OFAC)
        if alone.result == OFAC.outcome:
            found.add(id_)
    return frozenset(found)


def _halves(snapshot: Snapshot, subject: str) -> frozenset[str]:
    found, queue = {subject}, [subject]
    for each in queue:
        for holding in snapshot.holdings(each):
            half = holding.ownership is not None and holding.ownership.surely(
                50 * PERCENT, inclusive=True
            )
            if half and holding.holder not in found:
                found.add(holding.holder)
                queue.append(holding.holder)
    return frozenset(found)


def _held(
    snapshot: Snapshot, subject: str, counted: Mapping[str, Listing], some: frozenset[Regime]
) -> Share:
    rule = _RULES.get(some, OFAC)
    sure = _among(counted, some, sure=True)
    low = percentages(snapshot, subject, sure, rule).share
    high = percentages(snapshot, subject, _among(counted, some, sure=False), rule).share
    return low.hull(high)


def _among(
    counted: Mapping[str, Listing], some: Collection[Regime], *, sure: bool
) -> frozenset[str]:
    return frozenset(id_ for id_, each in counted.items() if each.on(some, sure=sure))


def _combinations(present: Collection[Regime]) -> Iterator[frozenset[Regime]]:
    """Every one, from none of them to all."""
    ordered = sorted(present)
    for count in range(len(ordered) + 1):
        for some in combinations(ordered, count):
            yield frozenset(some)


def _percent(share: Share) -> tuple[float, float]:
    """As rules compare it: an end that is only approached lies a hair inside."""
    low = share.low + share.low_open
    high = share.high - share.high_open
    return low / PERCENT, max(low, high) / PERCENT
