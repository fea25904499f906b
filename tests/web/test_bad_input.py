"""What can't be read is refused with the field's name and a remedy, and never with a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kycgate.errors import KycgateError, Malformed
from kycgate.web.wire import Call, Fields, read_fields
from tests.web.browser import ALICE, Browser, key_of, signed_in, tool
from tests.web.world import World

MISTYPED = "0x70997970C51812dc3A010C7d01b50e0d17dc79c8"
"""One letter in the wrong case: the checksum fails."""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b"\xff\xfe{}", "body"),
        (b'{"label": "a", "label": "b"}', "label"),
        (b'{"days": 1, "days": 2}', "days"),
        (b'{"days": NaN}', "body"),
        (b'{"days": Infinity}', "body"),
        (b'{"days": 1.0}', "body"),
        (b'{"days": 1e3}', "body"),
        (b'{"days": "1"}', "days"),
        (b'{"days": true}', "days"),
        (b'{"days": null}', "days"),
        (b'{"days": 0}', "days"),
        (b'{"days": 31}', "days"),
        (b'{"days": -1}', "days"),
        (b'{"days": 1' + b"0" * 5000 + b"}", "body"),
        (b'{"label": 7}', "label"),
        (b'{"label": ""}', "label"),
        (b'{"label": "a\\nb"}', "label"),
        (b'{"label": "a\\u0000b"}', "label"),
        (b'{"label": "\\ud800"}', "body"),
        (b'{"label": "' + b"x" * 61 + b'"}', "label"),
        (b'{"scope": []}', "scope"),
        (b'{"scope": "rent"}', "scope"),
        (b'{"scope": ["rent", "rent"]}', "scope"),
        (b'{"scope": ["everything"]}', "scope"),
        (b'{"scope": [["rent"]]}', "scope"),
        (b'{"admin": true}', "admin"),
        (b'{"__proto__": {}}', "__proto__"),
        (b"[" * 60_000, "body"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "body"),
    ],
)
def test_a_bad_body_is_refused_by_name(world: World, body: bytes, field: str) -> None:
    response = tool(world).raw("/v1/keys", body)
    document = response.get_json()
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert document["field"] == field
    assert document["remedy"]
    assert "Traceback" not in response.text
    assert world.store.keys_of(key_of(ALICE)) == []


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024])
def test_an_oversized_body_is_413(world: World, size: int) -> None:
    body = b'{"label": "' + b"x" * (size - 13) + b'"}'
    response = tool(world).raw("/v1/keys", body)
    assert response.status_code == 413
    assert response.get_json()["field"] == "body"
    assert "65536" in response.get_json()["remedy"]


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_only_json_is_read(world: World, media: str) -> None:
    """A plain HTML form on another site can send these without asking first."""
    response = tool(world).raw("/v1/keys", b"{}", media)
    assert (response.status_code, response.get_json()["field"]) == (400, "Content-Type")


def test_a_charset_on_the_media_type_is_fine(world: World) -> None:
    response = tool(world).raw("/v1/keys", b"{}", "application/json; charset=utf-8")
    assert response.status_code == 201


@pytest.mark.parametrize(
    "query", ["", "?job=0x12", "?job=0x" + "zz" * 32, "?x=1", "?job=0x&job=0x", "?job=%00"]
)
def test_a_bad_query_is_refused(world: World, query: str) -> None:
    assert tool(world).get(f"/v1/permits{query}").status_code == 400


@pytest.mark.parametrize(
    "path", ["/v1/status?x=1", "/v1/keys?limit=5", "/v1/session?token=kgs_x", "/healthz?deep=1"]
)
def test_unknown_parameters_are_not_ignored(world: World, path: str) -> None:
    assert tool(world).get(path).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/cases/../keys",
        "/v1/cases/%2e%2e",
        "/v1/cases/a%0d%0aSet-Cookie:%20x=1",
        "/v1/cases/" + "a" * 500,
        "/v1/cases/%F0%9F%92%A9",
        "/v1/nothing",
        "/v1/",
        "/v1/keys/",
        "/v1//keys",
        "/\\evil.test",
        "/r/../../etc/passwd",
        "/r//evil.test",
    ],
)
def test_odd_paths_lead_nowhere(world: World, path: str) -> None:
    """No redirect is ever sent: there is none to bend."""
    response = tool(world).get(path)
    assert response.status_code == 404
    assert "Location" not in response.headers
    assert "Set-Cookie" not in response.headers
    assert "evil.test" not in response.text


@pytest.mark.parametrize("path", ["//evil.test/v1/keys", "//evil.test", "/v1/cases/\r\nX: y"])
def test_a_path_that_looks_like_a_host_is_not_redirected(world: World, path: str) -> None:
    response = Browser(world).client.get("/", environ_overrides={"PATH_INFO": path})
    assert response.status_code in (401, 404)
    assert "Location" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "DELETE"])
def test_other_methods_are_refused(world: World, method: str) -> None:
    response = Browser(world).client.open("/v1/status", method=method)
    assert response.status_code == 405
    assert response.mimetype == "application/problem+json"
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/challenge", {"account": "0x12", "chain_id": 1}, "account"),
        ("/v1/challenge", {"account": "0x" + "0" * 39 + "g", "chain_id": 1}, "account"),
        ("/v1/challenge", {"account": MISTYPED, "chain_id": 1}, "account"),
        ("/v1/challenge", {"chain_id": 1}, "account"),
        ("/v1/challenge", {"account": "0x" + "11" * 20, "chain_id": "1"}, "chain_id"),
        ("/v1/challenge", {"account": "0x" + "11" * 20, "chain_id": 1, "scope": "root"}, "scope"),
        ("/v1/session", {"message": "hello", "signature": "0x12"}, "message"),
        ("/v1/session", {"message": "a\r\nb", "signature": "0x12"}, "message"),
        ("/v1/session", {"message": "x" * 4097, "signature": "0x12"}, "message"),
        ("/v1/session", {"message": "x", "signature": "12"}, "signature"),
        ("/v1/session", {"message": "x", "signature": "0x1"}, "signature"),
    ],
)  # fmt: skip
def test_sign_in_names_what_is_wrong(
    world: World, path: str, body: dict[str, Any], field: str
) -> None:
    browser = Browser(world)
    browser.challenge()
    response = browser.post(path, body)
    assert response.status_code == 400
    assert response.get_json()["field"] == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "0x12"}, "provider"),
        ({"max_value": 5}, "max_value"),
        ({"max_value": "-5"}, "max_value"),
        ({"max_value": "007"}, "max_value"),
        ({"max_value": str(2**256)}, "max_value"),
        ({"gpu_count": 0}, "gpu_count"),
        ({"gpu_count": 2**53}, "gpu_count"),
        ({"hours": "24"}, "hours"),
        ({"action": "steal"}, "action"),
        ({"idempotency_key": "é"}, "idempotency_key"),
        ({"idempotency_key": "a b"}, "idempotency_key"),
        ({"policy": "0x"}, "policy"),
    ],
)
def test_a_bad_permit_request_is_named(world: World, change: dict[str, Any], field: str) -> None:
    whole = {"provider": "0x" + "11" * 20, "token": "0x" + "22" * 20, "max_value": "5"}
    response = tool(world).post("/v1/permits", whole | change)
    assert response.status_code == 400
    assert response.get_json()["field"] == field


def test_the_identity_rooms_own_complaint_reaches_the_caller(world: World) -> None:
    response = tool(world).post("/v1/cases", {"kind": "person", "details": {"country": "SG"}})
    assert response.status_code == 400
    assert response.get_json()["field"] == "details.name"


def test_a_refusal_that_does_not_exist_is_named(world: World) -> None:
    body = {"kind": "person", "details": {"name": "A"}, "refusal_id": "r" * 22}
    response = tool(world).post("/v1/cases", body)
    assert (response.status_code, response.get_json()["field"]) == (400, "refusal_id")
    assert world.registrar.told == []


def test_a_fault_of_ours_shows_only_the_request_id(world: World) -> None:
    class Broken:
        def stale(self, *, now: int) -> tuple[()]:
            raise RuntimeError("password=hunter2")

    parts = replace(world.parts, lists=Broken())
    response = Browser(replace(world, parts=parts), origin=None).get("/healthz")
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert response.get_json()["request_id"] == response.headers["Kycgate-Request"]


def test_an_inner_address_never_leaves_with_an_outage(world: World) -> None:
    world.registrar.down = True
    response = tool(world).get("/v1/status")
    assert (response.status_code, response.get_json()["code"]) == (503, "dependency")
    assert "secret" not in response.text


def _call(body: bytes) -> Call:
    headers = (("Content-Type", "application/json"),)
    return Call("POST", "/v1/keys", "", {}, headers, {}, body, 0, "r")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        fields = read_fields(_call(body), ("label",))
    except KycgateError:
        return
    assert isinstance(json.loads(body), dict)
    assert set(fields.values) <= {"label"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=300)
@given(_JSON)
def test_any_value_in_a_field_is_taken_or_refused_by_name(value: Any) -> None:
    fields = Fields({"x": value})
    for read in (
        lambda: fields.text("x", most=10),
        lambda: fields.whole("x", least=0, most=9),
        lambda: fields.amount("x"),
        lambda: fields.choice("x", ("a",)),
        lambda: fields.choices("x", ("a", "b")),
        lambda: fields.mapping("x"),
        lambda: fields.address("x"),
        lambda: fields.octets("x", most=8),
        lambda: fields.message("x", most=10),
    ):
        assert _complaint(read) in (None, "x")


def _complaint(read: Callable[[], object]) -> str | None:
    """The field a reading names when it refuses; None when it takes the value."""
    try:
        read()
    except Malformed as error:
        return error.field
    return None


def test_a_repeated_header_is_refused(world: World) -> None:
    browser = signed_in(world)
    response = browser.client.post(
        "/v1/keys",
        data=b"{}",
        headers=[("Origin", "http://gate.test"), ("Origin", "http://evil.test")],
        content_type="application/json",
        base_url="http://gate.test",
    )
    assert response.status_code in (400, 403)
    assert world.store.keys_of(key_of(ALICE)) == []
