"""From a verified presentation to the value the identity office takes.

Decides nothing: level and liveness follow from the means and the issuer alone.
"""

from __future__ import annotations

from typing import Any

from kycgate.core.claims import Level
from kycgate.errors import Code, Malformed
from kycgate.issuer.credentials.persons import Person
from kycgate.issuer.credentials.query import CredentialType
from kycgate.issuer.credentials.verdict import Presented
from kycgate.issuer.proven import Means, Proven, numbered
from kycgate.screening.controls import load_countries

SOURCE = "openid4vp"


def as_proven(
    kind: CredentialType,
    presented: Presented,
    person: Person,
    *,
    reference: str,
    proven_at: int,
    doubts: tuple[Code, ...],
) -> Proven:
    """The proof. A credential whose document tells no end lasts as long as the credential."""
    until = person.document_until
    document: dict[str, Any] = {
        "type": presented.type,
        "format": str(kind),
        "issuer": presented.issuer,
        "issuing_country": person.issuing_country,
        "residence": person.residence,
        "nationality": person.nationality,
        "credential_until": presented.valid_until,
        "status": presented.status is not None,
    }
    return Proven(
        means=Means.CREDENTIAL,
        source=SOURCE,
        reference=reference,
        level=Level.HIGH,
        live=not presented.test,
        name=person.name,
        birth_date=person.birth_date,
        country=_numeric(person.residence or person.nationality),
        proven_at=proven_at,
        valid_until=presented.valid_until if until is None else until,
        document_number=_number(person),
        document=document,
        doubts=doubts,
    )


def _number(person: Person) -> str | None:
    """With its issuing country: two countries may give the same number."""
    if person.document_number is None:
        return None
    return numbered(_numeric(person.issuing_country), person.document_number)


def _numeric(country: str | None) -> int:
    """ISO 3166-1 numeric; 0 where none was told, or none we know."""
    try:
        return 0 if country is None else load_countries().numeric(country)
    except Malformed:
        return 0
