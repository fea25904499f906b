"""Reporting exceptions of a LEI register: why a company names no parent.

Weighs no reason: what each means for a renter is the graph's and the rules' business.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kycgate.errors import Malformed
from kycgate.screening.ownership.leis.columns import Buffer, Column, Numbers, in_bytes
from kycgate.screening.ownership.parties import Gap, Meaning, Unknown

if TYPE_CHECKING:  # at run time an array has no parameters
    Ints = array[int]

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
_REASON_BITS, _REASONS_MOST = 8, 255


@dataclass(frozen=True, slots=True)
class ExceptionRecord:
    """Why no parent is reported; `reasons` empty once the exception is gone."""

    lei: str
    ultimate: bool
    reasons: tuple[str, ...]
    updated: date


class ExceptionRows:
    """Takes exceptions in any order; of several versions the newest stays."""

    def __init__(self) -> None:
        self._rows: dict[bool, tuple[bytearray, Ints]] = {}
        self._reasons = [""]
        self._codes = {"": 0}

    def add(self, record: ExceptionRecord) -> None:
        leis, facts = self._rows.setdefault(record.ultimate, (bytearray(), array("I")))
        code = self._code(" ".join(record.reasons))
        leis += record.lei.encode("ascii")
        facts.append(record.updated.toordinal() << _REASON_BITS | code)

    def _code(self, reasons: str) -> int:
        if reasons not in self._codes:
            if len(self._reasons) > _REASONS_MOST:
                raise Malformed("too many different reasons", field="ExceptionReason")
            self._codes[reasons] = len(self._reasons)
            self._reasons.append(reasons)
        return self._codes[reasons]

    def placed(self, companies: Column) -> Exceptions:
        """By the rows of companies, whose LEIs are ascending. These rows are spent."""
        codes = {each: array("B", bytes(len(companies))) for each in (False, True)}
        far = dict[tuple[bool, bytes], int]()
        for ultimate, (leis, facts) in self._rows.items():
            column, row = Column(leis), 0
            for at in sorted(range(len(facts)), key=lambda at: facts[at] >> _REASON_BITS):
                lei, code = column[at], facts[at] & _REASONS_MOST
                row = companies.near(lei, row)
                if row < len(companies) and companies[row] == lei:
                    codes[ultimate][row] = code
                else:
                    far[ultimate, lei] = code
        self._rows = {}
        return Exceptions({**codes}, far, tuple(self._reasons))


@dataclass(frozen=True, slots=True)
class Exceptions:
    """A code for each company, about its next parent (False) and its last one (True)."""

    codes: Mapping[bool, Numbers]
    far: Mapping[tuple[bool, bytes], int]
    """the codes of LEIs that have no company record"""
    reasons: tuple[str, ...]
    """by code, several reasons apart by a space; 0: no exception"""

    def columns(self) -> dict[str, tuple[str, Buffer]]:
        """Name → (array code, buffer) of every column."""
        return {"gaps_next": ("B", self.codes[False]), "gaps_last": ("B", self.codes[True])}

    def facts(self) -> dict[str, Any]:
        """What is no column, as JSON values."""
        return {
            "reasons": list(self.reasons),
            "far_gaps": [
                [ultimate, lei.decode("ascii"), code] for (ultimate, lei), code in self.far.items()
            ],
        }

    @classmethod
    def recalled(cls, columns: Mapping[str, memoryview], facts: Mapping[str, Any]) -> Exceptions:
        """What `columns` and `facts` were taken from. Raises LookupError, TypeError, ValueError."""
        return cls(
            codes={False: columns["gaps_next"], True: columns["gaps_last"]},
            far={
                (bool(ultimate), lei.encode()): int(code)
                for ultimate, lei, code in facts["far_gaps"]
            },
            reasons=tuple(facts["reasons"]),
        )

    def gaps(self, subject: str, row: int) -> Sequence[Gap]:
        """Why no parent of this company is named; `row` is its place, -1 where it has none."""
        found = list[Gap]()
        for ultimate in (True, False):
            far = self.far.get((ultimate, in_bytes(subject)), 0)
            code = self.codes[ultimate][row] if row >= 0 else far
            for reason in self.reasons[code].split():
                text = REASONS.get(reason, f"GLEIF gives the reason {reason}")
                means = _MEANS.get(reason, "withheld")
                found.append(Gap(Unknown(reason, text, subject), ultimate, means))
        return found
