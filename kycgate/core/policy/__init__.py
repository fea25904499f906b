"""The rules an operator rents under: values, dated and cited, with one digest for what they mean.

Decides nothing and reads no file: `kycgate.core.decision` applies a policy, callers bring its text.

A rule fires when its GPU scope covers the GPU and every condition holds. Conditions are tagged; a
tag's fields are never reordered and new tags only ever add refusals, so an old policy keeps its
meaning. What is unknown satisfies a condition wherever some value would: an unknown GPU is in every
scope, an unknown count exceeds every limit, open-ended hours exceed every number of hours. An
unknown country is a value of its own, named `unknown` in a rule, for that asks a person to look.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from itertools import product
from typing import Any, Literal, NamedTuple, Protocol

import rfc8785

from kycgate.core.claims import Claims, Digest, JobRequest, Level
from kycgate.core.typed import keccak
from kycgate.errors import Code, Reason

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
UNKNOWN_COUNTRY = 0


class Eccn(StrEnum):
    """Export control class of a GPU, for what the policy needs of it."""

    A = "3A090.a"
    B = "3A090.b"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GpuClass:
    """What is known of a GPU. `controlled` is also true for a product named by letter (H20).

    `tpp` total processing performance, `performance_density` TPP per mm², as 3A090 defines them.
    """

    model: str | None
    eccn: Eccn
    controlled: bool
    tpp: int | None
    performance_density: float | None
    confidence: str
    note: str

    def __post_init__(self) -> None:
        if self.eccn is not Eccn.NONE and not self.controlled:
            raise ValueError(f"a GPU of class {self.eccn} is controlled")


@dataclass(frozen=True, slots=True)
class ListVersion:
    """A screening list as it was used. `as_of` Unix seconds UTC: the publisher's date, not ours."""

    name: str
    version: str
    as_of: int


class Countries(Protocol):
    """The country table a policy is read against. Raises Malformed for what it does not know."""

    def numeric(self, alpha2: str) -> int: ...
    def alpha2(self, numeric: int) -> str: ...
    def group(self, code: str) -> frozenset[int]: ...
    def labels(self) -> Mapping[int, str]:
        """numeric → alpha-2, all of them"""


