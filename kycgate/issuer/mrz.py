"""The machine-readable zone of passports, identity cards and visas, as ICAO Doc 9303 (2021) has it.

Pure: reads lines of text, no images and no clock. Right check digits say that the lines were read
or typed without a slip, never that the document is genuine.

    TD1    3 × 30   identity cards (part 5)        MRV-A  2 × 44   visas (part 7)
    TD2    2 × 36   identity cards (part 6)        MRV-B  2 × 36   visas (part 7)
    TD3    2 × 44   passports (part 4)

A field and its length are those of the parts named; check digits are those of part 3, section 4.9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from kycgate.errors import Malformed, TooLarge

_CHARACTERS: Final = re.compile(r"[0-9A-Z<]+", re.ASCII)
_FILLER: Final = "<"
_WEIGHTS: Final = (7, 3, 1)
_TYPED_MOST: Final = 60
"""Characters of a line as typed, spaces included."""
_EXPIRY_SPAN: Final = 50
"""Years an end of validity may lie ahead; beyond, the other century is meant. No document lasts as
long (part 3, 4.8 leaves the century to the reader)."""


@dataclass(frozen=True, slots=True)
class Mrz:
    """What the zone says. Codes of countries are its own: ISO 3166-1 alpha-3, or ICAO's (`D`)."""

    format: str
    """TD1, TD2, TD3, MRV-A or MRV-B"""
    code: str
    """the kind of document: P, V, I, AC…"""
    issuing: str
    number: str
    nationality: str
    surname: str
    given_names: str
    names_truncated: bool
    """the names fill their field: some of them may be cut off"""
    birth_date: str | None
    """YYYY-MM-DD; None where day or month are unknown"""
    sex: str
    """M, F or X"""
    expires_on: str
    """YYYY-MM-DD, the last day it is valid"""
    optional: str

    @property
    def name(self) -> str:
        """Given names first."""
        return f"{self.given_names} {self.surname}".strip()

    def document(self) -> dict[str, Any]:
        """As sealed evidence."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each field stands: (line, from, to). `composite` spans what its check digit covers."""

    code: tuple[int, int, int]
    issuing: tuple[int, int, int]
    names: tuple[int, int, int]
    number: tuple[int, int, int]
    nationality: tuple[int, int, int]
    birth: tuple[int, int, int]
    sex: tuple[int, int, int]
    expiry: tuple[int, int, int]
    optional: tuple[int, int, int]
    more: tuple[int, int, int] | None = None
    """where a document number longer than nine characters goes on"""
    personal: bool = False
    """whether `optional` ends in a check digit of its own"""
    composite: tuple[tuple[int, int, int], ...] = ()
    composite_at: tuple[int, int, int] | None = None


def _two_lines(**rest: Any) -> _Layout:
    """A document of two lines: the second is the same on all of them as far as its last field."""
    return _Layout(
        code=(0, 0, 2),
        issuing=(0, 2, 5),
        number=(1, 0, 9),
        nationality=(1, 10, 13),
        birth=(1, 13, 19),
        sex=(1, 20, 21),
        expiry=(1, 21, 27),
        **rest,
    )


_LAYOUTS: Final = {
    "TD1": _Layout(
        code=(0, 0, 2),
        issuing=(0, 2, 5),
        number=(0, 5, 14),
        more=(0, 15, 30),
        birth=(1, 0, 6),
        sex=(1, 7, 8),
        expiry=(1, 8, 14),
        nationality=(1, 15, 18),
        optional=(1, 18, 29),
        names=(2, 0, 30),
        composite=((0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29)),
        composite_at=(1, 29, 30),
    ),
    "TD2": _two_lines(
        names=(0, 5, 36),
        optional=(1, 28, 35),
        more=(1, 28, 35),
        composite=((1, 0, 10), (1, 13, 20), (1, 21, 35)),
        composite_at=(1, 35, 36),
    ),
    "TD3": _two_lines(
        names=(0, 5, 44),
        optional=(1, 28, 42),
        personal=True,
        composite=((1, 0, 10), (1, 13, 20), (1, 21, 43)),
        composite_at=(1, 43, 44),
    ),
    "MRV-A": _two_lines(names=(0, 5, 44), optional=(1, 28, 44)),
    "MRV-B": _two_lines(names=(0, 5, 36), optional=(1, 28, 36)),
}
_SIZES: Final = {(3, 30): ("TD1", "TD1"), (2, 36): ("TD2", "MRV-B"), (2, 44): ("TD3", "MRV-A")}


