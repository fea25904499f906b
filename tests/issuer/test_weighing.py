"""Names are compared strictly, and what differs is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Level
from kycgate.errors import Code
from kycgate.issuer.details import Above, Organisation, Person
from kycgate.issuer.proven import Means, Proven, numbered
from kycgate.issuer.weighing import likeness, proven_party, weigh


def proven(name: str = "Ada Okafor", birth_date: str | None = "1990-02-28", country: int = 250):
    return Proven(
        Means.CREDENTIAL, "openid4vp", "p1", Level.HIGH, True, name, birth_date, country, 1, None
    )


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("Ada Okafor", "ADA OKAFOR"),
        ("Okafor Ada", "Ada Okafor"),
        ("Jürgen Müller", "JUERGEN MUELLER"),
        ("Jürgen Müller", "Jurgen Muller"),
        ("Weiß", "WEISS"),
        ("Søren Ærø", "SOEREN AEROE"),
        ("Łukasz Wałęsa", "LUKASZ WALESA"),
        ("Jean-Luc O'Brien", "JEAN LUC OBRIEN"),
        ("Jean-Luc O’Brien", "Jean Luc O'Brien"),
        ("Rene\u0301 Dupont", "RENÉ DUPONT"),
        ("王小明", "王小明"),
        ("ﬁnn ａda", "Finn Ada"),
    ],
)
def test_one_name_written_as_passports_write_it_is_the_same(told: str, found: str) -> None:
    assert likeness(told, found) == "same"
    assert likeness(found, told) == "same"


@pytest.mark.parametrize(
    ("told", "found", "expected"),
    [
        ("Ada Okafor", "Ada Ngozi Okafor", "shorter"),
        ("Ada Okafor", "Ada Ngozi Chioma Okafor", "shorter"),
        ("Ada Ngozi", "Ada Ngozi Okafor", "different"),
        ("Ada", "Ada Okafor", "different"),
        ("Ada Ngozi Okafor", "Ada Okafor", "different"),
        ("Ada Okafor", "Eda Okafor", "different"),
        ("Ada Ada", "Ada Ada Ada", "shorter"),
        ("Ada Okafor Okafor", "Ada Ngozi Okafor", "different"),
        ("Ada Okafor", "Ngozi", "different"),
        ("王小明", "WANG XIAOMING", "different"),
        ("किरण", "करण", "different"),
        ("की", "कु", "different"),
        ("!!!", "...", "different"),
        ("", "", "different"),
    ],
)
def test_what_differs_is_never_called_the_same(told: str, found: str, expected: str) -> None:
    assert likeness(told, found) == expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_comparing_names_is_total_and_symmetric_in_sameness(one: str, other: str) -> None:
    assert (likeness(one, other) == "same") == (likeness(other, one) == "same")


def test_a_birth_date_must_agree_only_where_both_told_it() -> None:
    born = Person("Ada Okafor", 250, "1990-02-28")
    assert weigh(born, proven()).codes() == ()
    assert weigh(born, proven(birth_date=None)).codes() == ()
    assert weigh(Person("Ada Okafor", 250, None), proven()).codes() == ()
    assert weigh(born, proven(birth_date="1990-02-27")).codes() == (Code.PROOF_MISMATCH,)


def test_a_person_cannot_choose_another_countrys_rules() -> None:
    told = Person("Ada Okafor", 250, None)
    assert weigh(told, proven(country=156)).codes() == (Code.PROOF_COUNTRY,)
    assert weigh(told, proven(country=0)).codes() == ()


def test_an_organisation_is_weighed_by_its_representative() -> None:
    told = Organisation("Merlion", "1", None, 702, 702, Above.NONE, "Tan Wei Ling")
    assert weigh(told, proven("Wei Ling Tan", country=156)).codes() == ()
    assert weigh(told, proven("Ada Okafor")).codes() == (Code.PROOF_MISMATCH,)


def test_a_proven_name_is_screened_unless_exactly_it_was_told() -> None:
    told = Person("Ada Okafor", 250, "1990-02-28")
    assert proven_party(told, proven()) is None
    party = proven_party(told, proven("Ada Ngozi Okafor"))
    assert party is not None
    assert (party.role, party.name, party.birth_date) == (
        "proven",
        "Ada Ngozi Okafor",
        "1990-02-28",
    )


def test_a_document_number_has_one_form_for_all_sources() -> None:
    assert numbered(702, "k 1234-567<e") == numbered(702, "K1234567E") == "702:K1234567E"
    assert numbered(36, "K1234567E") != numbered(702, "K1234567E")
