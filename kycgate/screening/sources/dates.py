"""Reads the ways in which lists write birth dates, into the form of `Entry.birth_dates`.

A date it cannot read is left out: a missing date disproves nobody.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from kycgate.errors import Malformed

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:[T ].*)?")
_WORDS = re.compile(r"(?:(\d{1,2})[ -])?([A-Za-z]{3,9})\.?[ -](\d{4})")
# The UK writes unknown days and months as the letters themselves.
_SLASHED = re.compile(r"(\d{1,2}|[dD]{2}|00)/(\d{1,2}|[mM]{2}|00)/(\d{4})")
_ABOUT = re.compile(r"^(?:circa|c\.|approximately|about|approx\.?)\s+", re.I)
_SPAN = re.compile(r"\s+(?:to|-)\s+")


def birth_date(text: str) -> str:
    """`YYYY[-MM[-DD]]`, `A/B` for a span, `~` in front for "about"; empty when unreadable."""
    words = text.strip().rstrip(".;,")
    about = "~" if _ABOUT.match(words) else ""
    days = [_day(part) for part in _SPAN.split(_ABOUT.sub("", words), maxsplit=1)]
    if not all(days):
        return ""
    return about + (days[0] if len(days) == 1 else span(*days))


def span(first: str, last: str) -> str:
    """From one date to another; the whole of one year is that year."""
    if first == last:
        return first
    if first[:4] == last[:4] and first.endswith("-01-01") and last.endswith("-12-31"):
        return first[:4]
    return f"{first}/{last}"


def parts(year: str, month: str = "", day: str = "") -> str:
    """A date of its numbers; what is unknown or impossible is left off from the right."""
    if not (year.isdecimal() and 1800 <= int(year) <= 2100):
        return ""
    if not (month.isdecimal() and 1 <= int(month) <= 12):
        return f"{int(year):04}"
    if not (day.isdecimal() and 1 <= int(day) <= 31):
        return f"{int(year):04}-{int(month):02}"
    return f"{int(year):04}-{int(month):02}-{int(day):02}"


def moment(text: str, *, field: str) -> int:
    """A publisher's date or time as Unix seconds UTC. Raises Malformed naming `field`."""
    try:
        read = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as e:
        raise Malformed(
            f"not a date: {text[:40]!r}", field=field, remedy="YYYY-MM-DD or an ISO 8601 time"
        ) from e


def _day(text: str) -> str:
    words = text.strip()
    if found := _ISO.fullmatch(words):
        return parts(found[1], found[2] or "", found[3] or "")
    if found := _WORDS.fullmatch(words):
        month = _MONTHS.get(found[2][:3].lower(), 0)
        return parts(found[3], str(month), found[1] or "")
    if found := _SLASHED.fullmatch(words):
        return parts(found[3], found[2], found[1])
    return ""