def read_mrz(lines: Sequence[str], *, today: date) -> Mrz:
    """Read the lines as a renter types them: small letters and spaces are forgiven.

    `today` decides centuries. Raises Malformed naming the line and the field that can't be right;
    the message never repeats what was typed.
    """
    rows = _rows(lines)
    plain, visa = _SIZES[len(rows), len(rows[0])]
    name = visa if rows[0][0] == "V" else plain
    layout = _LAYOUTS[name]
    number, at_digit = _number(rows, layout)
    _check(number, at_digit, "document number", layout.number[0])
    born = _dated(rows, layout.birth, "date of birth")
    ends = _dated(rows, layout.expiry, "date of expiry")
    if layout.personal:
        _check_personal(rows, layout)
    if layout.composite_at is not None:
        whole = "".join(_take(rows, place) for place in layout.composite)
        _check(whole, _take(rows, layout.composite_at), "whole", None)
    surname, given, truncated = _names(_take(rows, layout.names), layout.names[0])
    expires_on = _expiry(ends, today, layout)
    return Mrz(
        format=name,
        code=_take(rows, layout.code).rstrip(_FILLER),
        issuing=_country(_take(rows, layout.issuing), layout.issuing[0], "issuing country"),
        number=number.replace(_FILLER, ""),
        nationality=_country(_take(rows, layout.nationality), layout.nationality[0], "nationality"),
        surname=surname,
        given_names=given,
        names_truncated=truncated,
        birth_date=_birth(born, today, layout),
        sex=_sex(_take(rows, layout.sex), layout.sex[0]),
        expires_on=expires_on,
        optional=_take(rows, layout.optional).replace(_FILLER, " ").strip(),
    )


def check_digit(text: str) -> int:
    """Modulus 10 with weights 7, 3, 1 (part 3, section 4.9). `text` of 0-9, A-Z and `<`."""
    values = (0 if each == _FILLER else int(each, 36) for each in text)
    return sum(value * _WEIGHTS[place % 3] for place, value in enumerate(values)) % 10


# -- the lines -----------------------------------------------------------------------------------


def _rows(lines: Sequence[str]) -> tuple[str, ...]:
    if not 2 <= len(lines) <= 3:
        raise Malformed("has not two or three lines", field="mrz", remedy="type every line of it")
    rows = []
    for number, line in enumerate(lines, start=1):
        if type(line) is not str or len(line) > _TYPED_MOST:
            raise TooLarge("is no line of an MRZ", field=f"mrz.line{number}", remedy="44 at most")
        row = line.replace(" ", "").upper()
        if not _CHARACTERS.fullmatch(row):
            raise Malformed(
                "has characters no MRZ has",
                field=f"mrz.line{number}",
                remedy="A to Z, 0 to 9 and <",
            )
        rows.append(row)
    known = (len(rows), len(rows[0])) in _SIZES and len({len(row) for row in rows}) == 1
    if not known:
        raise Malformed(
            "has lines of a length no document has",
            field="mrz",
            remedy="3 lines of 30 characters, or 2 of 36 or 44: type every < at the end too",
        )
    return tuple(rows)


def _take(rows: Sequence[str], place: tuple[int, int, int]) -> str:
    line, start, end = place
    return rows[line][start:end]


