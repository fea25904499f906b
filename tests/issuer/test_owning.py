"""What an organisation tells of its owners: read strictly and screened whole."""

from __future__ import annotations

from typing import Any

import pytest

from kycgate.core.claims import Kind
from kycgate.errors import Malformed
from kycgate.issuer.details import Organisation, document, parties
from kycgate.issuer.owning import MAX_LEVELS, MAX_OWNERS
from kycgate.issuer.telling import parse_details
from kycgate.screening.controls import load_countries
from tests.issuer.conftest import NOW, organisation, person

COUNTRIES = load_countries()
LEI = "213800FERQ5LE3H7WJ58"


def read(**changes: Any) -> Organisation:
    told = parse_details(Kind.ORGANISATION, organisation(**changes), countries=COUNTRIES, now=NOW)
    assert isinstance(told, Organisation)
    return told


def owner(name: str = "Lim Holdings Ltd", share: Any = 60, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "organisation", "country": "SG", "share": share} | more


def human(name: str = "Lim Mei", share: Any = 30, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "person", "country": "SG", "share": share} | more


def refused(**changes: Any) -> Malformed:
    with pytest.raises(Malformed) as caught:
        read(**changes)
    assert caught.value.remedy
    return caught.value


def test_details_without_owners_are_as_valid_as_ever() -> None:
    assert read().owners is None
    assert read(owners=[]).owners == ()
    assert [each.role for each in parties(read())] == ["subject", "representative"]


def test_every_owner_on_every_level_is_screened() -> None:
    told = read(
        owners=[
            owner(registration_number="2010X", lei=LEI, owners=[human(birth_date="1970-01-02")]),
            human("Tan Ah Kow", {"min": 25, "max": 40}),
        ]
    )
    named = {each.role: each for each in parties(told)}
    assert list(named) == [
        "subject", "owner.1", "owner.1.owner.1", "owner.2", "representative",
    ]  # fmt: skip
    assert (named["owner.1"].lei, named["owner.1"].registration_number) == (LEI, "2010X")
    assert (named["owner.1.owner.1"].kind, named["owner.1.owner.1"].birth_date) == (
        Kind.PERSON,
        "1970-01-02",
    )


def test_an_owner_decides_alone_only_where_half_is_held_on_all_of_the_way() -> None:
    above = [owner("A Ltd", 50), owner("B Ltd", 49)]
    told = read(owners=[owner("Mid Ltd", 50, owners=above), owner("Side Ltd", 40, owners=above)])
    decisive = {each.role for each in parties(told) if each.decisive}
    assert decisive == {"subject", "representative", "owner.1", "owner.1.owner.1"}


def test_what_is_sealed_is_read_again_as_the_same() -> None:
    told = read(
        country="UA",
        region="UA-30",
        headquarters_country="UA",
        headquarters_region="UA-43",
        parent={"name": "P", "country": "UA", "lei": LEI, "region": "UA-14", "parent": None},
        owners=[
            owner(share=33.3, owners=[human(share="12.345678", region=None)][:0]),
            human(share={"min": "25", "max": 50}, birth_date="1980-05-06"),
        ],
    )
    sealed = document(told, COUNTRIES)
    assert read(**sealed) == told
    assert sealed["owners"][0]["share"] == "33.3"
    assert sealed["owners"][1]["share"] == {"min": "25", "max": "50"}


@pytest.mark.parametrize(
    "share",
    [-1, 0, 100.5, 101, "60 %", "", None, True, [60], float("nan"), float("inf"), "1e2", "٣٠",
     {"min": 30}, {"min": 50, "max": 25}, {"min": 0, "max": 0}, {"min": 25, "max": 50, "about": 1},
     {"min": -1, "max": 50}, "0.1234567", "1000"],
)  # fmt: skip
def test_an_impossible_share_is_refused_by_name(share: Any) -> None:
    assert refused(owners=[owner(), human(share=share)]).field.startswith("owners.2.share")


