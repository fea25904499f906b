"""Whatever a provider answers, whoever knocks: an answer of ours, never a crash or a pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kycgate.errors import KycgateError
from kycgate.issuer.providers.base import Outcome
from tests.issuer.providers.stand_in import NAMES, NOW, REFERENCES, make, recorded, signed

every = pytest.mark.parametrize("name", NAMES)
_ANSWERS = {"sumsub": "sumsub_applicant", "persona": "persona_inquiry", "stripe": "stripe_session"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, branches included."""
    if not isinstance(value, dict | list):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(each for key, one in inner for each in leaves(one, (*path, key)))]


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at one place."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


def answering(name: str, document: Any) -> Any:
    provider: Any = make(name)
    provider._http.ask = lambda asked: document
    return provider


@every
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_in_an_answer_is_read_or_refused(name: str, data: st.DataObject) -> None:
    document = recorded(_ANSWERS[name])
    path = data.draw(st.sampled_from(leaves(document)[1:]))
    changed = put(document, path, data.draw(JSON))
    try:
        found = answering(name, changed).fetch(REFERENCES[name], now=NOW)
    except KycgateError:
        return
    if found.claimed is not None:
        assert found.outcome is Outcome.PASSED
        json.dumps(dict(found.claimed.document))
        assert found.claimed.name
        assert 0 <= found.claimed.country < 1000
        assert found.decided_at is None or 0 <= found.decided_at <= NOW


@given(code=JSON)
@settings(max_examples=50, deadline=None)
def test_any_error_code_of_stripes_passes_nobody(code: Any) -> None:
    document = recorded("stripe_session") | {
        "status": "requires_input",
        "last_error": {"code": code},
    }
    found = answering("stripe", document).fetch(REFERENCES["stripe"], now=NOW)
    assert found.outcome in (Outcome.OPEN, Outcome.RETRY, Outcome.REFUSED)


@every
@given(document=st.dictionaries(st.text(max_size=8), JSON, max_size=4))
@settings(max_examples=50, deadline=None)
def test_any_object_at_all_passes_nobody(name: str, document: dict[str, Any]) -> None:
    try:
        found = answering(name, document).fetch(REFERENCES[name], now=NOW)
    except KycgateError:
        return
    assert found.outcome is not Outcome.PASSED


@every
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=100, deadline=None)
def test_any_rightly_signed_body_is_read_or_refused(name: str, body: bytes) -> None:
    try:
        event = make(name).read_event(signed(name, body), body, now=NOW)
    except KycgateError:
        return
    assert event.reference is None


@every
@given(headers=st.dictionaries(st.text(max_size=20), st.text(max_size=80)), value=st.text())
@settings(max_examples=100, deadline=None)
def test_any_headers_without_the_right_signature_are_refused(
    name: str, headers: dict[str, str], value: str
) -> None:
    own = dict.fromkeys(signed(name, b"{}"), value)
    for given_headers in (
        headers,
        headers | own,
        own | {"x-payload-digest-alg": "HMAC_SHA256_HEX"},
    ):
        with pytest.raises(KycgateError):
            make(name).read_event(given_headers, b"{}", now=NOW)
