"""What an organisation tells about its owners: who holds 25 % or more, and who owns those.

Pure and strict, as all of the form; it adds nothing up beyond what can't be true. Whether what is
told agrees with any register is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from kycgate.core.claims import Kind
from kycgate.errors import Malformed
from kycgate.issuer.details import NamedParty, Organisation, Parent
from kycgate.issuer.form import (
    MAX_NAME,
    MAX_REGISTRATION,
    Countries,
    Form,
    parse_birth_date,
    parse_lei,
)

MAX_OWNERS: Final = 50
"""Owners in one form, on all levels together. More are looked at by a person, outside of it."""
MAX_LEVELS: Final = 8
"""Owners above one another."""
_HALF: Final = Fraction(50)
_WHOLE: Final = Fraction(100)
_DECIMAL: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?", re.ASCII)
_KINDS: Final = {"person": Kind.PERSON, "organisation": Kind.ORGANISATION}
_WANTED: Final = 'a number above 0 and up to 100, such as 33.3, or {"min": 25, "max": 50}'


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who holds between `low` and `high` percent. `role` is `owner.1`, `owner.1.owner.2`.

    `owners` of an organisation: who holds 25 % or more of it; empty: nobody does; None: not told.
    """

    role: str
    name: str
    kind: Kind
    country: int
    low: Fraction
    high: Fraction
    birth_date: str | None = None
    registration_number: str | None = None
    lei: str | None = None
    region: str | None = None
    owners: tuple[Owner, ...] | None = None

    def document(self, countries: Countries) -> dict[str, Any]:
        """As it is read: what is sealed as evidence."""
        exact = self.low == self.high
        told = {
            "birth_date": self.birth_date,
            "registration_number": self.registration_number,
            "lei": self.lei,
            "region": self.region,
            "owners": None
            if self.owners is None
            else [each.document(countries) for each in self.owners],
        }
        return {
            "name": self.name,
            "kind": self.kind.name.lower(),
            "country": countries.alpha2(self.country),
            "share": _text(self.low)
            if exact
            else {"min": _text(self.low), "max": _text(self.high)},
            **{name: value for name, value in told.items() if value is not None},
        }

    def parties(self, *, half: bool = True) -> Iterator[NamedParty]:
        """This owner and everybody above. `half`: whether half or more is held on all of the way
        below: then whoever holds half of it, and is listed, can't be dealt with."""
        half = half and self.low >= _HALF
        yield NamedParty(
            self.role,
            self.name,
            self.kind,
            self.country,
            self.birth_date or "",
            self.lei or "",
            self.registration_number or "",
            decisive=half,
        )
        for each in self.owners or ():
            yield from each.parties(half=half)


def parse_owners(form: Form, now: int) -> tuple[Owner, ...]:
    """The `owners` of a form. Raises Malformed naming field and remedy, as `owners.2.share`."""
    count = [0]
    return _owners(form, "", 1, count, now)


def all_owners(owners: tuple[Owner, ...] | None) -> Iterator[Owner]:
    """Each of them, and everybody above, lower ones first."""
    for each in owners or ():
        yield each
        yield from all_owners(each.owners)


def require_no_circle(details: Organisation) -> None:
    """Raises Malformed where a company is told to stand above itself."""
    numbers = _numbers(details.country, details.registration_number, details.lei)
    _parents(details.parent, "parent", numbers)
    below = numbers | {("name", _plain(details.name), details.country)}
    for each in details.owners or ():
        _above(each, below)


def _parents(parent: object, path: str, below: frozenset[tuple[object, ...]]) -> None:
    # Only numbers: a parent of the very name was always let pass, and what is stored must be read.
    while isinstance(parent, Parent):
        own = _numbers(parent.country, parent.registration_number, parent.lei)
        if own & below:
            raise _circle(path)
        below, path, parent = below | own, f"{path}.parent", parent.parent


def _above(owner: Owner, below: frozenset[tuple[object, ...]]) -> None:
    if owner.kind is Kind.PERSON:
        return
    own = _numbers(owner.country, owner.registration_number, owner.lei)
    own |= {("name", _plain(owner.name), owner.country)}
    if own & below:
        raise _circle(_path(owner.role))
    for each in owner.owners or ():
        _above(each, below | own)


