"""A whole LEI register in flat arrays: millions of companies in some hundred megabytes.

Reads no file. Made once by `LeiBuilder`, then only asked; entities are found by bisection.
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
from typing import TYPE_CHECKING, Any, overload

from kycgate.errors import Malformed
from kycgate.screening.ownership.parties import (
    Control,
    Gap,
    Meaning,
    Party,
    PartyKind,
    Stake,
    Unknown,
    clean,
    plain_number,
)
from kycgate.screening.ownership.shares import ALL, ANY, Share

LEI_LENGTH = 20

RELATIONSHIPS = (
    "IS_DIRECTLY_CONSOLIDATED_BY",
    "IS_ULTIMATELY_CONSOLIDATED_BY",
    "IS_INTERNATIONAL_BRANCH_OF",
    "IS_FUND-MANAGED_BY",
    "IS_SUBFUND_OF",
    "IS_FEEDER_TO",
)

_MEANING: dict[str, tuple[Control, Share | None, str]] = {
    "IS_DIRECTLY_CONSOLIDATED_BY": (Control.SURE, ANY, "direct consolidation"),
    "IS_ULTIMATELY_CONSOLIDATED_BY": (Control.SURE, ANY, "ultimate consolidation"),
    "IS_INTERNATIONAL_BRANCH_OF": (Control.SURE, ALL, "branch of"),
    "IS_FUND-MANAGED_BY": (Control.POSSIBLE, None, "fund management"),
    "IS_SUBFUND_OF": (Control.SURE, None, "sub-fund of"),
    "IS_FEEDER_TO": (Control.NONE, None, "feeder to"),
}
"""A branch is its head office. A master fund doesn't control its feeder; managers need not own."""

REASONS = {
    "NATURAL_PERSONS": "natural persons control it, and GLEIF does not name them",
    "NON_CONSOLIDATING": "its parent need not consolidate its accounts and is not named",
    "NO_KNOWN_PERSON": "it says that no person is known to control it",
    "NO_LEI": "its parent has no LEI and is not named",
    "NON_PUBLIC": "its parent is known and not published",
    "BINDING_LEGAL_COMMITMENTS": "contracts or articles keep it from naming its parent",
    "LEGAL_OBSTACLES": "a law keeps it from naming its parent",
    "CONSENT_NOT_OBTAINED": "its parent did not consent to being named",
    "DETRIMENT_NOT_EXCLUDED": "naming its parent might do harm",
    "DISCLOSURE_DETRIMENTAL": "naming its parent would do harm",
}

_MEANS: dict[str, Meaning] = {
    "NATURAL_PERSONS": "none",
    "NO_KNOWN_PERSON": "none",
    "NON_CONSOLIDATING": "unconsolidated",
}

if TYPE_CHECKING:  # at run time an array has no parameters
    Buffer = bytes | bytearray | memoryview | array[int]
    Numbers = memoryview | array[int]

_COLUMNS = {
    "name_at": "Q",
    "headquarters": "H",
    "legal": "H",
    "updated": "I",
    "state": "B",
    "types": "B",
    "starts": "I",
    "ends": "I",
    "link_updated": "I",
    "lapsed": "B",
    "number_keys": "Q",
    "number_rows": "I",
}
"""Columns of numbers, and their array codes."""

_REASON_BITS, _REASONS_MOST = 8, 255
_ACTIVE, _DELETED = 1, 2
_FOUND_MOST = 20


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


@dataclass(frozen=True, slots=True)
class ExceptionRecord:
    """Why no parent is reported; `reasons` empty once the exception is gone."""

    lei: str
    ultimate: bool
    reasons: tuple[str, ...]
    updated: date


