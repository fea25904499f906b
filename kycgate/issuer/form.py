"""Reading what a person typed: one text, one level of a form, each field taken once.

Pure; knows no form by name. A bad field is a `Malformed` with its path (`parent.country`) and the
remedy; messages never repeat the value: it is personal data.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Final, NoReturn, Protocol

from kycgate.errors import Malformed

MAX_NAME: Final = 400
"""Characters. The longest on the US Consolidated Screening List of July 2026 has 381."""
MAX_REGISTRATION: Final = 64
"""Characters of a registration number."""
EARLIEST_BIRTH: Final = date(1900, 1, 1)


class Countries(Protocol):
    """The country table, as far as details need it."""

    def numeric(self, alpha2: str) -> int:
        """ISO 3166-1 numeric of a two-letter code. Raises Malformed for an unknown one."""

    def alpha2(self, numeric: int) -> str:
        """The two-letter code of a number `numeric` gave."""

    def regions(self, country: int) -> frozenset[str]:
        """ISO 3166-2 codes of a country whose regions rules tell apart; empty for others."""


def parse_text(value: object, *, field: str, longest: int) -> str:
    """Text a person typed, NFC and trimmed: 1 to `longest` characters, one a letter or digit.

    Control, format and bidirectional characters are refused: they make two different names look
    alike to a reviewer, or one name look different to the screening.
    """
    wanted = f"text of 1 to {longest} characters"
    if type(value) is not str:
        raise Malformed("must be text", field=field, remedy=wanted)
    text = unicodedata.normalize("NFC", value.strip(" ")) if len(value) <= 4 * longest else value
    if not 0 < len(text) <= longest:
        raise Malformed("is empty or too long", field=field, remedy=wanted)
    if any(_invisible(character) for character in text):
        raise Malformed(
            "contains control, invisible or direction-changing characters",
            field=field,
            remedy="type it without them",
        )
    if not any(character.isalnum() for character in text):
        raise Malformed("has no letter or digit", field=field, remedy=wanted)
    return text


def valid_lei(text: str) -> bool:
    """Whether this is a Legal Entity Identifier with right check digits (ISO 17442, mod 97-10)."""
    if not re.fullmatch(r"[0-9A-Z]{18}[0-9]{2}", text, re.ASCII):
        return False
    return int("".join(str(int(character, 36)) for character in text)) % 97 == 1


def _invisible(character: str) -> bool:
    # Cc control, Cf format and bidi, Cs surrogate, Co private, Cn unassigned, Zl/Zp separators.
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")


class Form:
    """One JSON object being read: each field is taken once, and what is left over is an error."""

    def __init__(self, raw: object, path: str, countries: Countries) -> None:
        if type(raw) is not dict:
            raise Malformed(
                "must be an object", field=path or "details", remedy="a JSON object of named fields"
            )
        self._left: dict[object, object] = dict(raw)
        self._path = path
        self.countries = countries

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> object:
        if name not in self._left:
            raise Malformed("is missing", field=self.path(name), remedy="add this field")
        return self._left.pop(name)

    def text(self, name: str, longest: int) -> str:
        return parse_text(self.take(name), field=self.path(name), longest=longest)

    def country(self, name: str) -> int:
        value = self.take(name)
        if type(value) is str and re.fullmatch(r"[A-Z]{2}", value, re.ASCII):
            try:
                return self.countries.numeric(value)
            except Malformed:
                pass  # answered below, with the path of this field
        raise Malformed(
            "is not a country code", field=self.path(name), remedy="two capital letters, as in SG"
        )

    def region(self, name: str, country: int) -> str | None:
        """A region of that country, where one is told and asked for."""
        if name not in self._left:
            return None
        value, known = self._left.pop(name), self.countries.regions(country)
        if not known:
            raise Malformed(
                "is asked for only where a part of the country is embargoed",
                field=self.path(name),
                remedy="leave it out",
            )
        if type(value) is not str or value not in known:
            raise Malformed(
                "is not a region of this country",
                field=self.path(name),
                remedy="ISO 3166-2: one of " + ", ".join(sorted(known)),
            )
        return value

    def form(self, name: str) -> Form:
        return Form(self.take(name), self.path(name), self.countries)

    def finish(self) -> None:
        for name in self._left:
            # A field's name is the caller's text too: shown only if it can't hold personal data.
            plain = type(name) is str and re.fullmatch(r"[a-z_]{1,32}", name, re.ASCII)
            raise Malformed(
                "is not a field of this form",
                field=self.path(str(name) if plain else "(unknown)"),
                remedy="remove it",
            )


def parse_lei(form: Form) -> str:
    value = form.take("lei")
    if type(value) is str and valid_lei(value):
        return value
    raise Malformed(
        "is not a Legal Entity Identifier",
        field=form.path("lei"),
        remedy="20 capital letters and digits with right check digits, or leave it out",
    )


def parse_birth_date(form: Form, now: int) -> str:
    value, path = form.take("birth_date"), form.path("birth_date")
    if type(value) is not str or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        _bad_birth_date(path)
    try:
        born = date.fromisoformat(value)
    except ValueError:
        _bad_birth_date(path)
    if not EARLIEST_BIRTH <= born <= datetime.fromtimestamp(now, UTC).date():
        _bad_birth_date(path)
    return value


def _bad_birth_date(path: str) -> NoReturn:
    raise Malformed(
        "is not a possible date of birth",
        field=path,
        remedy="YYYY-MM-DD, not before 1900 and not in the future",
    )
