"""The rules an operator rents under: values, dated and cited, with one digest for what they mean.

Decides nothing and reads no file: `kycgate.core.decision` applies a policy, callers bring its text.

A rule fires when its GPU scope covers the GPU and every condition holds. An unknown GPU is in every
scope; of other unknowns `conditions` tells.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from itertools import product
from typing import NamedTuple

import rfc8785

from kycgate.core.claims import Digest
from kycgate.core.policy.conditions import (
    NO_NETWORK,
    NO_REGION,
    NO_SHARE,
    Condition,
    CountryIn,
    LevelBelow,
    ListedShareReaches,
    MoreGpusThan,
    MoreHoursThan,
    RegionIn,
    Test,
)
from kycgate.core.policy.facts import (
    UNKNOWN_COUNTRY,
    Countries,
    Eccn,
    Facts,
    GpuClass,
    ListedShare,
    ListVersion,
    Place,
    Regime,
    Region,
    describe,
    share_text,
)
from kycgate.core.policy.rule import (
    ANY_GPU,
    BY_LETTER_GPU,
    CONTROLLED_GPU,
    GPU_SCOPES,
    Basis,
    Effect,
    Rule,
    Status,
    Window,
    day,
)
from kycgate.core.typed import keccak
from kycgate.errors import Code, Reason

__all__ = [
    "ANY_GPU",
    "BY_LETTER_GPU",
    "CONTROLLED_GPU",
    "DAY_S",
    "GPU_SCOPES",
    "HOUR_S",
    "UNKNOWN_COUNTRY",
    "Basis",
    "Check",
    "Condition",
    "Countries",
    "CountryIn",
    "Eccn",
    "Effect",
    "Facts",
    "GpuClass",
    "LevelBelow",
    "Limits",
    "ListVersion",
    "ListedShare",
    "ListedShareReaches",
    "Mode",
    "Moment",
    "MoreGpusThan",
    "MoreHoursThan",
    "Place",
    "Policy",
    "Ready",
    "Regime",
    "Region",
    "RegionIn",
    "Rule",
    "Status",
    "Test",
    "Unasked",
    "Window",
    "day",
    "describe",
    "share_text",
]

HOUR_S = 3_600
DAY_S = 24 * HOUR_S


class Mode(StrEnum):
    """Enforce, or observe: would-be verdicts are recorded and everything is forwarded."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on age, in seconds, for controlled GPUs; both default to the product's own."""

    max_wallet_proof_age_s: int = 7 * DAY_S
    max_list_age_s: int = 72 * HOUR_S


class Check(NamedTuple):
    """A rule made ready: `fires` is its conditions, compiled; `remark` its window's at the time."""

    rule: Rule
    fires: Test
    about_subject: bool
    remark: str


class Unasked(NamedTuple):
    """What goes on record when a fact is missing that rules in force would have looked at.

    None where no rule asks for it. `region_countries` are those of which a part is embargoed.
    """

    network: Reason | None
    share: Reason | None
    region: Reason | None
    region_countries: frozenset[int]

    def notes(self, facts: Facts) -> list[Reason]:
        """One note for each fact that is missing."""
        found = list[Reason]()
        if self.network is not None and facts.network is None:
            found.append(self.network)
        if self.share is not None and (facts.listed_share is None or facts.share_gap):
            text = f"{self.share.text}: {facts.share_gap}" if facts.share_gap else self.share.text
            found.append(Reason(self.share.code, text, self.share.rule))
        if self.region is not None and self._part_unknown(facts):
            found.append(self.region)
        return found

    def _part_unknown(self, facts: Facts) -> bool:
        claims, countries = facts.claims, self.region_countries
        if (
            claims is None
            or claims.country in countries
            or claims.ultimate_country in countries
            or facts.network in countries
        ):
            told = {place for place, _ in facts.regions}
            return any(facts.country(p) in countries for p in Place if p not in told)
        return False


class Ready(NamedTuple):
    """The rules that cover one kind of GPU in one stretch of time, made quick to ask.

    `checks` is all of them, in the order of the file. The rest of the fields only save time: where
    none of the named countries, regions and shares is met, `plain` is all that can fire.
    """

    checks: tuple[Check, ...]
    plain: tuple[Check, ...]
    subject: frozenset[int]
    ultimate: frozenset[int]
    network: frozenset[int]
    regions: frozenset[Region]
    least_share: float
    unasked: Unasked | None

    def asking(self, facts: Facts) -> tuple[Check, ...]:
        """The checks worth going through; those left out would not fire."""
        claims, share = facts.claims, facts.listed_share
        if (
            claims is None
            or claims.country in self.subject
            or claims.ultimate_country in self.ultimate
            or (facts.network or UNKNOWN_COUNTRY) in self.network
            or (share is not None and share.maximum >= self.least_share)
            or not self.regions.isdisjoint(facts.regions)
        ):
            return self.checks
        return self.plain


class Moment(NamedTuple):
    """Rules in force in one stretch of time, by (class, controlled). `empty`: there are none."""

    empty: bool
    ready: Mapping[tuple[Eccn, bool], Ready]


