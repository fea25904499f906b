"""CBOR from outside is read in one way or not at all, whatever it costs the sender to write."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.core.signature import Invalid
from kycgate.errors import Malformed, TooLarge
from kycgate.issuer.credentials import cbor
from tests.issuer.credentials.world import checked, vector


def refused(data: bytes) -> str:
    with pytest.raises(Malformed) as raised:
        cbor.read(data, field="x")
    return raised.value.message


def test_deep_cbor_is_refused_before_it_costs_anything() -> None:
    for opening in (b"\x81", b"\xa1\x00", b"\x82\x00"):
        assert "deeper" in refused(opening * 20_000 + b"\x00")


def test_huge_cbor_is_refused() -> None:
    with pytest.raises(TooLarge):
        cbor.read(b"\x5a\x00\x01\x00\x00" + bytes(2**16), field="x")


@pytest.mark.parametrize("major", [0x40, 0x60, 0x80, 0xA0])
def test_a_claimed_length_allocates_nothing(major: int) -> None:
    assert "beyond the end" in refused(bytes([major | 27]) + b"\xff" * 8)
    assert "beyond the end" in refused(bytes([major | 26]) + b"\x7f\xff\xff\xff" + b"\x00")


def test_many_small_items_are_refused() -> None:
    assert "items" in refused(b"\x99\x20\x00" + b"\x00" * 8192)


@pytest.mark.parametrize(
    "data",
    [
        b"\x5f\x41\x00\xff",
        b"\x7f\x61\x61\xff",
        b"\x9f\x00\xff",
        b"\xbf\x00\x00\xff",
        b"\xa1\x00\x9f\xff",
        b"\xff",
    ],
)
def test_indefinite_lengths_are_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize(
    "data",
    [b"\xa2\x61a\x00\x61a\x01", b"\xa2\x01\x00\x01\x01", b"\xa2\x01\x00\x18\x01\x01"],
)
def test_a_duplicate_map_key_is_refused_however_it_is_written(data: bytes) -> None:
    assert "twice" in refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1\x00",
        b"\xc2\x41\x01",
        b"\xc3\x41\x01",
        b"\xd8\x1c\x80",
        b"\xd8\x1d\x00",
        b"\xd8\x23\x61(",
        b"\xd9\x01\x02\x80",
        b"\xd9\x01\x00\x80",
        b"\xd9\xd9\xf7\x00",
    ],
    ids=["epoch", "big", "big-", "shared", "reference", "regex", "set", "strings", "self"],
)
def test_tag_bombs_are_refused(data: bytes) -> None:
    assert "tag" in refused(data)


def test_a_tower_of_tags_is_refused() -> None:
    refused(b"\xd8\x18" * 30_000 + b"\x40")


@pytest.mark.parametrize("data", [b"\xd8\x18\x00", b"\xd8\x18\x61a", b"\xc0\x00", b"\xc0\x40"])
def test_a_tag_over_something_else_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00",
        b"\xf9\x3c\x00",
        b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        b"\xf7",
        b"\xf8\x20",
        b"\x1c",
        b"\x62\xff\xff",
        b"\xa1\x80\x00",
        b"\xa1\xf5\x00",
        b"\xa1\x41a\x00",
    ],
    ids=[
        "nothing",
        "trailing",
        "float",
        "nan",
        "undefined",
        "simple",
        "reserved",
        "utf-8",
        "array key",
        "bool key",
        "bytes key",
    ],
)
def test_what_has_no_one_reading_is_refused(data: bytes) -> None:
    refused(data)


def test_lengths_longer_than_need_be_are_read() -> None:
    assert cbor.read(b"\xb9\x00\x01\x78\x01a\x1b" + bytes(7) + b"\x05", field="x") == {"a": 5}


def test_an_embedded_item_keeps_the_bytes_as_sent() -> None:
    sent = b"\xd8\x18\x59\x00\x01\xa0"
    assert cbor.read(sent, field="x") == cbor.Embedded(sent, b"\xa0")


@pytest.mark.parametrize("name", ["annex_d_4_1_2", "android_response"])
def test_the_published_responses_are_read_as_cbor2_reads_them(name: str) -> None:
    response = vector(name)
    assert same(cbor.read(response, field="x"), cbor2.loads(response))


def same(ours: Any, theirs: Any) -> bool:
    """Whether two readings agree; of tags, only what tells them apart."""
    if isinstance(ours, cbor.Embedded):
        return bool(theirs == cbor2.CBORTag(24, ours.content))
    if isinstance(ours, cbor.Dated):
        return True
    if isinstance(ours, list):
        pairs = zip(ours, theirs, strict=True)
        return isinstance(theirs, list | tuple) and all(same(a, b) for a, b in pairs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    return type(ours) is type(theirs) and bool(ours == theirs)


ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.binary(max_size=20).map(lambda content: cbor2.CBORTag(24, content)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.integers(-9, 9), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(ITEMS)
def test_what_cbor2_writes_is_read_alike(value: Any) -> None:
    assert same(cbor.read(cbor2.dumps(value), field="x"), value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_cbor2_reads_them_or_refused(data: bytes) -> None:
    try:
        ours = cbor.read(data, field="x")
    except Malformed:
        return
    if not isinstance(ours, cbor.Dated) and b"\xc0" not in data and b"\xd9\x03\xec" not in data:
        assert same(ours, cbor2.loads(data))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_changed_byte_in_a_response_is_a_refusal_and_nothing_else(at: int, value: int) -> None:
    data = bytearray(vector("annex_d_4_1_2"))
    data[at] = value
    verdict = checked(bytes(data))
    assert isinstance(verdict, Invalid)
