"""From a verified credential to what the identity office wants to know of a person.

Verifies nothing: it is given claims whose issuer, integrity and holder were checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials import cbor
from kycgate.issuer.credentials.query import MDL_NAMESPACE, PID_NAMESPACE, CredentialType
from kycgate.issuer.credentials.verdict import Presented, Untrue

_NAME_MOST: Final = 150
_TEXT_MOST: Final = 200
_CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ALPHA2: Final = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Person:
    """A natural person, as the issuer has them."""

    name: str
    """given names first"""
    birth_date: str
    """YYYY-MM-DD"""
    residence: str | None
    nationality: str | None
    """ISO 3166-1 alpha-2, both"""
    issuing_country: str
    document_number: str | None
    document_until: int | None
    """Unix seconds UTC: the document has ended at this second"""


def person(kind: CredentialType, presented: Presented) -> Person:
    """The person in a credential of this kind. Raises Untrue when what is needed is missing."""
    try:
        return _READERS[kind](presented.claims)
    except Malformed as wrong:
        text = f"{wrong.field}: {wrong.message}"
        raise Untrue(Code.CREDENTIAL_INCOMPLETE, text) from wrong


def _of_mdl(claims: Mapping[str, Any]) -> Person:
    licence = _Claims(claims.get(MDL_NAMESPACE))
    # A driving licence has a number and an end; a PID need not tell either.
    licence.text("document_number")
    licence.day("expiry_date")
    return _of_mdoc(licence)


def _of_pid_mdoc(claims: Mapping[str, Any]) -> Person:
    return _of_mdoc(_Claims(claims.get(PID_NAMESPACE)))


def _of_mdoc(claims: _Claims) -> Person:
    return Person(
        name=claims.name(),
        birth_date=claims.day("birth_date").isoformat(),
        residence=claims.country("resident_country"),
        nationality=claims.country("nationality"),
        issuing_country=claims.issuing_country(),
        document_number=claims.optional("document_number"),
        document_until=claims.end_of("expiry_date"),
    )


def _of_pid_sd_jwt(payload: Mapping[str, Any]) -> Person:
    claims = _Claims(payload)
    address = payload.get("address")
    return Person(
        name=claims.name(),
        birth_date=claims.day("birthdate").isoformat(),
        residence=_Claims(address).country("country") if address is not None else None,
        nationality=claims.country("nationalities"),
        issuing_country=claims.issuing_country(),
        document_number=claims.optional("document_number"),
        document_until=claims.end_of("date_of_expiry"),
    )


_READERS: Final = {
    CredentialType.MDL: _of_mdl,
    CredentialType.PID_MDOC: _of_pid_mdoc,
    CredentialType.PID_SD_JWT: _of_pid_sd_jwt,
}


class _Claims:
    """One level of claims, each getter checking what it gives. Raises Malformed."""

    __slots__ = ("_values",)

    def __init__(self, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise Malformed("no claims", field="claims")
        self._values = values

    def text(self, name: str, *, most: int = _TEXT_MOST) -> str:
        value = self._values.get(name)
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= most:
            raise Malformed(f"not a text of 1 to {most} characters", field=name)
        if _CONTROL.search(value):
            raise Malformed("holds control or direction characters", field=name)
        return " ".join(value.split())

    def optional(self, name: str) -> str | None:
        return None if self._values.get(name) is None else self.text(name)

    def name(self) -> str:
        return " ".join(self.text(each, most=_NAME_MOST) for each in ("given_name", "family_name"))

    def day(self, name: str) -> date:
        value = self._values.get(name)
        if isinstance(value, cbor.Dated):
            # An mDL's dates are full-date; some issuers write tdate, whose first ten are the day.
            value = value.text[:10]
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise Malformed("not a date", field=name)
        try:
            return date.fromisoformat(value)
        except ValueError as e:
            raise Malformed("no such day", field=name) from e

    def end_of(self, name: str) -> int | None:
        """The second after the named day's last, in UTC."""
        if self._values.get(name) is None:
            return None
        day = self.day(name)
        if day == date.max:
            return None
        following = day + timedelta(days=1)
        return int(datetime(following.year, following.month, following.day, tzinfo=UTC).timestamp())

    def country(self, name: str) -> str | None:
        value = self._values.get(name)
        if isinstance(value, list):
            # Several nationalities: the first stands, the office sees them all in the document.
            value = value[0] if value else None
        if value is None:
            return None
        if not isinstance(value, str) or not _ALPHA2.fullmatch(value):
            raise Malformed("not an ISO 3166-1 alpha-2 code", field=name)
        return value

    def issuing_country(self) -> str:
        country = self.country("issuing_country")
        if country is None:
            raise Malformed("is missing", field="issuing_country")
        return country
