"""The ownership rules as dated data: thresholds, what adds up, where it is written, since when.

Applies nothing. Whether a rule is law, a licence risk or the operator's own policy is its `basis`;
a rule that is stayed says so and stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Outcome = Literal["clear", "unknown", "restricted", "blocked"]

SEVERITY: tuple[Outcome, ...] = ("clear", "unknown", "restricted", "blocked")
"""From the mildest to the gravest: of several answers the gravest counts."""


@dataclass(frozen=True, slots=True)
class Window:
    """How a rule stands from `start` until the day `last`, both included.

    `threshold` in percent; `inclusive`: reaching it is enough, else it must be passed.
    """

    start: date
    last: date | None
    status: Literal["in force", "stayed", "unverified"]
    threshold: int = 50
    inclusive: bool = True
    note: str = ""

    def covers(self, at: date) -> bool:
        return self.start <= at and (self.last is None or at <= self.last)


@dataclass(frozen=True, slots=True)
class Rule:
    """One percentage rule. `outcome` is what it makes of an entity it reaches.

    `aggregate`: listed owners are added up; else each stands alone, and a joint arrangement gives
    the whole to each of its parties. `control`: control reaches without ownership.
    """

    name: str
    basis: Literal["law", "licence-risk", "operator-policy"]
    citation: str
    outcome: Outcome
    windows: tuple[Window, ...]
    aggregate: bool = True
    control: bool = False
    checked: str = "unverified"
    """by what its dates and citation were held against the source"""

    def window(self, at: date) -> Window | None:
        """How it stands on the day; None before it began and after it ended."""
        return next((each for each in self.windows if each.covers(at)), None)


OFAC = Rule(
    name="ofac-50",
    basis="law",
    citation="OFAC, Revised Guidance on Entities Owned by Persons Whose Property and Interests in"
    " Property Are Blocked, 2014-08-13; FAQ 398, 401",
    outcome="blocked",
    windows=(Window(date(2014, 8, 13), None, "in force"),),
    checked="ofac.treasury.gov and law firms' notes of August 2014, read 2026-11-27",
)

EU = Rule(
    name="eu-ownership-control",
    basis="law",
    citation="EU Best Practices for the effective implementation of restrictive measures, Council"
    " document 11623/24 of 2024-07-03; before, 8519/18 of 2018-05-04",
    outcome="blocked",
    control=True,
    windows=(
        Window(date(2018, 5, 4), date(2024, 7, 2), "in force", inclusive=False),
        Window(date(2024, 7, 3), None, "in force"),
    ),
    checked="the change of 2024-07-03 by a law firm's note, read 2026-11-27; the rest unverified",
)

UK = Rule(
    name="uk-ownership-control",
    basis="law",
    citation="Sanctions and Anti-Money Laundering Act 2018 s. 62 and the regulations' own test of"
    " ownership and control (such as SI 2019/855 reg. 7, Sch. 1); OFSI general guidance",
    outcome="blocked",
    aggregate=False,
    control=True,
    windows=(Window(date(2020, 12, 31), None, "in force", inclusive=False),),
)

AFFILIATES = Rule(
    name="bis-affiliates-50",
    basis="law",
    citation="90 FR 47201 (2025-09-29), stayed by 90 FR 50857 from 2025-11-10 to 2026-11-09",
    outcome="restricted",
    windows=(
        Window(date(2025, 9, 29), date(2025, 11, 9), "in force"),
        Window(date(2025, 11, 10), date(2026, 11, 9), "stayed", note="stayed by 90 FR 50857"),
        Window(
            date(2026, 11, 10),
            None,
            "unverified",
            note="unverified since 2026-11-10: on by its text, no extension of the stay found",
        ),
    ),
    checked="the notice of 2025-09-29, law firms' notes of the stay, read 2026-11-27",
)

PERCENTAGE_RULES = (OFAC, EU, UK, AFFILIATES)


@dataclass(frozen=True, slots=True)
class HeadquartersRule:
    """Reaches whoever has its headquarters, or its ultimate parent's, in a restricted country."""

    name: str
    basis: Literal["law", "licence-risk", "operator-policy"]
    citation: str
    outcome: Outcome
    windows: tuple[Window, ...]
    checked: str = "unverified"

    def window(self, at: date) -> Window | None:
        return next((each for each in self.windows if each.covers(at)), None)


HEADQUARTERS = HeadquartersRule(
    name="headquarters",
    basis="operator-policy",
    citation="15 CFR 744.23(a)(3), 742.6(a)(6)(iii)(A): D:5 and Macau; BIS guidance of 2026-05-31",
    outcome="restricted",
    windows=(
        Window(
            date(2023, 11, 17),
            None,
            "in force",
            note="whether renting remotely is an export is unsettled: operator policy on rentals",
        ),
    ),
    checked="ecfr 2026-07-23 for the groups; 744.23 through research notes of 2026-11-23",
)