class LeiBuilder:
    """Takes records in any order; of several about the same thing the newest stays."""

    def __init__(self) -> None:
        self.leis = bytearray()
        self.names, self.name_at = bytearray(b"\n"), array("Q")
        self.headquarters, self.legal = array("H"), array("H")
        self.updated, self.state = array("I"), array("B")
        self.numbers = array("Q")
        self.links = dict[tuple[str, str, str], LinkRecord]()
        self.exceptions: dict[bool, tuple[bytearray, array[int]]] = {}
        self.reasons = [""]
        self._codes = {"": 0}

    def add_entity(self, record: LeiRecord) -> None:
        self.leis += record.lei.encode("ascii")
        self.name_at.append(len(self.names))
        self.names += record.name.encode() + b"\n"
        self.headquarters.append(record.headquarters)
        self.legal.append(record.legal)
        self.updated.append(record.updated.toordinal())
        self.state.append(record.active | record.deleted << 1)
        self.numbers.append(_number_key(record.legal, plain_number(record.number)))

    def add_link(self, record: LinkRecord) -> None:
        key = record.lei, record.parent, record.type
        known = self.links.get(key)
        if known is None or known.updated <= record.updated:
            self.links[key] = record

    def add_exception(self, record: ExceptionRecord) -> None:
        leis, facts = self.exceptions.setdefault(record.ultimate, (bytearray(), array("I")))
        code = self._code(" ".join(record.reasons))
        leis += record.lei.encode("ascii")
        facts.append(record.updated.toordinal() << _REASON_BITS | code)

    def _code(self, reasons: str) -> int:
        if reasons not in self._codes:
            if len(self.reasons) > _REASONS_MOST:
                raise Malformed("too many different reasons", field="ExceptionReason")
            self._codes[reasons] = len(self.reasons)
            self.reasons.append(reasons)
        return self._codes[reasons]

    def build(self) -> LeiRegister:
        """The register. The builder is spent: its parts are taken over, not copied."""
        return LeiRegister(self)


class _Column(Sequence[bytes]):
    """Texts of one width, end to end."""

    __slots__ = ("_blob", "_width")

    def __init__(self, blob: bytes | bytearray | memoryview, width: int = LEI_LENGTH) -> None:
        self._blob, self._width = blob, width

    def __len__(self) -> int:
        return len(self._blob) // self._width

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        found = self._blob[at * self._width : (at + 1) * self._width]
        if not found:
            raise IndexError(at)
        return bytes(found)

    @property
    def blob(self) -> Buffer:
        """All of them as they lie."""
        return self._blob

    def near(self, value: bytes, at: int) -> int:
        """Its place or the one it would take, looked for first just behind `at`."""
        for place in range(at, min(at + 8, len(self))):
            if self[place] >= value:
                return place if not place or self[place - 1] < value else bisect_left(self, value)
        return bisect_left(self, value)

    def find(self, value: bytes) -> int:
        """Its place in ascending order, -1 where it isn't."""
        at = bisect_left(self, value)
        return at if at < len(self) and self[at] == value else -1


