"""Expressions of a description: bounded when read, and never converting what they find."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kycgate.errors import Malformed
from kycgate.gateway.adapters.expressions import (
    Expression,
    filled,
    model_of,
    placeholders,
    price_of,
    whole_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "context", "found"),
    [
        ("body.n", {"body": {"n": 8}}, 8),
        ("not_null(body.n, offer.count)", {"body": {}, "offer": {"count": 2}}, 2),
        ("not_null(body.n, offer.count)", {"body": {"n": 0}, "offer": {"count": 2}}, 0),
        ("length(gpus[])", {"gpus": [["a"], "b"]}, 2),
        ("rows[?id=='x'].n | [0]", {"rows": [{"id": "x", "n": 1}]}, 1),
        ("code == `0`", {"code": 0}, True),
        ("code == `0`", {"code": False}, False),
        ("a.b.c", {"a": 7}, None),
        ("length(n)", {"n": 7}, None),
        ("length(n)", {"n": Decimal("1.5")}, None),
        ("n > `1`", {"n": "x"}, None),
    ],
)
def test_an_expression_finds_a_value_or_nothing(text: str, context: Any, found: Any) -> None:
    value = Expression.read(text).value(context)
    assert value == found
    assert type(value) is type(found)


@pytest.mark.parametrize(
    "text",
    [
        "body.",
        "to_number(body.n)",
        "sort_by(rows, &id)",
        "join('', [a, b])",
        "not_null(to_string(a))",
        "map(&to_number(n), rows)",
        "a" * 201,
        "a" + ".b" * 45,
        "nosuch(a)",
        "[" * 150,
    ],
)
def test_an_expression_that_converts_costs_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Expression.read(text)


@pytest.mark.parametrize(
    ("value", "model"),
    [
        ("H100", "H100"),
        (["H100", "H100"], "H100"),
        (["H100", "RTX 3090"], None),
        (["H100", None], None),
        ([["H100"]], None),
        ([], None),
        ("", None),
        (" H100", None),
        ("H\u0661\u0660\u0660", None),
        ("H100\x00", None),
        ("x" * 129, None),
        (100, None),
        (None, None),
    ],
)
def test_a_model_is_one_plain_name(value: Any, model: str | None) -> None:
    assert model_of(value) == model


def test_numbers_are_taken_as_they_are_or_not_at_all() -> None:
    for value in ("8", 8.0, Decimal("8"), True, None, [8], 0, 9):
        assert whole_of(value, least=1, most=8) is None
    assert whole_of(8, least=1, most=8) == 8
    for price in ("0.5", True, -1, Decimal("Infinity"), Decimal("-0.1"), 10**7, 0.5):
        assert price_of(price) is None
    assert (price_of(2), price_of(Decimal("0.5"))) == (2, Decimal("0.5"))


@given(JSON)
def test_no_value_makes_an_expression_raise(context: Any) -> None:
    for text in ("a.b", "length(a)", "a[].b", "a == `0`", "not_null(a, b)", "a[?b > `1`]", "@"):
        value = Expression.read(text).value(context)
        model_of(value)
        whole_of(value, least=1, most=8)
        price_of(value)


@given(st.text())
def test_a_word_can_write_no_json_of_its_own(word: str) -> None:
    template = {"detail": "{message}", "list": ["{message}", "a {message}"], "n": 6, "o": {}}
    assert filled(template, {"message": word}) == {
        "detail": word, "list": [word, "a {message}"], "n": 6, "o": {},
    }  # fmt: skip


def test_a_number_is_put_in_as_a_number() -> None:
    assert filled({"id": "{x:number}"}, {"x": "42"}) == {"id": 42}
    assert placeholders({"id": "{x:number}", "a": ["{y}", 1, "no {z}"]}) == {"x:number", "y"}
