"""GraphQL documents: read as they are executed, refused where two servers may differ."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import Malformed
from kycgate.gateway.adapters.graphql import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_DOCUMENT,
    MAX_SELECTIONS,
    MAX_TOKENS,
    Operation,
    Selected,
    Symbol,
    answered,
    read,
)


def said(document: Any, **members: Any) -> Operation:
    return read(json.dumps({"query": document, **members}).encode())


def one(document: str, **members: Any) -> Selected:
    (field,) = said(document, **members).fields
    return field


def test_values_written_into_the_document_are_read_as_what_they_are() -> None:
    field = one(
        'mutation { deploy(input: {a: "x", b: 8, c: 1.5, d: true, e: null, f: ALL, g: [1, "y"]}) }'
    )
    assert field.arguments == {
        "input": {
            "a": "x", "b": 8, "c": Decimal("1.5"), "d": True, "e": None, "f": Symbol("ALL"),
            "g": [1, "y"],
        }
    }  # fmt: skip
    assert said("mutation { a }").kind == "mutation"
    assert said("{ a }").kind == "query"


def test_an_enum_is_no_text_of_its_name() -> None:
    assert one("{ a(x: H100) }").arguments != {"x": "H100"}


def test_an_alias_changes_the_answers_key_and_not_what_is_done() -> None:
    field = one("mutation { harmless: deploy(n: 1) { id } }")
    assert (field.name, field.key) == ("deploy", "harmless")


def test_escapes_are_what_they_stand_for_and_comments_are_nothing() -> None:
    document = 'query { # podStop\n a(x: "H\\u0031\\u00300") # }\n }'
    assert one(document).arguments == {"x": "H100"}


def test_fragments_stand_where_they_are_used() -> None:
    operation = said(
        "mutation { ...Both } fragment Both on Mutation { ... on Mutation { a } ... { ...Last } }"
        " fragment Last on Mutation { b(x: 1) { ...Inner } } fragment Inner on Thing { id }"
    )
    assert [field.name for field in operation.fields] == ["a", "b"]
    assert [field.name for field in operation.fields[1].fields] == ["id"]


@pytest.mark.parametrize(
    ("declared", "given", "wanted"),
    [
        ("$n: Int", {"n": 8}, {"count": 8}),
        ("$n: Int = 2", {}, {"count": 2}),
        ("$n: Int = 2", {"n": 8}, {"count": 8}),
        ("$n: Int = 2", {"n": None}, {"count": None}),
        ("$n: Int", {}, {}),
        ("$n: Int", None, {}),
        ("$n: Int", {"n": 8, "m": 9}, {"count": 8}),
    ],
)
def test_a_variable_is_its_value_its_default_or_nothing(
    declared: str, given: Any, wanted: Any
) -> None:
    document = f"mutation Q({declared}) {{ deploy(input: {{count: $n}}) }}"
    assert one(document, variables=given).arguments == {"input": wanted}


def test_a_whole_input_may_be_a_variable() -> None:
    document = "mutation($i: Input) { deploy(input: $i) }"
    assert one(document, variables={"i": {"n": 8}}).arguments == {"input": {"n": 8}}
    assert one(document).arguments == {}


def test_of_several_operations_the_named_one_is_executed() -> None:
    document = "query A { a } mutation B { b }"
    assert said(document, operationName="B").fields[0].name == "b"
    assert said("query A { a }", operationName="A").fields[0].name == "a"
    assert said("query A { a }", operationName=None).fields[0].name == "a"


@pytest.mark.parametrize(
    ("document", "members"),
    [
        ("query A { a } mutation B { b }", {}),
        ("query A { a } mutation B { b }", {"operationName": "C"}),
        ("query A { a } mutation B { b }", {"operationName": ""}),
        ("query A { a } mutation B { b }", {"operationName": 1}),
        ("query A { a } mutation A { b }", {"operationName": "A"}),
        ("{ a } mutation B { b }", {"operationName": "B"}),
        ("{ a }", {"operationName": "A"}),
        ("fragment F on Query { a }", {}),
        ("", {}),
        ("mutation { a } }", {}),
        ("subscription { a }", {}),
        ("type Query { a: Int }", {}),
        ("{ a } type Query { a: Int }", {}),
        ("mutation { a(x: 1, x: 2) }", {}),
        ("mutation { a(i: {x: 1, x: 2}) }", {}),
        ("mutation($n: Int, $n: Int) { a(x: $n) }", {"variables": {"n": 1}}),
        ("mutation { a(x: $n) }", {"variables": {"n": 1}}),
        ("mutation { a @skip(if: true) b }", {}),
        ("mutation($x: Boolean!) { a @include(if: $x) }", {"variables": {"x": False}}),
        ("mutation @live { a }", {}),
        ("mutation($n: Int @x) { a(x: $n) }", {"variables": {"n": 1}}),
        ("mutation { ... @skip(if: true) { a } }", {}),
        ("{ ...F } fragment F on Query @x { a }", {}),
        ("{ ...F }", {}),
        ("{ ...F } fragment F on Query { ...F }", {}),
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", {}),
        ("{ ...F } fragment F on Query { a } fragment F on Query { b }", {}),
        ("mutation { ... on Query { a } }", {}),
        ("mutation { ...F } fragment F on Root { a }", {}),
        ('{ a(x: """block""") }', {}),
        ("{ a } # \u2028 { b }", {}),
        ("{ a }\u00a0", {}),
        ("{ a # comment\r b }", {}),
        ("{ \ufeffa }", {}),
        ("{ a(x: 08) }", {}),
        (f"{{ a(x: {'9' * 5000}) }}", {}),
        ('{ a(x: "\ud800") }', {}),
        ("{ a }", {"variables": "{}"}),
        ("{ a }", {"variables": []}),
        ("{ a }", {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}),
        ("{ a }", {"id": "stored"}),
        (None, {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}),
        (["{ a }"], {}),
    ],
)
def test_what_servers_read_in_more_than_one_way_is_refused(
    document: Any, members: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        said(document, **members)


@pytest.mark.parametrize(
    "body",
    [
        b'[{"query": "{ a }"}, {"query": "mutation { b }"}]',
        b'{"query": "{ a }", "query": "mutation { b }"}',
        b'{"query": "query($n: Int) { a(x: $n) }", "variables": {"n": 1, "n": 8}}',
        b'\xef\xbb\xbf{"query": "{ a }"}',
        b"query=%7B%20a%20%7D",
        b"{ a }",
        b"",
    ],
)
def test_a_body_that_is_not_one_request_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_a_document_is_bounded_in_length_tokens_depth_aliases_and_fields() -> None:
    deep = MAX_DEPTH - 1
    assert said("{a" * deep + "}" * deep)
    many = MAX_TOKENS // 2
    for document in (
        "{ a }" + " " * MAX_DOCUMENT,
        "{" + "a " * many * 2 + "}",
        "{a" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1),
        "{ a(x: " + "[" * 200 + "]" * 200 + ") }",
        "{" + "".join(f"k{i}: a " for i in range(MAX_ALIASES + 1)) + "}",
        "{" + "a " * (MAX_SELECTIONS + 1) + "}",
    ):
        with pytest.raises(Malformed):
            said(document)


@pytest.mark.parametrize("leaf", ["{ a }", "{ }"])
def test_fragments_that_would_unfold_into_millions_are_cut_off(leaf: str) -> None:
    doubling = " ".join(
        f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }}" for i in range(MAX_DEPTH - 4)
    )
    with pytest.raises(Malformed):
        said(f"{{ ...F0 }} {doubling} fragment F{MAX_DEPTH - 4} on Query {leaf}")


def test_depth_is_counted_before_the_parser_calls_itself() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        with pytest.raises(Malformed):
            said("{a" * (MAX_TOKENS // 2 - 1))
    finally:
        sys.setrecursionlimit(limit)


@given(st.text(max_size=60))
def test_no_document_raises_anything_but_malformed(document: str) -> None:
    try:
        operation = read(json.dumps({"query": document}).encode())
    except Malformed:
        return
    assert operation.kind in ("query", "mutation")


def test_only_an_answer_with_data_has_any() -> None:
    assert answered(b'{"data": {"a": 1}}') == {"a": 1}
    for answer in (b'{"data": null}', b'{"errors": []}', b"[]", b"x", b'{"data": 1, "data": 2}'):
        assert answered(answer) is None