def _number(rows: Sequence[str], layout: _Layout) -> tuple[str, str]:
    """The document number and its check digit, wherever a long one ends (part 5, 4.2.2 note j)."""
    line, _, end = layout.number
    short, digit = _take(rows, layout.number), rows[line][end : end + 1]
    if digit != _FILLER or layout.more is None or not short.strip(_FILLER):
        return short, digit
    rest = _take(rows, layout.more).split(_FILLER, 1)[0]
    # Without a continuation the filler stands for a missing digit, which is none.
    return (short + rest[:-1], rest[-1]) if len(rest) > 1 else (short, digit)


def _dated(rows: Sequence[str], place: tuple[int, int, int], what: str) -> tuple[str, int]:
    line, _, end = place
    text = _take(rows, place)
    _check(text, rows[line][end : end + 1], what, line)
    return text, line


def _check(text: str, digit: str, what: str, line: int | None) -> None:
    """`line` is None where the digit speaks for several."""
    if digit != str(check_digit(text)):
        raise Malformed(
            f"the check digit of the {what} does not fit",
            field="mrz" if line is None else f"mrz.line{line + 1}",
            remedy="compare each character with the document: 0 and O, 1 and I look alike",
        )


def _check_personal(rows: Sequence[str], layout: _Layout) -> None:
    line, _, end = layout.optional
    text, digit = _take(rows, layout.optional), rows[line][end : end + 1]
    if not text.strip(_FILLER) and digit == _FILLER:
        return  # part 4, 4.2.2 note: an empty field may carry a filler for its digit
    _check(text, digit, "personal number", line)


# -- the fields ----------------------------------------------------------------------------------


def _names(field: str, line: int) -> tuple[str, str, bool]:
    """Part 3, section 4.6: `<<` parts the surname from the given names, `<` words."""
    primary, _, secondary = field.partition("<<")
    surname, given = _words(primary), _words(secondary)
    if not surname or any(each.isdigit() for each in surname + given):
        raise Malformed(
            "the names can't be read", field=f"mrz.line{line + 1}", remedy="type it again"
        )
    return surname, given, not field.endswith(_FILLER)


def _words(text: str) -> str:
    return " ".join(part for part in text.split(_FILLER) if part)


def _country(text: str, line: int, what: str) -> str:
    code = text.rstrip(_FILLER)
    if not re.fullmatch(r"[A-Z]{1,3}", code, re.ASCII):
        raise Malformed(
            f"the {what} can't be read", field=f"mrz.line{line + 1}", remedy="type it again"
        )
    return code


def _sex(text: str, line: int) -> str:
    found = {"M": "M", "F": "F", "X": "X", _FILLER: "X"}.get(text)
    if found is None:
        raise Malformed("the sex can't be read", field=f"mrz.line{line + 1}", remedy="M, F or <")
    return found


def _birth(born: tuple[str, int], today: date, layout: _Layout) -> str | None:
    """The latest such day not in the future; part 3, 4.8: unknown parts are fillers."""
    text, line = born
    if not text.isdigit():
        if re.fullmatch(r"(\d\d)?(\d\d)?[<]+", text, re.ASCII) is None:
            raise _no_date("date of birth", line)
        return None
    for century in (today.year // 100, today.year // 100 - 1):
        found = _day(century, text)
        if found is not None and found <= today:
            return found.isoformat()
    raise _no_date("date of birth", line)


def _expiry(ends: tuple[str, int], today: date, layout: _Layout) -> str:
    text, line = ends
    century = today.year // 100
    for each in (century + 1, century, century - 1):
        found = _day(each, text) if text.isdigit() else None
        if found is not None and found - today <= timedelta(days=366 * _EXPIRY_SPAN):
            return found.isoformat()
    raise _no_date("date of expiry", line)


def _day(century: int, text: str) -> date | None:
    try:
        return date(century * 100 + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        return None


def _no_date(what: str, line: int) -> Malformed:
    return Malformed(f"the {what} is no date", field=f"mrz.line{line + 1}", remedy="type it again")