def _circle(path: str) -> Malformed:
    return Malformed("stands above itself", field=path, remedy="name each owner once on its way")


def _numbers(country: int, number: str | None, lei: str | None) -> frozenset[tuple[object, ...]]:
    found = set[tuple[object, ...]]()
    if number:
        found.add(("number", _plain(number), country))
    if lei:
        found.add(("lei", lei))
    return frozenset(found)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _path(role: str) -> str:
    return role.replace("owner.", "owners.")


def _owners(form: Form, role: str, level: int, count: list[int], now: int) -> tuple[Owner, ...]:
    raw, path = form.take("owners"), form.path("owners")
    if type(raw) is not list:
        raise Malformed("is not a list", field=path, remedy="[…], empty where nobody holds 25 %")
    if level > MAX_LEVELS:
        raise Malformed(
            f"more than {MAX_LEVELS} owners above one another",
            field=path,
            remedy=f"name at most {MAX_LEVELS} and leave out the owners of the last",
        )
    count[0] += len(raw)
    if count[0] > MAX_OWNERS:
        raise Malformed(
            f"more than {MAX_OWNERS} owners in all",
            field=path,
            remedy=f"name those who hold 25 % or more, {MAX_OWNERS} at most",
        )
    found = tuple(
        _owner(
            Form(each, f"{path}.{number}", form.countries),
            f"{role}owner.{number}",
            level,
            count,
            now,
        )
        for number, each in enumerate(raw, start=1)
    )
    if sum(each.low for each in found) > _WHOLE:
        raise Malformed("hold more than 100 % together", field=path, remedy="correct their shares")
    return found


def _owner(form: Form, role: str, level: int, count: list[int], now: int) -> Owner:
    kind = form.take("kind")
    if type(kind) is not str or kind not in _KINDS:
        raise Malformed(
            "is not a kind of owner", field=form.path("kind"), remedy="person or organisation"
        )
    person = _KINDS[kind] is Kind.PERSON
    low, high = _share(form)
    owner = Owner(
        role=role,
        name=form.text("name", MAX_NAME),
        kind=_KINDS[kind],
        country=(country := form.country("country")),
        low=low,
        high=high,
        birth_date=parse_birth_date(form, now) if person and form.has("birth_date") else None,
        registration_number=form.text("registration_number", MAX_REGISTRATION)
        if not person and form.has("registration_number")
        else None,
        lei=parse_lei(form) if not person and form.has("lei") else None,
        region=form.region("region", country),
        owners=_owners(form, f"{role}.", level + 1, count, now)
        if not person and form.has("owners")
        else None,
    )
    form.finish()
    return owner


def _share(form: Form) -> tuple[Fraction, Fraction]:
    raw, path = form.take("share"), form.path("share")
    if type(raw) is not dict:
        exact = _percent(raw, path)
        low = high = exact
    else:
        inner = Form(raw, path, form.countries)
        low = _percent(inner.take("min"), f"{path}.min")
        high = _percent(inner.take("max"), f"{path}.max")
        inner.finish()
    if low > high:
        raise Malformed("the least is above the most", field=path, remedy=_WANTED)
    if high == 0:
        raise Malformed("is nothing", field=path, remedy=_WANTED)
    return low, high


def _percent(raw: object, path: str) -> Fraction:
    """A number of percent. A float counts as the decimal it was written as."""
    text = raw if type(raw) is str else repr(raw) if type(raw) in (int, float) else ""
    if _DECIMAL.fullmatch(text) and Fraction(text) <= _WHOLE:
        return Fraction(text)
    raise Malformed("is not a share in percent", field=path, remedy=_WANTED)


def _text(percent: Fraction) -> str:
    """The decimal it was read from, without trailing zeros."""
    whole, rest = divmod(percent * 10**6, 10**6)
    return f"{whole}.{int(rest):06d}".rstrip("0").rstrip(".")
