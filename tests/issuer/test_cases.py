"""The steps of a case, and the form a renter fills in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.core.claims import Kind
from kycgate.errors import Conflict, Malformed
from kycgate.issuer.cases import TRANSITIONS, Action, State, transition
from kycgate.issuer.details import (
    Organisation,
    Person,
    document,
    parents,
    parties,
    ultimate_country,
)
from kycgate.issuer.form import valid_lei
from kycgate.issuer.telling import MAX_PARENTS, parse_details
from tests.issuer.conftest import NOW, FewCountries, organisation

LEI = "5493001KJTIIGC8Y1R12"


FEW = FewCountries()


def without(form: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in form.items() if key != name}


def read(form: object, kind: Kind = Kind.ORGANISATION) -> Person | Organisation:
    return parse_details(kind, form, countries=FEW, now=NOW)


# -- steps ---------------------------------------------------------------------------------------

STEPS = {
    "draft": {"amend": "draft", "submit": "submitted", "ask": "needs", "close": "closed"},
    "submitted": {
        "flag": "review",
        "approve": "approved",
        "refuse": "refused",
        "ask": "needs",
        "revoke": "revoked",
        "close": "closed",
    },
    "needs": {
        "ask": "needs",
        "amend": "needs",
        "submit": "submitted",
        "flag": "review",
        "refuse": "refused",
        "revoke": "revoked",
        "close": "closed",
    },
    "review": {
        "flag": "review",
        "approve": "approved",
        "refuse": "refused",
        "ask": "needs",
        "revoke": "revoked",
        "close": "closed",
    },
    "approved": {
        "renew": "approved",
        "verify": "approved",
        "flag": "review",
        "revoke": "revoked",
        "close": "closed",
    },
    "closed": {"reopen": "draft"},
    "refused": {"reopen": "draft"},
    "revoked": {"reopen": "draft"},
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("action", list(Action))
def test_every_step_leads_where_the_table_says_or_is_a_conflict(
    state: State, action: Action
) -> None:
    expected = STEPS[state].get(action)
    if expected is not None:
        assert transition(state, action) == expected
        return
    with pytest.raises(Conflict) as refused:
        transition(state, action)
    assert str(action) in refused.value.message
    assert str(state) in refused.value.message


def test_nothing_but_a_decision_leads_to_approval() -> None:
    into = {
        (state, action) for (state, action), after in TRANSITIONS.items() if after == "approved"
    }
    assert into == {
        (State.SUBMITTED, Action.APPROVE),
        (State.REVIEW, Action.APPROVE),
        (State.APPROVED, Action.RENEW),
        (State.APPROVED, Action.VERIFY),
    }


# -- the form ------------------------------------------------------------------------------------


def test_a_person_is_read_and_written_back_the_same() -> None:
    form = {"name": "Ada Okafor", "country": "FR", "birth_date": "1990-02-28"}
    told = read(form, Kind.PERSON)
    assert told == Person("Ada Okafor", 250, "1990-02-28")
    assert document(told, FEW) == form


def test_an_organisation_with_parents_is_read_and_written_back_the_same() -> None:
    form = organisation(
        lei=LEI,
        parent={
            "name": "Middle Holdings",
            "country": "AE",
            "registration_number": "77-1",
            "parent": {"name": "上海控股有限公司", "country": "CN", "parent": None},
        },
    )
    told = read(form)
    assert isinstance(told, Organisation)
    assert [each.country for each in parents(told)] == [784, 156]
    assert document(told, FEW) == form
    assert [(each.role, each.kind) for each in parties(told)] == [
        ("subject", Kind.ORGANISATION),
        ("parent", Kind.ORGANISATION),
        ("parent.parent", Kind.ORGANISATION),
        ("representative", Kind.PERSON),
    ]


def test_a_singapore_subsidiary_of_a_chinese_parent_is_ultimately_chinese() -> None:
    parent = {"name": "Shenzhen Parent Co", "country": "CN", "parent": None}
    assert ultimate_country(read(organisation(parent=parent))) == 156


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (organisation(), 702),
        (organisation(headquarters_country="US"), 840),
        (without(organisation(), "parent"), 0),
        (organisation(parent={"name": "Open End Ltd", "country": "US"}), 0),
        (organisation(parent={"name": "Closed Ltd", "country": "US", "parent": None}), 840),
    ],
    ids=["no parent", "headquarters count", "parent not told", "grandparent not told", "closed"],
)
def test_the_ultimate_country_is_unknown_as_long_as_the_chain_is_open(
    form: dict[str, Any], expected: int
) -> None:
    assert ultimate_country(read(form)) == expected


def test_a_persons_ultimate_country_is_their_own() -> None:
    assert ultimate_country(Person("Ada Okafor", 250, None)) == 250


@pytest.mark.parametrize("field", sorted(set(organisation()) - {"parent"}))
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(without(organisation(), field))
    assert refused.value.field == field
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ([], "details"),
        (organisation(name=7), "name"),
        (organisation(name=""), "name"),
        (organisation(name="   "), "name"),
        (organisation(name="--- ..."), "name"),
        (organisation(name="x" * 401), "name"),
        (organisation(name="x" * 10_000_000), "name"),
        (organisation(name="Acme\nLtd"), "name"),
        (organisation(name="Acme\x00Ltd"), "name"),
        (organisation(name="Acme \u202eDTL"), "name"),
        (organisation(name="Ac\u200bme"), "name"),
        (organisation(name="Acme \ud800"), "name"),
        (organisation(registration_number=201912345), "registration_number"),
        (organisation(registration_number="9" * 65), "registration_number"),
        (organisation(lei=None), "lei"),
        (organisation(lei=LEI[:-1] + "3"), "lei"),
        (organisation(lei=LEI.lower()), "lei"),
        (organisation(lei=LEI + "\n"), "lei"),
        (organisation(country="XX"), "country"),
        (organisation(country="sg"), "country"),
        (organisation(country="SGP"), "country"),
        (organisation(country=702), "country"),
        (organisation(country=["SG"]), "country"),
        (organisation(headquarters_country=""), "headquarters_country"),
        (organisation(parent="none"), "parent"),
        (organisation(parent=False), "parent"),
        (organisation(parent={"country": "CN"}), "parent.name"),
        (organisation(parent={"name": "P", "country": "ZZ"}), "parent.country"),
        (
            organisation(parent={"name": "P", "country": "CN", "parent": {"name": "Q"}}),
            "parent.parent.country",
        ),
        (organisation(parent={"name": "P", "country": "CN", "size": 1}), "parent.size"),
        (organisation(parent={"name": "P", "country": "CN", "lei": "X"}), "parent.lei"),
        (organisation(representative="Tan"), "representative"),
        (organisation(representative={}), "representative.name"),
        (organisation(representative={"name": "Tan", "age": 3}), "representative.age"),
        (organisation(birth_date="1990-01-01"), "birth_date"),
        (organisation() | {"Mrs Tan Wei Ling": 1}, "(unknown)"),
        (organisation() | {7: 1}, "(unknown)"),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(form: Any, field: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(form)
    assert refused.value.field == field
    assert refused.value.remedy


@pytest.mark.parametrize(
    "born",
    ["1899-12-31", "2026-07-26", "2999-01-01", "1990-02-30", "19900228", "1990-W09-3", "90-1-1", 0],
)
def test_an_impossible_date_of_birth_is_refused(born: object) -> None:
    with pytest.raises(Malformed) as refused:
        read({"name": "Ada", "country": "FR", "birth_date": born}, Kind.PERSON)
    assert refused.value.field == "birth_date"


def chain(length: int) -> dict[str, Any] | None:
    above: dict[str, Any] | None = None
    for height in range(length):
        above = {"name": f"Parent {height}", "country": "US", "parent": above}
    return above


def test_the_chain_of_parents_is_bounded() -> None:
    told = read(organisation(parent=chain(MAX_PARENTS)))
    assert len(parents(told)) == MAX_PARENTS
    for length in (MAX_PARENTS + 1, 5_000):
        with pytest.raises(Malformed) as refused:
            read(organisation(parent=chain(length)))
        assert refused.value.field == ".".join(["parent"] * (MAX_PARENTS + 1))


def test_messages_never_repeat_what_was_typed() -> None:
    secret = "Zyxwv Unlikely"
    for form in (
        organisation(name=secret + "\u202e"),
        organisation(country=secret),
        organisation(lei=secret),
        organisation(representative={"name": "Tan", secret: 1}),
    ):
        with pytest.raises(Malformed) as refused:
            read(form)
        assert secret not in str(vars(refused.value)) + str(refused.value.__cause__)


def test_names_are_kept_in_one_unicode_form() -> None:
    told = read({"name": " Rene\u0301 Dupont ", "country": "FR"}, Kind.PERSON)
    assert told.name == "Ren\u00e9 Dupont"


@pytest.mark.parametrize("lei", [LEI, "213800WSGIIZCXF1P572", "HWUPKR0MPOU8FGXBT394"])
def test_real_leis_pass(lei: str) -> None:
    assert valid_lei(lei)


@given(st.integers(0, 19), st.integers(0, 25))
def test_any_one_mistyped_character_spoils_a_lei(place: int, other: int) -> None:
    # Letter for letter, digit for digit: that is what mod 97-10 promises to notice.
    alphabet = "0123456789" if LEI[place].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    changed = LEI[:place] + alphabet[other % len(alphabet)] + LEI[place + 1 :]
    assert valid_lei(changed) == (changed == LEI)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(min_size=1, max_size=20)
codes = st.sampled_from(["SG", "CN", "US", "XX", ""])
parent_forms = st.recursive(
    st.none(),
    lambda inner: st.fixed_dictionaries(
        {"name": names, "country": codes}, optional={"parent": inner, "registration_number": names}
    ),
    max_leaves=4,
)
forms = st.fixed_dictionaries(
    {
        "name": names | json_values,
        "registration_number": names,
        "country": codes,
        "headquarters_country": codes,
        "representative": st.fixed_dictionaries({"name": names}) | json_values,
    },
    optional={"parent": parent_forms | json_values, "lei": json_values, "birth_date": names},
)


@given(forms | json_values, st.sampled_from(Kind))
def test_whatever_arrives_is_read_or_refused_as_malformed(form: Any, kind: Kind) -> None:
    try:
        told = read(form, kind)
    except Malformed:
        return
    again = parse_details(kind, document(told, FEW), countries=FEW, now=NOW)
    assert again == told


def test_parents_of_nobody_are_none() -> None:
    assert parents(Person("Ada", 250, None)) == ()
