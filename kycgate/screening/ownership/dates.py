"""Calendar days as registers write them.

Knows no clock. A day not given whole is rounded so that a holding lasts longer, not shorter.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[Tt ][0-9:.,]{2,20}(?:Z|z|[+-][0-9:]{2,5})?)?)?)?"
)


def first_day(text: str) -> date:
    """`YYYY`, `YYYY-MM`, `YYYY-MM-DD` or a date-time: the first day meant. Raises ValueError."""
    year, month, day = _parts(text)
    return date(year, month or 1, day or 1)


def last_day(text: str) -> date:
    """The same, the last day meant. Raises ValueError."""
    year, month, day = _parts(text)
    if day:
        return date(year, month, day)
    following = date(year + month // 12, month % 12 + 1, 1) if month else date(year + 1, 1, 1)
    return following - timedelta(days=1)


def _parts(text: str) -> tuple[int, int, int]:
    match = _DATE.fullmatch(text)
    if match is None or match[1] in ("0000", "9999"):
        raise ValueError(f"`{text[:40]}` is no date")
    return int(match[1]), int(match[2] or 0), int(match[3] or 0)
