"""What each rule says of one rental at one moment, for people: fired, clear, unknown or inactive.

Decides nothing a gate acts on: that is `kycgate.core.decision`, which asks the same rules.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from kycgate.core.policy import Condition, Effect, Facts, Policy, Rule, Window


class Result(StrEnum):
    """What came of one rule. Only the first two bear on a verdict."""

    DENY = "deny"
    REVIEW = "review"
    UNKNOWN = "unknown"
    """A fact it asks for is missing, and what is known does not fire it."""
    INACTIVE = "inactive"
    """Stayed by the authorities, or switched off by the operator."""
    CLEAR = "clear"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule held against the facts.

    `remark` is what its window says (`unverified since …`), `gap` what could not be looked at.
    """

    id: str
    result: Result
    status: str
    basis: str
    citation: str
    says: str
    remark: str = ""
    gap: str = ""
    checked: str = ""
    """by what its dates and citation were held against the source"""

    @property
    def note(self) -> str:
        return "; ".join(part for part in (self.remark, self.gap) if part)

    def document(self) -> dict[str, str]:
        return {
            "id": self.id,
            "result": str(self.result),
            "status": self.status,
            "basis": self.basis,
            "citation": self.citation,
            "says": self.says,
            "note": self.note,
            "checked": self.checked,
        }


def findings(
    policy: Policy, facts: Facts, at: int, *, not_given: Collection[type[Condition]] = ()
) -> tuple[Finding, ...]:
    """Every rule whose scope covers the GPU and that has a window at `at` (Unix seconds UTC).

    Conditions of the kinds `not_given` could not be asked: a rule that hangs on one is unknown.
    The grounds come first, and within each result the order of the policy holds.
    """
    scope = facts.gpu.eccn, facts.gpu.controlled
    found = [
        _finding(rule, window, facts, tuple(not_given))
        for rule in policy.rules
        if rule.covers(*scope) and (window := rule.window(at)) is not None
    ]
    order = list(Result)
    return tuple(sorted(found, key=lambda finding: order.index(finding.result)))


def outcome(found: Collection[Finding]) -> str:
    """`allow`, `deny` or `review`: a denial outweighs a review, and a review an allowance."""
    results = {finding.result for finding in found}
    if Result.DENY in results:
        return "deny"
    return "review" if Result.REVIEW in results else "allow"


def _finding(
    rule: Rule, window: Window, facts: Facts, not_given: tuple[type[Condition], ...]
) -> Finding:
    result, gap = _result(rule, window, facts, not_given)
    return Finding(
        rule.id,
        result,
        str(window.status),
        str(window.basis or rule.basis),
        window.citation or rule.citation,
        rule.says,
        window.remark(),
        gap,
        rule.checked,
    )


def _result(
    rule: Rule, window: Window, facts: Facts, not_given: tuple[type[Condition], ...]
) -> tuple[Result, str]:
    if not window.applies:
        return Result.INACTIVE, ""
    asked = [each for each in rule.when if not isinstance(each, not_given)]
    holds = all(condition.test()(facts) for condition in asked)
    if holds and len(asked) == len(rule.when):
        return (Result.DENY if rule.effect is Effect.DENY else Result.REVIEW), ""
    gap = "; ".join(rule.gaps(facts))
    if holds:
        missing = ", ".join(each.tag for each in rule.when if isinstance(each, not_given))
        return Result.UNKNOWN, f"not given: {missing}"
    return (Result.UNKNOWN if gap else Result.CLEAR), gap