class LeiRegister:
    """A `Register` of LEIs. Parties have the day of the data for their only version."""

    _names: bytes | memoryview
    _name_at: Numbers
    _headquarters: Numbers
    _legal: Numbers
    _updated: Numbers
    _state: Numbers
    _types: Numbers
    _starts: Numbers
    _ends: Numbers
    _link_updated: Numbers
    _lapsed: Numbers
    _number_keys: Numbers
    _number_rows: Numbers
    _gaps: dict[bool, Numbers]

    def __init__(self, made: LeiBuilder) -> None:
        self._place_entities(made)
        self._place_links(made)
        self._place_exceptions(made)

    def __len__(self) -> int:
        return len(self._leis)

    # -- kept and recalled -------------------------------------------------------------------------

    def columns(self) -> dict[str, tuple[str, Buffer]]:
        """Name → (array code, buffer) of every column: with `facts`, all there is to keep."""
        return {
            "leis": ("B", self._leis.blob),
            "names": ("B", self._names),
            "subjects": ("B", self._subjects.blob),
            "parents": ("B", self._parents.blob),
            "gaps_next": ("B", self._gaps[False]),
            "gaps_last": ("B", self._gaps[True]),
            **{name: (code, getattr(self, f"_{name}")) for name, code in _COLUMNS.items()},
        }

    def facts(self) -> dict[str, Any]:
        """What is no column, as JSON values."""
        return {
            "reasons": list(self._reasons),
            "shares": [
                [at, share.low, share.high, share.low_open, share.high_open]
                for at, share in self._shares.items()
            ],
            "far_gaps": [
                [ultimate, lei.decode("ascii"), code]
                for (ultimate, lei), code in self._far_gaps.items()
            ],
        }

    @classmethod
    def recalled(cls, columns: Mapping[str, memoryview], facts: Mapping[str, Any]) -> LeiRegister:
        """The register that `columns` and `facts` were taken from. The buffers are not copied.

        Raises LookupError, TypeError or ValueError for what was not.
        """
        self = cls.__new__(cls)
        self._leis, self._names = _Column(columns["leis"]), columns["names"]
        self._subjects, self._parents = _Column(columns["subjects"]), _Column(columns["parents"])
        for name in _COLUMNS:
            setattr(self, f"_{name}", columns[name])
        self._gaps = {False: columns["gaps_next"], True: columns["gaps_last"]}
        self._reasons = tuple(facts["reasons"])
        self._shares = {int(at): Share(*bounds) for at, *bounds in facts["shares"]}
        self._far_gaps = {
            (bool(ultimate), lei.encode()): int(code) for ultimate, lei, code in facts["far_gaps"]
        }
        return self

    # -- building ----------------------------------------------------------------------------------

    def _place_entities(self, made: LeiBuilder) -> None:
        leis = _Column(made.leis)
        ascending = all(map(lt, leis, islice(leis, 1, None)))
        if not ascending or any(state & _DELETED for state in made.state):
            _reorder(made, _kept(made, leis))
        self._leis = _Column(bytes(made.leis))
        self._names, self._name_at = bytes(made.names), made.name_at
        self._headquarters, self._legal = made.headquarters, made.legal
        self._updated, self._state = made.updated, made.state
        keys = made.numbers
        rows = sorted((row for row in range(len(keys)) if keys[row]), key=keys.__getitem__)
        self._number_rows = array("I", rows)
        self._number_keys = array("Q", map(keys.__getitem__, rows))

    def _place_links(self, made: LeiBuilder) -> None:
        links = [made.links[key] for key in sorted(made.links) if not made.links[key].deleted]
        made.links = {}
        self._subjects = _Column("".join(link.lei for link in links).encode("ascii"))
        self._parents = _Column("".join(link.parent for link in links).encode("ascii"))
        self._types = array("B", (RELATIONSHIPS.index(link.type) for link in links))
        self._starts = array("I", map(_ordinal, (link.start for link in links)))
        self._ends = array("I", map(_ordinal, (link.end for link in links)))
        self._link_updated = array("I", (link.updated.toordinal() for link in links))
        self._lapsed = array("B", (link.lapsed for link in links))
        self._shares = {at: link.share for at, link in enumerate(links) if link.share}

    def _place_exceptions(self, made: LeiBuilder) -> None:
        self._reasons = tuple(made.reasons)
        gaps = {each: array("B", bytes(len(self._leis))) for each in (False, True)}
        self._gaps = {**gaps}
        self._far_gaps = dict[tuple[bool, bytes], int]()
        for ultimate, (leis, facts) in made.exceptions.items():
            column, row = _Column(leis), 0
            for at in sorted(range(len(facts)), key=lambda at: facts[at] >> _REASON_BITS):
                lei, code = column[at], facts[at] & _REASONS_MOST
                row = self._leis.near(lei, row)
                if row < len(self._leis) and self._leis[row] == lei:
                    gaps[ultimate][row] = code
                else:
                    self._far_gaps[ultimate, lei] = code
        made.exceptions = {}

    # -- asking ------------------------------------------------------------------------------------

    def party(self, id_: str, at: date) -> Party:
        """The company. One without a level 1 record is known by its LEI alone."""
        row = self._row(id_)
        if row < 0:
            unknown = None if is_lei(id_) else Unknown("no_lei_record", "nothing describes it", id_)
            return Party(id_, id_, PartyKind.ENTITY, unknown=unknown, source="GLEIF")
        country, basis = self._headquarters[row], "headquarters"
        if not country:
            country, basis = self._legal[row], "legal address"
        updated = date.fromordinal(self._updated[row])
        return Party(
            id=id_,
            name=self._name(row),
            country=country,
            country_basis=basis if country else "",
            identifiers=(id_,),
            legal=self._legal[row],
            since=updated,
            until=None if self._state[row] & _ACTIVE else updated,
            statement=f"GLEIF level 1, {updated}",
            source="GLEIF",
        )

    def stakes(self, subject: str) -> Sequence[Stake]:
        lei = _bytes(subject)
        at = bisect_left(self._subjects, lei)
        found = list[Stake]()
        while at < len(self._subjects) and self._subjects[at] == lei:
            found.append(self._stake(subject, at))
            at += 1
        return found

    def _stake(self, subject: str, at: int) -> Stake:
        type_ = RELATIONSHIPS[self._types[at]]
        control, ownership, basis = _MEANING[type_]
        parent = self._parents[at].decode("ascii")
        updated = date.fromordinal(self._link_updated[at])
        return Stake(
            subject=subject,
            holder=parent,
            record=f"{subject}/{parent}/{type_}",
            statement=f"GLEIF level 2, {subject} {type_} {parent}, {updated}",
            ownership=self._shares.get(at, ownership),
            control=control,
            basis=basis,
            ultimate=type_ == "IS_ULTIMATELY_CONSOLIDATED_BY",
            start=_date(self._starts[at]),
            end=_date(self._ends[at]),
            source="GLEIF" + (", not renewed" if self._lapsed[at] else ""),
        )

    def gaps(self, subject: str) -> Sequence[Gap]:
        row = self._row(subject)
        found = list[Gap]()
        for ultimate in (True, False):
            far = self._far_gaps.get((ultimate, _bytes(subject)), 0)
            code = self._gaps[ultimate][row] if row >= 0 else far
            for reason in self._reasons[code].split():
                text = REASONS.get(reason, f"GLEIF gives the reason {reason}")
                means = _MEANS.get(reason, "withheld")
                found.append(Gap(Unknown(reason, text, subject), ultimate, means))
        return found

    def find(self, text: str) -> Sequence[str]:
        """By LEI, or by exact legal name: one pass over all names, some hundredths of a second."""
        if text in self:
            return (text,)
        wanted = b"\n" + clean(text).encode("utf-8", "replace") + b"\n"
        names = bytes(self._names)  # a view knows no search; the copy lives for this question alone
        found, at = list[str](), names.find(wanted)
        while at >= 0 and len(found) < _FOUND_MOST and len(wanted) > 2:
            row = bisect_left(self._name_at, at + 1)
            found.append(self._leis[row].decode("ascii"))
            at = names.find(wanted, at + 1)
        return found

    def identified(self, lei: str) -> Sequence[str]:
        return (lei,) if lei in self else ()

    def numbered(self, country: int, number: str) -> Sequence[str]:
        key = _number_key(country, number)
        at = bisect_left(self._number_keys, key) if key else len(self._number_keys)
        found = list[str]()
        while at < len(self._number_keys) and self._number_keys[at] == key:
            found.append(self._leis[self._number_rows[at]].decode("ascii"))
            at += 1
        return sorted(found[:_FOUND_MOST])

    def must_report(self, subject: str) -> bool:
        return True

    def __contains__(self, id_: object) -> bool:
        if not isinstance(id_, str):
            return False
        return self._row(id_) >= 0 or bool(self.stakes(id_)) or bool(self.gaps(id_))

    def _row(self, id_: str) -> int:
        return self._leis.find(_bytes(id_))

    def _name(self, row: int) -> str:
        start = self._name_at[row]
        end = self._name_at[row + 1] if row + 1 < len(self._name_at) else len(self._names)
        return bytes(self._names[start : end - 1]).decode()


