"""Says what a match asks for: nothing, a person to look, or no.

Every rule that keeps an innocent namesake from being blocked stands here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kycgate.core.claims import Kind
from kycgate.screening.entries import Entry, EntryType, Name
from kycgate.screening.matching.align import Alignment
from kycgate.screening.matching.attributes import Agreement, Attribute


class Band(StrEnum):
    """What a screening asks for, least first."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which a match is looked at, and from which it may block."""

    review: float = 0.7
    block: float = 0.92
    whole: float = 0.985
    """from here a name counts as the same name"""
    telling: float = 1.35
    """weight that the shared words of a blocked organisation have at least"""


MOST_RAISED = 0.05
"""Most that second attributes raise a name towards the review band."""
OTHER_KIND = 0.95
"""A person called like a listed company, or the reverse, is looked at only from here."""
_SUPPORTED = Agreement.AGREES


def band_of(
    alignment: Alignment,
    attributes: Sequence[Attribute],
    *,
    name: Name,
    entry: Entry,
    kind: Kind | None,
    birth_date: str,
    thresholds: Thresholds,
) -> tuple[float, Band]:
    """The score with the attributes in it, and the band."""
    score = min(1.0, max(0.0, alignment.score + sum(each.effect for each in attributes)))
    if name.kind == "weak" and not _birth_agrees(attributes):
        return score, Band.CLEAR
    least = thresholds.review if _same_kind(entry, kind) else max(thresholds.review, OTHER_KIND)
    # A birth date can't turn half a name into a match.
    if min(score, alignment.score + MOST_RAISED) < least:
        return score, Band.CLEAR
    blocks = (
        alignment.score >= thresholds.block
        and name.kind != "weak"
        and _same_kind(entry, kind)
        and not any(each.agreement is Agreement.DIFFERS for each in attributes)
        and _certain(alignment, attributes, entry, kind, birth_date, thresholds)
    )
    return score, Band.BLOCK if blocks else Band.REVIEW


def _certain(
    alignment: Alignment,
    attributes: Sequence[Attribute],
    entry: Entry,
    kind: Kind | None,
    birth_date: str,
    thresholds: Thresholds,
) -> bool:
    """Whether more than a name says so; only an organisation's whole, telling name is enough."""
    agreeing = {each.name for each in attributes if each.agreement is _SUPPORTED}
    if kind is Kind.PERSON or (kind is None and entry.type is EntryType.PERSON):
        whole_date = len(birth_date) == 10 and birth_date in entry.birth_dates
        return whole_date or {"birth_date", "country"} <= agreeing
    if kind is not Kind.ORGANISATION or alignment.shared < thresholds.telling * 0.6:
        return False
    whole = (
        alignment.read
        and alignment.score >= thresholds.whole
        and alignment.shared >= thresholds.telling
    )
    return whole or "country" in agreeing


def _same_kind(entry: Entry, kind: Kind | None) -> bool:
    if kind is None or entry.type is EntryType.UNSTATED:
        return True
    return (entry.type is EntryType.PERSON) is (kind is Kind.PERSON)


def _birth_agrees(attributes: Sequence[Attribute]) -> bool:
    return any(
        each.name == "birth_date" and each.agreement is Agreement.AGREES for each in attributes
    )
