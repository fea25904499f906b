"""An operator's dated switches: a rule of the book turned off, or a stayed one applied.

Turns nothing by itself: the operator writes each switch, with a reason that every answer shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kycgate.core.policy.rule import Basis, Rule, Status, Window


@dataclass(frozen=True, slots=True)
class Switch:
    """`rule` on or off from `starts` until before `ends` (Unix seconds UTC, None open-ended)."""

    rule: str
    on: bool
    starts: int
    ends: int | None
    because: str


def switched(rule: Rule, switch: Switch) -> Rule:
    """The rule with the switch laid over its windows. It adds no time in which the rule was not."""
    windows = tuple(piece for span in rule.spans for piece in _pieces(span, switch))
    return replace(rule, windows=windows)


def _pieces(span: Window, switch: Switch) -> Iterator[Window]:
    """The window's part before the switch, the part under it, and the part behind it."""
    first = max(span.starts, switch.starts)
    ends = [end for end in (span.ends, switch.ends) if end is not None]
    last = min(ends, default=None)
    if last is not None and last <= first:
        yield span
        return
    since = span.starts if span.since is None else span.since
    if span.starts < first:
        yield replace(span, ends=first)
    yield _turned(replace(span, starts=first, ends=last, since=since), switch)
    if last is not None and (span.ends is None or last < span.ends):
        yield replace(span, starts=last, since=since)


def _turned(window: Window, switch: Switch) -> Window:
    if switch.on is window.applies:
        return window
    if not switch.on:
        return replace(window, applies=False, note=f"switched off: {switch.because}")
    # What the authorities have stayed can only be the operator's own rule.
    basis = Basis.OPERATOR_POLICY if window.status is Status.STAYED else window.basis
    return replace(window, applies=True, note=f"switched on: {switch.because}", basis=basis)