@dataclass(frozen=True, slots=True)
class Policy:
    """Frozen rules. `digest` covers what they mean, not how the file was written.

    `labels` names countries for people (numeric → alpha-2) and means nothing else; `stated` holds
    the names of the limits that the file itself sets.
    """

    id: str
    mode: Mode
    rules: tuple[Rule, ...]
    limits: Limits = field(default_factory=Limits)
    labels: Mapping[int, str] = field(default_factory=dict, compare=False, repr=False)
    stated: frozenset[str] = frozenset()
    digest: Digest = field(init=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _moments: tuple[Moment, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len({rule.id for rule in self.rules}) != len(self.rules):
            raise ValueError("two rules have one id")
        spans = [span for rule in self.rules for span in rule.spans]
        edges = {edge for span in spans for edge in (span.starts, span.ends) if edge is not None}
        starts = tuple(sorted(edges))
        object.__setattr__(self, "digest", Digest(keccak(self.canonical())))
        object.__setattr__(self, "_starts", starts)
        tests = {rule.id: rule.test() for rule in self.rules}
        before = starts[0] - 1 if starts else 0
        moments = tuple(_moment(self.rules, tests, at) for at in (before, *starts))
        object.__setattr__(self, "_moments", moments)

    @classmethod
    def from_toml(
        cls,
        text: str,
        *,
        countries: Countries,
        source: str = "policy",
        books: Mapping[str, str] | None = None,
    ) -> Policy:
        """Read an operator's file. Raises Misconfigured with all problems: place, fault, remedy.

        `books` (name → text) are the rule books the file may `include`.
        """
        from kycgate.core.policy.reading import read

        return read(text, countries=countries, source=source, books=books or {})

    def at(self, now: int) -> Moment:
        """What is in force at `now`."""
        return self._moments[bisect_right(self._starts, now)]

    def rule(self, rule_id: str | None) -> Rule | None:
        """The rule of that id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def with_limits(self, limits: Limits) -> Policy:
        """Under the gate's configured bounds; where the file states its own, the stricter holds."""
        bounds = {
            name: min(getattr(self.limits, name), given) if name in self.stated else given
            for name, given in asdict(limits).items()
        }
        return replace(self, limits=Limits(**bounds))

    def canonical(self) -> bytes:
        """RFC 8785 form of the meaning: rules by id, countries as sorted numbers."""
        rules = sorted(self.rules, key=lambda rule: rule.id)
        return rfc8785.dumps(
            {
                "kycgate": "policy 1",
                "id": self.id,
                "mode": str(self.mode),
                "max_wallet_proof_age_s": self.limits.max_wallet_proof_age_s,
                "max_list_age_s": self.limits.max_list_age_s,
                "rules": [rule.canonical() for rule in rules],
            }
        )


Scope = tuple[Eccn, bool]
_SCOPES: tuple[Scope, ...] = tuple(product(Eccn, (False, True)))


def _moment(rules: Iterable[Rule], tests: Mapping[str, Test], now: int) -> Moment:
    live = [
        Check(rule, tests[rule.id], rule.about_subject, window.remark())
        for rule in rules
        if (window := rule.window(now)) is not None and window.applies
    ]
    return Moment(
        not live,
        {scope: _ready(tuple(c for c in live if c.rule.covers(*scope))) for scope in _SCOPES},
    )


def _ready(checks: tuple[Check, ...]) -> Ready:
    conditions = [condition for check in checks for condition in check.rule.when]
    places = [each for each in conditions if isinstance(each, CountryIn)]
    subject, ultimate, network = (
        frozenset[int]().union(*(each.countries for each in places if place in each.places))
        for place in Place
    )
    regions = [each.wanted for each in conditions if isinstance(each, RegionIn)]
    shares = [each.percent for each in conditions if isinstance(each, ListedShareReaches)]
    return Ready(
        checks,
        tuple(check for check in checks if not any(map(_by_facts, check.rule.when))),
        subject,
        ultimate,
        network,
        frozenset[Region]().union(*regions),
        min(shares, default=float("inf")),
        _unasked(checks),
    )


def _by_facts(condition: Condition) -> bool:
    """Whether `Ready.asking` tells from the facts that the condition cannot hold."""
    return isinstance(condition, CountryIn | RegionIn | ListedShareReaches)


def _unasked(checks: tuple[Check, ...]) -> Unasked | None:
    """None where no rule looks at anything that may be missing, as in a policy on claims alone."""
    network, share, region = list[str](), list[str](), list[str]()
    countries = frozenset[int]()
    for rule in (check.rule for check in checks):
        for condition in rule.when:
            if isinstance(condition, CountryIn | RegionIn) and Place.NETWORK in condition.places:
                network.append(rule.id)
            if isinstance(condition, ListedShareReaches):
                share.append(rule.id)
            if isinstance(condition, RegionIn):
                region.append(rule.id)
                countries |= condition.countries
    if not (network or share or region):
        return None
    return Unasked(
        _note(NO_NETWORK, network), _note(NO_SHARE, share), _note(NO_REGION, region), countries
    )


def _note(what: str, rules: list[str]) -> Reason | None:
    if not rules:
        return None
    return Reason(Code.NOT_CHECKED, f"{what}: not looked at by {', '.join(rules)}")
