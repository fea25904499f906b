"""What a renter must tell about themselves, read strictly: a dict in, a frozen value out.

Pure; screens nothing and believes nothing: it only says what can't be read, and what would be.
"""

from __future__ import annotations

from typing import Final

from kycgate.core.claims import Kind
from kycgate.errors import Malformed
from kycgate.issuer.details import Above, Details, Organisation, Parent, Person
from kycgate.issuer.form import (
    MAX_NAME,
    MAX_REGISTRATION,
    Countries,
    Form,
    parse_birth_date,
    parse_lei,
)
from kycgate.issuer.owning import parse_owners, require_no_circle

MAX_PARENTS: Final = 8
"""Parents above one another. A longer chain is looked at by a person, outside this form."""


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


def _person(form: Form, now: int) -> Person:
    return Person(
        name=form.text("name", MAX_NAME),
        country=(country := form.country("country")),
        birth_date=parse_birth_date(form, now) if form.has("birth_date") else None,
        region=form.region("region", country),
    )


def _organisation(form: Form, now: int) -> Organisation:
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
