"""Level 1 of a LEI register: who a company is, where it sits, under which name and number.

Says nothing of owners.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from itertools import islice
from operator import lt

from kycgate.screening.ownership.leis.columns import Buffer, Column, Numbers, in_bytes, is_lei
from kycgate.screening.ownership.parties import Party, PartyKind, Unknown, clean, plain_number

_ACTIVE, _DELETED = 1, 2
_FOUND_MOST = 20
_CODES = {
    "name_at": "Q",
    "headquarters": "H",
    "legal": "H",
    "updated": "I",
    "state": "B",
    "number_keys": "Q",
    "number_rows": "I",
}
"""Columns of numbers, and their array codes."""


@dataclass(frozen=True, slots=True)
class LeiRecord:
    """Level 1: a company. Countries are ISO numeric, 0 unknown; `updated` orders versions."""

    lei: str
    name: str
    headquarters: int
    legal: int
    active: bool
    updated: date
    deleted: bool = False
    number: str = ""
    """in the companies register of its legal country, as published"""


class CompanyRows:
    """Takes companies in any order; of several versions the newest stays."""

    def __init__(self) -> None:
        self._leis = bytearray()
        self._names, self._name_at = bytearray(b"\n"), array("Q")
        self._headquarters, self._legal = array("H"), array("H")
        self._updated, self._state = array("I"), array("B")
        self._numbers = array("Q")

    def add(self, record: LeiRecord) -> None:
        self._leis += record.lei.encode("ascii")
        self._name_at.append(len(self._names))
        self._names += record.name.encode() + b"\n"
        self._headquarters.append(record.headquarters)
        self._legal.append(record.legal)
        self._updated.append(record.updated.toordinal())
        self._state.append(record.active | record.deleted << 1)
        self._numbers.append(_number_key(record.legal, plain_number(record.number)))

    def placed(self) -> Companies:
        """By LEI, each once. These rows are spent: they are taken over, not copied."""
        leis = Column(self._leis)
        ascending = all(map(lt, leis, islice(leis, 1, None)))
        if not ascending or any(state & _DELETED for state in self._state):
            self._reorder(self._kept(leis))
        keys = self._numbers
        rows = sorted((row for row in range(len(keys)) if keys[row]), key=keys.__getitem__)
        return Companies(
            leis=Column(bytes(self._leis)),
            names=bytes(self._names),
            name_at=self._name_at,
            headquarters=self._headquarters,
            legal=self._legal,
            updated=self._updated,
            state=self._state,
            number_keys=array("Q", map(keys.__getitem__, rows)),
            number_rows=array("I", rows),
        )

    def _kept(self, leis: Column) -> list[int]:
        """Places of the newest record of each LEI, by LEI, without those deleted."""
        newest = dict[bytes, int]()
        for at, lei in enumerate(leis):
            if lei not in newest or self._updated[newest[lei]] <= self._updated[at]:
                newest[lei] = at
        return [newest[lei] for lei in sorted(newest) if not self._state[newest[lei]] & _DELETED]

    def _reorder(self, order: list[int]) -> None:
        leis, names, name_at = Column(self._leis), bytes(self._names), self._name_at
        self._leis = bytearray().join(leis[at] for at in order)
        self._names, self._name_at = bytearray(b"\n"), array("Q")
        for at in order:
            self._name_at.append(len(self._names))
            self._names += names[name_at[at] : names.index(b"\n", name_at[at]) + 1]
        self._headquarters = array("H", (self._headquarters[at] for at in order))
        self._legal = array("H", (self._legal[at] for at in order))
        self._updated = array("I", (self._updated[at] for at in order))
        self._state = array("B", (self._state[at] for at in order))
        self._numbers = array("Q", (self._numbers[at] for at in order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Companies:
    """All companies, in the order of their LEIs. A company's row is its place in that order."""

    leis: Column
    names: bytes | memoryview
    name_at: Numbers
    headquarters: Numbers
    legal: Numbers
    updated: Numbers
    state: Numbers
    number_keys: Numbers
    number_rows: Numbers

    def __len__(self) -> int:
        return len(self.leis)

    def columns(self) -> dict[str, tuple[str, Buffer]]:
        """Name → (array code, buffer) of every column."""
        return {
            "leis": ("B", self.leis.blob),
            "names": ("B", self.names),
            **{name: (code, getattr(self, name)) for name, code in _CODES.items()},
        }

    @classmethod
    def recalled(cls, columns: Mapping[str, memoryview]) -> Companies:
        """What `columns` were taken from. Raises LookupError."""
        numbers = {name: columns[name] for name in _CODES}
        return cls(leis=Column(columns["leis"]), names=columns["names"], **numbers)

    def row(self, id_: str) -> int:
        """-1 where no company has this LEI."""
        return self.leis.find(in_bytes(id_))

    def party(self, id_: str) -> Party:
        """The company. One that nothing describes is known by its LEI alone."""
        row = self.row(id_)
        if row < 0:
            unknown = None if is_lei(id_) else Unknown("no_lei_record", "nothing describes it", id_)
            return Party(id_, id_, PartyKind.ENTITY, unknown=unknown, source="GLEIF")
        country, basis = self.headquarters[row], "headquarters"
        if not country:
            country, basis = self.legal[row], "legal address"
        updated = date.fromordinal(self.updated[row])
        return Party(
            id=id_,
            name=self._name(row),
            country=country,
            country_basis=basis if country else "",
            identifiers=(id_,),
            legal=self.legal[row],
            since=updated,
            until=None if self.state[row] & _ACTIVE else updated,
            statement=f"GLEIF level 1, {updated}",
            source="GLEIF",
        )

    def named(self, text: str) -> list[str]:
        """By exact legal name: one pass over all names, some hundredths of a second."""
        wanted = b"\n" + in_bytes(clean(text)) + b"\n"
        names = bytes(self.names)  # a view knows no search; the copy lives for this question alone
        found, at = list[str](), names.find(wanted)
        while at >= 0 and len(found) < _FOUND_MOST and len(wanted) > 2:
            row = bisect_left(self.name_at, at + 1)
            found.append(self.leis[row].decode("ascii"))
            at = names.find(wanted, at + 1)
        return found

    def numbered(self, country: int, number: str) -> Sequence[str]:
        """By the number in a country's register of companies."""
        key = _number_key(country, number)
        at = bisect_left(self.number_keys, key) if key else len(self.number_keys)
        found = list[str]()
        while at < len(self.number_keys) and self.number_keys[at] == key:
            found.append(self.leis[self.number_rows[at]].decode("ascii"))
            at += 1
        return sorted(found[:_FOUND_MOST])

    def _name(self, row: int) -> str:
        start = self.name_at[row]
        end = self.name_at[row + 1] if row + 1 < len(self.name_at) else len(self.names)
        return bytes(self.names[start : end - 1]).decode()


def _number_key(country: int, number: str) -> int:
    """64 bits that stand for a number in a country's register; 0 for none.

    Who makes up a number with another company's key might as well give that company's number.
    """
    if not country or not number:
        return 0
    return int.from_bytes(blake2b(f"{country}:{number}".encode(), digest_size=8).digest()) or 1
