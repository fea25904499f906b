"""What a case is: the steps a verification may take, and what a renter must tell about themselves.

Pure: reads no clock, disk, network or list; it neither screens nor stores, and approves nothing.

A case walks one way; a second try after a refusal is a new case of the same subject:

    draft ─submit→ submitted ─approve→ approved ─revoke→ revoked
                     │   └─flag→ review ─approve↗  │flag
                     └─refuse→ refused ←refuse─ review

From draft, submitted and review one may ask for more: the case is then in needs, until it is handed
in again. An approved case is verified again by a new proof.

What the renter said arrives as a dict and leaves as a frozen value, or as `Malformed` naming the
field (`parent.country`) and the remedy. Messages never repeat the value: it is personal data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from kycgate.core.claims import Kind
from kycgate.errors import Conflict, Malformed

if TYPE_CHECKING:
    from kycgate.issuer.owning import Owner

MAX_NAME: Final = 400
"""Characters. The longest on the US Consolidated Screening List of July 2026 has 381."""
MAX_REGISTRATION: Final = 64
"""Characters of a registration number."""
MAX_PARENTS: Final = 8
"""Parents above one another. A longer chain is looked at by a person, outside this form."""
EARLIEST_BIRTH: Final = date(1900, 1, 1)


class State(StrEnum):
    """Where a case stands. The value is what the store and the API carry."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    NEEDS = "needs"
    REVIEW = "review"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    CLOSED = "closed"
    """the renter asked to be erased, or the time to keep the data was over"""


class Action(StrEnum):
    """What may be done to a case. The value is what the history shows."""

    AMEND = "amend"
    SUBMIT = "submit"
    FLAG = "flag"
    APPROVE = "approve"
    REFUSE = "refuse"
    RENEW = "renew"
    REVOKE = "revoke"
    REOPEN = "reopen"
    ASK = "ask"
    VERIFY = "verify"
    CLOSE = "close"


TRANSITIONS: Final[Mapping[tuple[State, Action], State]] = {
    (State.DRAFT, Action.AMEND): State.DRAFT,
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.DRAFT, Action.ASK): State.NEEDS,
    (State.NEEDS, Action.ASK): State.NEEDS,
    (State.NEEDS, Action.AMEND): State.NEEDS,
    (State.NEEDS, Action.SUBMIT): State.SUBMITTED,
    (State.NEEDS, Action.FLAG): State.REVIEW,
    (State.NEEDS, Action.REFUSE): State.REFUSED,
    (State.SUBMITTED, Action.ASK): State.NEEDS,
    (State.SUBMITTED, Action.FLAG): State.REVIEW,
    (State.SUBMITTED, Action.APPROVE): State.APPROVED,
    (State.SUBMITTED, Action.REFUSE): State.REFUSED,
    (State.REVIEW, Action.FLAG): State.REVIEW,
    (State.REVIEW, Action.APPROVE): State.APPROVED,
    (State.REVIEW, Action.REFUSE): State.REFUSED,
    (State.REVIEW, Action.ASK): State.NEEDS,
    # A case flagged at renewal still has living attestations until its reviewer has spoken,
    # whatever they ask for meanwhile.
    (State.REVIEW, Action.REVOKE): State.REVOKED,
    (State.NEEDS, Action.REVOKE): State.REVOKED,
    (State.SUBMITTED, Action.REVOKE): State.REVOKED,
    (State.APPROVED, Action.RENEW): State.APPROVED,
    (State.APPROVED, Action.VERIFY): State.APPROVED,
    (State.APPROVED, Action.FLAG): State.REVIEW,
    (State.APPROVED, Action.REVOKE): State.REVOKED,
    # Reopening leaves the old case as it is: the answer is the state of the new one.
    (State.REFUSED, Action.REOPEN): State.DRAFT,
    (State.REVOKED, Action.REOPEN): State.DRAFT,
    (State.CLOSED, Action.REOPEN): State.DRAFT,
    (State.DRAFT, Action.CLOSE): State.CLOSED,
    (State.SUBMITTED, Action.CLOSE): State.CLOSED,
    (State.NEEDS, Action.CLOSE): State.CLOSED,
    (State.REVIEW, Action.CLOSE): State.CLOSED,
    (State.APPROVED, Action.CLOSE): State.CLOSED,
}
"""Every step there is. What is not here is a Conflict."""


def transition(state: State, action: Action) -> State:
    """The state after the action. Raises Conflict naming both when there is no such step."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise Conflict(f"cannot {action} a case that is {state}")
    return after


# -- what a renter is asked for -------------------------------------------------------------------

MAX_NEEDS: Final = 8
"""Things asked for at once. More is no help to anybody."""
MAX_ASKED: Final = 500
"""Characters of what the renter reads."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing a renter is asked for. `text` is written for them; `item` is for programs."""

    item: str
    text: str


