"""Percentages as intervals: what a register says is often "more than 25 but not more than 50".

Knows nothing of companies. Integers only, rounded outwards, so that nothing drifts and the true
share always lies inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

PERCENT = 10**12
"""Units in one percent: twelve decimals, finer than any register states."""

WHOLE = 100 * PERCENT


@dataclass(frozen=True, slots=True)
class Share:
    """Between `low` and `high` units; an open bound is approached and never reached.

    Openness is what tells "50 to 75" from "more than 50", where a rule's threshold is 50.
    """

    low: int
    high: int
    low_open: bool = False
    high_open: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= WHOLE:
            raise ValueError("a share lies between 0 and 100 %, the lower bound first")
        if self.low == self.high and (self.low_open or self.high_open):
            raise ValueError("an open interval of no length holds no share")

    @classmethod
    def exact(cls, percent: Fraction) -> Share:
        """One number; beyond twelve decimals the tightest open interval around it."""
        return cls.between(percent, percent)

    @classmethod
    def between(
        cls, low: Fraction, high: Fraction, *, low_open: bool = False, high_open: bool = False
    ) -> Share:
        """Percent to units, outwards. Raises ValueError for an impossible interval."""
        if low > high or (low == high and (low_open or high_open)):
            raise ValueError("the lower bound lies above the upper one")
        down, up = low * PERCENT // 1, -(-high * PERCENT // 1)
        return cls(down, up, low_open or down != low * PERCENT, high_open or up != high * PERCENT)

    @property
    def stated(self) -> bool:
        """Whether it says anything: 0 to 100 % is how "not stated" looks."""
        return self != ANY

    def __add__(self, other: Share) -> Share:
        """Both together, never more than the whole: statements may add up to more."""
        low, high = self.low + other.low, self.high + other.high
        return Share(
            min(low, WHOLE),
            min(high, WHOLE),
            (self.low_open or other.low_open) and low < WHOLE,
            (self.high_open or other.high_open) and high <= WHOLE,
        )

    def times(self, other: Share) -> Share:
        """This share of that share."""
        low, high = self.low * other.low, self.high * other.high
        low_reached = (not self.low_open and not other.low_open) or 0 in (
            None if self.low_open else self.low,
            None if other.low_open else other.low,
        )
        high_reached = not (self.high_open or other.high_open) or high == 0
        return Share(
            low // WHOLE,
            -(-high // WHOLE),
            bool(low % WHOLE) or not low_reached,
            bool(high % WHOLE) or not high_reached,
        )

    def hull(self, other: Share) -> Share:
        """The smallest interval with both inside: what conflicting statements leave."""
        low, low_open = min((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Share(low, high, low_open, not high_closed)

    def larger(self, other: Share) -> Share:
        """The larger of two views of one holding, bound by bound."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Share(low, high, low_open, not high_closed)

    def at_most(self, room: int) -> Share:
        """The same, knowing that no more than `room` units are left for it."""
        if self.high <= room:
            return self
        room = max(room, 0)
        low = min(self.low, room)
        return Share(low, room, self.low_open and low < room)

    def part(self, *, surely: bool, possibly: bool) -> Share:
        """What counts of it when its holder surely or only possibly counts."""
        low, low_open = (self.low, self.low_open) if surely else (0, False)
        high, high_open = (self.high, self.high_open) if possibly or surely else (0, False)
        return Share(low, high, low_open, high_open)

    def surely(self, threshold: int, *, inclusive: bool) -> bool:
        """Whether the lowest possible share reaches the threshold (units), or passes it."""
        if inclusive:
            return self.low >= threshold
        return self.low > threshold or (self.low == threshold and self.low_open)

    def possibly(self, threshold: int, *, inclusive: bool) -> bool:
        """Whether the highest possible share reaches the threshold (units), or passes it."""
        if inclusive:
            return self.high > threshold or (self.high == threshold and not self.high_open)
        return self.high > threshold

    def document(self) -> dict[str, Any]:
        """`min` and `max` in percent; `…_exclusive` where a bound is approached only."""
        return {
            "min": _number(self.low),
            "max": _number(self.high),
            **({"min_exclusive": True} if self.low_open else {}),
            **({"max_exclusive": True} if self.high_open else {}),
        }

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{decimal(self.low)} %"
        low = f"over {decimal(self.low)}" if self.low_open else decimal(self.low)
        high = f"under {decimal(self.high)}" if self.high_open else decimal(self.high)
        return f"{low} to {high} %"


ANY = Share(0, WHOLE)
NOTHING = Share(0, 0)
ALL = Share(WHOLE, WHOLE)


def decimal(units: int) -> str:
    """Units as a decimal percentage without trailing zeros."""
    whole, rest = divmod(units, PERCENT)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")


def _number(units: int) -> int | float:
    """For JSON. Fifteen digits at most, so that the float prints what the integer says."""
    whole, rest = divmod(units, PERCENT)
    return float(decimal(units)) if rest else whole
