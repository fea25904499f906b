"""One rule: what it fires on, why it exists, and in which stretches of time it applies.

Decides nothing: `kycgate.core.policy` gathers rules, `kycgate.core.decision` applies them.

A rule may come and go: each of its windows has a status of its own, what the authorities say of it
then. A stayed window does not apply unless the operator applies it by policy of its own; one whose
status nobody could verify applies, and every answer under it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from kycgate.core.policy.conditions import Condition, CountryIn, LevelBelow, RegionIn, Test
from kycgate.core.policy.facts import Eccn, Facts, GpuClass, Place, describe
from kycgate.errors import Code, Reason

ANY_GPU = "any"
CONTROLLED_GPU = "controlled"
BY_LETTER_GPU = "by-letter"
GPU_SCOPES = (ANY_GPU, CONTROLLED_GPU, *Eccn, BY_LETTER_GPU)
"""`by-letter`: controlled although outside the thresholds, as the H20 is."""


class Effect(StrEnum):
    """What a rule that fires does."""

    DENY = "deny"
    REVIEW = "review"


class Basis(StrEnum):
    """Why a rule exists; messages never claim more than this."""

    LAW = "law"
    LICENCE_RISK = "licence-risk"
    OPERATOR_POLICY = "operator-policy"


class Status(StrEnum):
    """What is known of a rule's force in one stretch of time."""

    IN_FORCE = "in force"
    STAYED = "stayed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Window:
    """From `starts` until before `ends` (Unix seconds UTC, None open-ended).

    `applies` is what a decision goes by: the status decides it, and an operator's switch over that.
    `citation` and `basis` stand in for the rule's own where given.
    """

    starts: int
    ends: int | None = None
    status: Status = Status.IN_FORCE
    applies: bool = True
    note: str = ""
    citation: str = ""
    basis: Basis | None = None
    since: int | None = None
    """When this status began, where a switch has cut the window in two."""

    def __post_init__(self) -> None:
        if self.ends is not None and self.ends <= self.starts:
            raise ValueError("a window ends before it starts")

    def covers(self, now: int) -> bool:
        return self.starts <= now and (self.ends is None or now < self.ends)

    def remark(self) -> str:
        """What every answer under this window says of it; empty for an ordinary one."""
        since = f"{self.status} since {day(self.starts if self.since is None else self.since)}"
        parts = [] if self.status is Status.IN_FORCE else [since]
        return "; ".join([*parts, *([self.note] if self.note else [])])

    def canonical(self) -> list[Any]:
        basis = None if self.basis is None else str(self.basis)
        force = [str(self.status), self.applies, self.note, self.citation, basis, self.since]
        return [self.starts, self.ends, *force]


@dataclass(frozen=True, slots=True)
class Rule:
    """One ground for refusal or review.

    `gpu` names from GPU_SCOPES; in force from `starts` until before `ends` (Unix seconds UTC, None
    open-ended); `code` overrides the reason code its conditions would give. `windows`, where given,
    say more finely what holds between `starts` and `ends`: in order, without overlap.
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
    windows: tuple[Window, ...] = ()
    checked: str = ""
    """by what somebody held its dates and citation against the source; no part of the rule, so that
    checking one changes no digest"""

    def __post_init__(self) -> None:
        if not self.when and ANY_GPU in self.gpu:
            raise ValueError(f"rule {self.id} would fire for everybody and everything")
        if not self.windows:
            return
        if (self.starts, self.ends) != (self.windows[0].starts, self.windows[-1].ends):
            raise ValueError(f"rule {self.id} starts and ends with its windows")
        for one, next_one in pairwise(self.windows):
            if one.ends is None or next_one.starts < one.ends:
                raise ValueError(f"rule {self.id}: windows overlap or stand out of order")

    @property
    def about_subject(self) -> bool:
        """Whether it can only be told from an attestation."""
        return any(
            isinstance(c, LevelBelow)
            or (isinstance(c, CountryIn | RegionIn) and set(c.places) != {Place.NETWORK})
            for c in self.when
        )

    @property
    def spans(self) -> tuple[Window, ...]:
        """Its windows; of a plain rule the one from `starts` to `ends`."""
        return self.windows or (Window(self.starts, self.ends),)

    def window(self, now: int) -> Window | None:
        """The one that holds at `now`, applying or not."""
        return next((window for window in self.spans if window.covers(now)), None)

    def test(self) -> Test:
        """Whether every condition holds; the GPU scope is settled beforehand by `covers`."""
        tests = tuple(condition.test() for condition in self.when)
        if len(tests) == 1:
            return tests[0]
        return lambda facts: all(test(facts) for test in tests)

    def gaps(self, facts: Facts) -> tuple[str, ...]:
        """What its conditions could not look at, in words; empty when all was known."""
        return tuple(gap for condition in self.when if (gap := condition.gap(facts)))

    def in_force(self, now: int) -> bool:
        """Whether decisions go by it at `now`."""
        window = self.window(now)
        return window is not None and window.applies

    def covers(self, eccn: Eccn, controlled: bool) -> bool:
        if eccn is Eccn.UNKNOWN or ANY_GPU in self.gpu or eccn in self.gpu:
            return True
        if eccn is Eccn.NONE and controlled and BY_LETTER_GPU in self.gpu:
            return True
        return controlled and CONTROLLED_GPU in self.gpu

    def reason(self, facts: Facts, labels: Mapping[int, str], remark: str = "") -> Reason:
        """Why it fired; `remark` is its window's. Call only when it did."""
        unknown_or_named = [c.code(facts) for c in self.when if isinstance(c, CountryIn)]
        codes = unknown_or_named or [c.code(facts) for c in self.when]
        code = codes[0] if codes else _gpu_code(facts.gpu)
        if self.code is not None and code not in _NOBODY_KNOWS:
            code = self.code
        said = f"{self.says} ({remark})" if remark else self.says
        return Reason(code, f"{said} [{describe(facts, labels)}]", self.id)

    def canonical(self) -> dict[str, Any]:
        document: dict[str, Any] = {
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
        if self.windows:
            document["windows"] = [window.canonical() for window in self.windows]
        return document


_NOBODY_KNOWS = frozenset({Code.COUNTRY_UNKNOWN, Code.ULTIMATE_COUNTRY_UNKNOWN})


def _gpu_code(gpu: GpuClass) -> Code:
    return Code.GPU_UNKNOWN if gpu.eccn is Eccn.UNKNOWN else Code.GPU_RESTRICTED


def day(at: int) -> str:
    """The day of a moment, UTC, as people write it in rules."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