def parse_needs(raw: Sequence[tuple[str, str]]) -> tuple[Need, ...]:
    """(item, text) pairs, 1 to MAX_NEEDS of them. Raises Malformed naming the culprit."""
    if not 1 <= len(raw) <= MAX_NEEDS:
        raise Malformed("nothing, or too much", field="item", remedy=f"1 to {MAX_NEEDS} of them")
    for item, _ in raw:
        if type(item) is not str or not re.fullmatch(r"[a-z][a-z_]{0,31}", item, re.ASCII):
            raise Malformed(
                "is not a word for what is needed",
                field="item",
                remedy="small letters and _, as in `proof`, `details` or `document`",
            )
    return tuple(
        Need(item, parse_text(text, field="text", longest=MAX_ASKED)) for item, text in raw
    )


# -- what the renter tells -----------------------------------------------------------------------


class Countries(Protocol):
    """The country table, as far as details need it."""

    def numeric(self, alpha2: str) -> int:
        """ISO 3166-1 numeric of a two-letter code. Raises Malformed for an unknown one."""

    def alpha2(self, numeric: int) -> str:
        """The two-letter code of a number `numeric` gave."""

    def regions(self, country: int) -> frozenset[str]:
        """ISO 3166-2 codes of a country whose regions rules tell apart; empty for others."""


class Above(Enum):
    """What stands above the last owner named: nobody, or nobody said."""

    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Parent:
    """Who controls or consolidates the one below; `country` is that of its headquarters."""

    name: str
    country: int
    registration_number: str | None
    parent: Parent | Above
    lei: str | None = None
    region: str | None = None
    """ISO 3166-2, asked for where only a part of the country is embargoed"""


@dataclass(frozen=True, slots=True)
class Person:
    """A natural person. `birth_date` is YYYY-MM-DD or not told."""

    name: str
    country: int
    birth_date: str | None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Organisation:
    """A legal entity, its chain of parents, and the person who speaks for it."""

    name: str
    registration_number: str
    lei: str | None
    country: int
    headquarters_country: int
    parent: Parent | Above
    representative: str
    owners: tuple[Owner, ...] | None = None
    """who holds 25 % or more; empty: nobody does; None: not told"""
    region: str | None = None
    headquarters_region: str | None = None


Details = Person | Organisation


@dataclass(frozen=True, slots=True)
class NamedParty:
    """A name to screen, and its part: `subject`, `parent`, `parent.parent`…, `owner.1`,
    `owner.1.owner.2`…, `representative`."""

    role: str
    name: str
    kind: Kind
    country: int = 0
    """ISO 3166-1 numeric; 0 not told"""
    birth_date: str = ""
    lei: str = ""
    registration_number: str = ""
    decisive: bool = True
    """whether the subject can't be dealt with for a moment where this party is listed for sure"""


def parse_details(kind: Kind, raw: object, *, countries: Countries, now: int) -> Details:
    """Read what a renter said about themselves.

    `raw` is decoded JSON; `now` (Unix seconds UTC) bounds dates of birth. Raises Malformed with the
    path of the first field that is unknown, missing, of the wrong type, too long or impossible.
    """
    form = Form(raw, "", countries)
    if kind is Kind.PERSON:
        details: Details = _person(form, now)
    else:
        details = _organisation(form, now)
    form.finish()
    return details


def document(details: Details, countries: Countries) -> dict[str, Any]:
    """The details as parse_details reads them: what is sealed as evidence."""
    if isinstance(details, Person):
        born = {} if details.birth_date is None else {"birth_date": details.birth_date}
        where = {} if details.region is None else {"region": details.region}
        return {"name": details.name, "country": countries.alpha2(details.country)} | born | where
    return {
        "name": details.name,
        "registration_number": details.registration_number,
        **({} if details.lei is None else {"lei": details.lei}),
        "country": countries.alpha2(details.country),
        "headquarters_country": countries.alpha2(details.headquarters_country),
        **_told("region", details.region),
        **_told("headquarters_region", details.headquarters_region),
        **_parent_document(details.parent, countries),
        **owners_document(details.owners, countries),
        "representative": {"name": details.representative},
    }


def owners_document(owners: tuple[Owner, ...] | None, countries: Countries) -> dict[str, Any]:
    """The owners as they are read; nothing where nobody told."""
    return {} if owners is None else {"owners": [each.document(countries) for each in owners]}