def test_owners_of_more_than_everything_are_refused() -> None:
    assert refused(owners=[owner(share=60), human(share=41)]).field == "owners"
    assert read(owners=[owner(share=60), human(share={"min": 40, "max": 75})]).owners
    nested = [owner("A Ltd", 70), owner("B Ltd", 31)]
    assert refused(owners=[owner(owners=nested)]).field == "owners.1.owners"


@pytest.mark.parametrize(
    "again",
    [
        {"name": "merlion  compute PTE. LTD."},
        {"name": "Other", "registration_number": "201912345k"},
        {"name": "Other", "lei": LEI},
    ],
)
def test_a_company_that_stands_above_itself_is_refused(again: dict[str, Any]) -> None:
    circle = owner(owners=[owner("Mid Ltd", 50, owners=[owner(share=50) | again])])
    assert refused(lei=LEI, owners=[circle]).field == "owners.1.owners.1.owners.1"


def test_a_parent_with_the_number_of_what_stands_below_is_a_circle() -> None:
    above = {"name": "B", "country": "SG", "registration_number": "201912345K", "parent": None}
    parent = {"name": "A", "country": "SG", "parent": above}
    assert refused(parent=parent).field == "parent.parent"


def test_one_owner_on_two_ways_is_no_circle() -> None:
    person_above = [human(share=100)]
    told = read(owners=[owner("A", 50, owners=person_above), owner("B", 50, owners=person_above)])
    assert len(parties(told)) == 6


def test_too_many_owners_and_too_many_levels_are_refused() -> None:
    assert refused(owners=[human(share=1)] * (MAX_OWNERS + 1)).field == "owners"
    deep: dict[str, Any] = owner("level 0", 100)
    for level in range(1, MAX_LEVELS + 1):
        deep = owner(f"level {level}", 100, owners=[deep])
    assert "above one another" in refused(owners=[deep]).message
    half = [human(share=1)] * (MAX_OWNERS // 2)
    assert "in all" in refused(owners=[owner(owners=half), *half, human(share=1)]).message


@pytest.mark.parametrize(
    "entry, field",
    [
        ("Lim", "owners.1"),
        (owner(kind="trust"), "owners.1.kind"),
        (owner(kind=["person"]), "owners.1.kind"),
        (owner(name=""), "owners.1.name"),
        (owner(country="Singapore"), "owners.1.country"),
        (owner(birth_date="1970-01-01"), "owners.1.birth_date"),
        (human(lei=LEI), "owners.1.lei"),
        (human(owners=[]), "owners.1.owners"),
        (owner(lei="213800FERQ5LE3H7WJ59"), "owners.1.lei"),
        (owner(percent=60), "owners.1.percent"),
        (owner(region="SG-01"), "owners.1.region"),
        (owner(country="UA", region="UA-99"), "owners.1.region"),
        (owner(country="UA", region=["UA-43"]), "owners.1.region"),
    ],
)
def test_a_field_that_does_not_belong_or_fit_is_named(entry: Any, field: str) -> None:
    assert refused(owners=[entry]).field == field
    assert refused(owners="all of them").field == "owners"


def test_messages_repeat_nothing_of_what_was_told() -> None:
    error = refused(owners=[human("Secret Person", share="7000 of them")])
    assert "Secret" not in error.message + error.field + error.remedy
    assert "7000" not in error.message + error.field + error.remedy


def test_a_region_is_asked_for_only_where_a_part_of_the_country_is_embargoed() -> None:
    assert refused(region="SG-01").field == "region"
    assert refused(headquarters_country="UA", headquarters_region="UA-4").field == (
        "headquarters_region"
    )
    assert read(country="UA", region="UA-43").region == "UA-43"
    told = parse_details(
        Kind.PERSON, person(country="UA") | {"region": "UA-43"}, countries=COUNTRIES, now=NOW
    )
    assert document(told, COUNTRIES)["region"] == "UA-43"
