"""What the office is told of a person is what the issuer said, and nothing it could not mean."""

from __future__ import annotations

from typing import Any

import pytest

from kycgate.errors import Code
from kycgate.issuer.credentials.cbor import Dated
from kycgate.issuer.credentials.outcome import as_proven
from kycgate.issuer.credentials.persons import Person, person
from kycgate.issuer.credentials.query import (
    MDL_NAMESPACE,
    PID_NAMESPACE,
    CredentialType,
    dcql,
    formats,
)
from kycgate.issuer.credentials.signing import COSE, JOSE
from kycgate.issuer.credentials.verdict import Presented, Untrue
from tests.issuer.credentials.world import MDL, NOW, PID, PID_SD

LICENCE: dict[str, Any] = {
    "family_name": "Lovelace",
    "given_name": "Ada",
    "birth_date": Dated(1004, "1985-12-10"),
    "issuing_country": "FR",
    "document_number": "D 1",
    "expiry_date": Dated(1004, "2035-12-31"),
    "resident_country": "BE",
    "nationality": "FR",
}
TOKEN: dict[str, Any] = {
    "family_name": "Lovelace",
    "given_name": "Ada",
    "birthdate": "1985-12-10",
    "issuing_country": "FR",
    "document_number": "D 1",
    "date_of_expiry": "2035-12-31",
    "address": {"country": "BE"},
    "nationalities": ["FR", "GB"],
}


def presented(kind: CredentialType, values: dict[str, Any]) -> Presented:
    space = MDL_NAMESPACE if kind is MDL else PID_NAMESPACE
    claims = {space: values} if kind.is_mdoc else values
    return Presented("type", claims, "CN=issuer", False, NOW + 999, None)


def told(kind: CredentialType, **changes: Any) -> Person:
    values = (LICENCE if kind.is_mdoc else TOKEN) | changes
    given = {name: value for name, value in values.items() if value is not None}
    return person(kind, presented(kind, given))


@pytest.mark.parametrize("kind", list(CredentialType))
def test_each_credential_tells_the_same_person(kind: CredentialType) -> None:
    assert told(kind) == Person(
        name="Ada Lovelace",
        birth_date="1985-12-10",
        residence="BE",
        nationality="FR",
        issuing_country="FR",
        document_number="D 1",
        document_until=2_082_758_400,
    )


def refused(kind: CredentialType, **changes: Any) -> str:
    with pytest.raises(Untrue) as raised:
        told(kind, **changes)
    assert raised.value.reason.code == Code.CREDENTIAL_INCOMPLETE
    return raised.value.reason.text


@pytest.mark.parametrize("kind", list(CredentialType))
@pytest.mark.parametrize("name", ["family_name", "given_name", "issuing_country"])
def test_a_credential_that_does_not_show_what_is_needed_is_refused(
    kind: CredentialType, name: str
) -> None:
    assert name in refused(kind, **{name: None})


def test_a_licence_has_a_number_and_an_end_and_a_pid_need_not() -> None:
    assert "document_number" in refused(MDL, document_number=None)
    assert "expiry_date" in refused(MDL, expiry_date=None)
    assert told(PID, document_number=None, expiry_date=None).document_until is None
    assert told(PID_SD, document_number=None, date_of_expiry=None).document_number is None


@pytest.mark.parametrize(
    "name", ["", "  ", "A" * 151, "A\x00", "A\nB", "\u202eadA", "\u2066A", "\ud800", 5, ["A"]]
)
def test_a_name_nobody_could_read_is_refused(name: Any) -> None:
    assert "given_name" in refused(PID_SD, given_name=name)


@pytest.mark.parametrize(
    "day", ["1985-13-01", "10.12.1985", "1985-12-10T00:00Z", "", 5, "١٩٨٥-12-10"]
)
def test_a_birth_date_that_is_no_date_is_refused(day: Any) -> None:
    assert "birthdate" in refused(PID_SD, birthdate=day)


def test_a_date_with_a_time_is_its_day() -> None:
    assert told(MDL, birth_date=Dated(0, "1985-12-10T00:00:00Z")).birth_date == "1985-12-10"


@pytest.mark.parametrize("country", ["fr", "FRA", "F", 250, {}])
def test_a_country_that_is_no_code_is_refused(country: Any) -> None:
    assert "nationality" in refused(MDL, nationality=country)


def test_claims_of_another_namespace_are_not_read() -> None:
    elsewhere = Presented("type", {"com.example": LICENCE}, "CN=issuer", False, NOW, None)
    with pytest.raises(Untrue):
        person(MDL, elsewhere)


def test_residence_counts_before_nationality() -> None:
    def country(**changes: Any) -> int:
        given = told(MDL, **changes)
        return as_proven(
            MDL, presented(MDL, LICENCE), given, reference="r", proven_at=NOW, doubts=()
        ).country

    assert country() == 56
    assert country(resident_country=None) == 250
    assert country(resident_country=None, nationality=None) == 0
    assert country(resident_country="XX") == 0


def test_a_proof_ends_with_the_document_or_else_with_the_credential() -> None:
    def until(**changes: Any) -> int | None:
        given = told(PID, **changes)
        return as_proven(
            PID, presented(PID, LICENCE), given, reference="r", proven_at=NOW, doubts=()
        ).valid_until

    assert until() == 2_082_758_400
    assert until(expiry_date=None) == NOW + 999


# -- the query ------------------------------------------------------------------------------------


def test_the_query_asks_for_one_credential_and_for_nothing_that_is_not_needed() -> None:
    query = dcql(tuple(CredentialType), vct=("urn:eudi:pid:1",))
    assert query["credential_sets"] == [
        {"options": [["pid-sd-jwt"], ["pid-mdoc"], ["mdl"]], "required": True}
    ]
    asked = {
        path for each in query["credentials"] for path in (c["path"][-1] for c in each["claims"])
    }
    assert asked == {
        "family_name",
        "given_name",
        "birth_date",
        "birthdate",
        "nationality",
        "nationalities",
        "resident_country",
        "country",
        "document_number",
        "expiry_date",
        "date_of_expiry",
        "issuing_country",
    }


@pytest.mark.parametrize("kind", list(CredentialType))
def test_every_claim_set_names_claims_of_the_query(kind: CredentialType) -> None:
    [asked] = dcql([kind], vct=("v",))["credentials"]
    ids = [claim["id"] for claim in asked["claims"]]
    assert len(set(ids)) == len(ids)
    assert {name for each in asked["claim_sets"] for name in each} == set(ids)
    assert asked["meta"] == (
        {"vct_values": ["v"]} if kind is PID_SD else {"doctype_value": kind.doctype}
    )


def test_the_algorithms_on_offer_are_those_that_are_verified() -> None:
    offered = formats()
    assert set(offered["dc+sd-jwt"]["kb-jwt_alg_values"]) <= set(JOSE)
    assert set(offered["mso_mdoc"]["deviceauth_alg_values"]) <= set(COSE)
