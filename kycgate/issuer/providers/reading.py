"""Reads what providers answer into our values: texts, dates, countries, numbers.

Pure. What is not told, or not in the documented shape, is None or 0, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

from kycgate.errors import Malformed, Unavailable
from kycgate.issuer.alpha3 import numeric
from kycgate.issuer.proven import numbered
from kycgate.issuer.providers.base import NOTE_MOST, Claimed, Event

_NAME_MOST: Final = 400
_NUMBER_MOST: Final = 64

_KOSOVO: Final = frozenset({"XKX", "RKS"})
"""Three letters in use for XK, which are no code of ISO's."""


class Countries(Protocol):
    """The country table, as far as it is needed here."""

    def numeric(self, alpha2: str) -> int:
        """Raises Malformed for what is no code."""

    def alpha2(self, numeric: int) -> str:
        """The reverse."""


def member(document: object, *path: str) -> Any:
    """What stands at the path of nested objects; None where nothing does."""
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def text(value: object, most: int = _NAME_MOST) -> str | None:
    """One line as a person may have it, NFC; None for anything else or too long."""
    if not isinstance(value, str):
        return None
    cleaned = unicodedata.normalize("NFC", value.strip())
    visible = all(unicodedata.category(each)[0] != "C" for each in cleaned)
    return cleaned if 0 < len(cleaned) <= most and visible else None


def name_of(given: object, *rest: object) -> str | None:
    """Given names first; None unless at least one part is told."""
    return text(" ".join(part for part in map(text, (given, *rest)) if part))


def note(value: object) -> str:
    """A provider's words for the renter: one paragraph, bounded, nothing invisible in it."""
    if not isinstance(value, str):
        return ""
    spaced = " ".join(value[: 4 * NOTE_MOST].split())
    plain = "".join(each for each in spaced if unicodedata.category(each)[0] != "C")[:NOTE_MOST]
    return plain.strip() if any(each.isalnum() for each in plain) else ""


def country(value: object, countries: Countries) -> int:
    """ISO 3166-1 numeric of a two- or three-letter code; 0 for what is none."""
    if not isinstance(value, str):
        return 0
    code = value.upper()
    try:
        return numeric(code) or countries.numeric("XK" if code in _KOSOVO else code)
    except Malformed:
        return 0


def document_number(value: object, issuer: int) -> str | None:
    """A document's number as every source spells it."""
    number = text(value, _NUMBER_MOST)
    if number is None or not re.search(r"[0-9A-Za-z]", number):
        return None
    return numbered(issuer, number)


def day(value: object) -> str | None:
    """`YYYY-MM-DD`, a real day."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return None


def parts_day(value: object) -> str | None:
    """`{"year", "month", "day"}` as YYYY-MM-DD."""
    found = [member(value, each) for each in ("year", "month", "day")]
    if not all(type(each) is int for each in found):
        return None
    return (
        day("{:04d}-{:02d}-{:02d}".format(*found)) if all(0 < n < 10_000 for n in found) else None
    )


def last_second(value: str | None) -> int | None:
    """The end of that day, Unix seconds UTC: a document is good on the day it names."""
    if value is None:
        return None
    moment = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
    return int(moment.timestamp()) + 86_399


def moment(value: object, *, now: int) -> int | None:
    """An ISO 8601 moment, or Sumsub's `2020-06-24 05:11:07+0000`; never later than `now`."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    stamp = found.timestamp() if found.tzinfo else found.replace(tzinfo=UTC).timestamp()
    return max(0, min(int(stamp), now))


def required(value: object, pattern: re.Pattern[str], what: str) -> str:
    """An id in the provider's own shape: it becomes part of an address. Raises Unavailable."""
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise Unavailable(f"{what} is not in the documented shape")


def event(event_id: object, names: re.Pattern[str], about: object, ids: re.Pattern[str]) -> Event:
    """A proven message. One about nothing of ours is acknowledged, whatever it is called."""
    named = isinstance(event_id, str) and names.fullmatch(event_id)
    ours = isinstance(about, str) and ids.fullmatch(about)
    return Event(str(event_id) if named else "", str(about) if named and ours else None)


def claimed(
    countries: Countries,
    *,
    name: str,
    birth_date: str | None,
    home: int,
    issuer: int,
    kind: object,
    number: object,
    ends: str | None,
    **further: Any,
) -> Claimed:
    """A person and their document: its `kind`, `number`, last day and issuing country.

    Countries are numeric, 0 unknown; who names no `home` lives where the document is from.
    `further` is what one provider alone tells of a document.
    """
    return Claimed(
        name=name,
        birth_date=birth_date,
        country=home or issuer,
        document_number=document_number(number, issuer),
        valid_until=last_second(ends),
        document={
            "document_type": text(kind, 40),
            "document_country": countries.alpha2(issuer) if issuer else None,
            "document_expires": ends,
            **further,
        },
    )