class Mode(StrEnum):
    """Enforce, or observe: would-be verdicts are recorded and everything is forwarded."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Effect(StrEnum):
    """What a rule that fires does."""

    DENY = "deny"
    REVIEW = "review"


class Basis(StrEnum):
    """Why a rule exists; messages never claim more than this."""

    LAW = "law"
    LICENCE_RISK = "licence-risk"
    OPERATOR_POLICY = "operator-policy"


class Place(StrEnum):
    """Whose country a condition looks at."""

    SUBJECT = "subject"
    ULTIMATE = "ultimate"
    NETWORK = "network"


class Facts(NamedTuple):
    """What conditions look at. `claims` None: no valid attestation, so nothing is known."""

    job: JobRequest
    gpu: GpuClass
    claims: Claims | None
    network: int | None

    def country(self, place: Place) -> int:
        """ISO 3166-1 numeric, UNKNOWN_COUNTRY if nobody knows."""
        if place is Place.NETWORK:
            return self.network or UNKNOWN_COUNTRY
        if self.claims is None:
            return UNKNOWN_COUNTRY
        return self.claims.country if place is Place.SUBJECT else self.claims.ultimate_country


Test = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class CountryIn:
    """Any of these places is in one of these countries (UNKNOWN_COUNTRY may be one of them)."""

    places: tuple[Place, ...]
    countries: frozenset[int]
    tag: Literal["country"] = "country"

    def test(self) -> Test:
        """Compiled: set membership and nothing else, for it runs on every request."""
        named = self.countries
        subject, ultimate, network = (place in self.places for place in Place)

        def holds(facts: Facts) -> bool:
            claims = facts.claims
            if claims is not None and (
                (subject and claims.country in named)
                or (ultimate and claims.ultimate_country in named)
            ):
                return True
            return network and (facts.network or UNKNOWN_COUNTRY) in named

        return holds

    def code(self, facts: Facts) -> Code:
        """Named countries come first: a known ground is a better answer than an unknown one."""
        matched = [place for place in self.places if facts.country(place) in self.countries]
        known = [place for place in matched if facts.country(place) != UNKNOWN_COUNTRY]
        if known:
            restricted = Code.ULTIMATE_COUNTRY_RESTRICTED, Code.COUNTRY_RESTRICTED
            return restricted[Place.ULTIMATE not in known]
        unknown = Code.ULTIMATE_COUNTRY_UNKNOWN, Code.COUNTRY_UNKNOWN
        return unknown[Place.ULTIMATE not in matched]

    def canonical(self) -> list[Any]:
        return [self.tag, sorted(self.places), sorted(self.countries)]


@dataclass(frozen=True, slots=True)
class MoreGpusThan:
    """The job asks for more devices than this, or does not say how many."""

    count: int
    tag: Literal["more_gpus_than"] = "more_gpus_than"

    def test(self) -> Test:
        most = self.count
        return lambda facts: facts.job.gpu_count is None or facts.job.gpu_count > most

    def code(self, facts: Facts) -> Code:
        return Code.QUANTITY_LIMIT

    def canonical(self) -> list[Any]:
        return [self.tag, self.count]


@dataclass(frozen=True, slots=True)
class MoreHoursThan:
    """The job runs for more hours than this, or is open-ended."""

    hours: int
    tag: Literal["more_hours_than"] = "more_hours_than"

    def test(self) -> Test:
        most = self.hours
        return lambda facts: facts.job.hours is None or facts.job.hours > most

    def code(self, facts: Facts) -> Code:
        return Code.QUANTITY_LIMIT

    def canonical(self) -> list[Any]:
        return [self.tag, self.hours]


@dataclass(frozen=True, slots=True)
class LevelBelow:
    """The subject was verified less well than this."""

    level: Level
    tag: Literal["level_below"] = "level_below"

    def test(self) -> Test:
        least = self.level
        return lambda facts: facts.claims is None or facts.claims.level < least

    def code(self, facts: Facts) -> Code:
        return Code.LEVEL_TOO_LOW

    def canonical(self) -> list[Any]:
        return [self.tag, int(self.level)]


Condition = CountryIn | MoreGpusThan | MoreHoursThan | LevelBelow

ANY_GPU = "any"
CONTROLLED_GPU = "controlled"
GPU_SCOPES = (ANY_GPU, CONTROLLED_GPU, *Eccn)


@dataclass(frozen=True, slots=True)
class Rule:
    """One ground for refusal or review.

    `gpu` names from GPU_SCOPES; in force from `starts` until before `ends` (Unix seconds UTC, None
    open-ended); `code` overrides the reason code its conditions would give.
    """

    id: str
    effect: Effect
    gpu: frozenset[str]
    when: tuple[Condition, ...]
    says: str
    basis: Basis
    citation: str
    starts: int
    ends: int | None = None
    code: Code | None = None

    def __post_init__(self) -> None:
        if not self.when and ANY_GPU in self.gpu:
            raise ValueError(f"rule {self.id} would fire for everybody and everything")

    @property
    def about_subject(self) -> bool:
        """Whether it can only be told from an attestation."""
        return any(
            isinstance(c, LevelBelow)
            or (isinstance(c, CountryIn) and set(c.places) != {Place.NETWORK})
            for c in self.when
        )

    def test(self) -> Test:
        """Whether every condition holds; the GPU scope is settled beforehand by `covers`."""
        tests = tuple(condition.test() for condition in self.when)
        if len(tests) == 1:
            return tests[0]
        return lambda facts: all(test(facts) for test in tests)

    def in_force(self, now: int) -> bool:
        return self.starts <= now and (self.ends is None or now < self.ends)

    def covers(self, eccn: Eccn, controlled: bool) -> bool:
        if eccn is Eccn.UNKNOWN or ANY_GPU in self.gpu or eccn in self.gpu:
            return True
        return controlled and CONTROLLED_GPU in self.gpu

    def reason(self, facts: Facts, labels: Mapping[int, str]) -> Reason:
        """Why it fired. Call only when it did."""
        unknown_or_named = [c.code(facts) for c in self.when if isinstance(c, CountryIn)]
        codes = unknown_or_named or [c.code(facts) for c in self.when]
        code = codes[0] if codes else _gpu_code(facts.gpu)
        if self.code is not None and code not in _NOBODY_KNOWS:
            code = self.code
        return Reason(code, f"{self.says} [{describe(facts, labels)}]", self.id)

    def canonical(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "effect": str(self.effect),
            "gpu": sorted(self.gpu),
            "when": sorted((c.canonical() for c in self.when), key=lambda c: str(c[0])),
            "says": self.says,
            "basis": str(self.basis),
            "citation": self.citation,
            "starts": self.starts,
            "ends": self.ends,
            "code": None if self.code is None else str(self.code),
        }


_NOBODY_KNOWS = frozenset({Code.COUNTRY_UNKNOWN, Code.ULTIMATE_COUNTRY_UNKNOWN})


def _gpu_code(gpu: GpuClass) -> Code:
    return Code.GPU_UNKNOWN if gpu.eccn is Eccn.UNKNOWN else Code.GPU_RESTRICTED


def describe(facts: Facts, labels: Mapping[int, str]) -> str:
    """The chain a reviewer wants to see: who, owned from where, asks for what."""
    parts = list[str]()
    if facts.claims is not None:
        parts.append(f"subject in {labels.get(facts.claims.country, 'unknown')}")
        parts.append(f"ultimate parent in {labels.get(facts.claims.ultimate_country, 'unknown')}")
        parts.append(f"level {int(facts.claims.level)}")
    if facts.network is not None:
        parts.append(f"network in {labels.get(facts.network, 'unknown')}")
    count = "an unknown number of" if facts.job.gpu_count is None else str(facts.job.gpu_count)
    hours = "open-ended" if facts.job.hours is None else f"{facts.job.hours} h"
    model = facts.gpu.model or facts.job.gpu_model or "unnamed GPU"
    named = f"{facts.gpu.eccn}, controlled" if facts.gpu.controlled else "not controlled"
    parts.append(f"{count} x {model[:80]} ({named}), {hours}")
    return " -> ".join(parts)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on age, in seconds, for controlled GPUs; both default to the product's own."""

    max_wallet_proof_age_s: int = 7 * DAY_S
    max_list_age_s: int = 72 * HOUR_S