def owner_parties(owners: tuple[Owner, ...] | None) -> tuple[NamedParty, ...]:
    """Every owner to be screened."""
    return tuple(party for each in owners or () for party in each.parties())


def ultimate_country(details: Details) -> int:
    """Where the ultimate parent has its headquarters, ISO 3166-1 numeric; 0 when nobody said.

    The topmost parent's country if the chain is closed by an explicit "no parent"; the headquarters
    of an organisation that says it has none; a person's country. An open end is unknown, never
    clear: the owner left out may be the one that matters.
    """
    if isinstance(details, Person):
        return details.country
    country, above = details.headquarters_country, details.parent
    while isinstance(above, Parent):
        country, above = above.country, above.parent
    return country if above is Above.NONE else 0


def parents(details: Details) -> tuple[Parent, ...]:
    """The chain of parents, nearest first."""
    chain: list[Parent] = []
    above = details.parent if isinstance(details, Organisation) else Above.NONE
    while isinstance(above, Parent):
        chain.append(above)
        above = above.parent
    return tuple(chain)


def parties(details: Details) -> tuple[NamedParty, ...]:
    """Everybody who must be screened: the subject, parents, owners, the representative."""
    if isinstance(details, Person):
        born = details.birth_date or ""
        return (NamedParty("subject", details.name, Kind.PERSON, details.country, born),)
    chain = tuple(
        NamedParty(
            ".".join(["parent"] * height),
            parent.name,
            Kind.ORGANISATION,
            parent.country,
            lei=parent.lei or "",
            registration_number=parent.registration_number or "",
        )
        for height, parent in enumerate(parents(details), start=1)
    )
    return (
        NamedParty(
            "subject",
            details.name,
            Kind.ORGANISATION,
            details.country,
            lei=details.lei or "",
            registration_number=details.registration_number,
        ),
        *chain,
        *owner_parties(details.owners),
        NamedParty("representative", details.representative, Kind.PERSON),
    )


# -- one text a person typed ---------------------------------------------------------------------


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


# -- reading one level of the form ---------------------------------------------------------------


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


def _person(form: Form, now: int) -> Person:
    return Person(
        name=form.text("name", MAX_NAME),
        country=(country := form.country("country")),
        birth_date=parse_birth_date(form, now) if form.has("birth_date") else None,
        region=form.region("region", country),
    )


def _organisation(form: Form, now: int) -> Organisation:
    from kycgate.issuer.owning import parse_owners, require_no_circle

    details = Organisation(
        name=form.text("name", MAX_NAME),
        registration_number=form.text("registration_number", MAX_REGISTRATION),
        lei=parse_lei(form) if form.has("lei") else None,
        country=(country := form.country("country")),
        headquarters_country=(seat := form.country("headquarters_country")),
        parent=_parent(form, MAX_PARENTS),
        representative=_representative(form),
        owners=parse_owners(form, now) if form.has("owners") else None,
        region=form.region("region", country),
        headquarters_region=form.region("headquarters_region", seat),
    )
    require_no_circle(details)
    return details


def _representative(form: Form) -> str:
    inner = form.form("representative")
    name = inner.text("name", MAX_NAME)
    inner.finish()
    return name


def _parent(form: Form, allowed: int) -> Parent | Above:
    if not form.has("parent"):
        return Above.UNKNOWN
    raw = form.take("parent")
    if raw is None:
        return Above.NONE
    path = form.path("parent")
    if allowed == 0:
        raise Malformed(
            f"more than {MAX_PARENTS} parents above one another",
            field=path,
            remedy=f"name at most {MAX_PARENTS} and leave the last one's parent out",
        )
    inner = Form(raw, path, form.countries)
    parent = Parent(
        name=inner.text("name", MAX_NAME),
        country=(country := inner.country("country")),
        registration_number=inner.text("registration_number", MAX_REGISTRATION)
        if inner.has("registration_number")
        else None,
        parent=_parent(inner, allowed - 1),
        lei=parse_lei(inner) if inner.has("lei") else None,
        region=inner.region("region", country),
    )
    inner.finish()
    return parent


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


def _parent_document(above: Parent | Above, countries: Countries) -> dict[str, Any]:
    if above is Above.UNKNOWN:
        return {}
    if above is Above.NONE:
        return {"parent": None}
    assert isinstance(above, Parent)
    number = above.registration_number
    return {
        "parent": {
            "name": above.name,
            "country": countries.alpha2(above.country),
            **({} if number is None else {"registration_number": number}),
            **_told("lei", above.lei),
            **_told("region", above.region),
            **_parent_document(above.parent, countries),
        }
    }


def _told(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}
