"""BODS 0.4 in and out: the published examples, time, and what is refused."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from kycgate.errors import Malformed, TooLarge
from kycgate.screening.ownership.bods import Statement, read_bods
from kycgate.screening.ownership.bods_writing import chain_statements, compose, documents
from kycgate.screening.ownership.headquarters import Parent
from kycgate.screening.ownership.rules import OFAC
from kycgate.screening.ownership.snapshot import Snapshot
from tests.screening.ownership.world import (
    AT,
    COUNTRIES,
    company,
    controls,
    declared,
    explain,
    graph,
    owns,
    person,
    results,
    share,
    unnamed,
)

DATA = Path(__file__).parent / "data"
EXAMPLES = sorted((DATA / "bods").glob("*.json"))


@pytest.fixture(scope="module")
def errors() -> Callable[[Any], list[str]]:
    """What the published schema finds wrong."""
    schemas = [json.loads(path.read_text()) for path in (DATA / "schema").glob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    validator = Draft202012Validator({"$ref": "urn:statement"}, registry=registry)
    return lambda value: [error.message for error in validator.iter_errors(value)]


def read(path: Path) -> list[Statement]:
    return list(read_bods([path.read_bytes()], field=path.name))


def test_all_nineteen_examples_are_here() -> None:
    assert (len(EXAMPLES), sum(len(read(path)) for path in EXAMPLES)) == (19, 119)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_comes_out_as_it_went_in(path: Path) -> None:
    assert documents(read(path)) == json.loads(path.read_bytes())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_composed_from_its_values_says_the_same(
    path: Path, errors: Callable[[Any], list[str]]
) -> None:
    first = read(path)
    composed = [compose(statement) for statement in first]
    again = list(read_bods([json.dumps(composed).encode()]))
    assert again == first
    known = errors(json.loads(path.read_bytes()))
    assert [each for each in errors(composed) if each not in known] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_company_of_an_example_can_be_explained(path: Path) -> None:
    of = declared(path.read_bytes())
    for statement in read(path):
        if statement.document and statement.document["recordType"] == "entity":
            assert explain(of, statement.record).result in ("clear", "unknown", "restricted")


def test_a_file_read_in_single_bytes_is_the_same_file() -> None:
    data = (DATA / "bods" / "nomination.json").read_bytes()
    assert list(read_bods(bytes([each]) for each in data)) == list(read_bods([data]))


def test_json_lines_are_read_too() -> None:
    array = json.loads((DATA / "bods" / "fermcat.json").read_bytes())
    lines = "\n".join(json.dumps(each) for each in array).encode()
    assert list(read_bods([lines])) == read(DATA / "bods" / "fermcat.json")


# -- the examples' meanings ------------------------------------------------------------------------


def example(name: str) -> bytes:
    return (DATA / "bods" / f"{name}.json").read_bytes()


def listed_share(name: str, entity: str, *listed: str, at: date = AT) -> Any:
    return explain(declared(example(name)), entity, *listed, at=at).listed_share


def test_joint_owners_count_once() -> None:
    both = "1accb8b18b99", "f040df24d9ec"
    assert listed_share("joint-ownership", "31c55e425764", *both) == share(100)


def test_an_indirect_statement_is_not_added_to_its_components() -> None:
    assert listed_share("indirect-ownership", "ad3f6c2fcc9e", "c25d4d612c2c") == share(30, 60)
    both = "d4ab89ea169a", "c25d4d612c2c"
    assert listed_share("indirect-ownership", "ad3f6c2fcc9e", *both) == share(60)


def test_a_nominee_is_looked_through() -> None:
    explanation = explain(declared(example("nomination")), "104AB1984C", "101AB1984F")
    assert results(explanation)["uk-ownership-control"] == "blocked"
    assert any("nominee" in note for note in explanation.notes)


def test_a_state_stands_on_top_of_its_company() -> None:
    found = declared(example("bods-package-fi-soe")).ultimate_parent("19f1c5afe9d7", at=AT)
    assert isinstance(found, Parent)
    assert (found.name, found.country) == ("Suomen tasavalta", COUNTRIES.numeric("FI"))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2021, 4, 2), share(50)),
        (date(2021, 4, 3), share(0)),
        (date(2026, 1, 1), share(0)),
    ],
)
def test_a_closed_record_ends_on_the_day_it_says(day: date, expected: Any) -> None:
    riyadh = "per-5faa4103dee78621"
    assert listed_share("fermcat", "ent-93c75c87ab28f889", riyadh, at=day) == expected


@pytest.mark.parametrize(
    ("day", "expected"), [(date(2022, 1, 20), share(50)), (date(2022, 1, 21), share(100))]
)
def test_an_updated_record_replaces_the_earlier_one_from_its_day(day: date, expected: Any) -> None:
    patrick = "per-41c0bb0cef246f7c"
    assert listed_share("fermcat", "ent-93c75c87ab28f889", patrick, at=day) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2022, 9, 21), share(70)), (date(2023, 3, 1), share(80)), (date(2026, 1, 1), share(80))],
)
def test_an_update_takes_effect_when_its_interest_begins(day: date, expected: Any) -> None:
    assert listed_share("tecido", "01B68D7633", "033E84672B", at=day) == expected


def test_an_exempt_company_is_unknown_with_the_reason() -> None:
    of = declared(example("listed-company-exempt-from-disclosure"))
    explanation = explain(of, "4c7ea3bfbe6c")
    assert explanation.result == "unknown"
    reasons = {reason.reason for answer in explanation.answers for reason in answer.reasons}
    assert "subjectExemptFromDisclosure" in reasons


# -- statements made here --------------------------------------------------------------------------


def statement(kind: str, record: str, details: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "statementId": f"{record:-<32}",
        "statementDate": "2024-01-01",
        "declarationSubject": "sub",
        "recordId": record,
        "recordType": kind,
        "recordStatus": "new",
        "recordDetails": {"isComponent": False, **details},
        **more,
    }


def entity(record: str, country: str, **more: Any) -> dict[str, Any]:
    details = {
        "entityType": {"type": "registeredEntity"},
        "name": record,
        "jurisdiction": {"name": country, "code": country},
        **more,
    }
    return statement("entity", record, details)


def relationship(
    holder: Any, subject: str, *interests: dict[str, Any], record: str = "rel"
) -> dict[str, Any]:
    return statement(
        "relationship",
        record,
        {"subject": subject, "interestedParty": holder, "interests": list(interests)},
    )


def wire(*statements: dict[str, Any]) -> bytes:
    return json.dumps(statements).encode()


def shenzhen(**share_: Any) -> list[dict[str, Any]]:
    return [
        entity("sub", "SG"),
        entity("parent", "CN"),
        relationship(
            "parent",
            "sub",
            {
                "type": "shareholding",
                "directOrIndirect": "direct",
                "share": share_ or {"exact": 40},
            },
            {"type": "otherInfluenceOrControl", "details": "consolidated in its accounts"},
        ),
    ]


def test_the_two_engines_disagree_on_a_consolidated_minority() -> None:
    explanation = explain(declared(wire(*shenzhen())), "sub", "parent")
    found = results(explanation)
    assert (found["ofac-50"], found["headquarters"]) == ("clear", "restricted")


def test_a_business_address_tells_the_headquarters_and_a_jurisdiction_only_stands_in() -> None:
    cayman = entity(
        "parent", "KY", addresses=[{"type": "business", "country": {"name": "China", "code": "CN"}}]
    )
    of = declared(wire(entity("sub", "SG"), cayman, shenzhen()[2]))
    assert results(explain(of, "sub"))["headquarters"] == "restricted"


def test_a_lei_finds_the_company() -> None:
    lei = "529900T8BM49AURSDO55"
    of = declared(wire(entity("sub", "SG", identifiers=[{"scheme": "XI-LEI", "id": lei}])))
    assert of.find(lei) == of.find("sub") == "sub"


def test_a_name_of_two_companies_is_ambiguous() -> None:
    twins = [entity("a", "SG", name="Twin Ltd"), entity("b", "SG", name="Twin Ltd")]
    with pytest.raises(Malformed, match="2 parties"):
        declared(wire(*twins)).find("Twin Ltd")


def test_a_bound_that_is_exclusive_stays_so() -> None:
    of = declared(wire(*shenzhen(exclusiveMinimum=50, maximum=75)))
    assert explain(of, "sub", "parent").listed_share == share(50, 75, low_open=True)
    low = declared(wire(*shenzhen(minimum=25, exclusiveMaximum=50)))
    assert of.percentages("sub", ["parent"], at=AT, rule=OFAC).result == "blocked"
    assert low.percentages("sub", ["parent"], at=AT, rule=OFAC).result == "clear"


@pytest.mark.parametrize(
    "wrong",
    [
        {"exact": -1},
        {"exact": 100.0001},
        {"minimum": 60, "maximum": 40},
        {"exact": 30, "minimum": 40},
        {"exclusiveMinimum": 50, "exclusiveMaximum": 50},
        {"exact": "40"},
        {"exact": True},
        {"exact": 1e-300},
        [40],
    ],
)
def test_an_impossible_share_is_refused_with_the_statement_named(wrong: Any) -> None:
    statements = shenzhen()
    statements[2]["recordDetails"]["interests"][0]["share"] = wrong
    with pytest.raises(Malformed) as caught:
        declared(wire(*statements))
    assert "rel----" in caught.value.field
    assert "interests[0]" in caught.value.field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("statementDate", "yesterday"),
        ("statementDate", None),
        ("recordType", "company"),
        ("recordStatus", "gone"),
        ("recordId", ""),
        ("recordId", "a\u202eb"),
        ("recordId", "a\x00b"),
        ("recordId", "\ud800"),
        ("recordId", 7),
        ("recordDetails", []),
        ("recordDetails", None),
    ],
)
def test_a_broken_field_is_refused_by_name(field: str, value: Any) -> None:
    statements = shenzhen()
    statements[0][field] = value
    with pytest.raises(Malformed) as caught:
        declared(wire(*statements))
    assert field in caught.value.field


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither"),
        (b"[", "ends in the middle"),
        (b'[{"statementId": "', "record 1"),
        (b'[{"a": 1, "a": 2}]', "twice"),
        (b'[{"a": NaN}]', "no JSON"),
        (b'[{"a": 1e400}]', "no usable number"),
        (b"[1]", "not an object"),
        (b"[] x", "follows"),
        (b"\xff\xfe[", "UTF-8|neither"),
        (b'[{"statementID": "x", "statementType": "personStatement"}]', "older BODS"),
        (b'[{"a":' + b"[" * 100_000, "nested|no JSON|ends"),
        (b'[{"a": ' + b"9" * 5_000 + b"}]", "limit|number|digits"),
    ],
)
def test_what_is_no_bods_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        declared(data)


def test_a_name_of_a_megabyte_is_too_large_and_says_where() -> None:
    with pytest.raises(TooLarge) as caught:
        declared(wire(entity("sub", "SG", name="x" * 1_000_000)))
    assert "name" in caught.value.field
    with pytest.raises(TooLarge):
        declared(wire(entity("sub", "SG", name="x" * 3_000_000)))


def test_names_lose_what_does_not_show() -> None:
    of = declared(wire(entity("sub", "SG", name="Good\u202e\x07 Name\ud800\nLtd")))
    assert of.register.party("sub", AT).name == "Good Name\ufffd Ltd"


def test_the_same_id_over_two_statements_is_refused() -> None:
    one = entity("sub", "SG")
    other = copy.deepcopy(one)
    other["recordDetails"]["name"] = "other"
    with pytest.raises(Malformed, match="two statements"):
        declared(wire(one, other))
    assert declared(wire(one, one)).find("sub") == "sub"


def test_a_chain_is_exported_as_valid_statements(errors: Callable[[Any], list[str]]) -> None:
    of = graph(
        company("cn", "CN", identifiers=("529900T8BM49AURSDO55",)),
        person("p"),
        unnamed("u"),
        owns("cn", "e", 40, start=date(2020, 2, 29)),
        controls("cn", "e", record="accounts"),
        owns("p", "cn", 25, 50),
        owns("u", "e", 20),
    )
    snapshot = Snapshot(of.register, AT)
    exported = chain_statements(snapshot, "e", country_name=COUNTRIES.alpha2)
    assert errors(exported) == []
    again = declared(json.dumps(exported).encode())
    first, second = explain(of, "e", "cn", "p"), explain(again, "e", "cn", "p")
    assert (second.result, second.listed_share) == (first.result, first.listed_share)
    assert results(second) == results(first)
    assert again.find("529900T8BM49AURSDO55") == "cn"


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"]":'])
def test_nesting_is_refused_even_where_pythons_own_limit_is_gone(opening: str) -> None:
    """Libraries raise the limit when imported; then the decoder would run off the stack."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        for data in (b'[{"a":' + opening.encode() * 120_000, b'{"a":' + opening.encode() * 120_000):
            with pytest.raises(Malformed, match="nested"):
                declared(data)
    finally:
        sys.setrecursionlimit(limit)


def refused_by_name(work: Callable[[], Any]) -> None:
    """It may succeed; if it fails, then by naming the culprit, and in no other way."""
    caught = None
    try:
        work()
    except Malformed as error:
        caught = error
    assert caught is None or caught.field


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused_by_name(lambda: list(read_bods([data])))


@given(st.data())
def test_a_damaged_example_is_read_or_refused(data: st.DataObject) -> None:
    wire_ = bytearray(example("nomination"))
    for _ in range(data.draw(st.integers(1, 4))):
        wire_[data.draw(st.integers(0, len(wire_) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire_)))

    def read_and_explain() -> None:
        of = declared(bytes(wire_[:cut]))
        explain(of, of.find("104AB1984C"), "101AB1984F")

    refused_by_name(read_and_explain)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(("share", "interests", "subject", "interestedParty", "entityType", "name")),
    json_values,
)
def test_any_json_in_a_field_is_read_or_refused(field: str, value: Any) -> None:
    statements = shenzhen()
    for details in (each["recordDetails"] for each in statements):
        if field in details:
            details[field] = value
    if field == "share":
        statements[2]["recordDetails"]["interests"][0]["share"] = value
    refused_by_name(lambda: explain(declared(wire(*statements)), "sub", "parent"))