class Check(NamedTuple):
    """A rule made ready: `fires` is its conditions, compiled."""

    rule: Rule
    fires: Test
    about_subject: bool


class Moment(NamedTuple):
    """Rules in force in one stretch of time, by (class, controlled). `empty`: there are none."""

    empty: bool
    checks: Mapping[tuple[Eccn, bool], tuple[Check, ...]]


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
        edges = {
            edge for rule in self.rules for edge in (rule.starts, rule.ends) if edge is not None
        }
        starts = tuple(sorted(edges))
        object.__setattr__(self, "digest", Digest(keccak(self.canonical())))
        object.__setattr__(self, "_starts", starts)
        checks = tuple(Check(rule, rule.test(), rule.about_subject) for rule in self.rules)
        before = starts[0] - 1 if starts else 0
        moments = tuple(_moment(checks, at) for at in (before, *starts))
        object.__setattr__(self, "_moments", moments)

    @classmethod
    def from_toml(cls, text: str, *, countries: Countries, source: str = "policy") -> Policy:
        """Read an operator's file. Raises Misconfigured with all problems: place, fault, remedy."""
        from kycgate.core.policy.reading import read

        return read(text, countries=countries, source=source)

    def at(self, now: int) -> Moment:
        """What is in force at `now`."""
        return self._moments[bisect_right(self._starts, now)]

    def rule(self, rule_id: str | None) -> Rule | None:
        """The rule of that id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def citations(self) -> dict[str, str]:
        """Rule id → the clause it stands on, for operators only."""
        return {rule.id: rule.citation for rule in self.rules}

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


def _moment(checks: tuple[Check, ...], now: int) -> Moment:
    live = [check for check in checks if check.rule.in_force(now)]
    by_class = {
        (eccn, controlled): tuple(check for check in live if check.rule.covers(eccn, controlled))
        for eccn, controlled in product(Eccn, (False, True))
    }
    return Moment(not live, by_class)
