"""Level 2 of a LEI register: which company is consolidated by which, or tied to it otherwise.

Follows no chain of them: `graph` does.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kycgate.screening.ownership.leis.columns import (
    Buffer,
    Column,
    Numbers,
    day_of,
    in_bytes,
    ordinal,
)
from kycgate.screening.ownership.parties import Control, Stake
from kycgate.screening.ownership.shares import ALL, ANY, Share

_MEANING: dict[str, tuple[Control, Share | None, str]] = {
    "IS_DIRECTLY_CONSOLIDATED_BY": (Control.SURE, ANY, "direct consolidation"),
    "IS_ULTIMATELY_CONSOLIDATED_BY": (Control.SURE, ANY, "ultimate consolidation"),
    "IS_INTERNATIONAL_BRANCH_OF": (Control.SURE, ALL, "branch of"),
    "IS_FUND-MANAGED_BY": (Control.POSSIBLE, None, "fund management"),
    "IS_SUBFUND_OF": (Control.SURE, None, "sub-fund of"),
    "IS_FEEDER_TO": (Control.NONE, None, "feeder to"),
}
"""A branch is its head office. A master fund doesn't control its feeder; managers need not own."""

RELATIONSHIPS = tuple(_MEANING)
"""By their place here in a register that is kept: a new one goes last."""

_CODES = {"types": "B", "starts": "I", "ends": "I", "link_updated": "I", "lapsed": "B"}
"""Columns of numbers, and their array codes."""


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """Level 2: `lei` is consolidated by (or otherwise tied to) `parent`, from `start` to `end`."""

    lei: str
    parent: str
    type: str
    share: Share | None
    start: date | None
    end: date | None
    updated: date
    lapsed: bool = False
    deleted: bool = False


class LinkRows:
    """Takes links in any order; of several versions the newest stays."""

    def __init__(self) -> None:
        self._links = dict[tuple[str, str, str], LinkRecord]()

    def add(self, record: LinkRecord) -> None:
        key = record.lei, record.parent, record.type
        known = self._links.get(key)
        if known is None or known.updated <= record.updated:
            self._links[key] = record

    def placed(self) -> Links:
        """By LEI. These rows are spent."""
        links = [self._links[key] for key in sorted(self._links) if not self._links[key].deleted]
        self._links = {}
        return Links(
            subjects=_leis(link.lei for link in links),
            parents=_leis(link.parent for link in links),
            types=array("B", (RELATIONSHIPS.index(link.type) for link in links)),
            starts=array("I", (ordinal(link.start) for link in links)),
            ends=array("I", (ordinal(link.end) for link in links)),
            link_updated=array("I", (link.updated.toordinal() for link in links)),
            lapsed=array("B", (link.lapsed for link in links)),
            shares={at: link.share for at, link in enumerate(links) if link.share},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """All links, in the order of the LEIs they say something of."""

    subjects: Column
    parents: Column
    types: Numbers
    starts: Numbers
    ends: Numbers
    link_updated: Numbers
    lapsed: Numbers
    shares: Mapping[int, Share]
    """by the link's place, where one is told"""

    def columns(self) -> dict[str, tuple[str, Buffer]]:
        """Name → (array code, buffer) of every column."""
        return {
            "subjects": ("B", self.subjects.blob),
            "parents": ("B", self.parents.blob),
            **{name: (code, getattr(self, name)) for name, code in _CODES.items()},
        }

    def facts(self) -> dict[str, Any]:
        """What is no column, as JSON values."""
        return {
            "shares": [
                [at, share.low, share.high, share.low_open, share.high_open]
                for at, share in self.shares.items()
            ]
        }

    @classmethod
    def recalled(cls, columns: Mapping[str, memoryview], facts: Mapping[str, Any]) -> Links:
        """What `columns` and `facts` were taken from. Raises LookupError, TypeError, ValueError."""
        numbers = {name: columns[name] for name in _CODES}
        return cls(
            subjects=Column(columns["subjects"]),
            parents=Column(columns["parents"]),
            shares={int(at): Share(*bounds) for at, *bounds in facts["shares"]},
            **numbers,
        )

    def stakes(self, subject: str) -> Sequence[Stake]:
        """Everything this company is tied to."""
        lei = in_bytes(subject)
        at = bisect_left(self.subjects, lei)
        found = list[Stake]()
        while at < len(self.subjects) and self.subjects[at] == lei:
            found.append(self._stake(subject, at))
            at += 1
        return found

    def _stake(self, subject: str, at: int) -> Stake:
        type_ = RELATIONSHIPS[self.types[at]]
        control, ownership, basis = _MEANING[type_]
        parent = self.parents[at].decode("ascii")
        updated = date.fromordinal(self.link_updated[at])
        return Stake(
            subject=subject,
            holder=parent,
            record=f"{subject}/{parent}/{type_}",
            statement=f"GLEIF level 2, {subject} {type_} {parent}, {updated}",
            ownership=self.shares.get(at, ownership),
            control=control,
            basis=basis,
            ultimate=type_ == "IS_ULTIMATELY_CONSOLIDATED_BY",
            start=day_of(self.starts[at]),
            end=day_of(self.ends[at]),
            source="GLEIF" + (", not renewed" if self.lapsed[at] else ""),
        )


def _leis(leis: Iterable[str]) -> Column:
    return Column("".join(leis).encode("ascii"))