def is_lei(text: str) -> bool:
    """Twenty capital letters and digits; the check digits are the publisher's business."""
    return len(text) == LEI_LENGTH and text.isascii() and text.isalnum() and text == text.upper()


def _number_key(country: int, number: str) -> int:
    """64 bits that stand for a number in a country's register; 0 for none.

    Who makes up a number with another company's key might as well give that company's number.
    """
    if not country or not number:
        return 0
    return int.from_bytes(blake2b(f"{country}:{number}".encode(), digest_size=8).digest()) or 1


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _ordinal(day: date | None) -> int:
    return day.toordinal() if day else 0


def _date(ordinal: int) -> date | None:
    return date.fromordinal(ordinal) if ordinal else None


def _kept(made: LeiBuilder, leis: _Column) -> list[int]:
    """Places of the newest record of each LEI, by LEI, without those deleted."""
    newest = dict[bytes, int]()
    for at, lei in enumerate(leis):
        if lei not in newest or made.updated[newest[lei]] <= made.updated[at]:
            newest[lei] = at
    return [newest[lei] for lei in sorted(newest) if not made.state[newest[lei]] & _DELETED]


def _reorder(made: LeiBuilder, order: list[int]) -> None:
    leis, names, name_at = _Column(made.leis), bytes(made.names), made.name_at
    made.leis = bytearray().join(leis[at] for at in order)
    made.names, made.name_at = bytearray(b"\n"), array("Q")
    for at in order:
        made.name_at.append(len(made.names))
        made.names += names[name_at[at] : names.index(b"\n", name_at[at]) + 1]
    made.headquarters = array("H", (made.headquarters[at] for at in order))
    made.legal = array("H", (made.legal[at] for at in order))
    made.updated = array("I", (made.updated[at] for at in order))
    made.state = array("B", (made.state[at] for at in order))
    made.numbers = array("Q", (made.numbers[at] for at in order))
