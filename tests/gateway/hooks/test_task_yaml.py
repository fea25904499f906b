"""YAML from strangers: no bomb, no second reading, no object but plain ones."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.errors import Malformed
from kycgate.gateway.hooks.task_yaml import BYTES_MOST, read_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_plain_document_is_read() -> None:
    assert read_yaml("a: 1\nb: [x, {c: null}]\n", field="t") == {"a": 1, "b": ["x", {"c": None}]}


def test_an_alias_is_read_where_it_stays_small() -> None:
    assert read_yaml("a: &x {b: 1}\nc: *x\n", field="t") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: &a\n  b: *a\n",
        "a: 1\na: 2\n",
        "a: {b: 1, b: 2}\n",
        "a: &x {b: 1}\nc:\n  <<: *x\n",
        "a: 1\n---\nb: 2\n",
        "a: !!python/object/apply:os.system ['true']\n",
        "!!python/name:os.system x\n",
        "? [a, b]\n: 1\n",
        "a: " + "[" * 5000,
        "a: " + "[" * 40 + "]" * 40,
        "- a\n",
        "",
        "a: 'open\n",
        "a: 1\n" * 20_000,
        "a: " + "x" * BYTES_MOST,
        "a: \ud800\n",
    ],
)
def test_a_bomb_or_a_second_reading_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_yaml(text, field="task")
    assert caught.value.field == "task"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:&*[]{}-?!<>|'\" \n,#%@`1.~", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Malformed):
        assert isinstance(read_yaml(text, field="t"), dict)
